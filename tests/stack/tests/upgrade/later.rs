//! What functions do with what a later version wrote: nothing is lost by it, and nobody else waits for it.

use std::time::Duration;

use afferent_domain::event::Draft;
use afferent_store::item::{n, s};
use local_sqs::Draft as Message;
use serde_json::{Value, json};
use stack_tests::Rig;
use withings_simulator::sample;

use crate::world::{DAY, HOUR, MINUTE};

/// A message in a version that nobody knows yet.
fn in_two(body: &Value) -> String {
    let mut body = body.clone();
    body["v"] = json!(2);
    body.to_string()
}

fn waiting(rig: &Rig, queue: &str) -> Vec<String> {
    let messages = rig.stack.sqs.messages(&rig.name(queue), 100).unwrap();
    messages.into_iter().map(|message| message.body).collect()
}

async fn deliveries(rig: &Rig) -> Vec<(String, String)> {
    let (listed, _) = rig.tables.deliveries.of_endpoint(&rig.registered.endpoint, None, 100).await.unwrap();
    listed.into_iter().map(|one| (one.key.event.to_string(), one.state)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_message_of_a_later_version_comes_back_until_it_is_a_dead_letter_and_others_go_through() {
    let rig = Rig::start(610).await;
    let messages = [
        ("pulls", in_two(&json!({"type": "notification", "id": "ntf_later", "received_ms": 5, "body": "userid=1"}))),
        ("backfill", in_two(&json!({"type": "duty", "owner": "connection#con_later", "item": "sweep#getmeas"}))),
        ("deliveries", in_two(&json!({"event": "evt_later", "endpoint": "ep_later"}))),
    ];
    for (queue, body) in &messages {
        rig.stack.sqs.send(&rig.name(queue), Message::of(body)).unwrap();
    }
    sample::play(&rig.withings, &rig.person, 2).unwrap();
    tokio::time::sleep(HOUR).await;
    assert_eq!(rig.receiver.seen().len(), 1, "what is understood is done");
    for (queue, body) in &messages {
        assert_eq!(waiting(&rig, queue), std::slice::from_ref(body), "{queue}: it is left for those who understand it");
    }
    // As often as its queue gives it out: 20 times in 12 minutes each, 50 times in 3.
    tokio::time::sleep(4 * HOUR).await;
    for (queue, body) in &messages {
        assert_eq!(waiting(&rig, queue), [""; 0], "{queue}");
        assert_eq!(
            waiting(&rig, &format!("{queue}-dead")),
            std::slice::from_ref(body),
            "{queue}: kept, and can be moved back"
        );
    }
}

/// Sets the version of a record's item.
async fn set_version(rig: &Rig, record: &str, version: u32) {
    let update = rig.client.update_item().table_name(rig.name("records"));
    let update = update.key("user", s(rig.connection.user.as_str())).key("record", s(record));
    let update = update.update_expression("SET v = :v").expression_attribute_values(":v", n(version));
    update.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_event_of_a_record_of_a_later_version_waits_for_functions_that_understand_it_and_holds_up_no_other() {
    let rig = Rig::start(611).await;
    rig.stack.pause("fanout");
    sample::play(&rig.withings, &rig.person, 2).unwrap();
    tokio::time::sleep(MINUTE).await;
    let (records, _) = rig.tables.records.page(&rig.connection.user, None, None, 10).await.unwrap();
    let [later] = records.as_slice() else { panic!("{} records", records.len()) };
    // A canary of a later release has written it.
    set_version(&rig, later.record.as_str(), 2).await;
    rig.stack.pass_over_streams().unwrap();
    rig.stack.resume("fanout");
    set_version(&rig, later.record.as_str(), 3).await;
    sample::play(&rig.withings, &rig.person, 50).unwrap();
    tokio::time::sleep(MINUTE).await;
    let types = |rig: &Rig| -> Vec<String> {
        rig.webhooks().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    };
    let behind = types(&rig);
    assert_eq!(behind.len(), 1, "the one behind it did not wait: {behind:?}");
    tokio::time::sleep(DAY).await;
    assert_eq!(types(&rig), behind);
    assert_eq!(rig.tables.events.failures(10).await.unwrap().len(), 0, "it is not given up");

    // Now functions run that understand it, which is as if it had the version of these.
    rig.stack.pause("fanout");
    set_version(&rig, later.record.as_str(), 1).await;
    rig.stack.pass_over_streams().unwrap();
    rig.stack.resume("fanout");
    tokio::time::sleep(DAY + HOUR).await;
    let json = serde_json::to_string(later).unwrap();
    let event = Draft::of_record(&json).unwrap();
    let all = [behind, vec![event.event_type]].concat();
    assert_eq!(types(&rig), all, "the daily comparison brings it");
}

#[tokio::test(start_paused = true)]
async fn a_delivery_of_a_later_version_is_neither_made_nor_lost() {
    let rig = Rig::start(612).await;
    rig.stack.pause("dispatcher");
    sample::play(&rig.withings, &rig.person, 2).unwrap();
    tokio::time::sleep(MINUTE).await;
    let [(event, state)] = <[_; 1]>::try_from(deliveries(&rig).await).unwrap();
    assert_eq!(state, "queued");
    let set = async |version: u32| {
        let update = rig.client.update_item().table_name(rig.name("deliveries"));
        let update = update.key("event", s(&*event)).key("item", s(rig.registered.endpoint.as_str()));
        let update = update.update_expression("SET v = :v").expression_attribute_values(":v", n(version));
        update.send().await.unwrap();
    };
    set(2).await;
    rig.stack.resume("dispatcher");
    tokio::time::sleep(HOUR).await;
    assert_eq!(rig.receiver.seen().len(), 0);
    assert_eq!(waiting(&rig, "deliveries").len(), 1, "its message is still there");
    set(1).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(rig.receiver.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_an_endpoint_of_a_later_version_would_get_waits_for_functions_that_know_what_it_wants() {
    // Within the day that the stream keeps a change, and after it.
    for (seed, waits) in [(613, 6 * HOUR), (614, 30 * HOUR)] {
        let rig = Rig::start(seed).await;
        let set = async |version: u32| {
            let update = rig.client.update_item().table_name(rig.name("endpoints"));
            let update = update.key("endpoint", s(rig.registered.endpoint.as_str())).key("item", s("endpoint"));
            let update = update.update_expression("SET v = :v").expression_attribute_values(":v", n(version));
            update.condition_expression("attribute_exists(endpoint)").send().await.unwrap();
        };
        set(2).await;
        sample::play(&rig.withings, &rig.person, 2).unwrap();
        tokio::time::sleep(waits).await;
        let (records, _) = rig.tables.records.page(&rig.connection.user, None, None, 10).await.unwrap();
        assert_eq!((records.len(), deliveries(&rig).await.len()), (1, 0), "{waits:?}");

        set(1).await;
        // The daily comparison too, which finds what the stream has forgotten, and nothing twice.
        tokio::time::sleep(2 * DAY).await;
        let [(_, state)] = <[_; 1]>::try_from(deliveries(&rig).await).unwrap();
        assert_eq!((state.as_str(), rig.receiver.seen().len()), ("delivered", 1), "{waits:?}");
        let events = rig.tables.events.entries(&rig.connection.user, u64::MAX, 10).await.unwrap();
        assert_eq!(events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1], "{waits:?}");
    }
}
