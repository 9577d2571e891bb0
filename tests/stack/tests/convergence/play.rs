//! One seed: a town, a history, and the verdict.

use std::fmt;
use std::ops::Add;
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::Dice;
use afferent_local::clock::SeededDice;
use afferent_local::{Setup, Ticks};
use afferent_store::notifications::State;
use stack_tests::history::{self, History, May};
use stack_tests::town::Town;
use stack_tests::truth;
use withings_simulator::{Latency, Settings};

const HOUR: Duration = Duration::from_secs(3600);

/// The sweep tiers of a seed: each set of them reaches back over the whole history within a day.
const TIERS: [[(&str, &str); 4]; 3] = [
    [("SweepUpdates", "off"), ("SweepRecent", "8d/1d"), ("SweepMonth", "off"), ("SweepEverything", "off")],
    [("SweepUpdates", "1d"), ("SweepRecent", "1d/1d"), ("SweepMonth", "30d/1d"), ("SweepEverything", "off")],
    [("SweepUpdates", "off"), ("SweepRecent", "1d/1d"), ("SweepMonth", "off"), ("SweepEverything", "1d")],
];

/// Once every sweep tier has run, behind whatever else is due.
const SWEPT: Duration = Duration::from_secs(26 * 3600);

/// How long a retraction that is too large is held. Shorter than the default, which holds a week.
const HOLD_H: &str = "36";

/// The longest that anything may take: a doubt has its second read after a day, and may be held.
const AT_LAST: Duration = Duration::from_secs(6 * 24 * 3600);

/// What is under way ends within this.
const QUIET: Duration = Duration::from_secs(20 * 60);

/// What a seed came to.
pub struct Verdict {
    /// How much there was of everything.
    pub counts: Counts,
    /// What should not be.
    pub violations: Vec<String>,
    log: Vec<String>,
}

/// How much there was of everything.
#[derive(Clone, Copy, Default)]
pub struct Counts {
    facts: u64,
    revisions: u64,
    retractions: u64,
    notifications: u64,
    calls: u64,
    twins: u64,
    refreshes: u64,
    hours: u64,
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            facts: self.facts + other.facts,
            revisions: self.revisions + other.revisions,
            retractions: self.retractions + other.retractions,
            notifications: self.notifications + other.notifications,
            calls: self.calls + other.calls,
            twins: self.twins + other.twins,
            refreshes: self.refreshes + other.refreshes,
            hours: self.hours + other.hours,
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            to,
            "{} facts, {} revisions, {} retractions, {} notifications, {} calls ({} told apart as twins), {} refreshes, {} h",
            self.facts,
            self.revisions,
            self.retractions,
            self.notifications,
            self.calls,
            self.twins,
            self.refreshes,
            self.hours
        )
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.log.iter().try_for_each(|line| writeln!(to, "{line}"))?;
        self.violations.iter().try_for_each(|violation| writeln!(to, "VIOLATION {violation}"))?;
        write!(to, "{}", self.counts)
    }
}

/// Plays a seed.
pub async fn play(seed: u64) -> Verdict {
    // Not the stack's own dice, which are of `seed`.
    let dice: Arc<dyn Dice> = Arc::new(SeededDice::new(!seed));
    let tiers = TIERS[usize::try_from(seed % 3).unwrap_or(0)];
    let others = [("RetractionHoldHours", HOLD_H), ("BackfillDays", "14")];
    let parameters = tiers.into_iter().chain(others).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let setup = Setup { seed, ticks: Ticks::WhenDue, parameters, ..Setup::default() };
    let latency = Latency { to_server_ms: [5, 200], to_client_ms: [5, 400] };
    let mut town = Town::found(setup, Settings { latency, ..Settings::default() }).await;
    let mut people = Vec::new();
    for _ in 0..dice.between(1, 3) {
        let zone = history::zone(&*dice);
        people.push(history::somebody(&*dice, town.account(zone), zone));
    }
    let began = town.stack.clock.now();
    let (clock, withings) = (town.stack.clock.clone(), town.withings.clone());
    let mut history = History::of(dice.clone(), clock, withings, people.clone(), may());
    history.past();
    // What changed shortly before is read on connecting; the backfill is for what lies farther back.
    tokio::time::sleep(HOUR).await;
    for somebody in people {
        town.connect(somebody.person.userid, somebody.zone).await;
    }
    history.live(&town.stack, 15 + dice.between(0, 20)).await;
    tokio::time::sleep(SWEPT).await;
    let relieved = town.stack.clock.now();
    let mut differences = compare(&town).await;
    while !differences.is_empty() && town.stack.clock.now().since(relieved) < at_last() {
        tokio::time::sleep(6 * HOUR).await;
        differences = compare(&town).await;
    }
    quiet(&town).await;
    let (revisions, retractions) = town.written();
    let stats = town.withings.stats();
    let counts = Counts {
        facts: facts(&town),
        revisions,
        retractions,
        notifications: stats.notifications.delivered,
        calls: stats.calls,
        twins: stats.duplicate_refused,
        refreshes: town.line.refreshes(),
        hours: town.stack.clock.now().since(began).as_secs() / 3600,
    };
    let mut violations = differences;
    violations.extend(town.line.violations());
    violations.extend(town.wrong_revisions());
    violations.extend(ends(&town).await);
    Verdict { counts, violations, log: history.log().to_vec() }
}

/// Waits until nothing is under way, for as long as that may take.
async fn quiet(town: &Town) {
    let began = town.stack.clock.now();
    let busy = async || {
        let pending = town.withings.stats().notifications.pending();
        pending > 0 || town.queued() > 0 || town.count(State::Waiting).await > 0
    };
    while busy().await && town.stack.clock.now().since(began) < QUIET {
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
}

/// What histories hold; a part can be left out to look at the others: `WITHOUT=delete,lapse`.
fn may() -> May {
    let without = std::env::var("WITHOUT").unwrap_or_default();
    let has = |name: &str| !without.split(',').any(|other| other == name);
    May {
        delete: has("delete"),
        lapse: has("lapse"),
        lose: has("lose"),
        details: has("details"),
        settings: has("settings"),
        trouble: has("trouble"),
    }
}

/// How long the differences may last; `PATIENCE_H=n` looks at them sooner, while the cause is sought.
fn at_last() -> Duration {
    std::env::var("PATIENCE_H").ok().and_then(|text| text.parse().ok()).map_or(AT_LAST, |hours: u32| HOUR * hours)
}

/// How the records differ from what Withings has, everybody's.
async fn compare(town: &Town) -> Vec<String> {
    let mut all = Vec::new();
    for (index, connection) in town.connections.iter().enumerate() {
        let records = town.records(connection).await;
        match truth::of(&town.withings, connection, town.stack.clock.now()) {
            Err(why) => all.push(format!("person {index}: the truth cannot be read: {why}")),
            Ok(truth) => {
                let lines = truth::differences(&truth, &truth::stated(&records), &records);
                all.extend(lines.into_iter().map(|line| format!("person {index}: {line}")));
            }
        }
    }
    all
}

fn facts(town: &Town) -> u64 {
    let truths = town.connections.iter().map(|one| truth::of(&town.withings, one, town.stack.clock.now()));
    truths.map(|truth| truth.map_or(0, |truth| truth.len() as u64)).sum()
}

/// What must hold at the end beside the records.
async fn ends(town: &Town) -> Vec<String> {
    let mut all = Vec::new();
    for (index, connection) in town.connections.iter().enumerate() {
        let state = town.state(connection);
        if state != "connected" {
            all.push(format!("person {index}: {state}, and nobody disconnected"));
        }
    }
    let (waiting, quarantined) = (town.count(State::Waiting).await, town.count(State::Quarantined).await);
    let accepted = town.withings.stats().notifications.delivered;
    let ended = town.count(State::Satisfied).await + town.count(State::Recorded).await;
    for (wrong, what) in [
        (waiting, "notifications wait"),
        (quarantined, "notifications were quarantined"),
        (town.dead() as u64, "messages in dead-letter queues"),
        (town.queued() as u64, "messages in queues"),
        (town.withings.stats().refused, "calls over the limit"),
        (accepted.saturating_sub(ended), "notifications were accepted and are nowhere"),
    ] {
        if wrong > 0 {
            all.push(format!("{wrong} {what}"));
        }
    }
    all
}
