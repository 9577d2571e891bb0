//! The tables, and whether the aims are kept.

use std::fmt::Write as _;

use afferent_local::Use;

use crate::Error;
use crate::fixed::{Monthly, base, watching};
use crate::month::{A_DAY, DAYS, Days, PEOPLE};
use crate::prices::{DATE, HTTP_API_REQUESTS, MONTH_DAYS, MONTH_S, OUT_GB, VENDORS};
use crate::units::{Kind, MILLION, Units, Used, short};

/// Dollars for a million notifications, each of which brings one record, its event and one delivery: one at a time.
const AIM_ONE: f64 = 22.0;
/// The same in full batches.
const AIM_FULL: f64 = 15.0;
/// Dollars for a month at rest.
const AIM_IDLE: f64 = 3.0;
/// How many times dearer the cheapest hosted vendor is.
const AIM_VENDOR: f64 = 20.0;
/// How far the units of a notification may be apart whatever the number of people.
const AIM_EQUAL: f64 = 0.05;

/// People, for the comparison with vendors.
const USERS: f64 = 1_000.0;

/// Five minutes' polls of a day.
const POLLS: f64 = 288.0;
/// Calls of a day under an allowance of 120 a minute.
const CALLS_A_DAY: f64 = 120.0 * 60.0 * 24.0;

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    text: String,
    missed: Vec<String>,
}

impl Report {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        let mut report = Self::default();
        report.say(&format!(
            "Prices of {DATE}, us-east-1, on demand, without free tiers. Units of one notification, dollars of a million."
        ));
        report
    }

    /// What was said since this was last asked.
    #[must_use]
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// The aims that are not reached.
    #[must_use]
    pub fn missed(&self) -> &[String] {
        &self.missed
    }

    fn say(&mut self, line: &str) {
        // Writing to a text does not fail.
        let _ = writeln!(self.text, "{line}");
    }

    fn line(&mut self, what: &str, amount: f64, unit: &str, dollars: f64) {
        self.say(&format!("  {what:<40} {amount:>14.3} {unit:<10} {dollars:>9.3} $"));
    }

    /// An aim: whether `value` is at most `most`.
    fn aim(&mut self, what: &str, value: f64, most: f64, unit: &str) {
        let kept = value <= most;
        let said = format!("{what}: {value:.2}{unit}, at most {most:.2}{unit}");
        self.say(&format!("  {said}: {}", if kept { "kept" } else { "NOT KEPT" }));
        if !kept {
            self.missed.push(said);
        }
    }

    fn units(&mut self, units: &Units, times: f64) {
        for ((kind, what), amount) in &units.0 {
            if (amount * kind.price() * times).abs() >= 0.0005 {
                let comma = if what.is_empty() { "" } else { ", " };
                self.line(
                    &format!("{}{comma}{what}", kind.name()),
                    *amount,
                    kind.unit(),
                    amount * kind.price() * times,
                );
            }
        }
        self.line("together", 0.0, "", units.dollars() * times);
    }

    /// A workload: units of each notification, dollars of a million; and DynamoDB's units by the requests that used them.
    pub fn workload(&mut self, name: &str, used: &Used) {
        self.say(&format!("\n{name}: {:.2} calls, {:.2} deliveries each", used.calls, used.delivered));
        self.units(&used.units, MILLION);
        let sums = [
            ("writes", vec![Kind::Writes]),
            ("reads", vec![Kind::Reads]),
            ("SQS", vec![Kind::Queue, Kind::FairQueue]),
            ("Lambda", vec![Kind::Invocations, Kind::Time]),
            ("logs", vec![Kind::Log]),
            ("metrics", vec![Kind::Metrics]),
        ];
        let sums = sums.map(|(name, kinds)| {
            format!("{name} {:.2} $", used.units.only(|kind, _| kinds.contains(&kind)).dollars() * MILLION)
        });
        self.say(&format!("  of that: {}", sums.join(", ")));
        for (Use { table, request, part }, units) in &used.uses {
            if units.abs() >= 0.005 {
                self.say(&format!("    {units:>7.2}  {} {request}, {part}", short(table)));
            }
        }
    }

    /// The two measures of a million notifications.
    pub fn aims(&mut self, one: &Used, full: &Used) {
        self.say("\nA million notifications, each of which brings one record, its event and one delivery");
        self.aim("one at a time", one.units.dollars() * MILLION, AIM_ONE, " $");
        self.aim("in full batches", full.units.dollars() * MILLION, AIM_FULL, " $");
    }

    /// What more of something costs: the difference of two workloads by `more` of it in each notification.
    pub fn further(&mut self, name: &str, with: &Used, without: &Used, more: f64, which: impl Fn(Kind, &str) -> bool) {
        self.say(&format!("\n{name}"));
        let added = with.units.clone().less(&without.units).times(1.0 / more);
        self.units(&added.only(which), MILLION);
    }

    /// Whether a notification uses the same however many people there are; of the numbers in `not_played` it is said that
    /// they were not.
    pub fn equal(&mut self, sizes: &[(usize, Used)], not_played: &[usize]) {
        self.say("\nUnits of a notification by the number of people");
        for people in not_played {
            self.say(&format!("  {people}: not played here; see docs/cost.md"));
        }
        let Some((_, first)) = sizes.first() else { return };
        for kind in [
            Kind::Writes,
            Kind::Reads,
            Kind::Queue,
            Kind::FairQueue,
            Kind::Invocations,
            Kind::Time,
            Kind::Log,
            Kind::Metrics,
        ] {
            let amounts: Vec<f64> = sizes.iter().map(|(_, used)| used.units.all(kind)).collect();
            let apart = amounts.iter().map(|amount| (amount / first.units.all(kind) - 1.0).abs()).fold(0.0, f64::max);
            let of = |((people, _), amount): (&(usize, Used), &f64)| format!("{amount:.3} ({people})");
            let amounts: Vec<String> = sizes.iter().zip(&amounts).map(of).collect();
            let fair = if kind == Kind::FairQueue { ", in groups" } else { "" };
            self.say(&format!("  {}{fair}, {}: {}", kind.name(), kind.unit(), amounts.join(", ")));
            self.aim("    apart", 100.0 * apart, 100.0 * AIM_EQUAL, " %");
        }
    }

    /// What one of something uses by itself, and a million of it costs.
    pub fn single(&mut self, name: &str, units: &Units) {
        self.say(&format!("\n{name}"));
        self.units(units, MILLION);
    }

    /// A day of a person at rest, and the same month of a thousand; what a call uses of it.
    pub fn at_rest(&mut self, resting: &Used) {
        self.say(&format!(
            "\nA person at rest, a day, with the sweeps as the template has them: {:.1} calls, {:.1} of them refreshes \
             ({PEOPLE} people for {DAYS} days). Dollars of {USERS} people and a month",
            resting.calls, resting.refreshes
        ));
        self.units(&resting.units, USERS * MONTH_DAYS);
        let call = resting.units.dollars() / resting.calls.max(1.0);
        self.say(&format!("  a million of these calls: {:.2} $", call * MILLION));
    }

    /// A stack at rest for a month; gives dollars.
    ///
    /// # Errors
    /// The template cannot be read.
    pub fn idle(&mut self, idle: &Used) -> Result<f64, Error> {
        self.say("\nA stack at rest, a month");
        let keeper = idle.units.clone().times(MONTH_S / idle.span.as_secs_f64());
        for ((kind, what), amount) in &keeper.0 {
            if amount * kind.price() >= 0.0005 {
                self.line(&format!("{}, {what}", kind.name()), *amount, kind.unit(), amount * kind.price());
            }
        }
        let dollars = keeper.dollars() + self.monthly(&base()?);
        self.aim("together", dollars, AIM_IDLE, " $");
        Ok(dollars)
    }

    /// A month of a thousand people with twenty notifications a day, and what others ask for it. `one` is a notification,
    /// `refresh` a refresh, `idle` dollars of a stack at rest.
    ///
    /// # Errors
    /// The template cannot be read.
    pub fn month(&mut self, one: &Used, refresh: &Units, days: &Days, idle: f64) -> Result<(), Error> {
        self.say("\nNot in what follows, a month");
        let watching = self.monthly(&watching(days.living.metrics)?);
        self.line("together", 0.0, "", watching);

        let person_days = USERS * MONTH_DAYS;
        let notifications = person_days * A_DAY as f64;
        // What sweeps refresh is theirs.
        let refreshes = person_days * (days.living.refreshes - days.resting.refreshes).max(0.0);
        let parts = [
            ("notifications, one at a time", notifications, "", one.units.dollars()),
            ("refreshes that they bring about", refreshes, "", refresh.dollars()),
            ("sweeps, and the care of accounts", person_days, "days", days.resting.units.dollars()),
            ("a stack at rest", 1.0, "", idle),
        ];
        self.say(&format!(
            "\n{USERS} people with {A_DAY} notifications a day, a month, parameters as the template has them"
        ));
        for (what, amount, unit, each) in parts {
            self.line(what, amount, unit, amount * each);
        }
        let bill = parts.iter().map(|(_, amount, _, each)| amount * each).sum::<f64>();
        self.line("together", 0.0, "", bill);
        self.line("… and metrics, alarms, a key, at most", 0.0, "", bill + watching);
        let played = days.living.units.dollars() * person_days + idle;
        self.say(&format!(
            "  The same, not as a sum: {PEOPLE} people for {DAYS} days with everything, of which {USERS} in a month are \
             {played:.2} $ ({:.1} calls and {:.2} refreshes a person and day)",
            days.living.calls, days.living.refreshes
        ));
        self.polling(one);
        let mut cheapest = f64::INFINITY;
        for vendor in VENDORS {
            match vendor.user_month {
                Some(user) => {
                    let price = (user * USERS).max(vendor.least_month);
                    cheapest = cheapest.min(price);
                    self.say(&format!("  {}: {price:.2} $ ({})", vendor.name, vendor.source));
                }
                None => self.say(&format!("  {}: not known ({})", vendor.name, vendor.source)),
            }
        }
        self.aim("together, of the cheapest", bill, cheapest / AIM_VENDOR, " $");
        self.say(&format!(
            "  that is 1/{:.0}; with metrics, alarms and a key 1/{:.0}",
            cheapest / bill,
            cheapest / (bill + watching)
        ));
        Ok(())
    }

    /// What AWS also bills, and is in no sum: the other front door, and bytes that leave.
    pub fn apart(&mut self, one: &Used) {
        self.say("\nNot in these sums, of a million notifications");
        self.line("FrontDoor=http-api", MILLION, "requests", HTTP_API_REQUESTS);
        let gigabytes = one.out_bytes * MILLION / 1e9;
        self.line("data out to endpoints, without TLS", gigabytes, "GB", gigabytes * OUT_GB);
    }

    /// What a call that brings nothing costs at least: its slot, the mark and its lease, and the time of the call.
    fn polling(&mut self, one: &Used) {
        let call = one.units.only(|kind, what| {
            matches!(
                (kind, what),
                (Kind::Writes | Kind::Reads, "connections") | (Kind::Invocations | Kind::Time, "fetcher")
            )
        });
        for services in [1.0, 3.0] {
            let calls = services * POLLS * MONTH_DAYS * USERS;
            self.line(&format!("polling {services} services every 5 minutes"), calls, "calls", calls * call.dollars());
            let people = CALLS_A_DAY / POLLS / services;
            self.say(&format!("    (120 calls a minute are enough for {people:.0} people)"));
        }
    }

    fn monthly(&mut self, all: &[Monthly]) -> f64 {
        for one in all {
            self.line(&one.what, one.count, "", one.dollars());
        }
        all.iter().map(Monthly::dollars).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(writes: f64) -> Used {
        Used { units: Units([((Kind::Writes, "events".to_owned()), writes)].into()), ..Used::default() }
    }

    #[test]
    fn an_aim_that_is_missed_is_said_and_one_that_is_kept_is_not_counted_against() {
        let mut report = Report::new();
        report.aims(&used(10.0), &used(40.0));
        let text = report.take();
        assert_eq!(report.missed().len(), 1, "{text}");
        assert!(report.missed()[0].starts_with("in full batches: 25.00 $"), "{:?}", report.missed());
        assert!(text.contains("one at a time: 6.25 $, at most 22.00 $: kept"));
    }

    #[test]
    fn a_month_is_the_sum_of_its_parts_and_is_what_the_aim_is_held_against() {
        let missed = |sweeps: f64| {
            let days =
                Days { resting: Used { refreshes: 5.0, ..used(sweeps) }, living: Used { refreshes: 8.0, ..used(0.0) } };
            let mut report = Report::new();
            report.month(&used(10.0), &used(100.0).units, &days, 1.0).unwrap();
            let text = report.take();
            // 1,000 people for 365/12 days: three refreshes more than at rest, 20 notifications.
            let notifications = 1_000.0 * 730.0 / 24.0 * 20.0 * 10.0 * 0.625 / 1e6;
            assert!(text.contains(&format!("{notifications:.3} $")), "{text}");
            assert!(text.contains(&format!("{:.3} $", 1_000.0 * 730.0 / 24.0 * 3.0 * 100.0 * 0.625 / 1e6)), "{text}");
            report.missed().len()
        };
        // 3.80, 5.70 and 1.00, and 13.31 with 700 units of a day's sweeps, 15.21 with 800.
        assert_eq!([700.0, 800.0].map(missed), [0, 1]);
    }

    #[test]
    fn units_of_many_people_may_be_five_percent_apart_and_no_more() {
        let missed = |other: f64| {
            let mut report = Report::new();
            let whole = |writes: f64| {
                let kinds = [
                    Kind::Reads,
                    Kind::Queue,
                    Kind::FairQueue,
                    Kind::Invocations,
                    Kind::Time,
                    Kind::Log,
                    Kind::Metrics,
                ];
                let mut units = used(writes);
                units.units.0.extend(kinds.map(|kind| ((kind, String::new()), 1.0)));
                units
            };
            report.equal(&[(1_000, whole(20.0)), (50_000, whole(other))], &[]);
            report.missed().len()
        };
        assert_eq!([20.9, 19.1, 21.1, 18.9].map(missed), [0, 0, 1, 1]);
    }
}
