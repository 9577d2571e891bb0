//! `Patient/{id}/$everything`.

use std::collections::BTreeSet;

use afferent_fhir::id;
use serde_json::Value;

use crate::stack::{Stack, ids, refusal};

fn types(bundle: &Value) -> Vec<&str> {
    let entries = bundle["entry"].as_array().unwrap();
    entries.iter().map(|entry| entry["resource"]["resourceType"].as_str().unwrap()).collect()
}

async fn filled() -> Stack {
    let stack = Stack::start().await;
    stack.put(&stack.device()).await;
    for number in 0..5 {
        stack.put(&stack.weight(&format!("{number}"), number * 100)).await;
    }
    stack
}

async fn page(stack: &Stack, query: &str) -> Value {
    let (status, bundle) = stack.get(&format!("Patient/{}/$everything{query}", stack.patient()), &stack.reader).await;
    assert_eq!((status, &bundle["type"]), (200, &"searchset".into()), "{query}: {bundle}");
    bundle
}

#[tokio::test(start_paused = true)]
async fn all_that_there_is_of_a_patient_comes_in_one_bundle_or_in_pages_each_once() {
    let stack = filled().await;
    let whole = page(&stack, "").await;
    assert_eq!(types(&whole)[..2], ["Patient", "Device"]);
    assert_eq!(types(&whole)[2..], ["Observation"; 5]);
    assert_eq!(ids(&whole)[0], stack.patient());
    let (sizes, found) = stack.walk(page(&stack, "?_count=3").await).await;
    assert_eq!((sizes, &found), (vec![3, 3, 1], &ids(&whole)));
    let (sizes, found) = stack.walk(page(&stack, "?_count=1").await).await;
    assert!(found == ids(&whole) && sizes.iter().all(|size| *size <= 1), "{sizes:?}");
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 7);
}

#[tokio::test(start_paused = true)]
async fn it_is_narrowed_by_type_time_and_change() {
    let stack = filled().await;
    for (query, expected) in [
        ("?_type=Device", &["Device"][..]),
        ("?_type=Patient,Observation&_count=2", &["Patient", "Observation"]),
        ("?start=2026-09-17T06:10:00Z", &["Patient", "Device", "Observation", "Observation"]),
        ("?end=2025", &["Patient", "Device"]),
        ("?_since=2030-01-01T00:00:00Z", &["Patient"]),
    ] {
        assert_eq!(types(&page(&stack, query).await), expected, "{query}");
    }
    let since = page(&stack, "?_since=2026-09-01T00:00:00Z&_type=Observation").await;
    assert_eq!(ids(&since).len(), 5);
    for (query, field) in [("code=29463-7", "code"), ("_type=Medication", "_type"), ("_cursor=x", "_cursor")] {
        let url = format!("Patient/{}/$everything?{query}", stack.patient());
        let (status, outcome) = stack.get(&url, &stack.reader).await;
        assert_eq!((status, refusal(&outcome)), (400, "bad-field"), "{query}");
        assert!(outcome["issue"][0]["diagnostics"].as_str().unwrap().starts_with(field), "{outcome}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_for_who_may_read_the_patient() {
    let stack = filled().await;
    let url = format!("Patient/{}/$everything", stack.patient());
    let own = stack.key(&format!("user:{}", stack.user)).await;
    assert_eq!(ids(&stack.get(&url, &own).await.1).len(), 7);
    let foreign = stack.key("user:usr_other").await;
    assert_eq!(stack.get(&url, &foreign).await.0, 404);
    let mixed = format!("{url}?patient=usr-other");
    assert_eq!(stack.get(&mixed, &foreign).await.0, 404);
    let nobody = format!("Patient/{}/$everything", id::of_user(&afferent_domain::id::UserId::derive(&["nobody"])));
    for absent in [&nobody, "Patient/nonsense/$everything"] {
        let (status, outcome) = stack.get(absent, &stack.reader).await;
        assert_eq!((status, refusal(&outcome)), (404, "not-found"), "{absent}");
    }
}
