//! Notifications over HTTP: counted, listed, replayed. How one is followed to its deliveries is tested with the operator's
//! tool, over the whole stack.

use afferent_domain::id::NotificationId;
use afferent_domain::notification::Quarantine;
use afferent_store::notifications::{Beginning, Incoming, Notifications};
use serde_json::json;

use crate::stack::Stack;

async fn put_away(stack: &Stack, reason: Quarantine) -> String {
    let client = afferent_store::client(&stack.simulation.rim.aws);
    let notifications = Notifications::new(client, "afferent-notifications".to_owned());
    let now = stack.simulation.clock.now();
    let incoming = Incoming {
        id: NotificationId::draw(now, &*stack.simulation.dice),
        received: now,
        body: "userid=7&appli=777".to_owned(),
        appli: Some(777),
        userid: Some("7".to_owned()),
    };
    notifications.accept(&incoming, Beginning::Quarantined(reason)).await.unwrap();
    stack.sleep(1).await;
    incoming.id.to_string()
}

#[tokio::test(start_paused = true)]
async fn what_is_in_quarantine_is_listed_with_the_reason_the_newest_first() {
    let stack = Stack::start().await;
    let key = stack.key(&["read"]).await;
    let first = put_away(&stack, Quarantine::UnknownUser).await;
    let second = put_away(&stack, Quarantine::UnknownCategory).await;
    let page = stack.get(&key, "/v1/notifications?state=quarantined&limit=1").await.json();
    assert_eq!(page["day"], "2026-11-21");
    let shown = &page["notifications"][0];
    assert_eq!(
        (&shown["notification"], &shown["reason"], &shown["appli"]),
        (&json!(second), &json!("unknown_category"), &json!(777))
    );
    let next = page["next"].as_str().unwrap();
    let rest = stack.get(&key, &format!("/v1/notifications?state=quarantined&limit=1&cursor={next}")).await.json();
    assert_eq!(rest["notifications"][0]["notification"], json!(first));
    let counts = stack.get(&key, "/v1/notifications?day=2026-11-21").await.json();
    assert_eq!(counts["notifications"], json!({"quarantined": 2, "recorded": 0, "satisfied": 0, "waiting": 0}));
    assert_eq!(counts["complete"], json!(true));
    assert_eq!(stack.get(&key, "/v1/notifications?state=satisfied").await.json()["notifications"], json!([]));
    assert_eq!(stack.get(&key, "/v1/notifications?state=lost").await.problem().1.unwrap(), "state");
    for other in ["state=satisfied", "state=quarantined&day=2026-11-20"] {
        let path = format!("/v1/notifications?{other}&cursor={next}");
        assert_eq!(stack.get(&key, &path).await.problem().1.unwrap(), "cursor", "of another list");
    }
    stack.sleep(86_400).await;
    let rest = stack.get(&key, &format!("/v1/notifications?state=quarantined&limit=1&cursor={next}")).await.json();
    assert_eq!((&rest["day"], &rest["notifications"][0]["notification"]), (&json!("2026-11-21"), &json!(first)));
    assert_eq!(stack.get(&key, "/v1/notifications?limit=1").await.problem().1.unwrap(), "limit");
    assert_eq!(stack.get(&key, "/v1/notifications?day=2026-02-30").await.problem().1.unwrap(), "day");
}

#[tokio::test(start_paused = true)]
async fn what_there_is_no_time_to_count_is_said_not_to_be_counted() {
    // The key, and four states: 9 s for all of it.
    let stack = Stack::slow((4_000, 4_000)).await;
    let key = stack.key(&["read"]).await;
    put_away(&stack, Quarantine::UnknownUser).await;
    let began = stack.simulation.clock.now();
    let counts = stack.get(&key, "/v1/notifications").await.json();
    assert_eq!((&counts["complete"], &counts["notifications"]["quarantined"]), (&json!(false), &json!(0)));
    let took = stack.simulation.clock.now().since(began).as_secs();
    assert!((9..15).contains(&took), "the function has 15 s: {took}");
}

#[tokio::test(start_paused = true)]
async fn only_what_is_in_quarantine_can_be_replayed() {
    let stack = Stack::start().await;
    let (reader, writer) = (stack.key(&["read"]).await, stack.key(&["write"]).await);
    let id = put_away(&stack, Quarantine::UnknownCategory).await;
    let path = format!("/v1/notifications/{id}/replay");
    assert_eq!(stack.post(&reader, &path, &json!(null)).await.status(), 403);
    let asked = stack.post(&writer, &path, &json!(null)).await;
    assert_eq!((asked.status(), &asked.json()["state"]), (202, &json!("quarantined")));
    assert_eq!(stack.post(&writer, "/v1/notifications/ntf_none/replay", &json!(null)).await.status(), 404);
    // The fetcher sorts it again, and it is as unknown as before; then it is as if nothing had been.
    stack.simulation.resume("fetcher");
    stack.sleep(60).await;
    let followed = stack.get(&reader, &format!("/v1/notifications/{id}")).await.json();
    assert_eq!(followed["notification"]["reason"], "unknown_category");
    assert_eq!(
        (&followed["records"], &followed["pulls"], &followed["complete"]),
        (&json!([]), &json!([]), &json!(true))
    );
    assert_eq!(stack.get(&reader, "/v1/notifications/ntf_none").await.status(), 404);
}
