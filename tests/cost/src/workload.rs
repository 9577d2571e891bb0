//! A stack with people, an endpoint and a Withings, and what happens on it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::secret::Secret;
use afferent_local::network::{Receiver, Reply, WITHINGS_HOST, WithingsHost};
use afferent_local::{Bill, Setup, Simulation, Ticks};
use afferent_play::seed::{Consent, Seeder};
use http::StatusCode;
use withings_simulator::sample::Person;
use withings_simulator::{
    ClientApp, ControlError, Latency, Measure, MeasureGroup, NewUser, Notify, Settings, Simulator,
};

use crate::Error;
use crate::logs::{EVENT, Lines};

/// How long a call to an AWS service takes, in milliseconds.
const AWS_MS: (u64, u64) = (4, 8);
/// How long a call to Withings takes, there and back.
const WITHINGS_MS: [u64; 2] = [90, 110];
/// How long a receiver takes.
const RECEIVER: Duration = Duration::from_millis(100);
/// How long a person must have been connected before the workload, so that nothing of connecting is counted.
const SETTLED: Duration = Duration::from_secs(1800);
/// How long after the last notification is counted. All of it, with what comes before, is over within the three hours of an
/// access token: a refresh is not a part of a notification.
const REST: Duration = Duration::from_secs(1000);
/// A day, in seconds.
const DAY_S: i64 = 86_400;
/// Hours of series in a changed day.
const HOURS: i64 = 10;

/// What happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Play {
    /// How many people there are.
    pub(crate) people: usize,
    /// How many notifications come, in turn about each of them.
    pub(crate) notifications: usize,
    /// How far apart.
    pub(crate) apart: Duration,
    /// What each of them tells.
    pub(crate) what: What,
    /// Calls to Withings in a minute.
    pub(crate) limit: u32,
}

/// What a notification tells.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    /// A measurement with so many values.
    Values(usize),
    /// A day with ten hours of series.
    Series,
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
        let world = Self::of(play.people, play.limit, Ticks::WhenDue).await?;
        let span = play.apart * u32::try_from(play.notifications)? + REST;
        // Once before it counts: what is made at a person's first record is no part of a later one.
        world.play(play, 0).await;
        let before = world.count(lines, async || tokio::time::sleep(span).await).await;
        let mut used = world.count(lines, async || world.play(play, 1).await).await;
        used.subtract(&before);
        used.notifications = play.notifications;
        match play.what {
            What::Values(values) => assert_eq!(used.delivered, play.notifications * values, "everything was delivered"),
            What::Series => assert!(used.delivered > play.notifications * usize::try_from(HOURS)?, "every hour came"),
        }
        Ok(used)
    }

    /// What an hour without people or notifications uses, with the keeper at every minute.
    pub(crate) async fn idle(lines: &Lines) -> Result<Used, Error> {
        let world = Self::of(0, 120, Ticks::Every).await?;
        tokio::time::sleep(Duration::from_secs(3600)).await;
        Ok(world.count(lines, async || tokio::time::sleep(Duration::from_secs(3600)).await).await)
    }

    async fn of(people: usize, limit: u32, ticks: Ticks) -> Result<Self, Error> {
        // No sweep in the middle of it: what sweeps cost is a number of its own.
        let off = [("SweepUpdates", "off"), ("SweepRecent", "off"), ("SweepMonth", "off"), ("BackfillDays", "0")];
        let mut parameters: BTreeMap<_, _> = off.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        parameters.insert("WithingsLimit".to_owned(), limit.to_string());
        let setup = Setup { parameters, ticks, aws_latency_ms: AWS_MS, ..Setup::default() };
        let stack = Simulation::start(setup).await?;
        let client = ClientApp {
            client_id: "simulatedclient".to_owned(),
            client_secret: "simulatedsecret".to_owned(),
            redirect_uris: Vec::new(),
        };
        let latency = Latency { to_server_ms: WITHINGS_MS, to_client_ms: WITHINGS_MS };
        let settings = Settings { clients: vec![client], latency, limit, ..Settings::default() };
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

    async fn play(&self, play: &Play, round: i64) {
        for number in 0..play.notifications {
            let person = &self.people[number % self.people.len()];
            let value = i64::try_from(number).unwrap_or_default();
            let told = match play.what {
                What::Values(values) => self.weigh(person, values, value, round),
                What::Series => self.walk(person, round),
            };
            if told.is_err() {
                return;
            }
            tokio::time::sleep(play.apart).await;
        }
        tokio::time::sleep(REST).await;
    }

    fn weigh(&self, person: &Person, values: usize, value: i64, round: i64) -> Result<(), ControlError> {
        const TYPES: [i64; 5] = [1, 6, 76, 77, 88];
        let values = TYPES.iter().cycle().take(values).map(|kind| Measure::new(*kind, 10_000 + value, -3));
        // Each at an instant of its own, so that none is taken for another one.
        let at = self.stack.clock.now().as_secs() - 60 - 2 * value - round;
        let group = MeasureGroup::taken(&person.scale, at, values.collect());
        self.withings.add(person.userid, [group], Notify::Yes).map(drop)
    }

    /// The day before yesterday, and then yesterday, with ten hours of it.
    fn walk(&self, person: &Person, round: i64) -> Result<(), ControlError> {
        let midnight = self.stack.clock.now().as_secs().div_euclid(DAY_S) * DAY_S - (2 - round) * DAY_S;
        let from = midnight + 8 * 3600;
        self.withings.add(person.userid, person.intraday(from, from + HOURS * 3600), Notify::No)?;
        let date: String = Timestamp::from_secs(midnight).to_string().chars().take(10).collect();
        self.withings.add(person.userid, [person.activity_day(&date, 9_000)], Notify::Yes).map(drop)
    }

    async fn count(&self, lines: &Lines, act: impl AsyncFnOnce()) -> Used {
        let began = self.stack.clock.now();
        let logged = || lines.bytes() + metrics(&self.stack);
        let bytes = logged();
        let (calls, delivered) = (self.withings.calls().len(), self.receiver.sent().len());
        self.stack.dynamodb.meter().start();
        act().await;
        let bill = self.stack.dynamodb.meter().take();
        Used {
            bill,
            log_bytes: logged() - bytes,
            notifications: 0,
            calls: self.withings.calls().len() - calls,
            delivered: self.receiver.sent().len() - delivered,
            span: self.stack.clock.now().since(began),
        }
    }
}

/// The bytes of the lines that are metrics, as CloudWatch would take them in.
fn metrics(stack: &Simulation) -> u64 {
    let (lines, bytes) = stack.metrics.size();
    bytes + lines * EVENT
}

impl Used {
    fn subtract(&mut self, other: &Self) {
        for (table, units) in &other.bill.writes {
            *self.bill.writes.entry(table.clone()).or_default() -= units;
        }
        for (table, units) in &other.bill.reads {
            *self.bill.reads.entry(table.clone()).or_default() -= units;
        }
        for (what, units) in &other.bill.uses {
            *self.bill.uses.entry(what.clone()).or_default() -= units;
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
