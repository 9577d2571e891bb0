//! The truth: what the simulated Withings holds about a person, as the facts that the records should be.

use std::collections::BTreeMap;

use afferent_domain::Timestamp;
use afferent_domain::exact::Json;
use afferent_domain::id::RecordId;
use afferent_domain::notification::{Category, EventDate, Notification};
use afferent_domain::record::{Fact, Record, Status};
use afferent_domain::service::Service;
use afferent_normalise::{Context, Night, Of, Recording, device_event, normalise};
use afferent_store::connections::Connection;
use afferent_withings::{Body, fields};
use withings_simulator::{Outcome, Simulator};

/// What a record is compared by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// The service that the fact is of.
    pub service: String,
    /// What it is.
    pub kind: String,
    /// The digest of the fact.
    pub digest: String,
}

/// The facts of a person by their records.
pub type Facts = BTreeMap<RecordId, Fingerprint>;

/// Records of these have no fact at Withings: what Afferent says about itself, and hints without a date.
fn is_ours(service: &str, kind: &str) -> bool {
    service == "afferent" || kind == "profile" || kind == "device_setup"
}

/// The facts that Withings holds about the person of a connection, every service walked, and the events that its
/// notifications brought.
///
/// # Errors
/// A service has no truth, or a row of it cannot be understood.
pub fn of(simulator: &Simulator, connection: &Connection, now: Timestamp) -> Result<Facts, String> {
    let walk = Walk { simulator, connection, now };
    let mut facts = Vec::new();
    facts.extend(walk.read(Service::Getmeas, &[("category", "1")], Of::Nothing)?);
    facts.extend(walk.read(Service::Getactivity, &[("data_fields", fields::ACTIVITY)], Of::Nothing)?);
    facts.extend(walk.read(Service::Getintradayactivity, &[("data_fields", fields::INTRADAY)], Of::Nothing)?);
    facts.extend(walk.read(Service::Getworkouts, &[("data_fields", fields::WORKOUTS)], Of::Nothing)?);
    for service in [Service::AnswersGet, Service::Getdevice, Service::Getgoals] {
        facts.extend(walk.read(service, &[], Of::Nothing)?);
    }
    let sessions = walk.read(Service::SleepGetsummary, &[("data_fields", fields::SLEEP_SUMMARY)], Of::Nothing)?;
    let nights: Vec<Night> = sessions.iter().filter_map(night).collect();
    if !nights.is_empty() {
        facts.extend(walk.read(Service::SleepGet, &[("data_fields", fields::SLEEP)], Of::Nights(&nights))?);
    }
    facts.extend(sessions);
    for (list, get) in [(Service::HeartList, Service::HeartGet), (Service::StethoList, Service::StethoGet)] {
        let summaries = walk.read(list, &[], Of::Nothing)?;
        for recording in summaries.iter().filter_map(recording) {
            let signalid = recording.signalid.to_string();
            facts.extend(walk.read(get, &[("signalid", &signalid)], Of::Recording(&recording))?);
        }
        facts.extend(summaries);
    }
    facts.extend(walk.events());
    let fingerprint = |fact: Fact| {
        let digest = fact.digest();
        (fact.record, Fingerprint { service: fact.source.service, kind: fact.kind, digest })
    };
    Ok(facts.into_iter().map(fingerprint).collect())
}

/// The facts that the records of a person state; what was retracted is not among them.
#[must_use]
pub fn stated(records: &[Record]) -> Facts {
    let stated = records.iter().filter(|record| record.status != Status::EnteredInError);
    let stated = stated.filter(|record| !is_ours(&record.source.service, &record.kind));
    stated.map(|record| (record.record.clone(), fingerprint(record))).collect()
}

fn fingerprint(record: &Record) -> Fingerprint {
    let (service, kind) = (record.source.service.clone(), record.kind.clone());
    Fingerprint { service, kind, digest: record.digest.clone() }
}

struct Walk<'a> {
    simulator: &'a Simulator,
    connection: &'a Connection,
    now: Timestamp,
}

impl Walk<'_> {
    fn context(&self) -> Context {
        Context {
            user: self.connection.user.clone(),
            connection: self.connection.id.clone(),
            timezone: self.connection.tz.clone(),
            now: self.now,
            run: None,
        }
    }

    fn read(&self, service: Service, arguments: &[(&str, &str)], of: Of<'_>) -> Result<Vec<Fact>, String> {
        let userid = self.connection.account.userid.parse().map_err(|_| "the userid is no number".to_owned())?;
        let truth = self.simulator.truth(userid, service, arguments).map_err(|error| format!("{service}: {error}"))?;
        let json = Json::parse(truth.to_string().as_bytes()).map_err(|_| format!("{service}: no JSON"))?;
        let outcome = normalise(&self.context(), service, &Body::new(json), of);
        match outcome.problems.first() {
            None => Ok(outcome.facts),
            Some(problem) => Err(format!("{service}: {problem}")),
        }
    }

    /// The events that reached the front door: there is nothing to fetch, so one that was lost is lost.
    fn events(&self) -> Vec<Fact> {
        let userid = &self.connection.account.userid;
        let told = self.simulator.notifications().into_iter().filter(|told| {
            matches!(told.appli, 50 | 51 | 52 | 55)
                && told.userid.is_some_and(|of| of.to_string() == *userid)
                && told.outcome == Outcome::Delivered
        });
        told.filter_map(|told| {
            let body = Notification::read(&told.body).ok()?;
            let category: Category = body.category().ok()?;
            let Some(EventDate::At(date)) = body.date else { return None };
            let appli = i64::from(category.appli());
            device_event(&self.context(), appli, date.as_secs(), body.deviceid.as_deref()).ok()?
        })
        .collect()
    }
}

/// The night of a session, to cut the stages by.
fn night(session: &Fact) -> Option<Night> {
    let end = match &session.effective {
        afferent_domain::record::Effective::Period { end, .. } => end.parse::<jiff::Timestamp>().ok()?,
        afferent_domain::record::Effective::At { .. } => return None,
    };
    Some(Night {
        id: session.source.id?,
        start: Timestamp::from_millis(session.effective_ms),
        end: Timestamp::from_secs(end.as_second()),
        open: session.preliminary,
        device_id: session.source.device_id.clone(),
    })
}

fn recording(summary: &Fact) -> Option<Recording> {
    Some(Recording {
        signalid: summary.signal.as_ref()?.signalid,
        at: Timestamp::from_millis(summary.effective_ms),
        timezone: summary.tz.clone(),
        device_id: summary.source.device_id.clone(),
    })
}

/// How the stated facts differ from the truth, one line each: kinds and ids, never values.
#[must_use]
pub fn differences(truth: &Facts, stated: &Facts, records: &[Record]) -> Vec<String> {
    let mut lines = Vec::new();
    for (id, fact) in truth {
        let line = |what: &str| format!("{}/{} {id}: {what}", fact.service, fact.kind);
        match stated.get(id) {
            Some(same) if same.digest == fact.digest => {}
            Some(_) => lines.push(line("not as Withings has it")),
            None if records.iter().any(|record| record.record == *id) => {
                lines.push(line("retracted, and Withings has it"));
            }
            None => lines.push(line("missing")),
        }
    }
    for (id, fact) in stated.iter().filter(|(id, _)| !truth.contains_key(*id)) {
        lines.push(format!("{}/{} {id}: stated, and Withings has it no more", fact.service, fact.kind));
    }
    lines
}
