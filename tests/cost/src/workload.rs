//! A stack with people, an endpoint and a Withings, and what happens on it.

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::secret::Secret;
use afferent_local::network::{Receiver, Reply, WITHINGS_HOST, WithingsHost};
use afferent_local::{Bill, Setup, Simulation, Ticks};
use afferent_play::seed::{Consent, Seeder};
use http::StatusCode;
use withings_simulator::sample::Person;
use withings_simulator::{ClientApp, Latency, Measure, MeasureGroup, NewUser, Notify, Settings, Simulator};

use crate::Error;
use crate::logs::{Lines, OF_AN_INVOCATION};

/// How long a call to an AWS service takes, in milliseconds.
const AWS_MS: (u64, u64) = (4, 8);
/// How long a call to Withings takes, there and back.
const WITHINGS_MS: [u64; 2] = [90, 110];
/// How long a receiver takes.
const RECEIVER: Duration = Duration::from_millis(100);
/// How long a person must have been connected before the workload, so that nothing of connecting is counted.
const SETTLED: Duration = Duration::from_secs(3 * 3600);
/// How long after the last notification is counted.
const REST: Duration = Duration::from_secs(1800);

/// What happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Play {
    /// How many people there are.
    pub(crate) people: usize,
    /// How many notifications come, in turn about each of them.
    pub(crate) notifications: usize,
    /// How far apart.
    pub(crate) apart: Duration,
    /// How many values each measurement has.
    pub(crate) records: usize,
}

/// What it used, and what it brought.
#[derive(Clone, Debug, Default)]
pub(crate) struct Used {
    pub(crate) bill: Bill,
    pub(crate) log_bytes: u64,
    pub(crate) notifications: usize,
    pub(crate) calls: usize,
    pub(crate) delivered: usize,
    pub(crate) span: Duration,
}

pub(crate) struct World {
    stack: Simulation,
    withings: Arc<Simulator>,
    receiver: Receiver,
    people: Vec<Person>,
}

impl World {
    /// What a workload uses, less what the same span uses without it.
    pub(crate) async fn measure(play: &Play, lines: &Lines) -> Result<Used, Error> {
        let world = Self::start(play.people).await?;
        let span = play.apart * u32::try_from(play.notifications)? + REST;
        let before = world.count(lines, async || tokio::time::sleep(span).await).await;
        let mut used = world.count(lines, async || world.play(play).await).await;
        used.subtract(&before);
        used.notifications = play.notifications;
        assert_eq!(used.delivered, play.notifications * play.records, "everything was delivered");
        Ok(used)
    }

    /// What an hour without people or notifications uses, with the keeper at every minute.
    pub(crate) async fn idle(lines: &Lines) -> Result<Used, Error> {
        let world = Self::of(0, Ticks::Every).await?;
        tokio::time::sleep(Duration::from_secs(3600)).await;
        Ok(world.count(lines, async || tokio::time::sleep(Duration::from_secs(3600)).await).await)
    }

    async fn start(people: usize) -> Result<Self, Error> {
        Self::of(people, Ticks::WhenDue).await
    }

    async fn of(people: usize, ticks: Ticks) -> Result<Self, Error> {
        // No sweep in the middle of it: what sweeps cost is a number of its own.
        let off = [("SweepUpdates", "off"), ("SweepRecent", "off"), ("SweepMonth", "off"), ("BackfillDays", "0")];
        let parameters = off.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let setup = Setup { parameters, ticks, aws_latency_ms: AWS_MS, ..Setup::default() };
        let stack = Simulation::start(setup).await?;
        let client = ClientApp {
            client_id: "simulatedclient".to_owned(),
            client_secret: "simulatedsecret".to_owned(),
            redirect_uris: Vec::new(),
        };
        let latency = Latency { to_server_ms: WITHINGS_MS, to_client_ms: WITHINGS_MS };
        let settings = Settings { clients: vec![client], latency, ..Settings::default() };
        let withings = Arc::new(Simulator::new(settings, stack.clock.clone(), stack.dice.clone()));
        withings.connect(stack.network.clone());
        stack.network.put(WITHINGS_HOST, Arc::new(WithingsHost(withings.clone())));
        let receiver = Receiver::new(stack.clock.clone());
        receiver.always(Reply::After(RECEIVER, Box::new(Reply::Status(StatusCode::NO_CONTENT.as_u16()))));
        stack.network.put("receiver.example", Arc::new(receiver.clone()));
        let seeder = Seeder::new(&stack.rim, &stack.template.place.stack);
        seeder.endpoint("receiver", "https://receiver.example/hook", &["body_weight.*", "*"]).await?;
        let mut world = Self { stack, withings, receiver, people: Vec::new() };
        for number in 0..people {
            world.welcome(&seeder, number).await?;
        }
        tokio::time::sleep(SETTLED).await;
        Ok(world)
    }

    async fn welcome(&mut self, seeder: &Seeder, number: usize) -> Result<(), Error> {
        let userid = self.withings.create_user(NewUser::default())?;
        let tokens = self.withings.issue_tokens(userid, None, "")?;
        let consent = Consent {
            region: "eu".to_owned(),
            userid: userid.to_string(),
            tz: "UTC".to_owned(),
            access_token: Secret::new(tokens.access_token),
            refresh_token: Secret::new(tokens.refresh_token),
            expires_in: Duration::from_secs(tokens.expires_in),
        };
        seeder.connect_quietly(&format!("person-{number}"), &consent).await?;
        self.withings.subscribe(userid, None, &[], &stack_tests::callback())?;
        self.people.push(Person::of(userid));
        Ok(())
    }

    async fn play(&self, play: &Play) {
        const TYPES: [i64; 5] = [1, 6, 76, 77, 88];
        for number in 0..play.notifications {
            let person = &self.people[number % self.people.len()];
            let now = self.stack.clock.now().as_secs();
            let value = i64::try_from(number).unwrap_or_default();
            let values = TYPES.iter().cycle().take(play.records).map(|kind| Measure::new(*kind, 10_000 + value, -3));
            // Each at an instant of its own, so that none is taken for another one.
            let group = MeasureGroup::taken(&person.scale, now - 60 - value, values.collect());
            if self.withings.add(person.userid, [group], Notify::Yes).is_err() {
                return;
            }
            tokio::time::sleep(play.apart).await;
        }
        tokio::time::sleep(REST).await;
    }

    async fn count(&self, lines: &Lines, act: impl AsyncFnOnce()) -> Used {
        let (began, bytes) = (self.stack.clock.now(), lines.bytes());
        let (calls, delivered) = (self.withings.calls().len(), self.receiver.sent().len());
        self.stack.dynamodb.meter().start();
        act().await;
        let bill = self.stack.dynamodb.meter().take();
        let invocations: u64 = bill.invocations.values().map(|(count, _)| count).sum();
        Used {
            bill,
            log_bytes: lines.bytes() - bytes + invocations * OF_AN_INVOCATION,
            notifications: 0,
            calls: self.withings.calls().len() - calls,
            delivered: self.receiver.sent().len() - delivered,
            span: self.stack.clock.now().since(began),
        }
    }
}

impl Used {
    fn subtract(&mut self, other: &Self) {
        for (table, units) in &other.bill.writes {
            *self.bill.writes.entry(table.clone()).or_default() -= units;
        }
        for (table, units) in &other.bill.reads {
            *self.bill.reads.entry(table.clone()).or_default() -= units;
        }
        for (operation, requests) in &mut self.bill.queues {
            *requests = requests.saturating_sub(other.bill.queues.get(operation).copied().unwrap_or_default());
        }
        for (function, (count, time)) in &mut self.bill.invocations {
            let (others, took) = other.bill.invocations.get(function).copied().unwrap_or_default();
            *count = count.saturating_sub(others);
            *time = time.saturating_sub(took);
        }
        self.bill.secrets = self.bill.secrets.saturating_sub(other.bill.secrets);
        self.log_bytes = self.log_bytes.saturating_sub(other.log_bytes);
        self.delivered -= other.delivered;
    }
}
