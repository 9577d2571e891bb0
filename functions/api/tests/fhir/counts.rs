//! How many there are (`_count=0`), and in which form an answer may come (`Accept`, `_format`).

use lambda_http::http::Method;
use serde_json::{Value, json};

use crate::stack::{BASE, Stack, refusal};

#[tokio::test(start_paused = true)]
async fn who_wants_no_resource_is_told_how_many_match() {
    let stack = Stack::start().await;
    for index in 0..7 {
        stack.put(&stack.weight(&format!("{index}"), index)).await;
    }
    stack.put(&stack.pressure("p", 100)).await;
    stack.put(&stack.device()).await;
    stack.connections.make_user("person-2", None, stack.simulation.clock.now()).await.unwrap();
    let patient = stack.patient();
    for (query, total) in [
        (format!("Observation?patient={patient}&_count=0"), 8),
        (format!("Observation?patient={patient}&code=body_weight&_count=0"), 7),
        (format!("Observation?patient={patient}&_lastUpdated=ge2026&_count=0"), 8),
        (format!("Observation?patient={patient}&code=nothing&_count=0"), 0),
        (format!("Device?patient={patient}&_count=0"), 1),
        ("Patient?_count=0".to_owned(), 2),
        ("Patient?identifier=person-2,person-3&_count=0".to_owned(), 1),
    ] {
        let (status, bundle) = stack.get(&query, &stack.reader).await;
        let link = json!([{"relation": "self", "url": format!("{BASE}/{query}").replace(',', "%2C")}]);
        let expected = json!({"resourceType": "Bundle", "type": "searchset", "total": total, "link": link});
        assert_eq!((status, bundle), (200, expected), "{query}");
    }
    let (_, posted) = stack.post("Observation/_search", &format!("patient={patient}&_count=0"), &stack.reader).await;
    assert_eq!(posted["total"], 8);
    // A person sees one Patient: how many others there are is not for them to know.
    let own = stack.key(&format!("user:{}", stack.user)).await;
    assert_eq!(stack.get("Patient?_count=0", &own).await.1["total"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_number_that_takes_several_pages_is_added_up_and_a_page_has_no_total() {
    let stack = Stack::start().await;
    for index in 0..230 {
        stack.put(&stack.weight(&format!("{index}"), index)).await;
    }
    assert_eq!(stack.search("&_count=0").await["total"], 230);
    let page = stack.search("&_count=200").await;
    assert!(page.get("total").is_none() && page["link"][1]["relation"] == "next", "{}", page["link"]);
}

#[tokio::test(start_paused = true)]
async fn what_there_is_no_time_to_count_has_no_number() {
    // A page is several calls.
    let stack = Stack::slow(1_000).await;
    for index in 0..230 {
        stack.put(&stack.weight(&format!("{index}"), index)).await;
    }
    let began = stack.simulation.clock.now();
    let (status, outcome) =
        stack.get(&format!("Observation?patient={}&_count=0", stack.patient()), &stack.reader).await;
    assert_eq!((status, refusal(&outcome)), (503, "unavailable"));
    let took = stack.simulation.clock.now().since(began).as_secs();
    assert!((9..15).contains(&took), "the function has 15 s: {took}");
    assert_eq!(stack.search("&_count=200").await["entry"].as_array().unwrap().len(), 200, "a page of them comes");
}

#[tokio::test(start_paused = true)]
async fn everything_is_no_search_and_has_no_number() {
    let stack = Stack::start().await;
    let (status, outcome) =
        stack.get(&format!("Patient/{}/$everything?_count=0", stack.patient()), &stack.reader).await;
    assert_eq!((status, refusal(&outcome)), (400, "bad-field"));
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_no_form_that_is_accepted_does_not_come() {
    let stack = Stack::start().await;
    let weight = stack.weight("w", 0);
    stack.put(&weight).await;
    let patient = stack.patient();
    let addresses = [
        format!("Observation?patient={patient}"),
        format!("Observation/{}", afferent_fhir::id::of_record(&stack.user, &weight.record)),
        format!("Device?patient={patient}"),
        "Patient".to_owned(),
        format!("Patient/{patient}"),
        format!("Patient/{patient}/$everything"),
        "metadata".to_owned(),
    ];
    for address in &addresses {
        let and = if address.contains('?') { '&' } else { '?' };
        for (query, accept, status) in [
            ("", "application/fhir+json", 200),
            ("", "application/json", 200),
            ("", "text/html, */*;q=0.1", 200),
            ("", "application/fhir+xml", 406),
            ("", "text/csv", 406),
            ("_format=json", "application/fhir+xml", 200),
            ("_format=application/fhir%2Bjson", "*/*", 200),
            ("_format=xml", "application/fhir+json", 406),
            ("_format=xml", "*/*", 406),
        ] {
            let url =
                if query.is_empty() { format!("{BASE}/{address}") } else { format!("{BASE}/{address}{and}{query}") };
            let answer = stack.send_with(Method::GET, &url, Some(&stack.reader), &[("accept", accept)]).await;
            assert_eq!(answer.status().as_u16(), status, "{url} {accept}");
            assert_eq!(answer.headers()["content-type"], "application/fhir+json");
            let body: Value = serde_json::from_slice(answer.body()).unwrap();
            if status == 406 {
                assert_eq!((&body["resourceType"], refusal(&body)), (&"OperationOutcome".into(), "not-acceptable"));
                assert_eq!(body["issue"][0]["code"], "not-supported");
            }
        }
    }
    // Whoever has no key is told that first.
    let url = format!("{BASE}/{}", addresses[0]);
    let answer = stack.send_with(Method::GET, &url, None, &[("accept", "text/csv")]).await;
    assert_eq!(answer.status(), 401);
    let (status, outcome) =
        stack.post("Observation/_search", &format!("patient={patient}&_format=xml"), &stack.reader).await;
    assert_eq!((status, refusal(&outcome)), (406, "not-acceptable"));
}
