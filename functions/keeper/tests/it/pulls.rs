//! Pulls whose mark is due, and the count of notifications.

use std::time::Duration;

use afferent_domain::id::{ConnectionId, NotificationId, RecordId};
use afferent_domain::mark::{Cause, Entry};
use afferent_domain::service::Service;
use afferent_queue::{Pull, Wake};
use afferent_store::connections::Connections;
use afferent_store::notifications::{Awaited, Beginning, Incoming, Notifications};
use serde_json::json;

use crate::stack::{Stack, pass};

#[tokio::test(start_paused = true)]
async fn a_pull_whose_mark_is_due_gets_a_message_and_is_then_left_alone_for_a_while() {
    let stack = Stack::start().await;
    let now = stack.simulation.clock.now();
    let client = afferent_store::client(&stack.simulation.rim.aws);
    let connections = Connections::new(client, "afferent-connections".to_owned());
    let entry = Entry { cause: Cause::Notification(NotificationId::from("ntf_1")), received: now, window: None };
    let (connection, due) = (ConnectionId::from("con_1"), now + Duration::from_secs(60));
    connections.mark(&connection, Service::Getmeas, &entry, None, due).await.unwrap();
    assert_eq!(stack.minute().await["pulls"], 0);
    pass(60).await;
    assert_eq!(stack.minute().await["pulls"], 1);
    let message = stack.simulation.sqs.messages("afferent-pulls", 10).unwrap().remove(0);
    let wake = Pull::Wake(Wake { connection, service: "getmeas".to_owned() });
    assert_eq!(Pull::from_body(&message.body), Ok(wake));
    pass(60).await;
    assert_eq!(stack.minute().await["pulls"], 0);
    pass(300).await;
    assert_eq!(stack.minute().await["pulls"], 1, "nobody came for it");
}

#[tokio::test(start_paused = true)]
async fn the_daily_count_tells_where_yesterdays_notifications_stand() {
    let stack = Stack::start().await;
    let client = afferent_store::client(&stack.simulation.rim.aws);
    let notifications = Notifications::new(client, "afferent-notifications".to_owned());
    let records = [RecordId::from("rec_1")];
    let awaited = [Awaited { connection: ConnectionId::from("con_1"), service: Service::Getmeas }];
    let (recorded, waiting) = (Beginning::Recorded(&records), Beginning::Waiting(&awaited));
    for (number, beginning) in [recorded, recorded, waiting].into_iter().enumerate() {
        let incoming = Incoming {
            id: NotificationId::from(format!("ntf_{number}")),
            received: stack.simulation.clock.now() - Duration::from_secs(24 * 3600),
            body: String::new(),
            appli: None,
            userid: None,
        };
        notifications.accept(&incoming, beginning).await.unwrap();
    }
    let counts = stack.daily().await["notifications"].clone();
    assert_eq!((&counts["accepted"], &counts["recorded"], &counts["waiting"]), (&json!(3), &json!(2), &json!(1)));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_nobody_knows_is_refused() {
    let stack = Stack::start().await;
    assert!(stack.keeper.handle(json!({"task": "yearly"})).await.is_err());
}
