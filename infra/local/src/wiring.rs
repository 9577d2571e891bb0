//! From the template to running event sources: the same for the stack and for the simulation.

use std::collections::BTreeMap;
use std::sync::Arc;

use afferent_domain::Clock;
use local_sqs::{Draft, Sqs};
use serde_json::json;
use tokio::task::JoinSet;

use crate::dynamodb::DynamoDb;
use crate::invoke::Invoke;
use crate::schedule::{Due, Scheduler};
use crate::sources::{Positions, QueueReader, StreamReader};
use crate::template::{Function, Queue, Source, Template};

/// What event sources read from and feed.
#[derive(Clone)]
pub(crate) struct Wiring {
    pub template: Arc<Template>,
    pub clock: Arc<dyn Clock>,
    pub dynamodb: DynamoDb,
    pub sqs: Arc<Sqs>,
    pub invoke: Arc<dyn Invoke>,
    pub positions: Positions,
    /// Which schedules run at all: by their period in seconds.
    pub schedules: Schedules,
}

/// How the schedules run.
#[derive(Clone)]
pub(crate) enum Schedules {
    /// At every tick, and once at the start.
    Every { at_start: bool },
    /// Those of less than an hour only on ticks when something is due.
    WhenDue(Due),
    /// Not at all.
    Off,
}

/// Makes the template's queues; what is there from an earlier run gets today's settings.
pub(crate) async fn make_queues(sqs: &Sqs, template: &Template) -> Result<(), local_sqs::Error> {
    // Dead-letter queues first: a redrive policy must name a queue that is there.
    let (first, then): (Vec<&Queue>, Vec<&Queue>) = template.queues.iter().partition(|queue| queue.redrive.is_none());
    for queue in first.into_iter().chain(then) {
        let mut attributes = BTreeMap::from([
            ("VisibilityTimeout", queue.visibility.as_secs().to_string()),
            ("MessageRetentionPeriod", queue.retention.as_secs().to_string()),
            ("DelaySeconds", queue.delay.as_secs().to_string()),
        ]);
        if let Some(redrive) = &queue.redrive {
            let policy =
                json!({"deadLetterTargetArn": redrive.target_arn, "maxReceiveCount": redrive.max_receives}).to_string();
            attributes.insert("RedrivePolicy", policy);
        }
        let given: Vec<(&str, &str)> = attributes.iter().map(|(name, value)| (*name, value.as_str())).collect();
        if sqs.create_queue(&queue.name, &given).is_err() {
            let request = json!({"QueueUrl": queue.url, "Attributes": attributes}).to_string();
            let answer = sqs.handle("AmazonSQS.SetQueueAttributes", request.as_bytes(), &template.place.sqs_url).await;
            if answer.status != 200 {
                return sqs.create_queue(&queue.name, &given);
            }
        }
    }
    Ok(())
}

impl Wiring {
    /// Starts everything that wakes `function`. Dropping the set stops it.
    pub fn start(&self, function: &Function) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for source in &function.sources {
            match source {
                Source::Queue(source) => {
                    let Some(queue) = self.template.queue(&source.queue_arn) else { continue };
                    let reader = QueueReader {
                        source: source.clone(),
                        queue: queue.clone(),
                        function: function.name.clone(),
                        sqs: Arc::clone(&self.sqs),
                        invoke: Arc::clone(&self.invoke),
                        region: self.template.place.region.clone(),
                    };
                    tasks.spawn(reader.run());
                }
                Source::Stream(source) => {
                    let reader = StreamReader {
                        source: source.clone(),
                        function: function.clone(),
                        dynamodb: self.dynamodb.clone(),
                        invoke: Arc::clone(&self.invoke),
                        positions: self.positions.clone(),
                        notify: self.notify(),
                        clock: Arc::clone(&self.clock),
                    };
                    tasks.spawn(reader.run());
                }
                Source::Schedule(schedule) => {
                    let (skip_until, at_start) = match &self.schedules {
                        Schedules::Off => continue,
                        Schedules::WhenDue(due) if schedule.every.as_secs() < 3600 => (Some(Arc::clone(due)), false),
                        Schedules::WhenDue(_) => (None, false),
                        Schedules::Every { at_start } => (None, *at_start),
                    };
                    let scheduler = Scheduler {
                        schedule: schedule.clone(),
                        function: function.name.clone(),
                        invoke: Arc::clone(&self.invoke),
                        clock: Arc::clone(&self.clock),
                        skip_until,
                        at_start,
                    };
                    tasks.spawn(scheduler.run());
                }
            }
        }
        tasks
    }

    fn notify(&self) -> crate::sources::Notify {
        let sqs = Arc::clone(&self.sqs);
        let template = Arc::clone(&self.template);
        Arc::new(move |arn, notice| {
            let sent = match template.queue(&arn) {
                None => Ok(String::new()),
                Some(queue) => sqs.send(&queue.name, Draft::of(notice)),
            };
            Box::pin(async move {
                if let Err(error) = sent {
                    tracing::error!(%error, "the on-failure destination could not be told");
                }
            })
        })
    }
}
