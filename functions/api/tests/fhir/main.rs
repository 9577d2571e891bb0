//! Records over HTTP as FHIR R4: searches, pages, single resources, and who may see whose.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

mod counts;
mod everything;
mod following;
mod forms;
mod stack;

use std::collections::BTreeSet;

use afferent_domain::Timestamp;
use afferent_domain::exact::Decimal;
use afferent_domain::record::{Category, Signal, retract};
use afferent_fhir::id;
use lambda_http::http::Method;
use serde_json::Value;

use stack::{AT, BASE, HASH, Stack, ids, record, refusal};

#[tokio::test(start_paused = true)]
async fn a_search_by_code_finds_what_has_it_with_every_digit() {
    let stack = Stack::start().await;
    let (weight, pressure) = (stack.weight("w", 0), stack.pressure("p", 5));
    stack.put(&weight).await;
    stack.put(&pressure).await;
    let url = format!("{BASE}/Observation?patient={}&code=http://loinc.org|29463-7", stack.patient());
    let answer = stack.send(Method::GET, &url.replace('|', "%7C"), Some(&stack.reader), None).await;
    let text = String::from_utf8(answer.body().to_vec()).unwrap();
    assert!(text.contains(r#""valueQuantity":{"value":81.20,"#), "{text}");
    let bundle: Value = serde_json::from_str(&text).unwrap();
    let own = id::of_record(&stack.user, &weight.record);
    assert_eq!(ids(&bundle), std::slice::from_ref(&own));
    assert_eq!(bundle["type"], "searchset");
    assert_eq!(bundle["entry"][0]["fullUrl"], format!("{BASE}/Observation/{own}"));
    assert_eq!(bundle["entry"][0]["search"]["mode"], "match");
    assert_eq!(bundle["link"].as_array().unwrap().len(), 1);
    for (query, count) in [
        ("", 2),
        ("&code=8480-6", 0),
        ("&combo-code=8480-6", 1),
        ("&code=body_weight,blood_pressure", 2),
        ("&category=vital-signs", 2),
        ("&category=laboratory", 0),
        ("&code=nothing", 0),
        ("&status=final", 2),
        ("&status=amended", 0),
    ] {
        assert_eq!(ids(&stack.search(query).await).len(), count, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn pages_have_every_observation_once_and_the_newest_first() {
    let stack = Stack::start().await;
    let mut expected = Vec::new();
    for index in 0..11 {
        // Three at each instant, of two kinds.
        let (name, after_s) = (format!("{index}"), index / 3 * 100);
        let record = if index % 3 == 0 { stack.pressure(&name, after_s) } else { stack.weight(&name, after_s) };
        stack.put(&record).await;
        expected.push((record.effective_ms, record.record.clone()));
    }
    expected.sort();
    let forwards: Vec<String> = expected.iter().map(|(_, record)| id::of_record(&stack.user, record)).collect();
    let backwards: Vec<String> = forwards.iter().rev().cloned().collect();
    for (query, order) in
        [("&_count=4", &backwards), ("&_count=4&_sort=-date", &backwards), ("&_count=4&_sort=date", &forwards)]
    {
        let (sizes, found) = stack.walk(stack.search(query).await).await;
        assert_eq!(&found, order, "{query}");
        assert!(sizes.len() <= 4 && sizes[..2] == [4, 4], "{sizes:?}");
    }
    let some = forwards[2..9].join(",");
    let (sizes, found) = stack.walk(stack.search(&format!("&_id={some}&_count=3")).await).await;
    assert_eq!((sizes, &found[..]), (vec![3, 3, 1], &backwards[2..9]));
}

#[tokio::test(start_paused = true)]
async fn a_page_of_long_recordings_is_cut_where_it_would_be_too_long_for_an_answer() {
    let stack = Stack::start().await;
    for part in 0..14 {
        let mut fact = stack.fact(&format!("{part}"), "ecg_signal", Category::Exam, part);
        let hertz = Some(Decimal::from(500));
        let signal = Signal { signalid: 7, sampling_hz: hertz, unit: Some("uV".to_owned()), ..Signal::default() };
        fact.signal = Some(Signal { samples: vec![i64::MIN; 12_500], ..signal });
        stack.put(&record(fact)).await;
    }
    let (sizes, found) = stack.walk(stack.search("").await).await;
    assert_eq!(sizes.iter().sum::<usize>(), 14);
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 14);
    assert!(sizes.len() == 2 && sizes[0] * 262_500 < 3_000_000, "{sizes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_day_is_the_persons_own() {
    let stack = Stack::start().await;
    // 23:30 and 0:30 in Paris, which are one day in UTC.
    stack.put(&stack.weight("late", 55_470)).await;
    stack.put(&stack.weight("early", 59_070)).await;
    for (query, count) in [
        ("&date=2026-09-17", 1),
        ("&date=2026-09-18", 1),
        ("&date=ge2026-09-17&date=lt2026-09-19", 2),
        ("&date=2026-09-17T21:00:00Z", 0),
        ("&date=ge2026-09-17T21:00:00Z", 2),
        ("&date=gt2026-09-18", 0),
        ("&date=2025", 0),
    ] {
        assert_eq!(ids(&stack.search(query).await).len(), count, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_observation_is_read_by_its_id() {
    let stack = Stack::start().await;
    let weight = stack.weight("w", 0);
    stack.put(&weight).await;
    let url = format!("{BASE}/Observation/{}", id::of_record(&stack.user, &weight.record));
    let (status, seen) = stack.get(&url, &stack.reader).await;
    assert_eq!((status, &seen["code"]["coding"][0]["code"]), (200, &"29463-7".into()));
    let head = stack.send(Method::HEAD, &url, Some(&stack.reader), None).await;
    assert_eq!((head.status().as_u16(), head.body().is_empty()), (200, true));
    assert_eq!(head.headers()["etag"], r#"W/"1""#);
    for absent in ["usr-1.rec-1", "rec-1", "nonsense"] {
        let (status, outcome) = stack.get(&format!("Observation/{absent}"), &stack.reader).await;
        assert_eq!((status, refusal(&outcome)), (404, "not-found"), "{absent}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retracted_observation_is_there_for_who_asks_for_it() {
    let stack = Stack::start().await;
    let weight = stack.weight("w", 0);
    stack.put(&weight).await;
    stack.put(&retract(&weight, Timestamp::from_secs(AT + 3_600))).await;
    assert_eq!(ids(&stack.search("").await).len(), 0);
    for query in ["&status=entered-in-error", "&_lastUpdated=ge2026-09-17T06:30:00Z"] {
        let bundle = stack.search(query).await;
        let resource = &bundle["entry"][0]["resource"];
        assert_eq!(resource["status"], "entered-in-error", "{query}");
        assert!(resource.get("valueQuantity").is_none());
    }
    assert_eq!(ids(&stack.search("&_lastUpdated=lt2026-09-17T06:30:00Z").await).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_device_is_pointed_to_once_it_is_known() {
    let stack = Stack::start().await;
    let weight = stack.weight("w", 0);
    stack.put(&weight).await;
    let device = |bundle: &Value| bundle["entry"][0]["resource"]["device"].clone();
    let before = device(&stack.search("").await);
    assert_eq!((before.get("reference"), &before["identifier"]["value"]), (None, &HASH.into()));
    stack.put(&stack.device()).await;
    let address = device(&stack.search("").await)["reference"].as_str().unwrap().to_owned();
    let (status, seen) = stack.get(&address, &stack.reader).await;
    assert_eq!((status, &seen["deviceName"][0]["name"]), (200, &"Body Scan".into()));
    let (_, bundle) = stack.get(&format!("Device?patient={}", stack.patient()), &stack.reader).await;
    assert_eq!(ids(&bundle), [address.trim_start_matches("Device/")]);
    // No resource is of two types.
    let (status, _) = stack.get(&address.replace("Device", "Observation"), &stack.reader).await;
    assert_eq!(status, 404);
}

#[tokio::test(start_paused = true)]
async fn patients_are_listed_for_who_may_read_all_and_are_one_for_who_may_read_one() {
    let stack = Stack::start().await;
    let other = stack.connections.make_user("person-2", None, stack.simulation.clock.now()).await.unwrap().user.id;
    let named = "smith, john|1";
    let third = stack.connections.make_user(named, None, stack.simulation.clock.now()).await.unwrap().user.id;
    let (_, all) = stack.get("Patient?_count=1", &stack.reader).await;
    let (sizes, mut found) = stack.walk(all).await;
    found.sort();
    let mut every = [stack.patient(), id::of_user(&other), id::of_user(&third)];
    every.sort();
    assert!(found == every && sizes[0] == 1, "{found:?} {sizes:?}");
    let (_, seen) = stack.get(&format!("Patient/{}", stack.patient()), &stack.reader).await;
    assert_eq!(seen["identifier"][0]["value"], "person-1");
    let named = |name: &str| format!("Patient?identifier={}", name.replace('|', "%7C"));
    for (name, count) in [
        ("person-1", 1),
        ("urn:afferent:reference-id|person-1", 1),
        ("urn:other|person-1", 0),
        ("person-3", 0),
        ("person-1&identifier=person-1", 1),
        ("person-1&identifier=person-2", 0),
        ("person-3,person-1", 1),
        (r"smith\,%20john\|1", 1),
        (r"urn:afferent:reference-id|smith\,%20john\|1", 1),
        ("smith,%20john|1", 0),
    ] {
        assert_eq!(ids(&stack.get(&named(name), &stack.reader).await.1).len(), count, "{name}");
    }
    let own = stack.key(&format!("user:{}", stack.user)).await;
    assert_eq!(ids(&stack.get("Patient", &own).await.1), [stack.patient()]);
    assert_eq!(ids(&stack.get(&named("person-2"), &own).await.1).len(), 0);
    let (status, outcome) = stack.get(&format!("Patient/{}", id::of_user(&other)), &own).await;
    assert_eq!((status, refusal(&outcome)), (404, "not-found"));
    let (_, both) = stack.get(&format!("Patient?_id={},{}", stack.patient(), id::of_user(&other)), &own).await;
    assert_eq!(ids(&both), [stack.patient()]);
}

#[tokio::test(start_paused = true)]
async fn a_key_to_two_people_is_shown_these_two_and_asked_which_one_is_meant() {
    let stack = Stack::start().await;
    let mut people = vec![stack.user.clone()];
    for name in ["second", "third"] {
        people.push(stack.connections.make_user(name, None, stack.simulation.clock.now()).await.unwrap().user.id);
    }
    let both = stack.key(&format!("user:{} user:{}", people[0], people[1])).await;
    let mut seen = ids(&stack.get("Patient", &both).await.1);
    seen.sort();
    let mut expected: Vec<String> = people[..2].iter().map(id::of_user).collect();
    expected.sort();
    assert_eq!(seen, expected);
    assert_eq!(ids(&stack.get("Patient", &stack.reader).await.1).len(), 3);
    let third = id::of_user(&people[2]);
    assert_eq!(stack.get(&format!("Patient/{third}"), &both).await.0, 404);
    assert_eq!(stack.get(&format!("Observation?patient={third}"), &both).await.0, 404);
    let (status, outcome) = stack.get("Observation", &both).await;
    assert_eq!((status, refusal(&outcome)), (400, "bad-field"));
}

#[tokio::test(start_paused = true)]
async fn a_key_to_one_person_needs_no_patient_and_sees_no_other() {
    let stack = Stack::start().await;
    let weight = stack.weight("w", 0);
    stack.put(&weight).await;
    stack.put(&stack.device()).await;
    let own = stack.key(&format!("user:{}", stack.user)).await;
    let foreign = stack.key("user:usr_other").await;
    let endpoint = stack.key("endpoint:ep_1").await;
    let place = id::of_record(&stack.user, &weight.record);
    for what in ["Observation", "Device"] {
        assert_eq!(ids(&stack.get(what, &own).await.1).len(), 1, "{what}");
        assert_eq!(ids(&stack.get(what, &foreign).await.1).len(), 0, "{what}");
        let (status, outcome) = stack.get(what, &stack.reader).await;
        assert_eq!((status, refusal(&outcome)), (400, "bad-field"), "{what}");
    }
    let asked = [
        format!("Observation?patient={}", stack.patient()),
        format!("Observation?subject=Patient/{}", stack.patient()),
        format!("Device?patient={}", stack.patient()),
        format!("Observation/{place}"),
        format!("Patient/{}", stack.patient()),
    ];
    for url in asked {
        assert_eq!(stack.get(&url, &own).await.0, 200, "{url}");
        assert_eq!(stack.get(&url, &foreign).await.0, 404, "{url}");
        assert_eq!(stack.get(&url, &endpoint).await.0, 403, "{url}");
    }
    // The second of two names is looked at as well.
    let two = format!("Observation?patient=usr-other&subject={}", stack.patient());
    assert_eq!(stack.get(&two, &foreign).await.0, 404);
    let (_, bundle) = stack.get(&format!("Observation?_id={place}"), &foreign).await;
    assert_eq!(ids(&bundle).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_an_operation_outcome_whoever_says_it() {
    let stack = Stack::start().await;
    for (query, field) in [
        ("&colour=red", "colour"),
        ("&date=yesterday", "date"),
        ("&_count=some", "_count"),
        ("&_cursor=x", "_cursor"),
        ("&code:not=1", "code:not"),
    ] {
        let (status, outcome) =
            stack.get(&format!("Observation?patient={}{query}", stack.patient()), &stack.reader).await;
        assert_eq!((status, refusal(&outcome)), (400, "bad-field"), "{query}");
        assert!(outcome["issue"][0]["diagnostics"].as_str().unwrap().starts_with(field), "{outcome}");
    }
    let url = format!("{BASE}/Observation?patient={}&colour=red", stack.patient());
    let lenient = stack.send(Method::GET, &url, Some(&stack.reader), Some("respond-async, handling=lenient")).await;
    assert_eq!(lenient.status(), 200);
    let bundle: Value = serde_json::from_slice(lenient.body()).unwrap();
    assert_eq!(bundle["link"][0]["url"], url.replace("&colour=red", ""));
    for (method, url, key, status, kind) in [
        (Method::GET, "Observation", None, 401, "key-needed"),
        (Method::POST, "Observation", Some(&*stack.reader), 405, "method-not-allowed"),
        (Method::GET, "Observation/_search", Some(&*stack.reader), 405, "method-not-allowed"),
        (Method::GET, "Medication", Some(&*stack.reader), 404, "no-route"),
    ] {
        let answer = stack.send(method, &format!("{BASE}/{url}"), key, None).await;
        assert_eq!(answer.headers()["content-type"], "application/fhir+json", "{url}");
        let outcome: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!((answer.status().as_u16(), refusal(&outcome)), (status, kind), "{url}");
        assert_eq!(answer.headers().contains_key("allow"), status == 405, "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_capability_statement_needs_no_key_and_names_what_is_served() {
    let stack = Stack::start().await;
    let answer = stack.send(Method::GET, &format!("{BASE}/metadata"), None, None).await;
    let statement: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!((answer.status().as_u16(), &statement["fhirVersion"]), (200, &"4.0.1".into()));
    assert_eq!(statement["implementation"]["url"], BASE);
    for resource in statement["rest"][0]["resource"].as_array().unwrap() {
        let kind = resource["type"].as_str().unwrap();
        let mut query = if kind == "Patient" { String::new() } else { format!("patient={}", stack.patient()) };
        for parameter in resource["searchParam"].as_array().unwrap() {
            let value = match parameter["type"].as_str().unwrap() {
                "date" => "2026".to_owned(),
                "reference" => stack.patient(),
                _ => "x".to_owned(),
            };
            query = format!("{query}&{}={value}", parameter["name"].as_str().unwrap());
        }
        let (status, answer) = stack.get(&format!("{kind}?{query}"), &stack.reader).await;
        assert_eq!(status, 200, "{kind}?{query}: {answer}");
        for operation in resource["operation"].as_array().into_iter().flatten() {
            let url = format!("{kind}/{}/${}", stack.patient(), operation["name"].as_str().unwrap());
            assert_eq!(stack.get(&url, &stack.reader).await.0, 200, "{url}");
        }
    }
}
