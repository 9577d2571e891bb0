//! What goes wrong: with notifications, with answers, with tables, with functions, with plans.

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::service::Service;
use afferent_local::Simulation;
use afferent_local::dynamodb::Fault as TableFault;
use withings_simulator::{DuplicateGuard, Fate, Fault, FaultKind, Knobs, Lapse};

use super::History;

/// Something that ends at an instant.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    pub(super) at: Timestamp,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Pause(&'static str),
    Lapse(Lapse),
    Outage,
}

const HOUR: Duration = Duration::from_secs(3600);

impl History {
    /// What is wrong all the time, by chance.
    pub(super) fn hardship(&mut self, stack: &Simulation) {
        let rarely = |history: &Self, most: u64| if history.roll(3) == 0 { 0 } else { history.roll(most + 1) };
        let lose = if self.may.lose { rarely(self, 150) } else { 0 };
        let per_mille = |value: u64| u16::try_from(value).unwrap_or(0);
        let knobs = Knobs {
            drop_per_mille: per_mille(lose),
            double_per_mille: per_mille(rarely(self, 150)),
            reorder_per_mille: per_mille(rarely(self, 150)),
            reorder_hold_ms: 120_000,
            late_per_mille: per_mille(rarely(self, 150)),
            late_ms: [1_000, 4 * 3_600_000],
        };
        let guard = self.one_of(&[DuplicateGuard::All, DuplicateGuard::All, DuplicateGuard::Tokens]);
        self.withings.configure(|settings| {
            settings.delivery.knobs = knobs;
            settings.delivery.delay_ms = [0, 90_000];
            settings.duplicate_guard = guard.unwrap_or(DuplicateGuard::Off);
        });
        let crashes = rarely(self, 60);
        stack.functions.crash_sometimes(crashes, Arc::clone(&self.dice));
        let tables = rarely(self, 15);
        let faults = stack.dynamodb.faults();
        if tables > 0 {
            faults.sometimes(TableFault::Throttled, "", "", tables, Arc::clone(&self.dice));
            faults.sometimes(TableFault::Conflict, "TransactWriteItems", "", tables, Arc::clone(&self.dice));
            faults.sometimes(TableFault::Conflict, "UpdateItem", "", tables, Arc::clone(&self.dice));
            for operation in ["UpdateItem", "PutItem", "TransactWriteItems"] {
                faults.sometimes(TableFault::AnswerLost, operation, "", tables, Arc::clone(&self.dice));
            }
            faults.sometimes(TableFault::Failed, "", "", tables, Arc::clone(&self.dice));
        }
        self.note(format!(
            "lost {lose}, doubled {}, reordered {}, late {}, crashes {crashes}, tables {tables} in 1,000; guard {guard:?}",
            knobs.double_per_mille, knobs.reorder_per_mille, knobs.late_per_mille
        ));
    }

    /// Something goes wrong once.
    pub(super) fn trouble(&mut self, stack: &Simulation) {
        let what = match self.roll(12) {
            0 | 1 => self.pause(stack, "fetcher", 5 * HOUR),
            2 => self.pause(stack, "keeper", 5 * HOUR),
            3 if self.roll(2) == 0 => self.pause(stack, "ingest", HOUR / 2),
            3 => self.unauthorised(),
            4 if self.may.lapse => self.lapse(),
            5 => self.refused("Too Many Requests"),
            6 => self.refused("Same arguments in less than 10 seconds"),
            7 => self.lost_refresh(),
            8 => self.fates(),
            9 => self.outage(stack),
            _ => self.broken(),
        };
        self.note(what);
    }

    fn later(&mut self, most: Duration, what: What) -> Duration {
        let after = Duration::from_secs(60 + self.roll(most.as_secs()));
        self.pending.push(Ends { at: self.clock.now() + after, what });
        after
    }

    /// A function stands still; what it was doing breaks off.
    fn pause(&mut self, stack: &Simulation, function: &'static str, most: Duration) -> String {
        let now = self.clock.now();
        if self.rest_until_ms > now.as_millis() {
            return format!("{function} is left alone");
        }
        let after = self.later(most, What::Pause(function));
        self.rest_until_ms = (now + after + 12 * HOUR).as_millis();
        stack.pause(function);
        format!("{function} stands still for {} min", after.as_secs() / 60)
    }

    fn lapse(&mut self) -> String {
        let services = [Service::Getmeas, Service::Getactivity, Service::SleepGetsummary, Service::HeartList];
        let service = if self.roll(2) == 0 { self.one_of(&services) } else { None };
        let userid = self.one_of(&self.people).map(|somebody| somebody.person.userid);
        let lapse = Lapse { userid, service };
        let after = self.later(12 * HOUR, What::Lapse(lapse));
        self.withings.lapse(lapse);
        format!("a plan lapses for {} min: {service:?}", after.as_secs() / 60)
    }

    fn refused(&mut self, error: &str) -> String {
        let count = u32::try_from(1 + self.roll(3)).unwrap_or(1);
        self.fail(None, count, false, FaultKind::Status { status: 601, error: error.to_owned() });
        format!("{count} × 601 {error}")
    }

    /// A token that should live is refused.
    fn unauthorised(&mut self) -> String {
        let error = "XRequestID: Not provided invalid_token: The access token provided is invalid".to_owned();
        self.fail(Some("getmeas"), 1, false, FaultKind::Status { status: 401, error });
        "401 for getmeas".to_owned()
    }

    /// The pair is refreshed, and the answer does not arrive.
    fn lost_refresh(&mut self) -> String {
        let kind = self.one_of(&[FaultKind::Hang, FaultKind::Http(502), FaultKind::Truncated, FaultKind::NotJson]);
        self.fail(Some("requesttoken"), 1, true, kind.unwrap_or(FaultKind::Hang));
        "the answer of a refresh is lost".to_owned()
    }

    fn fates(&mut self) -> String {
        let mut all = vec![Fate::Double, Fate::Reorder, Fate::Late(self.roll(6 * 3_600_000))];
        if self.may.lose {
            all.push(Fate::Drop);
        }
        let fates: Vec<Fate> = (0..=self.roll(2)).filter_map(|_| self.one_of(&all)).collect();
        let what = format!("notifications to come: {fates:?}");
        self.withings.notifier().next_fates(fates);
        what
    }

    fn broken(&mut self) -> String {
        let status = |status: i64, error: &str| FaultKind::Status { status, error: error.to_owned() };
        let kinds = [
            FaultKind::Http(500),
            FaultKind::Http(502),
            FaultKind::Http(503),
            FaultKind::Truncated,
            FaultKind::NotJson,
            FaultKind::Hang,
            status(522, "Timeout"),
            status(2556, "An error occurred"),
        ];
        let kind = self.one_of(&kinds).unwrap_or(FaultKind::NotJson);
        let count = u32::try_from(1 + self.roll(4)).unwrap_or(1);
        let action = self.one_of(&[None, Some("getmeas"), Some("getactivity"), Some("getsummary"), Some("get")]);
        let what = format!("{count} × {kind:?} for {}", action.flatten().unwrap_or("anything"));
        self.fail(action.flatten(), count, self.roll(2) == 0, kind);
        what
    }

    fn fail(&self, action: Option<&str>, count: u32, after_effect: bool, kind: FaultKind) {
        let action = action.map(str::to_owned);
        self.withings.fail(Fault { service: None, action, count, after_effect, kind });
    }

    /// Withings is out of reach.
    fn outage(&mut self, _: &Simulation) -> String {
        let after = self.later(2 * HOUR, What::Outage);
        let down = FaultKind::Http(503);
        self.withings.fail(Fault { service: None, action: None, count: u32::MAX, after_effect: false, kind: down });
        format!("Withings is down for {} min", after.as_secs() / 60)
    }

    pub(super) fn end(&mut self, stack: &Simulation, ends: Ends) {
        match ends.what {
            What::Pause(function) => stack.resume(function),
            What::Lapse(lapse) => self.withings.restore(lapse),
            What::Outage => self.withings.heal(),
        }
    }

    /// Nothing goes wrong any more.
    pub(super) fn relief(&mut self, stack: &Simulation) {
        for ends in std::mem::take(&mut self.pending) {
            self.end(stack, ends);
        }
        self.withings.heal();
        self.withings.configure(|settings| settings.delivery.knobs = Knobs::default());
        stack.functions.crash_sometimes(0, Arc::clone(&self.dice));
        stack.dynamodb.faults().clear();
        self.note("relief".to_owned());
    }
}
