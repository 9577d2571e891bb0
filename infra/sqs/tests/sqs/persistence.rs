use std::path::PathBuf;
use std::sync::Arc;

use local_sqs::{Attribute, Config, Draft, Sqs};
use serde_json::json;

use crate::wire::call;
use crate::world::{VirtualClock, bodies, counts, pass, s, take, take_from, take_one};

/// A folder of its own, removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("local-sqs-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn open(&self, clock: &Arc<VirtualClock>) -> Sqs {
        Sqs::open(&self.0.join("queues.sqlite"), clock.clone()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test(start_paused = true)]
async fn messages_their_attributes_and_their_queues_survive_a_restart() {
    let (folder, clock) = (Folder::new("survive"), VirtualClock::start());
    let sqs = folder.open(&clock);
    sqs.create_queue("q", &[("VisibilityTimeout", "77")]).unwrap();
    call(&sqs, "TagQueue", json!({ "QueueUrl": "q", "Tags": { "a": "b" } })).await;
    let draft = Draft {
        attributes: [("kind".to_owned(), Attribute::string("x"))].into(),
        group: Some("g".into()),
        ..Draft::of("kept")
    };
    let id = sqs.send("q", draft.clone()).unwrap();
    let before = sqs.queues();
    drop(sqs);
    pass(s(10)).await;
    let sqs = folder.open(&clock);
    assert_eq!(sqs.queues(), before);
    let message = take_one(&sqs).await;
    assert_eq!((message.message_id, message.body, message.attributes), (id, draft.body, draft.attributes));
    assert_eq!(message.system["SentTimestamp"], "1795219200000");
    assert_eq!(message.system["MessageGroupId"], "g");
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_stays_in_flight_and_its_handle_stays_good() {
    let (folder, clock) = (Folder::new("flight"), VirtualClock::start());
    let sqs = folder.open(&clock);
    sqs.create_queue("q", &[]).unwrap();
    sqs.send("q", Draft::of("deleted later")).unwrap();
    sqs.send("q", Draft::of("extended")).unwrap();
    sqs.send("q", Draft { delay_s: Some(300), ..Draft::of("delayed") }).unwrap();
    let handles: Vec<String> = take(&sqs).await.into_iter().map(|message| message.receipt_handle).collect();
    sqs.change_visibility("q", &handles[1], 100).unwrap();
    drop(sqs);
    pass(s(20)).await;
    let sqs = folder.open(&clock);
    assert_eq!(counts(&sqs, "q"), (0, 2, 1));
    sqs.delete("q", &handles[0]).unwrap();
    assert_eq!(counts(&sqs, "q"), (0, 1, 1));
    pass(s(79)).await;
    assert!(take(&sqs).await.is_empty());
    pass(s(1)).await;
    let back = take_one(&sqs).await;
    assert_eq!((back.body.as_str(), back.receive_count()), ("extended", 2));
}

#[tokio::test(start_paused = true)]
async fn moves_deletes_and_purges_survive_too_and_ids_never_repeat() {
    let (folder, clock) = (Folder::new("moves"), VirtualClock::start());
    let sqs = folder.open(&clock);
    for name in ["dead", "purged", "gone"] {
        sqs.create_queue(name, &[]).unwrap();
        sqs.send(name, Draft::of("x")).unwrap();
    }
    let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":1}"#;
    sqs.create_queue("q", &[("RedrivePolicy", policy)]).unwrap();
    let id = sqs.send("q", Draft::of("poison")).unwrap();
    take_one(&sqs).await;
    pass(s(30)).await;
    assert!(take(&sqs).await.is_empty());
    call(&sqs, "PurgeQueue", json!({ "QueueUrl": "purged" })).await;
    call(&sqs, "DeleteQueue", json!({ "QueueUrl": "gone" })).await;
    drop(sqs);
    let sqs = folder.open(&clock);
    let names: Vec<String> = sqs.queues().into_iter().map(|view| view.name).collect();
    assert_eq!(names, ["dead", "purged", "q"]);
    assert_eq!((counts(&sqs, "q"), counts(&sqs, "purged")), ((0, 0, 0), (0, 0, 0)));
    let dead: Vec<String> = take_from(&sqs, "dead").await.into_iter().map(|message| message.message_id).collect();
    assert!(dead.len() == 2 && dead.contains(&id));
    assert!(!dead.contains(&sqs.send("q", Draft::of("new")).unwrap()));
    assert_eq!(bodies(&sqs).await, ["new"]);
}

#[tokio::test(start_paused = true)]
async fn a_second_process_on_the_same_file_is_refused() {
    let (folder, clock) = (Folder::new("lock"), VirtualClock::start());
    let sqs = folder.open(&clock);
    sqs.create_queue("q", &[]).unwrap();
    let second = Sqs::open_configured(&folder.0.join("queues.sqlite"), clock, Config::default());
    assert!(second.is_err());
}
