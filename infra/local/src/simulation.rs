//! The stack under virtual time: everything in one process, on tokio's paused clock, decided by a seed.
//!
//! To be made inside `#[tokio::test(start_paused = true)]`. Time then passes only when every task waits, and
//! jumps to the next timer.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afferent_domain::{Clock, Dice, Timestamp};
use afferent_function::{Rim, StartError};
use afferent_http::HttpError;
use afferent_metrics::Kept;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use local_sqs::{Config, Sqs};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::clock::{SeededDice, VirtualClock};
use crate::due::due;
use crate::dynamodb::{DynamoDb, DynoxideError, Position};
use crate::front::Front;
use crate::functions::{Functions, Handler};
use crate::invoke::Invoke;
use crate::mail::Mail;
use crate::network::{Host, InProcess, Network};
use crate::secrets::Secrets;
use crate::sources::{Positions, position_name};
use crate::template::{Place, Source, StreamSource, Template};
use crate::traces::logs;
use crate::wiring::{Schedules, Wiring, make_queues};

/// The callback secret that the simulation's `ingest` takes: `/withings/simulated-callback-secret`.
pub const CALLBACK_SECRET: &str = "simulated-callback-secret";

/// The name under which the front door is reached in the simulation's network.
pub const FRONT_HOST: &str = "afferent.example";

/// How many changes of a stream are looked at in one go.
const STREAM_PAGE: usize = 1_000;

/// How the schedules of a simulation run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ticks {
    /// At every tick.
    Every,
    /// The minute schedules only when the due indexes hold something for them, the others at every tick.
    #[default]
    WhenDue,
    /// Not at all.
    Off,
}

/// What a simulation is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Decides everything that chance decides.
    pub seed: u64,
    /// What the clock shows at the start.
    pub epoch: Timestamp,
    /// The template.
    pub template: PathBuf,
    /// Parameters, which go before the simulation's own.
    pub parameters: BTreeMap<String, String>,
    /// How the schedules run.
    pub ticks: Ticks,
    /// How long each AWS call takes, in milliseconds, from and to.
    pub aws_latency_ms: (u64, u64),
    /// How often expired items are swept.
    pub sweep_every: Duration,
    /// Most messages in flight per queue.
    pub in_flight_limit: usize,
    /// Whether X-Ray records every invocation; else none.
    pub sampled: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            seed: 1,
            epoch: Timestamp::from_secs(1_795_244_400),
            template: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml")),
            parameters: BTreeMap::new(),
            ticks: Ticks::default(),
            aws_latency_ms: (0, 0),
            sweep_every: Duration::from_secs(3600),
            in_flight_limit: Config::default().in_flight_limit,
            sampled: false,
        }
    }
}

/// A stack under virtual time. Dropping it ends everything in it.
pub struct Simulation {
    /// The clock of everything.
    pub clock: Arc<dyn Clock>,
    /// The dice of everything.
    pub dice: Arc<dyn Dice>,
    /// What the template says.
    pub template: Arc<Template>,
    /// DynamoDB, with its faults.
    pub dynamodb: DynamoDb,
    /// SQS, with its faults.
    pub sqs: Arc<Sqs>,
    /// The secrets.
    pub secrets: Secrets,
    /// The letters that were sent, and faults of SES.
    pub mail: Mail,
    /// What the functions counted.
    pub metrics: Arc<Kept>,
    /// The network, to put Withings and receivers in. The front door is in it as [`FRONT_HOST`].
    pub network: Arc<Network>,
    /// What the functions run on: also the way for a test to read tables and send messages.
    pub rim: Rim,
    /// The functions.
    pub functions: Arc<Functions>,
    /// The front door.
    pub front: Front,
    wiring: Wiring,
    sources: Mutex<BTreeMap<String, JoinSet<()>>>,
    _sweeper: JoinSet<()>,
}

impl Simulation {
    /// The whole stack with its six functions, running.
    ///
    /// # Errors
    /// The template cannot be used, or a function cannot start.
    pub async fn start(setup: Setup) -> Result<Self, StartError> {
        let simulation = Self::bare(setup).await?;
        let started = Functions::start(&simulation.template, &simulation.rim).await?;
        for function in &simulation.template.functions {
            if let Some(handler) = started.handler(&function.name) {
                simulation.functions.set(function, handler);
            }
        }
        simulation.resume_all();
        Ok(simulation)
    }

    /// The services and tables without functions: for a test that brings its own handlers. Nothing wakes a
    /// function before [`Self::resume`].
    ///
    /// # Errors
    /// The template cannot be used.
    pub async fn bare(setup: Setup) -> Result<Self, StartError> {
        logs::listen();
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting_at(setup.epoch));
        let dice: Arc<dyn Dice> = Arc::new(SeededDice::new(setup.seed));
        let place = Place { sqs_url: "http://sqs.simulation".to_owned(), ..Place::default() };
        let mut parameters = parameters();
        parameters.extend(setup.parameters);
        let template = Arc::new(Template::read(&setup.template, &place, &parameters)?);

        let dynamodb = DynamoDb::memory(Arc::clone(&clock), &place.region)?;
        for table in &template.tables {
            dynamodb.make(table)?;
        }
        let config = Config {
            account: place.account.clone(),
            region: place.region.clone(),
            in_flight_limit: setup.in_flight_limit,
        };
        let sqs = Arc::new(Sqs::configured(Arc::clone(&clock), config));
        make_queues(&sqs, &template).await?;
        let secrets = Secrets::make(&template.secrets, None, &BTreeMap::new(), &*dice)?;
        let mail = Mail::new(Arc::clone(&clock));
        let network = Network::new(Arc::clone(&dice));
        let aws = InProcess {
            dynamodb: dynamodb.clone(),
            sqs: Arc::clone(&sqs),
            secrets: secrets.clone(),
            mail: mail.clone(),
            sqs_url: place.sqs_url.clone(),
            latency_ms: setup.aws_latency_ms,
            dice: Arc::clone(&dice),
        };
        let metrics = Arc::new(Kept::default());
        let rim = Rim {
            clock: Arc::clone(&clock),
            dice: Arc::clone(&dice),
            http: network.clone(),
            endpoints: network.clone(),
            aws: aws.aws(&place.region, Arc::clone(&clock)),
            metrics: metrics.clone(),
            collector: Some(network.clone()),
        };
        let functions = Arc::new(Functions::metered(dynamodb.meter().clone(), Arc::clone(&clock), setup.sampled));
        let invoke: Arc<dyn Invoke> = functions.clone();
        let front = Front::new(&template, Arc::clone(&invoke), Arc::clone(&clock));
        network.put(FRONT_HOST, Arc::new(front.clone()));
        let schedules = match setup.ticks {
            Ticks::Every => Schedules::Every { at_start: false },
            Ticks::WhenDue => Schedules::WhenDue(due(dynamodb.clone(), &template.tables)),
            Ticks::Off => Schedules::Off,
        };
        let wiring = Wiring {
            template: Arc::clone(&template),
            clock: Arc::clone(&clock),
            dynamodb: dynamodb.clone(),
            sqs: Arc::clone(&sqs),
            invoke,
            positions: Positions::memory(),
            schedules,
        };
        let mut sweeper = JoinSet::new();
        sweeper.spawn(dynamodb.clone().keep_sweeping(setup.sweep_every));
        Ok(Self {
            clock,
            dice,
            template,
            dynamodb,
            sqs,
            secrets,
            mail,
            metrics,
            network,
            rim,
            functions,
            front,
            wiring,
            sources: Mutex::default(),
            _sweeper: sweeper,
        })
    }

    /// Puts a handler in the place of the function called `name` (its binary, logical id or full name).
    pub fn set(&self, name: &str, handler: Handler) {
        if let Some(function) = self.template.function(name) {
            self.functions.set(function, handler);
        }
    }

    /// Lets the event sources of a function run.
    pub fn resume(&self, name: &str) {
        if let Some(function) = self.template.function(name) {
            let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
            sources.entry(function.name.clone()).or_insert_with(|| self.wiring.start(function));
        }
    }

    /// Lets all event sources run.
    pub fn resume_all(&self) {
        for function in &self.template.functions {
            self.resume(&function.name);
        }
    }

    /// Stops the event sources of a function; its running invocations break off where they stand.
    pub fn pause(&self, name: &str) {
        if let Some(function) = self.template.function(name) {
            self.sources.lock().unwrap_or_else(PoisonError::into_inner).remove(&function.name);
        }
    }

    /// The changes in the streams that their functions have not been through yet, in their order.
    ///
    /// # Errors
    /// A stream cannot be read.
    pub fn unread(&self) -> Result<Vec<Value>, DynoxideError> {
        let mut unread = Vec::new();
        for (name, source) in self.streams() {
            let mut position = match self.wiring.positions.get(&name) {
                Some(sequence_number) => Position::After(sequence_number),
                None => Position::Horizon,
            };
            loop {
                let page = self.dynamodb.records(&source.table, &position, STREAM_PAGE)?;
                if page.at_end {
                    break;
                }
                unread.extend(page.records);
                position = page.next;
            }
        }
        Ok(unread)
    }

    /// From now on streams are read from here: what is in them already is shown to no function that has not begun to
    /// read. For tables that are filled with what was told before.
    ///
    /// # Errors
    /// A stream cannot be read.
    pub fn pass_over_streams(&self) -> Result<(), DynoxideError> {
        for (name, source) in self.streams() {
            if let Position::After(sequence_number) = self.dynamodb.end(&source.table)? {
                self.wiring.positions.set(&name, &sequence_number);
            }
        }
        Ok(())
    }

    /// Each stream that a function reads, and what its position is kept as.
    fn streams(&self) -> impl Iterator<Item = (String, &StreamSource)> {
        self.template.functions.iter().flat_map(|function| {
            let streams = function.sources.iter().filter_map(|source| match source {
                Source::Stream(source) => Some(source),
                _ => None,
            });
            streams.map(|source| (position_name(&function.name, &source.table), source))
        })
    }

    /// Invokes a function once, as its event sources would.
    ///
    /// # Errors
    /// The invocation failed.
    pub async fn invoke(&self, name: &str, payload: &str) -> Result<Bytes, crate::InvokeError> {
        let function = self.template.function(name).map(|function| function.name.clone()).unwrap_or_default();
        self.functions.invoke(&function, Bytes::from(payload.to_owned())).await
    }

    /// Sends a request to the front door.
    pub async fn request(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        self.front.answer(&parts, &body).await
    }
}

impl Host for Front {
    fn answer(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, HttpError>> {
        let front = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            Ok(Front::answer(&front, &parts, &body).await)
        })
    }
}

/// Values for the parameters that have no default, and for mail.
fn parameters() -> BTreeMap<String, String> {
    let digest = ring::digest::digest(&ring::digest::SHA256, CALLBACK_SECRET.as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    [
        ("WithingsClientId", "simulatedclient"),
        ("WithingsClientSecret", "simulatedsecret"),
        ("CallbackSecretSha256", &hex),
        ("CallbackUrl", &format!("https://{FRONT_HOST}/withings/{CALLBACK_SECRET}")),
        ("MailFrom", "afferent@stack.example"),
        ("Contact", "operator@stack.example"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}
