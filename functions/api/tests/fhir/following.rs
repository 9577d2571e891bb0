//! Keeping a copy up to date by `_lastUpdated`.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::record::{Change, Record, SyncKind, retract, revise};
use afferent_fhir::id;
use serde_json::Value;

use crate::stack::{Stack, ids, refusal};

/// Stores a weight now, wherever in the past it was measured.
async fn weigh(stack: &Stack, name: &str, after_s: i64) -> Record {
    let weight = at(stack, stack.weight(name, after_s));
    stack.put(&weight).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    weight
}

fn at(stack: &Stack, record: Record) -> Record {
    let now = stack.simulation.clock.now().as_millis();
    Record { changed_ms: now, ingested_ms: now, ..record }
}

/// The same fact with another value.
async fn correct(stack: &Stack, record: &Record, name: &str, after_s: i64) -> Record {
    let mut fact = stack.fact(name, "body_weight", record.category, after_s);
    fact.value = Some("80.9".parse().unwrap());
    let Change::Write(changed) = revise(Some(record), fact, stack.simulation.clock.now(), SyncKind::Live) else {
        panic!("it is another value")
    };
    stack.put(&changed).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    *changed
}

fn own(stack: &Stack, records: &[&Record]) -> Vec<String> {
    records.iter().map(|record| id::of_record(&stack.user, &record.record)).collect()
}

fn since(at: Timestamp) -> String {
    format!("&_lastUpdated=ge{at}")
}

#[tokio::test(start_paused = true)]
async fn what_changed_since_comes_once_each_as_it_is_in_the_order_of_its_changes() {
    let stack = Stack::start().await;
    let begin = stack.simulation.clock.now();
    // The later it was measured, the earlier it came.
    let mut weights = Vec::new();
    for number in 0..7 {
        weights.push(weigh(&stack, &format!("{number}"), -100 * number).await);
    }
    let middle = stack.simulation.clock.now();
    let corrected = correct(&stack, &weights[1], "1", -100).await;
    let gone = retract(&weights[4], stack.simulation.clock.now());
    stack.put(&gone).await;
    let [w0, _, w2, w3, _, w5, w6] = &weights[..] else { panic!("seven") };
    let expected = own(&stack, &[w0, w2, w3, w5, w6, &corrected, &gone]);
    let (sizes, found) = stack.walk(stack.search(&format!("{}&_count=3", since(begin))).await).await;
    assert_eq!((sizes, found), (vec![3, 3, 1], expected));
    let bundle = stack.search(&since(middle)).await;
    assert_eq!(ids(&bundle), own(&stack, &[&corrected, &gone]));
    assert_eq!(bundle["entry"][0]["resource"]["meta"]["versionId"], "2");
    assert_eq!(bundle["entry"][1]["resource"]["status"], "entered-in-error");
    // Who says in which order gets that order.
    let by_time = stack.search(&format!("{}&_sort=date", since(middle))).await;
    assert_eq!(ids(&by_time), own(&stack, &[&gone, &corrected]));
    let now = stack.simulation.clock.now() + Duration::from_secs(1);
    assert_eq!(ids(&stack.search(&since(now)).await), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn the_other_conditions_hold_for_what_changed_as_well() {
    let stack = Stack::start().await;
    let begin = stack.simulation.clock.now();
    let weight = weigh(&stack, "w", 0).await;
    let pressure = at(&stack, stack.pressure("p", 10));
    stack.put(&pressure).await;
    let end = stack.simulation.clock.now();
    for (query, expected) in [
        ("&code=29463-7", own(&stack, &[&weight])),
        ("&category=vital-signs", own(&stack, &[&weight, &pressure])),
        ("&date=2025", Vec::new()),
        ("&status=final", own(&stack, &[&weight, &pressure])),
        (&format!("&_lastUpdated=lt{end}"), own(&stack, &[&weight])),
    ] {
        assert_eq!(ids(&stack.search(&format!("{}{query}", since(begin))).await), expected, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_changed_before_the_journal_reaches_is_found_all_the_same() {
    let stack = Stack::start().await;
    let begin = stack.simulation.clock.now();
    let weights = [weigh(&stack, "a", 0).await, weigh(&stack, "b", 10).await];
    tokio::time::sleep(Duration::from_secs(91 * 24 * 3_600)).await;
    let (sizes, mut found) = stack.walk(stack.search(&format!("{}&_count=1", since(begin))).await).await;
    found.sort();
    let mut expected = own(&stack, &[&weights[0], &weights[1]]);
    expected.sort();
    assert!(found == expected && sizes.len() <= 3, "{found:?} {sizes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_page_leads_on_in_its_own_search_only() {
    let stack = Stack::start().await;
    let begin = stack.simulation.clock.now();
    for number in 0..3 {
        weigh(&stack, &format!("{number}"), number).await;
    }
    let next = |bundle: &Value| {
        let url = bundle["link"][1]["url"].as_str().unwrap().to_owned();
        url.split_once("_cursor=").unwrap().1.to_owned()
    };
    let by_time = next(&stack.search("&_count=1").await);
    let by_change = next(&stack.search(&format!("{}&_count=1", since(begin))).await);
    for (query, cursor) in [("&code=29463-7", &by_time), ("", &by_change), (&since(begin), &by_time)] {
        let url = format!("Observation?patient={}{query}&_cursor={cursor}", stack.patient());
        let (status, outcome) = stack.get(&url, &stack.reader).await;
        assert_eq!((status, refusal(&outcome)), (400, "bad-field"), "{query}");
    }
    let more = stack.search(&format!("&_count=2&_cursor={by_time}")).await;
    assert_eq!(ids(&more).len(), 2, "how many come at once may change");
}
