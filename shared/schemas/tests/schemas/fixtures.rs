//! Everything that the recorded shapes of Withings' answers become is as the schemas say.

use std::collections::BTreeSet;

use afferent_domain::Timestamp;
use afferent_domain::exact::Json;
use afferent_domain::record::{Change, Fact, SyncKind, retract, revise};
use afferent_domain::service::Service;
use afferent_normalise::{Context, Of, Recording, normalise};
use afferent_withings::Body;

use crate::examples;
use crate::holds::assert_holds;

const FIXTURES: [(Service, &str); 14] = [
    (Service::Getmeas, "getmeas_page1"),
    (Service::Getmeas, "getmeas_page2"),
    (Service::Getmeas, "getmeas_bp_window_desc"),
    (Service::Getmeas, "getmeas_glucose"),
    (Service::Getactivity, "getactivity"),
    (Service::Getintradayactivity, "getintradayactivity"),
    (Service::Getworkouts, "getworkouts"),
    (Service::SleepGetsummary, "sleep_getsummary"),
    (Service::SleepGetsummary, "sleep_getsummary_page1"),
    (Service::HeartList, "heart_list"),
    (Service::StethoList, "stetho_list"),
    (Service::AnswersGet, "answers_get"),
    (Service::Getdevice, "user_getdevice"),
    (Service::Getgoals, "user_getgoals"),
];

/// Long after the fixtures.
fn later() -> Context {
    Context { now: Timestamp::from_secs(1_790_000_000), ..examples::context() }
}

fn facts(service: Service, name: &str, of: Of<'_>) -> Vec<Fact> {
    let path = format!("{}/../../tests/fixtures/withings/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let tree = Json::parse(&std::fs::read(path).unwrap()).unwrap().get("body").cloned().unwrap();
    let outcome = normalise(&later(), service, &Body::new(tree), of);
    assert!(!outcome.facts.is_empty(), "{name}");
    outcome.facts
}

/// The events of a fact: it is new, it changes, it is retracted.
fn assert_all_hold(fact: &Fact) {
    assert_holds(&examples::event(fact.clone(), 1));
    assert_holds(&examples::event(fact.clone(), 2));
    let Change::Write(record) = revise(None, fact.clone(), later().now, SyncKind::Live) else { panic!("it is new") };
    assert_holds(&examples::of_record(&retract(&record, later().now)));
}

#[test]
fn whatever_the_fixtures_become_is_as_the_schemas_say() {
    let mut kinds = BTreeSet::new();
    let nights = ["sleep_get", "sleep_get_no_data_fields"].map(|name| (Service::SleepGet, name));
    for (service, name) in FIXTURES.into_iter().chain(nights) {
        for fact in facts(service, name, Of::Nothing) {
            // Of one kind from one service, the first and whatever is shaped otherwise.
            let shape = (
                fact.kind.clone(),
                service,
                fact.codes.len(),
                fact.components.len(),
                fact.tz.clone(),
                fact.body_site.clone(),
            );
            if kinds.insert(shape) {
                assert_all_hold(&fact);
            }
        }
    }
    let recording = Recording { signalid: 31_000_001, at: later().now, timezone: None, device_id: None };
    for (service, name) in [
        (Service::HeartGet, "heart_get"),
        (Service::HeartGet, "heart_get_hr_object"),
        (Service::StethoGet, "stetho_get"),
    ] {
        facts(service, name, Of::Recording(&recording)).iter().for_each(assert_all_hold);
    }
    assert!(kinds.len() > 40, "{}", kinds.len());
}

#[test]
fn a_row_of_another_language_an_unknown_field_and_an_unknown_class_hold_too() {
    let odd = [
        (
            Service::Getmeas,
            r#"{"measuregrps":[{"grpid":1,"date":1789625130,"category":1,"attrib":99,"timezone":"Mars/Olympus",
            "measures":[{"value":77,"type":130,"unit":0},{"value":5,"type":9999,"unit":-1,"position":77},
                        {"value":80,"type":9,"unit":0,"position":3,"other":{"a":1.25}}]}]}"#,
        ),
        (Service::Getactivity, r#"{"activities":[{"date":"2026-09-16","steps":1,"newness":2.5,"word":"x"}]}"#),
        (
            Service::Getworkouts,
            r#"{"series":[{"id":1,"category":9999,"startdate":1789578000,"enddate":1789579980,"data":{"new_sum":1}}]}"#,
        ),
        (
            Service::HeartList,
            r#"{"series":[{"ecg":{"signalid":3,"afib":55},"stetho":{"signalid":4,"vhd":9},"timestamp":1789578000}]}"#,
        ),
        (
            Service::SleepGet,
            r#"{"series":[{"startdate":1789519560,"enddate":1789520040,"state":77,"new_sample":{"1789519560":1}}]}"#,
        ),
    ];
    for (service, body) in odd {
        let outcome = normalise(&later(), service, &Body::new(Json::parse(body.as_bytes()).unwrap()), Of::Nothing);
        assert!(!outcome.facts.is_empty(), "{service:?}");
        outcome.facts.iter().for_each(assert_all_hold);
    }
}
