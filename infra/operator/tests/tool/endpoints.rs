//! Endpoints, as their owners look after them.

use serde_json::{Value, json};

use crate::{Operator, file};

async fn made(operator: &Operator, words: &[&str]) -> (String, Value) {
    let made = operator.json(&[&["endpoints", "create", "https://receiver.example/a"][..], words].concat()).await;
    (made["endpoint"]["endpoint"].as_str().unwrap_or_else(|| made["endpoint"].as_str().unwrap()).to_owned(), made)
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_made_tested_changed_and_deleted() {
    let operator = Operator::start().await;
    let from = file("members.json");
    std::fs::write(&from, r#"{"headers": {"authorization": "token"}, "description": "of the file"}"#).unwrap();
    let words = ["--type", "body_weight.*", "--rate", "10/1", "--policy", "5,300", "--from", from.to_str().unwrap()];
    let (id, shown) = made(&operator, &words).await;
    assert!(shown["secret"].as_str().unwrap().starts_with("whsec_"), "{shown}");
    assert!(!shown.to_string().contains("token"), "its own headers are not shown");

    let (text, ended) = operator.run(&["endpoints", "list"]).await;
    ended.unwrap();
    assert!(text.contains(&id) && text.contains("body_weight.*") && text.contains("of the file"), "{text}");
    let changed = operator.json(&["endpoints", "change", &id, "--description", "mine", "--type", "*"]).await;
    assert_eq!((&changed["description"], &changed["types"]), (&json!("mine"), &json!(["*"])), "{changed}");

    let secret = operator.json(&["endpoints", "secret", &id]).await;
    assert_eq!(secret["secret"], shown["secret"]);
    let rotated = operator.json(&["endpoints", "rotate", &id, "--overlap", "90m"]).await;
    assert_ne!(rotated["secret"], secret["secret"]);
    let left = operator.json(&["endpoints", "revoke", &id, "1"]).await;
    assert_eq!(left["secrets"][0]["signs"], false, "{left}");

    let sent = operator.json(&["endpoints", "test", &id]).await;
    let event = sent["event"].as_str().unwrap();
    operator.sleep(60).await;
    let listed = operator.json(&["endpoints", "deliveries", &id, "--limit", "5"]).await;
    assert_eq!(listed["deliveries"][0]["event"], event, "{listed}");
    let delivery = operator.json(&["endpoints", "deliveries", &id, event]).await;
    assert!(!delivery["attempts"].as_array().unwrap().is_empty(), "{delivery}");

    operator.json(&["endpoints", "disable", &id, "--note", "moving"]).await;
    operator.json(&["endpoints", "enable", &id]).await;
    let gone = operator.json(&["endpoints", "delete", &id]).await;
    assert_eq!(gone, json!({"endpoint": id, "result": "deleted"}));
    assert!(operator.refused(&["endpoints", "show", &id]).await.contains("404"));
    assert!(operator.refused(&["endpoints", "show", "../keys"]).await.contains("is no id"));
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_is_counted_and_sent_again_and_a_job_is_ended() {
    let operator = Operator::start().await;
    let (id, _) = made(&operator, &[]).await;
    let preview = operator.json(&["endpoints", "recover", &id, "--since", "3h", "--preview"]).await;
    assert_eq!((&preview["kind"], &preview["preview"]), (&json!("recover"), &json!(true)), "{preview}");
    let until = operator.rig.stack.clock.now().to_string();
    let words = ["endpoints", "replay", &id, "--since", "1d", "--until", &until, "--per-minute", "60"];
    let job = operator.json(&words).await["job"].as_str().unwrap().to_owned();
    let ended = operator.json(&["endpoints", "cancel", &id, &job]).await;
    assert_eq!(ended["state"], "cancelled", "{ended}");
    assert_eq!(operator.json(&["endpoints", "jobs", &id, &job]).await["job"], job.as_str());
    let jobs = operator.json(&["endpoints", "jobs", &id]).await;
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 2, "{jobs}");

    let event = operator.json(&["endpoints", "test", &id]).await["event"].as_str().unwrap().to_owned();
    operator.sleep(60).await;
    assert!(operator.refused(&["endpoints", "cancel", &id, &event]).await.contains("409"), "it does not wait any more");
    let resent = operator.json(&["endpoints", "resend", &id, &event]).await;
    assert_eq!(resent["event"], event.as_str());
    for wrong in ["create", "change ep_1 --rate 10", "recover ep_1", "recover ep_1 --since soon"] {
        let line = format!("afferent endpoints {wrong}");
        assert!(<afferent_operator::Cli as clap::Parser>::try_parse_from(line.split(' ')).is_err(), "{wrong}");
    }
}
