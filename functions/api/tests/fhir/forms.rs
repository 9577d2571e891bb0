//! Searches by a form, and how many come at once.

use lambda_http::http::Method;
use serde_json::Value;

use crate::stack::{BASE, Stack, ids, refusal};

#[tokio::test(start_paused = true)]
async fn a_form_finds_what_the_same_query_finds() {
    let stack = Stack::start().await;
    stack.put(&stack.weight("w", 0)).await;
    stack.put(&stack.pressure("p", 5)).await;
    stack.put(&stack.device()).await;
    let patient = stack.patient();
    for (what, form, count) in [
        ("Observation", format!("patient={patient}&code=http%3A%2F%2Floinc.org%7C29463-7"), 1),
        ("Observation", format!("patient={patient}&_count=1"), 1),
        ("Device", format!("patient={patient}"), 1),
        ("Patient", "identifier=person-1".to_owned(), 1),
        ("Patient", "identifier=person-2".to_owned(), 0),
    ] {
        let (status, posted) = stack.post(&format!("{what}/_search"), &form, &stack.reader).await;
        let (_, got) = stack.get(&format!("{what}?{form}"), &stack.reader).await;
        assert_eq!((status, ids(&posted).len()), (200, count), "{what} {form}");
        // The links lead on by GET.
        assert_eq!(posted, got, "{what} {form}");
    }
    // The query counts as well.
    let url = format!("Observation/_search?patient={patient}");
    assert_eq!(ids(&stack.post(&url, "code=8480-6", &stack.reader).await.1).len(), 0);
    let (_, page) = stack.post(&url, "_count=1", &stack.reader).await;
    assert_eq!(stack.walk(page).await.0, [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_form_is_held_against_the_key_as_a_query_is() {
    let stack = Stack::start().await;
    stack.put(&stack.weight("w", 0)).await;
    let form = format!("patient={}", stack.patient());
    let own = stack.key(&format!("user:{}", stack.user)).await;
    let foreign = stack.key("user:usr_other").await;
    assert_eq!(ids(&stack.post("Observation/_search", "", &own).await.1).len(), 1);
    for (key, status) in [(&own, 200), (&foreign, 404), (&stack.key("endpoint:ep_1").await, 403)] {
        assert_eq!(stack.post("Observation/_search", &form, key).await.0, status);
    }
    let both = format!("Observation/_search?patient={}", "usr-other");
    assert_eq!(stack.post(&both, &form, &foreign).await.0, 404);
    let (status, outcome) = stack.post("Observation/_search", "colour=red", &own).await;
    assert_eq!((status, refusal(&outcome)), (400, "bad-field"));
}

#[tokio::test(start_paused = true)]
async fn a_search_by_a_form_is_no_change_and_is_not_noted_as_one() {
    let stack = Stack::start().await;
    stack.post("Patient/_search", "", &stack.reader).await;
    let admin = stack.key("admin").await;
    let answer = stack.send(Method::GET, "https://api.example.org/v1/audit", Some(&admin), None).await;
    let noted: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(noted["entries"], serde_json::json!([]));
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_a_thousand_gets_the_most_there_may_be_and_is_told_so() {
    let stack = Stack::start().await;
    let bundle = stack.search("&_count=1000").await;
    let link = bundle["link"][0]["url"].as_str().unwrap();
    assert_eq!(link, format!("{BASE}/Observation?patient={}&_count=200", stack.patient()));
}
