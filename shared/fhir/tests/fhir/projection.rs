//! What becomes of each sort of record, in examples.

use std::collections::BTreeSet;

use afferent_domain::id::RecordId;
use afferent_domain::record::{Record, retract};
use afferent_domain::service::Service;
use afferent_fhir::{device, device_record, id, observation, patient};
use serde_json::{Value, json};

use crate::fixtures::{self, context, facts, record};

fn only(kind: &str, service: Service, body: &str) -> Record {
    let mut found: Vec<_> = facts(service, body.as_bytes()).into_iter().filter(|fact| fact.kind == kind).collect();
    assert_eq!(found.len(), 1, "{kind}");
    record(found.remove(0))
}

fn text(record: &Record) -> String {
    serde_json::to_string(&observation(record, &BTreeSet::new()).unwrap()).unwrap()
}

fn seen(record: &Record) -> Value {
    serde_json::from_str(&text(record)).unwrap()
}

fn weight() -> Record {
    only(
        "body_weight",
        Service::Getmeas,
        r#"{"measuregrps":[{"grpid":1,"date":1789625130,"category":1,"attrib":0,"timezone":"Europe/Paris",
            "deviceid":"aa","hash_deviceid":"9ce51740579a96b0e3dcfb6f85aa6759fa7b1f92","model":"Body Scan",
            "measures":[{"value":8120,"type":1,"unit":-2}]}]}"#,
    )
}

#[test]
fn a_weight_is_a_quantity_with_the_digits_that_were_sent() {
    let record = weight();
    assert!(text(&record).contains(r#""valueQuantity":{"value":81.20,"unit":"kg","#), "{}", text(&record));
    let seen = seen(&record);
    assert_eq!(seen["id"], id::of_record(&record.user, &record.record));
    assert_eq!(seen["status"], "final");
    assert_eq!(seen["effectiveDateTime"], "2026-09-17T08:05:30+02:00");
    assert_eq!(seen["issued"], "2026-09-21T14:13:20.412Z");
    assert_eq!(seen["meta"]["versionId"], "1");
    assert_eq!(
        seen["code"]["coding"][0],
        json!({"system": "http://loinc.org", "code": "29463-7", "display": "Body weight"})
    );
    assert_eq!(
        seen["code"]["coding"][1],
        json!({"system": "urn:afferent:withings-measurement", "code": "body-weight"})
    );
    assert_eq!(seen["identifier"], json!([{"system": "urn:afferent:record", "value": record.record.as_str()}]));
    assert!(seen.get("performer").is_none() && seen.get("component").is_none());
}

#[test]
fn a_device_is_pointed_to_where_its_record_exists_and_else_named_by_its_hash() {
    let record = weight();
    let hash = "9ce51740579a96b0e3dcfb6f85aa6759fa7b1f92";
    let reference = |devices: &[RecordId]| {
        let known = devices.iter().cloned().collect();
        serde_json::to_value(observation(&record, &known).unwrap().device).unwrap()
    };
    let identifier = json!({"system": "urn:afferent:device", "value": hash});
    assert_eq!(reference(&[]), json!({"identifier": identifier, "display": "Body Scan"}));
    let which = device_record(&record.user, hash);
    let address = format!("Device/{}", id::of_record(&record.user, &which));
    assert_eq!(reference(&[which])["reference"], address);
}

#[test]
fn the_record_of_a_device_has_the_id_that_observations_point_to() {
    let devices: Vec<&Record> = fixtures::all().iter().filter(|record| record.kind == "device").collect();
    assert!(!devices.is_empty());
    for record in devices {
        assert_eq!(record.record, device_record(&record.user, record.source.device_id.as_deref().unwrap()));
        let seen = serde_json::to_value(device(record).unwrap()).unwrap();
        assert_eq!(seen["id"], id::of_record(&record.user, &record.record));
        assert_eq!(seen["patient"]["reference"], format!("Patient/{}", id::of_user(&record.user)));
        assert!(observation(record, &BTreeSet::new()).is_none());
    }
}

#[test]
fn a_retracted_record_keeps_its_code_and_says_no_value() {
    let gone = seen(&retract(&weight(), context().now));
    assert_eq!(gone["status"], "entered-in-error");
    assert_eq!(gone["meta"]["versionId"], "2");
    assert!(gone.get("valueQuantity").is_none());
    assert_eq!(gone["dataAbsentReason"]["coding"][0]["code"], "unknown");
    assert_eq!(gone["code"]["coding"][0]["code"], "29463-7");
    assert!(gone["subject"]["reference"].is_string());
}

#[test]
fn what_a_person_entered_has_the_person_as_its_performer_and_what_is_ambiguous_says_so() {
    let by = |attrib: i64| {
        let body = format!(
            r#"{{"measuregrps":[{{"grpid":1,"date":1789625130,"category":1,"attrib":{attrib},"comment":"at home",
            "measures":[{{"value":36,"type":71,"unit":0}}]}}]}}"#
        );
        seen(&only("body_temperature", Service::Getmeas, &body))
    };
    let manual = by(2);
    assert_eq!(manual["performer"], json!([manual["subject"]]));
    assert_eq!(manual["note"], json!([{"text": "at home"}]));
    let ambiguous = by(1);
    assert!(ambiguous.get("performer").is_none());
    let concept = &ambiguous["component"][0]["valueCodeableConcept"]["coding"];
    assert_eq!(concept[0], json!({"system": "urn:afferent:attribution", "code": "ambiguous"}));
    assert_eq!(concept[1], json!({"system": "urn:afferent:withings-attribution", "code": "1"}));
}

#[test]
fn a_series_has_its_samples_in_a_part_and_leaves_the_code_of_one_number_to_it() {
    let body =
        r#"{"series":{"1789520400":{"heart_rate":61,"duration":60},"1789520520":{"heart_rate":64,"duration":60}}}"#;
    let seen = seen(&only("heart_rate", Service::Getintradayactivity, body));
    assert_eq!(seen["code"]["coding"], json!([{"system": "urn:afferent:withings-measurement", "code": "heart-rate"}]));
    assert!(seen["meta"].get("profile").is_none());
    assert_eq!(seen["component"][0]["code"]["coding"][0]["code"], "8867-4");
    let samples = &seen["component"][0]["valueSampledData"];
    assert_eq!((&samples["period"], &samples["data"]), (&json!(120_000), &json!("61 64")));
    assert_eq!(samples["origin"]["code"], "/min");
    assert_eq!(seen["component"][1]["valueSampledData"]["data"], "60 60");
    assert_eq!(seen["effectivePeriod"]["start"], "2026-09-16T02:00:00+01:00");
}

#[test]
fn parts_that_differ_by_their_statistic_differ_by_our_code() {
    for day in fixtures::all().iter().filter(|record| record.kind == "activity_day") {
        let seen = seen(day);
        let parts = seen["component"].as_array().cloned().unwrap_or_default();
        let codes: BTreeSet<String> = parts.iter().map(|part| part["code"]["coding"].to_string()).collect();
        assert_eq!(codes.len(), parts.len(), "{seen}");
    }
}

#[test]
fn a_night_is_a_panel_and_its_stages_are_periods() {
    let body = r#"{"series":[{"startdate":1789519560,"enddate":1789520040,"state":1},
                             {"startdate":1789520040,"enddate":1789520100,"state":2}]}"#;
    let seen = seen(&only("sleep_stage", Service::SleepGet, body));
    let parts = seen["component"].as_array().unwrap();
    assert_eq!(parts[1]["code"]["coding"][1]["code"], "sleep-stage-deep");
    let period = json!({"start": "2026-09-16T01:54:00+01:00", "end": "2026-09-16T01:55:00+01:00"});
    assert_eq!(parts[1]["valuePeriod"], period);
}

#[test]
fn a_result_in_words_keeps_the_integer_behind_it() {
    let body = r#"{"measuregrps":[{"grpid":1,"date":1789625130,"category":1,"attrib":0,
            "measures":[{"value":12,"type":139,"unit":0}]}]}"#;
    let seen = seen(&only("afib_ppg", Service::Getmeas, body));
    let codings = json!([{"system": "urn:afferent:afib", "code": "positive"}, {"system": "urn:afferent:withings-afib", "code": "12"}]);
    assert_eq!(seen["valueCodeableConcept"]["coding"], codings);
}

#[test]
fn accounts_devices_goals_and_answers_are_no_observations() {
    let mut left_out = BTreeSet::new();
    for record in fixtures::all() {
        if observation(record, &BTreeSet::new()).is_none() {
            left_out.insert(record.kind.clone());
        }
    }
    let expected = ["device", "device_setup", "goals", "profile", "questionnaire_response"];
    assert_eq!(left_out, expected.map(str::to_owned).into());
}

#[test]
fn a_patient_is_an_id_and_what_the_customer_calls_it() {
    let user = context().user;
    let seen = serde_json::to_value(patient(&user, Some("person-1"))).unwrap();
    let identifier = json!([{"system": "urn:afferent:reference-id", "value": "person-1"}]);
    assert_eq!(seen, json!({"resourceType": "Patient", "id": id::of_user(&user), "identifier": identifier}));
    assert!(serde_json::to_value(patient(&user, None)).unwrap().get("identifier").is_none());
}
