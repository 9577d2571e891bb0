//! The tables: units, and what they cost.

use std::collections::BTreeMap;

use afferent_local::Use;

use crate::CPU_MS;
use crate::prices::{
    DATE, GB_SECOND, INVOCATIONS, LOG_GB, MONTH_S, POLL_S, POLLERS, READ_UNITS, SECRET_MONTH, SECRET_REQUESTS,
    SQS_FAIR, SQS_REQUESTS, WRITE_UNITS,
};
use crate::workload::Used;

/// What each function has, in GB (`infra/template.yaml`).
const MEMORY_GB: f64 = 0.25;

/// Queues with a poller: pulls, backfill, deliveries.
const QUEUES: f64 = 3.0;

/// The queue whose messages have a group: a fair queue.
const FAIR: &str = "deliveries";

/// Secrets of a stack: the application, two sealing keys, the callback URL.
const SECRETS: f64 = 4.0;

const MILLION: f64 = 1e6;

/// A line of the table: what, how many of it, in which unit, and dollars.
struct Line {
    what: String,
    units: f64,
    unit: &'static str,
    dollars: f64,
}

#[derive(Default)]
pub(crate) struct Report(Vec<(String, Vec<Line>, Vec<String>)>);

impl Report {
    /// A workload: units of each notification, dollars of a million.
    pub(crate) fn add(&mut self, name: &str, used: &Used) {
        let each = |units: f64| units / used.notifications as f64;
        let lines = lines(used, &each, MILLION);
        let calls = each(used.calls as f64);
        let name = format!("{name}: {calls:.2} calls, {:.2} deliveries each", each(used.delivered as f64));
        self.0.push((name, lines, uses(used, &each)));
    }

    /// What something more costs: the difference of two workloads, by `more` of it in each notification.
    pub(crate) fn further(&mut self, name: &str, one: &Used, other: &Used, more: f64) {
        let each = |used: &Used| {
            let count = used.notifications as f64;
            lines(used, &|units| units / count, MILLION)
        };
        let (before, after) = (each(one), each(other));
        let added = after.into_iter().map(|line| {
            let was = before.iter().find(|was| was.what == line.what);
            let (units, dollars) = was.map_or((0.0, 0.0), |was| (was.units, was.dollars));
            Line { units: (line.units - units) / more, dollars: (line.dollars - dollars) / more, ..line }
        });
        let added = added.filter(|line| line.dollars.abs() >= 0.0005).collect();
        self.0.push((name.to_owned(), added, Vec::new()));
    }

    /// A stack at rest: units and dollars of a month.
    pub(crate) fn idle(&mut self, used: &Used) {
        let months = MONTH_S / used.span.as_secs_f64();
        let mut lines = lines(used, &|units| units * months, 1.0);
        let polls = QUEUES * POLLERS * MONTH_S / POLL_S;
        lines.push(Line {
            what: "SQS polls".into(),
            units: polls,
            unit: "requests",
            dollars: polls * SQS_REQUESTS / MILLION,
        });
        lines.push(Line { what: "secrets".into(), units: SECRETS, unit: "secrets", dollars: SECRETS * SECRET_MONTH });
        self.0.push(("a stack at rest, a month".to_owned(), lines, Vec::new()));
    }

    #[expect(clippy::print_stdout, reason = "the table is this program's purpose")]
    pub(crate) fn print(&self) {
        println!(
            "Prices of {DATE}, us-east-1, on demand, without free tiers. Units of one notification, dollars of a million."
        );
        for (name, lines, uses) in &self.0 {
            println!("\n{name}");
            for line in lines {
                println!("  {:<34} {:>14.3} {:<10} {:>9.3} $", line.what, line.units, line.unit, line.dollars);
            }
            let sum: f64 = lines.iter().map(|line| line.dollars).sum();
            println!("  {:<34} {:>14} {:<10} {sum:>9.3} $", "together", "", "");
            uses.iter().for_each(|line| println!("    {line}"));
        }
    }
}

/// DynamoDB's units by the requests that used them.
fn uses(used: &Used, each: &dyn Fn(f64) -> f64) -> Vec<String> {
    let units = used.bill.uses.iter().map(|(what, units)| (what, each(*units)));
    let units = units.filter(|(_, units)| units.abs() >= 0.005);
    units
        .map(|(Use { table, request, part }, units)| format!("{units:>7.2}  {} {request}, {part}", short(table)))
        .collect()
}

/// The name of a table or function without that of its stack.
fn short(name: &str) -> &str {
    name.split_once('-').map_or(name, |(_, name)| name)
}

fn lines(used: &Used, scale: &dyn Fn(f64) -> f64, times: f64) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut line = |what: String, units: f64, unit: &'static str, price: f64| {
        let units = scale(units);
        if units.abs() > 1e-9 {
            lines.push(Line { what, units, unit, dollars: units * price * times });
        }
    };
    let merged = |of: &BTreeMap<String, f64>| {
        of.iter().map(|(table, units)| (short(table).to_owned(), *units)).collect::<Vec<_>>()
    };
    for (table, units) in merged(&used.bill.writes) {
        line(format!("DynamoDB writes, {table}"), units, "WRU", WRITE_UNITS / MILLION);
    }
    for (table, units) in merged(&used.bill.reads) {
        line(format!("DynamoDB reads, {table}"), units, "RRU", READ_UNITS / MILLION);
    }
    for (operation, requests) in &used.bill.queues {
        let fair = if operation.ends_with(FAIR) { SQS_FAIR } else { 0.0 };
        line(format!("SQS {operation}"), *requests as f64, "requests", (SQS_REQUESTS + fair) / MILLION);
    }
    for (function, (count, time)) in &used.bill.invocations {
        let seconds = time.as_secs_f64() + *count as f64 * CPU_MS / 1_000.0;
        line(format!("Lambda requests, {}", short(function)), *count as f64, "requests", INVOCATIONS / MILLION);
        line(format!("Lambda time, {}", short(function)), seconds * MEMORY_GB, "GB-s", GB_SECOND);
    }
    line("logs".to_owned(), used.log_bytes as f64, "bytes", LOG_GB / 1e9);
    line("Secrets Manager".to_owned(), used.bill.secrets as f64, "requests", SECRET_REQUESTS / 10_000.0);
    lines
}
