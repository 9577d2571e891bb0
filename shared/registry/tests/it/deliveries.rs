//! What became of deliveries.

use std::collections::BTreeSet;

use afferent_domain::id::{EndpointId, EventId};
use afferent_local::network::Reply;
use afferent_registry::{ListWish, MOST_LISTED, Only, RegistryError};

use crate::stack::{Stack, URL, field, seconds};

fn only(state: Only) -> ListWish {
    ListWish { state: Some(state), ..ListWish::default() }
}

#[tokio::test(start_paused = true)]
async fn deliveries_are_listed_by_how_they_stand() {
    let stack = Stack::start().await;
    let id =
        stack.registered(&format!(r#"{{"url":"{URL}","policy":{{"custom":{{"waits_s":[60]}}}}}}"#)).await.0.endpoint;
    stack.record("rec_1").await;
    stack.receiver.next([Reply::Status(500), Reply::Status(500)]);
    stack.record("rec_2").await;
    seconds(120).await;
    stack.receiver.next([Reply::Status(500)]);
    stack.record("rec_3").await;
    let count = async |state| stack.registry.deliveries(&id, &only(state)).await.unwrap().deliveries.len();
    assert_eq!((count(Only::Delivered).await, count(Only::Exhausted).await, count(Only::Waiting).await), (1, 1, 1));
    assert_eq!((count(Only::Undelivered).await, count(Only::Expired).await, count(Only::Cancelled).await), (1, 0, 0));
    let all = stack.registry.deliveries(&id, &ListWish::default()).await.unwrap();
    let states: Vec<&str> = all.deliveries.iter().map(|row| row.state.as_str()).collect();
    assert_eq!((states, all.next), (vec!["held", "exhausted", "delivered"], None), "the newest first");
}

#[tokio::test(start_paused = true)]
async fn page_after_page_shows_every_delivery_once_also_where_few_fit() {
    let stack = Stack::start().await;
    let id = stack.endpoint().await.0.endpoint;
    for number in 0..23 {
        stack.registry.send_test(&id, "webhook.test").await.unwrap();
        if number % 5 == 0 {
            seconds(1).await;
        }
    }
    seconds(30).await;
    for (state, expected) in [(None, 23), (Some(Only::Delivered), 23), (Some(Only::Exhausted), 0)] {
        let (mut events, mut cursor) = (BTreeSet::new(), None);
        let (mut shown, mut pages) = (0, 0);
        loop {
            let wish = ListWish { state, cursor, limit: Some(4) };
            let page = stack.registry.deliveries(&id, &wish).await.unwrap();
            assert!(page.deliveries.len() <= 4);
            shown += page.deliveries.len();
            pages += 1;
            events.extend(page.deliveries.into_iter().map(|row| row.event));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!((events.len(), shown), (expected, expected));
        assert!(pages <= 7);
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_shows_every_attempt_and_why_it_ended() {
    let stack = Stack::start().await;
    let id =
        stack.registered(&format!(r#"{{"url":"{URL}","policy":{{"custom":{{"waits_s":[5]}}}}}}"#)).await.0.endpoint;
    stack.receiver.next([Reply::Full(503, vec![("retry-after", "20".to_owned())], "later".into()), Reply::Reset]);
    stack.record("rec_1").await;
    let event = stack.events()[0].clone();
    let waiting = stack.registry.delivery(&event, &id).await.unwrap();
    assert_eq!((waiting.state.as_str(), waiting.waits_for), ("held", Some("retry_after")));
    assert!(waiting.next_ms.unwrap() > stack.now() && waiting.reason.is_none());
    seconds(60).await;
    let ended = serde_json::to_value(stack.registry.delivery(&event, &id).await.unwrap()).unwrap();
    assert_eq!((&ended["state"], &ended["type"]), (&"exhausted".into(), &"body_weight.created".into()));
    assert!(!ended["reason"].as_str().unwrap().is_empty() && ended["next_ms"].is_null());
    let attempts = ended["attempts"].as_array().unwrap();
    assert_eq!((&attempts[0]["status"], &attempts[0]["excerpt"]), (&503.into(), &"later".into()));
    assert_eq!((&attempts[1]["error"], &attempts[1]["cycle"]), (&"broken".into(), &2.into()));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_listed_is_said() {
    let stack = Stack::start().await;
    let id = stack.endpoint().await.0.endpoint;
    let wish = |cursor: &str| ListWish { cursor: Some(cursor.to_owned()), ..ListWish::default() };
    for cursor in ["", "x", "5", "5-", "5-rec_1", "x-evt_1"] {
        assert_eq!(field(stack.registry.deliveries(&id, &wish(cursor)).await), "cursor", "{cursor}");
    }
    for limit in [0, MOST_LISTED + 1] {
        let wish = ListWish { limit: Some(limit), ..ListWish::default() };
        assert_eq!(field(stack.registry.deliveries(&id, &wish).await), "limit");
    }
    let nobody = EndpointId::from("ep_none");
    let missing = stack.registry.deliveries(&nobody, &ListWish::default()).await.unwrap_err();
    assert_eq!(missing, RegistryError::NotFound("endpoint"));
    for event in ["evt_none", ""] {
        let missing = stack.registry.delivery(&EventId::from(event), &id).await.unwrap_err();
        assert_eq!(missing, RegistryError::NotFound("delivery"));
    }
}
