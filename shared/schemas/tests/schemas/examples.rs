//! An example of each kind: what an invented Withings answer becomes, by the code that makes real events.

use afferent_domain::Timestamp;
use afferent_domain::connection::{self, Public, Scopes, State, Subscriptions};
use afferent_domain::event::Draft;
use afferent_domain::exact::{Decimal, Json};
use afferent_domain::id::{ConnectionId, EndpointId, EventId, RecordId, RetractionId, RunId, UserId};
use afferent_domain::record::{Category, Change, Code, Component, Fact, Source, SyncKind, revise};
use afferent_domain::service::Service;
use afferent_normalise::{Context, Of, Recording, device_event, device_setup, kinds, normalise, profile};
use afferent_withings::Body;
use serde_json::{Value, json};

use crate::answers;

/// When the invented things happened: 2026-09-17, 7:05 in Lisbon.
pub const AT: i64 = 1_789_625_130;

/// How long after it they were noticed, in milliseconds.
const NOTICED_MS: i64 = 40_412;

/// The mat under the mattress.
const MAT: &str = "c49dc1e0e9d0d2e48a5b8c77e2e9d96c2b6622c2";

/// The watch.
const WATCH: &str = "9ce51740579a96b0e3dcfb6f85aa6759fa7b1f92";

fn user() -> UserId {
    UserId::derive(&["example"])
}

fn connection_id() -> ConnectionId {
    ConnectionId::derive(&["example"])
}

pub fn context() -> Context {
    Context {
        user: user(),
        connection: connection_id(),
        timezone: Some("Europe/Lisbon".to_owned()),
        now: Timestamp::from_millis(AT * 1000 + NOTICED_MS),
        run: None,
    }
}

/// The facts that an answer says.
fn read(service: Service, answer: &Value, of: Of<'_>) -> Vec<Fact> {
    let body = Body::new(Json::parse(answer.to_string().as_bytes()).expect("the answer is JSON"));
    let outcome = normalise(&context(), service, &body, of);
    assert_eq!(outcome.problems, [], "{service:?}");
    outcome.facts
}

/// The one fact of a kind in an answer.
fn one(kind: &str, service: Service, answer: &Value, of: Of<'_>) -> Fact {
    let mut facts = read(service, answer, of);
    facts.retain(|fact| fact.kind == kind);
    assert_eq!(facts.len(), 1, "{kind}");
    facts.remove(0)
}

/// An event that is about no record.
pub fn about_no_record(event_type: &str, data: &Value, test: bool) -> Value {
    let endpoint = EndpointId::derive(&["example"]);
    let draft = Draft {
        id: EventId::derive(&[event_type]),
        user: UserId::app(),
        event_type: event_type.to_owned(),
        source: format!("/afferent/{endpoint}"),
        time: context().now,
        synckind: SyncKind::Live,
        run: None,
        record: RecordId::derive(&[event_type]),
        rev: 1,
        data: data.to_string(),
        about: Some(endpoint.clone()),
        test,
        trace: None,
    };
    body(draft)
}

/// The body of an event with the number 42.
pub fn body(draft: Draft) -> Value {
    let event = draft.numbered(42, 0).expect("its data are JSON");
    serde_json::from_str(&event.body).expect("a body is JSON")
}

/// The last of so many revisions of a fact, as an event of its journal.
pub fn event(fact: Fact, revisions: u32) -> Value {
    let synckind = if fact.run.is_some() { SyncKind::Backfill } else { SyncKind::Live };
    let mut stored = None;
    for revision in 0..revisions {
        let mut fact = fact.clone();
        // Another comment is another revision.
        fact.source.comment = (revision > 0).then(|| format!("revision {revision}"));
        let Change::Write(record) = revise(stored.as_ref(), fact, context().now, synckind) else { panic!("no change") };
        stored = Some(*record);
    }
    of_record(&stored.expect("a revision"))
}

/// A record as an event.
pub fn of_record(record: &afferent_domain::record::Record) -> Value {
    let record = serde_json::to_string(record).expect("records are JSON");
    body(Draft::of_record(&record).expect("an event can be made of it"))
}

/// The example of a kind of record.
pub fn of_kind(kind: &str) -> Value {
    let watch = |signalid| Recording {
        signalid,
        at: Timestamp::from_secs(AT),
        timezone: Some("Europe/Lisbon".to_owned()),
        device_id: Some(WATCH.to_owned()),
    };
    let event_of = |appli| device_event(&context(), appli, AT, Some(MAT)).expect("a time").expect("a device's event");
    let fact = match kind {
        "activity_day" => one(kind, Service::Getactivity, &answers::day(), Of::Nothing),
        "blood_pressure" => one(kind, Service::Getmeas, &answers::measures(&[(10, 128, 0), (9, 82, 0)]), Of::Nothing),
        "workout" => one(kind, Service::Getworkouts, &answers::run(), Of::Nothing),
        "sleep_session" => one(kind, Service::SleepGetsummary, &answers::night(), Of::Nothing),
        "sleep_stage" => one(kind, Service::SleepGet, &answers::stages(), Of::Nothing),
        "ecg" => one(kind, Service::HeartList, &answers::ecg(), Of::Nothing),
        "ecg_signal" => one(kind, Service::HeartGet, &answers::ecg_signal(), Of::Recording(&watch(31_000_001))),
        "stethoscope_recording" => one(kind, Service::StethoList, &answers::sound(), Of::Nothing),
        "stethoscope_signal" => {
            one(kind, Service::StethoGet, &answers::sound_signal(), Of::Recording(&watch(41_000_001)))
        }
        "questionnaire_response" => one(kind, Service::AnswersGet, &answers::survey(), Of::Nothing),
        "device" => one(kind, Service::Getdevice, &answers::device(), Of::Nothing),
        "goals" => one(kind, Service::Getgoals, &answers::goals(), Of::Nothing),
        "bed_in" => event_of(50),
        "bed_out" => event_of(51),
        "inflate_done" => event_of(52),
        "ecg_failed" => event_of(55),
        "bed_occupied" => event_of(98),
        "bed_empty" => event_of(99),
        "bed_in_out" => event_of(100),
        "device_setup" => {
            let nobody = Context { connection: UserId::app().as_str().into(), ..context() };
            device_setup(&nobody, "00:24:e4:00:00:01", Timestamp::from_secs(AT)).expect("a time")
        }
        "profile" => profile(&context(), "update", "linked", Timestamp::from_secs(AT)).expect("a time"),
        "connection" => connection(),
        "backfill" => backfill(),
        "retraction" => retraction(),
        afferent_schemas::MEASURE => {
            one("withings.meastype.999", Service::Getmeas, &answers::measures(&[(999, 42, -1)]), Of::Nothing)
        }
        afferent_schemas::SERIES => {
            let answer = answers::intraday("new_field", &[json!(3), json!(5)]);
            one("withings.new_field", Service::Getintradayactivity, &answer, Of::Nothing)
        }
        _ => of_tables(kind),
    };
    event(fact, 1)
}

/// The example of a kind of the tables: a measure if there is one, else a series.
fn of_tables(kind: &str) -> Fact {
    if let Some(row) = kinds::MEASURES.iter().find(|row| row.kind == kind) {
        let meastype = row.name.parse().expect("a number");
        let (value, unit) = answers::value(meastype);
        return one(kind, Service::Getmeas, &answers::measures(&[(meastype, value, unit)]), Of::Nothing);
    }
    let samples = answers::samples(kind);
    match kinds::INTRADAY.iter().find(|row| row.kind == kind) {
        Some(row) => one(kind, Service::Getintradayactivity, &answers::intraday(row.name, &samples), Of::Nothing),
        None => {
            let row = kinds::SLEEP.iter().find(|row| row.kind == kind).expect("the kind is in a table");
            one(kind, Service::SleepGet, &answers::sleep(row.name, &samples), Of::Nothing)
        }
    }
}

fn connection() -> Fact {
    let (user, id) = (user(), connection_id());
    connection::fact(&Public {
        user: &user,
        connection: &id,
        region: "eu",
        userid: "90001001",
        state: State::Connected,
        scopes: &Scopes::new(["user.activity", "user.info", "user.metrics"]),
        subscriptions: &Subscriptions::of("1=on,4=on,16=on,44=on"),
        first_connected: Timestamp::from_secs(AT),
        connected: Timestamp::from_secs(AT),
    })
}

fn part(kind: &str) -> Component {
    Component { kind: kind.to_owned(), codes: vec![Code::own(kind)], ..Component::default() }
}

fn word(kind: &str, code: &str) -> Component {
    Component { value_code: Some(code.to_owned()), ..part(kind) }
}

fn number(kind: &str, number: i64) -> Component {
    Component { value: Some(Decimal::from(number)), ..part(kind) }
}

/// As `afferent-store` writes a run. (The tests of the whole stack hold this against what it really writes.)
fn backfill() -> Fact {
    let run = RunId::derive(&["example"]);
    let source = Source { provider: "afferent".to_owned(), ..Source::withings("afferent") };
    let record = RecordId::derive(&[user().as_str(), "backfill", run.as_str()]);
    let at = Timestamp::from_secs(AT);
    let mut fact = Fact::bare(user(), connection_id(), record, "backfill", Category::Account, at, source);
    fact.preliminary = true;
    fact.run = Some(run.to_string());
    fact.value_code = Some("running".to_owned());
    fact.components = vec![
        word("from", "2026-06-19T06:05:30Z"),
        word("to", "2026-09-17T06:05:30Z"),
        number("slices_total", 9),
        number("slices_done", 3),
        number("calls", 4),
        number("facts", 212),
        number("records", 212),
        word("problem", "heart_list scope"),
    ];
    fact
}

/// As the fetcher writes a retraction that is held.
fn retraction() -> Fact {
    let source = Source::withings("afferent");
    let record = RecordId::derive(&[user().as_str(), "retraction", "example"]);
    let at = Timestamp::from_secs(AT);
    let mut fact = Fact::bare(user(), connection_id(), record, "retraction", Category::Account, at, source);
    fact.value_code = Some("held".to_owned());
    let count = |kind, count| Component { unit: Some("{count}".to_owned()), ..number(kind, count) };
    let doubt = RetractionId::derive(&["example"]);
    fact.components =
        vec![word("retraction", doubt.as_str()), word("service", "getmeas"), count("missing", 34), count("known", 120)];
    fact
}
