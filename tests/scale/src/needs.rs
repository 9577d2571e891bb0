//! What so many users need of each thing that has a limit, and which limit they meet first. Sums, of numbers that were
//! measured (`docs/scale/facts.csv`, the curves) or that AWS, Withings or the template set.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::curve::Line;
use crate::defaults::MOST_ALLOWED;

/// The user counts of the table.
pub const USERS: [f64; 7] = [10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e7];

/// Notifications of a user in a day: the base load.
pub const PER_DAY: f64 = 20.0;

/// How many times the mean the busiest hour has: most people get up, weigh themselves and sync in the same few hours of a
/// time zone. An assumption.
pub const PEAK: f64 = 3.0;

/// Write units a second that one partition takes (DynamoDB Developer Guide, "Best practices for designing and using
/// partition keys").
pub const PARTITION: f64 = 1_000.0;

/// Shards of the stream of a new table on demand: it takes 4,000 write units a second from the start, which are
/// four partitions, and a shard goes with each (DynamoDB Developer Guide, "Initial throughput for on-demand capacity mode").
pub const SHARDS: f64 = 4.0;

/// Write units a second that AWS lets a table on demand have unless it is asked for more (DynamoDB Developer Guide,
/// "Quotas in Amazon DynamoDB").
pub const TABLE: f64 = 40_000.0;

/// Duties that `keeper` puts on the queue `backfill` in a minute at most (`functions/keeper/src/feed.rs`).
pub const FED: f64 = 5_000.0;

/// Notifications a second at the peak.
#[must_use]
pub fn per_second(users: f64) -> f64 {
    users * PER_DAY * PEAK / 86_400.0
}

/// What was measured, and what is set.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// The template's defaults by the names of their parameters.
    pub defaults: BTreeMap<String, f64>,
    /// Numbers by name.
    pub facts: BTreeMap<String, f64>,
    /// Lines by curve.
    pub curves: BTreeMap<&'static str, Vec<Line>>,
}

impl Measured {
    /// A fact; 0 if it was not measured.
    #[must_use]
    pub fn fact(&self, name: &str) -> f64 {
        self.facts.get(name).copied().unwrap_or_default()
    }

    /// A default of the template; 0 if it has no such number.
    #[must_use]
    pub fn setting(&self, name: &str) -> f64 {
        self.defaults.get(name).copied().unwrap_or_default()
    }

    /// A point of a line of a curve, if it was measured.
    #[must_use]
    pub fn point(&self, curve: &str, line: &str, x: f64) -> Option<f64> {
        self.curves.get(curve)?.iter().find(|one| one.name == line)?.at(x)
    }
}

/// A limit: up to how many users it suffices, and what raises it.
#[derive(Clone, Debug, PartialEq)]
pub struct Suffices {
    /// What is limited, and how it stands.
    pub what: String,
    /// So many users.
    pub users: f64,
    /// What to turn.
    pub turn: &'static str,
}

/// How long an access token lives, in hours (Withings).
const TOKEN_H: f64 = 3.0;

/// Calls a minute at the peak.
#[derive(Clone, Copy, Debug)]
pub struct Calls {
    /// What notifications bring about.
    pub live: f64,
    /// Tokens that are refreshed for them: one when a notification meets a token that has died, so the next comes after
    /// its life and the time until another notification.
    pub refreshes: f64,
    /// Sweeps, which are spread over the day.
    pub sweeps: f64,
}

impl Calls {
    /// Of so many users.
    #[must_use]
    pub fn of(measured: &Measured, users: f64) -> Self {
        let an_hour = PER_DAY * PEAK / 24.0;
        Self {
            live: per_second(users) * 60.0 * measured.fact("calls of a notification"),
            refreshes: users / (TOKEN_H + 1.0 / an_hour) / 60.0,
            sweeps: users * measured.fact("sweep calls of a person in a round") / 1_440.0,
        }
    }

    /// All of them.
    #[must_use]
    pub fn all(self) -> f64 {
        self.live + self.refreshes + self.sweeps
    }
}

/// Every limit, with the template's defaults, the lowest first.
#[must_use]
pub fn limits(measured: &Measured) -> Vec<Suffices> {
    let one = Calls::of(measured, 1.0);
    let a_second = per_second(1.0);
    let mut all = Vec::new();
    let mut limit = |what: String, capacity: Option<f64>, each: f64, turn: &'static str| {
        if let Some(capacity) = capacity.filter(|_| each > 0.0) {
            all.push(Suffices { what, users: capacity / each, turn });
        }
    };
    let withings = |calls: f64| format!("Withings' allowance of {} calls a minute", whole(calls));
    let [allowed, most] = ["WithingsLimit", MOST_ALLOWED].map(|name| measured.setting(name));
    limit(withings(allowed), Some(allowed), one.all(), "`WithingsLimit`, with a paid plan");
    limit(withings(most), Some(most), one.all(), "another application at Withings, with a stack of its own");
    let fetchers = measured.setting("PullsConcurrency");
    for (name, words) in [("calls of 200 ms", "200 ms"), ("calls of 1 s", "1 s")] {
        let what = format!("{fetchers} fetchers for `pulls`, calls of {words}");
        limit(what, measured.point("pulls", name, fetchers), one.live, "`PullsConcurrency`");
    }
    let dispatchers = measured.setting("DispatcherConcurrency");
    for (name, words) in [("endpoints of 100 ms", "100 ms"), ("endpoints of 1 s", "1 s")] {
        let what = format!("{dispatchers} dispatchers, endpoints of {words}");
        limit(what, measured.point("dispatch", name, dispatchers), a_second, "`DispatcherConcurrency`");
    }
    let fanouts = measured.setting("FanoutParallelization");
    let line = format!("FanoutParallelization {fanouts}");
    let shards = measured.point("fanout", &line, 100.0).map(|events| events * SHARDS);
    limit(
        format!("{SHARDS} shards of the stream, {fanouts} `fanout` for each"),
        shards,
        a_second,
        "`FanoutParallelization`",
    );
    for (fact, shards, what, turn) in [
        (
            "units of the budget in a second",
            1.0,
            "the partition of the budget",
            "another application at Withings, with a stack of its own",
        ),
        (
            "units: notifications by_state",
            1.0,
            "the partition of `by_state` (a state's day)",
            "code: shards of the day",
        ),
        (
            "units: deliveries by_endpoint",
            1.0,
            "the partition of `by_endpoint`, if one endpoint gets everything",
            "more endpoints, each with its part of the users",
        ),
        ("units: deliveries by_due", 10.0, "the 10 shards of due deliveries", "code: `DUE_SHARDS`"),
        ("units: marks by_due", 10.0, "the 10 shards of due marks", "code: `Family::layout`"),
        ("units: records by_change", 4.0, "the 4 shards of `by_change`", "code: `change_bucket`"),
    ] {
        let each = match fact {
            // A call's, whoever makes it.
            "units of the budget in a second" => measured.fact("units: budget") * one.all() / 60.0,
            fact => measured.fact(fact) * a_second,
        };
        limit(what.to_owned(), Some(PARTITION * shards), each, turn);
    }
    let busiest = measured.fact("write units of the busiest table") * a_second;
    limit("AWS's quota of a table".to_owned(), Some(TABLE), busiest, "the quota, at AWS");
    limit("what `keeper` feeds in a minute".to_owned(), Some(FED), one.sweeps, "code: `feed::MOST`");
    all.sort_by(|one, other| one.users.total_cmp(&other.users));
    all
}

/// The table of user counts.
#[must_use]
pub fn users_table(measured: &Measured) -> String {
    let limits = limits(measured);
    let mut text = "| users | notifications a day | a second at the peak | calls a minute at the peak: for notifications, refreshes, sweeps; together | limits met, the lowest first |\n|---|---|---|---|---|\n".to_owned();
    for users in USERS {
        let calls = Calls::of(measured, users);
        let met: Vec<&str> =
            limits.iter().filter(|limit| limit.users < users).map(|limit| limit.what.as_str()).collect();
        let met = if met.is_empty() { "none".to_owned() } else { met.join("; ") };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {}, {}, {}; **{}** | {met} |",
            whole(users),
            whole(users * PER_DAY),
            short(per_second(users)),
            short(calls.live),
            short(calls.refreshes),
            short(calls.sweeps),
            short(calls.all())
        );
    }
    text
}

/// The table of limits.
#[must_use]
pub fn limits_table(measured: &Measured) -> String {
    let mut text = "| limit, as the template has it | suffices for users | what to turn |\n|---|---|---|\n".to_owned();
    for limit in limits(measured) {
        let _ = writeln!(text, "| {} | {} | {} |", limit.what, whole(rounded(limit.users)), limit.turn);
    }
    text
}

/// To two digits: more would promise what the assumptions do not keep.
fn rounded(value: f64) -> f64 {
    let scale = 10_f64.powf(value.abs().log10().floor() - 1.0);
    (value / scale).round() * scale
}

/// A number of people or things, in groups of three.
#[must_use]
pub fn whole(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with three digits.
#[must_use]
pub fn short(value: f64) -> String {
    match value {
        value if value >= 100.0 => whole(value),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_of_a_thousand_users_is_less_than_one_notification_a_second() {
        assert!((per_second(1_440.0) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!([1.0, 999.0, 1_000.0, 1_234_567.0].map(whole), ["1", "999", "1,000", "1,234,567"]);
        assert_eq!([0.126, 12.34, 4_166.7].map(short), ["0.13", "12.3", "4,167"]);
        assert_eq!([1_234.0, 98.7, 1.0].map(rounded), [1_200.0, 99.0, 1.0]);
    }

    #[test]
    fn a_limit_suffices_for_as_many_users_as_its_capacity_carries() {
        let facts =
            [("calls of a notification", 1.0), ("sweep calls of a person in a round", 0.0), ("units: budget", 2.0)];
        let facts = facts.map(|(name, value)| (name.to_owned(), value)).into();
        let defaults = [("WithingsLimit", 120.0), (MOST_ALLOWED, 30_000.0)];
        let defaults = defaults.map(|(name, value)| (name.to_owned(), value)).into();
        let limits = limits(&Measured { facts, defaults, curves: BTreeMap::new() });
        let of = |what: &str| limits.iter().find(|limit| limit.what.contains(what)).map(|limit| limit.users.round());
        // 60 notifications a day at the pace of the peak, and a refresh every 3.4 hours: 2.794 calls an hour.
        assert_eq!(of("120 calls"), Some(2_577.0));
        assert_eq!(of("budget"), Some(644_211.0));
        assert!(limits.is_sorted_by(|one, other| one.users <= other.users));
        assert_eq!(of("shards of the stream"), None, "what was not measured is no limit");
    }
}
