//! What did not go on: the quarantine, and dead letters.

use afferent_domain::id::NotificationId;
use afferent_domain::notification::Quarantine;
use afferent_store::notifications::{Beginning, Incoming, Notifications, State};
use serde_json::json;

use crate::Operator;

async fn put_away(operator: &Operator, reason: Quarantine) -> NotificationId {
    let rig = &operator.rig;
    let notifications = Notifications::new(rig.client.clone(), rig.name("notifications"));
    let now = rig.stack.clock.now();
    let (userid, at) = (rig.person.userid, now.as_secs());
    let incoming = Incoming {
        id: NotificationId::draw(now, &*rig.stack.dice),
        received: now,
        body: format!("userid={userid}&startdate={}&enddate={at}&appli=1", at - 60),
        appli: Some(1),
        userid: Some(userid.to_string()),
    };
    notifications.accept(&incoming, Beginning::Quarantined(reason)).await.unwrap();
    incoming.id
}

async fn state(operator: &Operator, id: &NotificationId) -> State {
    operator.rig.tables.notifications.state(id).await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_was_put_away_for_a_reason_is_sorted_again_and_goes_its_way() {
    let operator = Operator::start().await;
    let mended = put_away(&operator, Quarantine::UnknownCategory).await;
    let other = put_away(&operator, Quarantine::NoDevice).await;
    let (text, ended) = operator.run(&["quarantine", "list", "--days", "2"]).await;
    ended.unwrap();
    assert!(text.contains("unknown_category") && text.contains("no_device"), "{text}");
    let asked = operator.json(&["quarantine", "replay", "--all", "--reason", "unknown_category"]).await;
    assert_eq!(asked, json!({"notifications": [{"notification": mended.as_str(), "result": "asked"}]}));
    operator.sleep(300).await;
    assert_eq!(state(&operator, &mended).await, State::Satisfied);
    assert_eq!(state(&operator, &other).await, State::Quarantined);
    let (text, ended) = operator.run(&["quarantine", "replay", mended.as_str()]).await;
    assert!(text.contains("refused"), "{text}");
    assert_eq!(ended.unwrap_err().to_string(), "1 of 1 were refused");
    assert!(operator.refused(&["quarantine", "replay"]).await.contains("--all"));
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_counted_and_moved_back() {
    let operator = Operator::start().await;
    let rig = &operator.rig;
    let stack = rig.stack.template.place.stack.clone();
    let sqs = aws_sdk_sqs::Client::new(&rig.stack.rim.aws.config(afferent_aws::Service::Sqs));
    let url = sqs.get_queue_url().queue_name(format!("{stack}-pulls")).send().await.unwrap();
    sqs.send_message().queue_url(url.queue_url().unwrap()).message_body("no message of ours").send().await.unwrap();
    // 20 receives, 12 minutes apart.
    operator.sleep(6 * 3600).await;
    let counts = operator.json(&["dead", "list", "--stack", &stack]).await;
    assert_eq!(counts["queues"][0], json!({"queue": "pulls", "messages": 1}));
    assert_eq!(counts["queues"][2], json!({"queue": "deliveries", "messages": 0}));
    let moved = operator.json(&["dead", "redrive", "--stack", &stack, "--queue", "pulls"]).await;
    assert_eq!(moved["queues"], json!([{"queue": "pulls", "messages": 1, "result": "moving"}]));
    operator.sleep(60).await;
    assert_eq!(operator.json(&["dead", "list", "--stack", &stack]).await["queues"][0]["messages"], 0);
    assert!(operator.refused(&["dead", "list", "--stack", "other"]).await.contains("--stack should be"));
}
