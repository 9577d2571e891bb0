//! Every record that the fixtures become, in every status.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use afferent_domain::Timestamp;
use afferent_domain::exact::Json;
use afferent_domain::id::{ConnectionId, UserId};
use afferent_domain::record::{Change, Fact, Record, Status, SyncKind, retract, revise};
use afferent_domain::service::Service;
use afferent_normalise::{Context, Of, Recording, device_event, device_setup, normalise, profile};
use afferent_withings::Body;

const FIXTURES: [(Service, &str); 20] = [
    (Service::Getmeas, "getmeas_page1"),
    (Service::Getmeas, "getmeas_page2"),
    (Service::Getmeas, "getmeas_bp_window_desc"),
    (Service::Getmeas, "getmeas_glucose"),
    (Service::Getmeas, "getmeas_single_weighin"),
    (Service::Getactivity, "getactivity"),
    (Service::Getintradayactivity, "getintradayactivity"),
    (Service::Getworkouts, "getworkouts"),
    (Service::SleepGet, "sleep_get"),
    (Service::SleepGet, "sleep_get_no_data_fields"),
    (Service::SleepGetsummary, "sleep_getsummary"),
    (Service::SleepGetsummary, "sleep_getsummary_page1"),
    (Service::SleepGetsummary, "sleep_getsummary_page2"),
    (Service::HeartList, "heart_list"),
    (Service::StethoList, "stetho_list"),
    (Service::AnswersGet, "answers_get"),
    (Service::Getdevice, "user_getdevice"),
    (Service::Getgoals, "user_getgoals"),
    (Service::HeartGet, "heart_get"),
    (Service::StethoGet, "stetho_get"),
];

/// Rows that nobody's device sent yet: every measure type, types and fields without a name, other zones, a lone pressure,
/// equal and odd classes, whole minutes and odd seconds.
fn odd() -> Vec<(Service, String)> {
    let types = [
        1, 4, 5, 6, 8, 9, 10, 11, 12, 54, 71, 73, 76, 77, 88, 91, 119, 123, 130, 135, 136, 137, 138, 139, 147, 148,
        151, 155, 158, 159, 167, 168, 169, 170, 173, 174, 175, 196, 197, 198, 204, 205, 226, 227, 229, 248, 249, 251,
        9_999,
    ];
    let every = |attrib: i64, value: i64, unit: i64| {
        let measures: Vec<String> =
            types.iter().map(|number| format!(r#"{{"value":{value},"type":{number},"unit":{unit}}}"#)).collect();
        let body = format!(
            r#"{{"measuregrps":[{{"grpid":9{attrib},"date":1789625130,"category":1,"attrib":{attrib},"comment":"",
            "timezone":"Asia/Kathmandu","model":"","measures":[{}]}}]}}"#,
            measures.join(",")
        );
        (Service::Getmeas, body)
    };
    let mut odd: Vec<(Service, String)> = [
        (
            Service::Getmeas,
            r#"{"measuregrps":[{"grpid":1,"date":1789625130,"category":1,"attrib":99,"timezone":"Mars/Olympus",
            "comment":"after breakfast",
            "measures":[{"value":77,"type":130,"unit":0},{"value":5,"type":9999,"unit":-1,"position":77},
                        {"value":80,"type":9,"unit":0,"position":3,"other":{"a":1.25}}]}]}"#,
        ),
        (Service::Getactivity, r#"{"activities":[{"date":"2026-09-16","steps":1,"newness":2.5,"word":"x"}]}"#),
        (Service::Getactivity, r#"{"activities":[{"date":"2026-03-29","timezone":"Europe/Lisbon"}]}"#),
        (
            Service::Getworkouts,
            r#"{"series":[{"id":1,"category":9999,"startdate":1789578000,"enddate":1789579980,"data":{"new_sum":1}},
                          {"id":2,"category":1,"startdate":1789578000,"enddate":1789570000,"data":{}}]}"#,
        ),
        (
            Service::HeartList,
            r#"{"series":[{"ecg":{"signalid":3,"afib":55},"stetho":{"signalid":4,"vhd":9},"timestamp":1789578000}]}"#,
        ),
        (
            Service::SleepGet,
            r#"{"series":[{"startdate":1789519560,"enddate":1789520040,"state":77,"new_sample":{"1789519560":1},
                           "hr":{"1789519567":61,"1789519801":62.5}}]}"#,
        ),
        (
            Service::Getintradayactivity,
            r#"{"series":{"1789520400":{"heart_rate":61,"steps":20,"duration":60},"1789520401":{"heart_rate":62}}}"#,
        ),
    ]
    .map(|(service, body)| (service, body.to_owned()))
    .into();
    odd.extend([every(0, 8_120, -2), every(1, 1_780, -3), every(2, 70, 0), every(4, 7, 1), every(15, 0, 0)]);
    odd
}

pub fn context() -> Context {
    Context {
        user: UserId::derive(&["fixture"]),
        connection: ConnectionId::derive(&["fixture"]),
        timezone: Some("Europe/Lisbon".to_owned()),
        // Long after the fixtures.
        now: Timestamp::from_millis(1_790_000_000_412),
        run: None,
    }
}

/// What an answer becomes.
pub fn facts(service: Service, body: &[u8]) -> Vec<Fact> {
    let recording = Recording {
        signalid: 31_000_001,
        at: Timestamp::from_secs(1_789_625_130),
        timezone: None,
        device_id: Some("9ce51740579a96b0e3dcfb6f85aa6759fa7b1f92".to_owned()),
    };
    let of = match service {
        Service::HeartGet | Service::StethoGet => Of::Recording(&recording),
        _ => Of::Nothing,
    };
    normalise(&context(), service, &Body::new(Json::parse(body).unwrap()), of).facts
}

fn fixture(service: Service, name: &str) -> Vec<Fact> {
    let path = format!("{}/../../tests/fixtures/withings/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let whole = Json::parse(&std::fs::read(path).unwrap()).unwrap();
    let body = serde_json::to_string(whole.get("body").unwrap()).unwrap();
    let facts = facts(service, body.as_bytes());
    assert!(!facts.is_empty(), "{name}");
    facts
}

/// The first revision of a fact.
pub fn record(fact: Fact) -> Record {
    let Change::Write(record) = revise(None, fact, context().now, SyncKind::Live) else { panic!("it is new") };
    *record
}

/// All facts, as records: of each the first revision, a changed one and a retracted one.
pub fn all() -> &'static [Record] {
    static ALL: LazyLock<Vec<Record>> = LazyLock::new(make);
    &ALL
}

fn make() -> Vec<Record> {
    let mut all: Vec<Fact> = FIXTURES.iter().flat_map(|(service, name)| fixture(*service, name)).collect();
    all.extend(odd().iter().flat_map(|(service, body)| facts(*service, body.as_bytes())));
    let at = 1_789_625_130;
    let events = [50, 51, 52, 55, 98, 99, 100].map(|appli| device_event(&context(), appli, at, Some("aa")));
    all.extend(events.into_iter().map(|event| event.unwrap().unwrap()));
    all.push(profile(&context(), "update", "linked", Timestamp::from_secs(at)).unwrap());
    all.push(device_setup(&context(), "00:24:e4:00:00:01", Timestamp::from_secs(at)).unwrap());
    let now = context().now;
    // Some fixtures overlap.
    let all: BTreeMap<_, _> = all.into_iter().map(|fact| (fact.record.clone(), fact)).collect();
    all.into_values()
        .map(record)
        .flat_map(|first| {
            let amended = Record { rev: 2, status: Status::Amended, ..first.clone() };
            let gone = retract(&amended, now);
            [first, amended, gone]
        })
        .collect()
}
