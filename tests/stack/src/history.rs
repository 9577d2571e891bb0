//! Random histories: what people measure, edit and delete over some days, and what goes wrong meanwhile.
//!
//! Everything is decided by one dice, which is not the stack's own, so that a history stays the same when the code
//! under test rolls more or less often.

mod facts;
mod trouble;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::{Clock, Dice};
use afferent_local::Simulation;
use withings_simulator::sample::Person;
use withings_simulator::{Notify, Simulator};

/// A device that a person may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Has {
    /// A Body+.
    Scale,
    /// A BPM Connect.
    Cuff,
    /// A Thermo.
    Thermometer,
    /// A ScanWatch 2.
    Watch,
    /// An Aura Sensor V2.
    Mat,
    /// A BeamO.
    Stethoscope,
    /// An Iglucose glucometer.
    Glucometer,
}

impl Has {
    const ALL: [Self; 7] =
        [Self::Scale, Self::Cuff, Self::Thermometer, Self::Watch, Self::Mat, Self::Stethoscope, Self::Glucometer];
}

/// Time zones that people live in.
const ZONES: [&str; 5] = ["Europe/Lisbon", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "UTC"];

/// Somebody who lives.
#[derive(Clone, Debug)]
pub struct Somebody {
    /// Their Withings account and the devices that there are.
    pub person: Person,
    /// Those that they have.
    pub has: BTreeSet<Has>,
    /// Where they live.
    pub zone: &'static str,
}

/// What may happen in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct May {
    /// Facts are deleted, and measures removed by an edit.
    pub delete: bool,
    /// Plans lapse for hours.
    pub lapse: bool,
    /// Notifications are lost, or changes never announced.
    pub lose: bool,
    /// Services with details: intraday samples, the stages of nights, signals.
    pub details: bool,
    /// Devices and goals change, which nothing announces.
    pub settings: bool,
    /// What is wrong with notifications, answers, tables and functions.
    pub trouble: bool,
}

impl May {
    /// Everything.
    pub const ALL: Self = Self { delete: true, lapse: true, lose: true, details: true, settings: true, trouble: true };
}

/// A history under way.
pub struct History {
    dice: Arc<dyn Dice>,
    clock: Arc<dyn Clock>,
    withings: Arc<Simulator>,
    people: Vec<Somebody>,
    may: May,
    log: Vec<String>,
    began_ms: i64,
    /// What ends by itself some steps later.
    pending: Vec<trouble::Ends>,
    /// A fetcher that stands still for hours twice may lose a pair whose answer was lost: Withings keeps it for 8 h.
    rest_until_ms: i64,
}

/// Draws a person: at least one device.
#[must_use]
pub fn somebody(dice: &dyn Dice, userid: i64, zone: &'static str) -> Somebody {
    let mut has: BTreeSet<Has> = Has::ALL.into_iter().filter(|_| dice.between(0, 1) == 1).collect();
    if has.is_empty() {
        has.insert(Has::Scale);
    }
    Somebody { person: Person::of(userid), has, zone }
}

/// Draws a time zone.
#[must_use]
pub fn zone(dice: &dyn Dice) -> &'static str {
    ZONES[usize::try_from(dice.between(0, ZONES.len() as u64 - 1)).unwrap_or(0)]
}

impl History {
    /// A history of these people.
    #[must_use]
    pub fn of(
        dice: Arc<dyn Dice>,
        clock: Arc<dyn Clock>,
        withings: Arc<Simulator>,
        people: Vec<Somebody>,
        may: May,
    ) -> Self {
        let began_ms = clock.now().as_millis();
        let (log, pending) = (Vec::new(), Vec::new());
        Self { dice, clock, withings, people, may, log, began_ms, pending, rest_until_ms: 0 }
    }

    /// What happened, one line each: instants, people and kinds.
    #[must_use]
    pub fn log(&self) -> &[String] {
        &self.log
    }

    /// What people did before anybody here knew them. Of that time nobody reads details unless asked to: there are none.
    pub fn past(&mut self) {
        let may = self.may;
        self.may = May { details: false, lose: false, ..may };
        let has: Vec<BTreeSet<Has>> = self.people.iter().map(|somebody| somebody.has.clone()).collect();
        for somebody in &mut self.people {
            somebody.has.remove(&Has::Mat);
        }
        for index in 0..self.people.len() {
            for _ in 0..self.roll(6) {
                self.something(index);
            }
        }
        self.may = may;
        self.people.iter_mut().zip(has).for_each(|(somebody, has)| somebody.has = has);
        self.note("they connect".to_owned());
    }

    /// Lives `steps` steps in that stack. What goes wrong and does not end by itself has ended afterwards.
    pub async fn live(&mut self, stack: &Simulation, steps: u64) {
        if self.may.trouble {
            self.hardship(stack);
        }
        for _ in 0..steps {
            let wait = match self.roll(10) {
                0..3 => self.roll(30_000),
                3..8 => 30_000 + self.roll(40 * 60_000),
                _ => self.roll(6 * 3_600_000),
            };
            self.pass(stack, wait).await;
            let trouble = self.may.trouble && self.roll(5) == 0;
            if trouble {
                self.trouble(stack);
            } else {
                let index = usize::try_from(self.roll(self.people.len() as u64)).unwrap_or(0);
                self.something(index);
            }
        }
        self.relief(stack);
    }

    /// Lets time pass, and what is to end in it ends.
    async fn pass(&mut self, stack: &Simulation, wait_ms: u64) {
        let until = self.clock.now() + Duration::from_millis(wait_ms);
        loop {
            let now = self.clock.now();
            let due: Vec<trouble::Ends> = self.pending.extract_if(.., |ends| ends.at <= now).collect();
            due.into_iter().for_each(|ends| self.end(stack, ends));
            let next = self.pending.iter().map(|ends| ends.at).min().map_or(until, |at| at.min(until));
            if now >= until {
                return;
            }
            tokio::time::sleep(next.since(now)).await;
        }
    }

    /// A number below `bound`.
    fn roll(&self, bound: u64) -> u64 {
        self.dice.between(0, bound.max(1) - 1)
    }

    /// The same, signed.
    fn some(&self, bound: i64) -> i64 {
        i64::try_from(self.roll(bound.unsigned_abs())).unwrap_or(0)
    }

    /// One of them.
    fn one_of<T: Clone>(&self, all: &[T]) -> Option<T> {
        all.get(usize::try_from(self.roll(all.len() as u64)).ok()?).cloned()
    }

    /// Whether a change is announced at all.
    fn notify(&self) -> Notify {
        if self.may.lose && self.roll(12) == 0 { Notify::No } else { Notify::Yes }
    }

    fn note(&mut self, what: String) {
        let minutes = (self.clock.now().as_millis() - self.began_ms) / 60_000;
        self.log.push(format!("{:>3}:{:02} {what}", minutes / 60, minutes % 60));
    }
}
