//! What was used, as lines that can be subtracted, divided and priced.

use std::collections::BTreeMap;
use std::time::Duration;

use afferent_local::{Bill, Use};

use crate::prices::{GB_SECOND, INVOCATIONS, LOG_GB, READ_UNITS, SECRET_REQUESTS, SQS_FAIR, SQS_REQUESTS, WRITE_UNITS};

/// Computing per invocation in milliseconds of wall time at 256 MB, which is a seventh of a processor: 2 ms of CPU, which is
/// more than any function was measured to need for one message (`docs/benchmarks.md`).
const CPU_MS: f64 = 14.0;

/// What each function has, in GB (`infra/template.yaml`, `MemorySize`).
const MEMORY_GB: f64 = 0.25;

/// The queue whose messages have a group: a fair queue.
const FAIR: &str = "deliveries";

/// A million.
pub const MILLION: f64 = 1e6;

/// What is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// DynamoDB's write units, by table.
    Writes,
    /// DynamoDB's read units, by table.
    Reads,
    /// Requests to SQS, by operation and queue.
    Queue,
    /// The same, of a queue whose messages have a group.
    FairQueue,
    /// Lambda's requests, by function.
    Invocations,
    /// Lambda's GB-seconds, by function.
    Time,
    /// Bytes of the functions' own log lines.
    Log,
    /// Bytes of the lines that are metrics.
    Metrics,
    /// Requests to Secrets Manager.
    Secrets,
}

impl Kind {
    /// What a line of this kind begins with.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Writes => "DynamoDB writes",
            Self::Reads => "DynamoDB reads",
            Self::Queue | Self::FairQueue => "SQS",
            Self::Invocations => "Lambda requests",
            Self::Time => "Lambda time",
            Self::Log => "log lines",
            Self::Metrics => "metrics' lines",
            Self::Secrets => "Secrets Manager",
        }
    }

    /// The unit.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Writes => "WRU",
            Self::Reads => "RRU",
            Self::Queue | Self::FairQueue | Self::Invocations | Self::Secrets => "requests",
            Self::Time => "GB-s",
            Self::Log | Self::Metrics => "bytes",
        }
    }

    /// Dollars for one of it.
    #[must_use]
    pub const fn price(self) -> f64 {
        match self {
            Self::Writes => WRITE_UNITS / MILLION,
            Self::Reads => READ_UNITS / MILLION,
            Self::Queue => SQS_REQUESTS / MILLION,
            Self::FairQueue => (SQS_REQUESTS + SQS_FAIR) / MILLION,
            Self::Invocations => INVOCATIONS / MILLION,
            Self::Time => GB_SECOND,
            Self::Log | Self::Metrics => LOG_GB / 1e9,
            Self::Secrets => SECRET_REQUESTS / 10_000.0,
        }
    }
}

/// Amounts by what they are of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Units(pub BTreeMap<(Kind, String), f64>);

impl Units {
    /// From what was counted.
    #[must_use]
    pub fn of(bill: &Bill, log_bytes: u64, metric_bytes: u64) -> Self {
        let mut units = Self::default();
        for (table, amount) in &bill.writes {
            units.add(Kind::Writes, short(table), *amount);
        }
        for (table, amount) in &bill.reads {
            units.add(Kind::Reads, short(table), *amount);
        }
        for (operation, requests) in &bill.queues {
            let kind = if operation.ends_with(FAIR) { Kind::FairQueue } else { Kind::Queue };
            units.add(kind, operation, *requests as f64);
        }
        for (function, (count, time)) in &bill.invocations {
            let seconds = time.as_secs_f64() + *count as f64 * CPU_MS / 1_000.0;
            units.add(Kind::Invocations, short(function), *count as f64);
            units.add(Kind::Time, short(function), seconds * MEMORY_GB);
        }
        units.add(Kind::Log, "", log_bytes as f64);
        units.add(Kind::Metrics, "", metric_bytes as f64);
        units.add(Kind::Secrets, "", bill.secrets as f64);
        units
    }

    fn add(&mut self, kind: Kind, what: &str, amount: f64) {
        *self.0.entry((kind, what.to_owned())).or_default() += amount;
    }

    /// All lines of both, theirs taken away. What only they have is below zero then, and shows.
    #[must_use]
    pub fn less(mut self, other: &Self) -> Self {
        for ((kind, what), amount) in &other.0 {
            self.add(*kind, what, -amount);
        }
        self
    }

    /// Each amount times `factor`.
    #[must_use]
    pub fn times(mut self, factor: f64) -> Self {
        self.0.values_mut().for_each(|amount| *amount *= factor);
        self
    }

    /// The lines that `which` chooses.
    #[must_use]
    pub fn only(&self, which: impl Fn(Kind, &str) -> bool) -> Self {
        Self(
            self.0
                .iter()
                .filter(|((kind, what), _)| which(*kind, what))
                .map(|(key, amount)| (key.clone(), *amount))
                .collect(),
        )
    }

    /// How much there is of a kind, all lines together.
    #[must_use]
    pub fn all(&self, kind: Kind) -> f64 {
        self.0.iter().filter(|((of, _), _)| *of == kind).map(|(_, amount)| amount).sum()
    }

    /// Dollars for it.
    #[must_use]
    pub fn dollars(&self) -> f64 {
        self.0.iter().map(|((kind, _), amount)| amount * kind.price()).sum()
    }
}

/// What a workload used, and what it brought.
#[derive(Clone, Debug, Default)]
pub struct Used {
    /// All that is billed.
    pub units: Units,
    /// DynamoDB's units by request.
    pub uses: BTreeMap<Use, f64>,
    /// Calls to Withings, refreshes included.
    pub calls: f64,
    /// Token pairs that were refreshed.
    pub refreshes: f64,
    /// Webhooks that arrived.
    pub delivered: f64,
    /// Their bytes.
    pub out_bytes: f64,
    /// How many metrics had a value.
    pub metrics: usize,
    /// The virtual time that it took.
    pub span: Duration,
}

impl Used {
    /// What is left when `other` is taken away.
    #[must_use]
    pub fn less(mut self, other: &Self) -> Self {
        self.units = self.units.less(&other.units);
        for (what, units) in &other.uses {
            *self.uses.entry(what.clone()).or_default() -= units;
        }
        self.calls -= other.calls;
        self.refreshes -= other.refreshes;
        self.delivered -= other.delivered;
        self.out_bytes -= other.out_bytes;
        self
    }

    /// The same of each of `count`.
    #[must_use]
    pub fn each(self, count: usize) -> Self {
        self.times(1.0 / count.max(1) as f64)
    }

    /// All of it times `factor`; what is no amount stays.
    #[must_use]
    pub fn times(mut self, factor: f64) -> Self {
        self.units = self.units.times(factor);
        self.uses.values_mut().for_each(|units| *units *= factor);
        self.calls *= factor;
        self.refreshes *= factor;
        self.delivered *= factor;
        self.out_bytes *= factor;
        self
    }
}

/// The name of a table or function without that of its stack.
#[must_use]
pub fn short(name: &str) -> &str {
    name.split_once('-').map_or(name, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bill(writes: &[(&str, f64)]) -> Units {
        let writes = writes.iter().map(|(table, units)| (format!("afferent-{table}"), *units)).collect();
        Units::of(&Bill { writes, ..Bill::default() }, 0, 0)
    }

    #[test]
    fn what_only_the_other_side_has_is_taken_away_too_and_shows() {
        let left = bill(&[("events", 5.0)]).less(&bill(&[("events", 2.0), ("keys", 1.0)]));
        assert_eq!(left.0[&(Kind::Writes, "events".to_owned())], 3.0);
        assert_eq!(left.0[&(Kind::Writes, "keys".to_owned())], -1.0);
        assert_eq!(left.all(Kind::Writes), 2.0);
    }

    #[test]
    fn a_million_write_units_cost_what_the_price_list_says_and_those_of_a_fair_queue_more() {
        assert!((bill(&[("events", MILLION)]).dollars() - WRITE_UNITS).abs() < 1e-9);
        let queues = [("SendMessage pulls", 1_000_000), ("SendMessageBatch deliveries", 1_000_000)];
        let queues = queues.map(|(operation, requests)| (operation.to_owned(), requests)).into();
        let units = Units::of(&Bill { queues, ..Bill::default() }, 0, 0);
        assert!((units.dollars() - 2.0 * SQS_REQUESTS - SQS_FAIR).abs() < 1e-9);
    }
}
