//! From what Withings answers to health records: pure functions, one file per service.
//!
//! The same rows give the same facts in whatever order they come: everything is sorted, and of two rows that are
//! one record the newer counts. A row that cannot be read is a [`Problem`] and does not cost the others.
//! What has no name in the table of [`kinds`] is kept as `withings.<name>`, never dropped: a test changes every leaf of
//! every fixture and looks for the change in the records. `tests/fixtures/ignored.json` lists the exceptions, each with
//! its reason.

mod activity;
mod build;
mod details;
mod devices;
mod events;
mod goals;
mod heart;
mod intraday;
pub mod kinds;
mod measures;
mod series;
mod signals;
mod size;
mod sleep;
mod stages;
mod survey;
mod time;
mod workouts;

use std::collections::BTreeMap;

use afferent_domain::Timestamp;
use afferent_domain::id::{ConnectionId, UserId};
use afferent_domain::record::Fact;
use afferent_domain::service::Service;
use afferent_withings::{Body, Problem, Why};

pub use details::{Of, Recording, night, nights, recording, recordings};
pub use events::{device_event, device_setup, profile};
pub use signals::{PART_BYTES, signal_parts};
pub use size::FACT_BYTES;
pub use stages::Night;
pub use time::whole_hours;

/// Whose answer it is, and when.
#[derive(Clone, Debug)]
pub struct Context {
    /// The person.
    pub user: UserId,
    /// The connection that brought it.
    pub connection: ConnectionId,
    /// The IANA time zone for rows that name none; without it UTC.
    pub timezone: Option<String>,
    /// The present, to know today and an open night.
    pub now: Timestamp,
    /// The backfill run, if it is one.
    pub run: Option<String>,
}

/// What an answer says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The facts, each record once, sorted by record.
    pub facts: Vec<Fact>,
    /// What could not be read.
    pub problems: Vec<Problem>,
    /// The greatest `modified` among the facts, epoch seconds: the next `lastupdate`. One that lies in the future does not
    /// count: it would hide everything until then.
    pub newest_modified: Option<i64>,
    /// Whether it is too early: a recording whose signal the device has not synced yet. There are no facts, and
    /// nothing is wrong; the same call brings them later.
    pub later: bool,
}

/// Normalises one page of a service.
///
/// `of` says what the answer does not: the nights that a sleep get was made for (without them the stages are cut into
/// nights where nothing was recorded for an hour), and the recording whose signal it is (without it there are no
/// facts but a problem). Other services do not look at it.
///
/// The windows of getintradayactivity and sleep get must begin and end on whole UTC hours ([`whole_hours`]): their
/// samples are records by the hour, and half an hour would overwrite the whole one.
#[must_use]
pub fn normalise(context: &Context, service: Service, body: &Body, of: Of<'_>) -> Outcome {
    let mut outcome = match service {
        Service::Getmeas => measures::facts(context, body),
        Service::Getactivity => activity::facts(context, body),
        Service::Getintradayactivity => intraday::facts(context, body),
        Service::Getworkouts => workouts::facts(context, body),
        Service::SleepGet => stages::facts(context, body, of.nights()),
        Service::SleepGetsummary => sleep::facts(context, body),
        Service::HeartList => heart::ecgs(context, body),
        Service::StethoList => heart::stethos(context, body),
        Service::AnswersGet => survey::facts(context, body),
        Service::Getdevice => devices::facts(context, body),
        Service::Getgoals => goals::facts(context, body),
        Service::HeartGet | Service::StethoGet => signals::facts(context, service, body, of.recording()),
    };
    let latest = context.now.as_secs().saturating_add(CLOCK_SKEW_S);
    let modified = outcome.facts.iter().filter_map(|fact| fact.source.modified);
    outcome.newest_modified = modified.filter(|modified| *modified <= latest).max();
    outcome
}

/// How far Withings' clock is believed to be ahead of ours, in seconds.
const CLOCK_SKEW_S: i64 = 300;

impl Outcome {
    /// Sorts, and keeps of each record the newest (pages overlap while rows move, and some recordings hold a row
    /// twice), unless it is too large to be stored.
    fn settle(facts: Vec<Fact>, mut problems: Vec<Problem>) -> Self {
        let mut newest: BTreeMap<_, Fact> = BTreeMap::new();
        for fact in facts {
            let age = |fact: &Fact| (fact.source.modified, fact.digest());
            match newest.get(&fact.record) {
                Some(other) if age(other) >= age(&fact) => {}
                _ => {
                    newest.insert(fact.record.clone(), fact);
                }
            }
        }
        newest.retain(|_, fact| {
            let fits = size::fits(fact);
            if !fits {
                problems.push(Problem::at(&fact.source.service, Why::TooLarge));
            }
            fits
        });
        problems.sort();
        Self { facts: newest.into_values().collect(), problems, ..Self::default() }
    }
}

#[cfg(test)]
mod tests;
