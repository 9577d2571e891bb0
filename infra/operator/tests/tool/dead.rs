//! What did not go on: the quarantine, and dead letters.

use afferent_domain::id::NotificationId;
use afferent_domain::notification::Quarantine;
use afferent_store::notifications::{Beginning, Incoming, Notifications, State};
use local_sqs::Draft;
use serde_json::{Value, json};

use crate::Operator;
use crate::scripted::{Scripted, refusal};

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
async fn dead_letters_are_counted_shown_without_what_they_say_and_moved_back() {
    let operator = Operator::start().await;
    let rig = &operator.rig;
    let stack = rig.stack.template.place.stack.clone();
    let sqs = aws_sdk_sqs::Client::new(&rig.stack.rim.aws.config(afferent_aws::Service::Sqs));
    let url = sqs.get_queue_url().queue_name(format!("{stack}-pulls")).send().await.unwrap();
    let later = r#"{"v":99,"type":"wake","connection":"con_1","service":"s3cret"}"#;
    for body in ["no message of ours", later] {
        sqs.send_message().queue_url(url.queue_url().unwrap()).message_body(body).send().await.unwrap();
    }
    // 20 receives, 12 minutes apart.
    operator.sleep(6 * 3600).await;
    let counts = operator.json(&["dead", "list", "--stack", &stack]).await;
    assert_eq!((&counts["queues"][0]["queue"], &counts["queues"][0]["messages"]), (&json!("pulls"), &json!(2)));
    assert_eq!(counts["queues"][2], json!({"queue": "deliveries", "messages": 0, "letters": []}));
    let mut letters = counts["queues"][0]["letters"].as_array().unwrap().clone();
    letters.sort_by_key(|letter| letter["type"].to_string());
    let shown: Vec<_> = letters.iter().map(|letter| (letter["type"].clone(), letter["about"].clone())).collect();
    assert_eq!(shown, [(json!("unknown"), Value::Null), (json!("wake"), json!("con_1"))]);
    for letter in &letters {
        assert!(letter["message"].is_string() && letter["sent"].is_string(), "{letter}");
        assert!(letter["receives"].as_i64().unwrap() >= 20, "{letter}");
    }
    let (text, _) = operator.run(&["dead", "list", "--stack", &stack]).await;
    assert!(text.contains("wake") && text.contains("con_1"), "{text}");
    assert!(!text.contains("no message of ours") && !text.contains("s3cret"), "{text}");
    let moved = operator.json(&["dead", "redrive", "--stack", &stack, "--queue", "pulls"]).await;
    assert_eq!(moved["queues"], json!([{"queue": "pulls", "messages": 2, "result": "moving"}]));
    operator.sleep(60).await;
    assert_eq!(operator.json(&["dead", "list", "--stack", &stack]).await["queues"][0]["messages"], 0);
    operator.sleep(6 * 3600).await;
    let moved = operator.json(&["dead", "redrive", "--stack", &stack, "--wait"]).await;
    assert_eq!(moved["queues"][0], json!({"queue": "pulls", "messages": 2, "result": "moved", "moved": 2}));
    assert_eq!(moved["queues"][1]["result"], "empty");
    assert!(operator.refused(&["dead", "list", "--stack", "other"]).await.contains("--stack should be"));
}

#[tokio::test(start_paused = true)]
async fn who_may_only_count_dead_letters_is_told_how_many_there_are_and_why_none_is_shown() {
    let operator = Operator::start().await;
    let rig = &operator.rig;
    let stack = rig.stack.template.place.stack.clone();
    for queue in ["backfill-dead", "deliveries-dead"] {
        rig.stack.sqs.send(&rig.name(queue), Draft::of("s3cret")).unwrap();
    }
    let aws = Scripted::new(&operator, [("ReceiveMessage", vec![refusal("KmsAccessDenied")])]).aws();
    let words = ["dead", "list", "--stack", &stack];
    let (text, ended) = operator.run_at(aws.clone(), &[&words[..], &["--json"]].concat()).await;
    let queues = serde_json::from_str::<Value>(&text).unwrap()["queues"].clone();
    assert_eq!(queues[0], json!({"queue": "pulls", "messages": 0, "letters": []}), "it was not looked into");
    for (place, queue) in [(1, "backfill"), (2, "deliveries")] {
        assert_eq!(queues[place], json!({"queue": queue, "messages": 1, "letters": null}));
    }
    let failure = ended.unwrap_err().to_string();
    for queue in ["backfill", "deliveries"] {
        let told = format!("the dead letters of {queue} cannot be looked at: KmsAccessDenied");
        assert!(failure.contains(&told), "{failure}");
    }
    let (text, ended) = operator.run_at(aws, &words).await;
    assert_eq!(text, "queue       messages\npulls       0\nbackfill    1\ndeliveries  1\n");
    assert!(ended.is_err());
}
