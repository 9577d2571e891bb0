//! Erasing what there is more of than fits into a minute.

use std::time::Duration;

use afferent_domain::erasure::{Erasure, Link};
use afferent_domain::id::{ConnectionId, ErasureId, NotificationId, UserId};
use afferent_domain::notification::Quarantine;
use afferent_local::Setup;
use afferent_store::connections::Connections;
use afferent_store::erasure::Begun;
use afferent_store::notifications::{Beginning, Incoming, Notifications, State, day};

use crate::stack::{Stack, pass};

/// How long the function has.
const MINUTE: Duration = Duration::from_secs(55);

#[tokio::test(start_paused = true)]
async fn more_notifications_than_a_minute_can_erase_go_minute_by_minute_and_all_of_them_are_counted() {
    const WAITING: usize = 450;
    const ABOUT: usize = 150;
    let stack = Stack::of(Setup { aws_latency_ms: (400, 400), ..Setup::default() }).await;
    let connections = Connections::new(stack.client.clone(), "afferent-connections".to_owned());
    let notifications = Notifications::new(stack.client.clone(), "afferent-notifications".to_owned());
    let (received, today) = (stack.now(), day(stack.now()));
    let accepted = (0..WAITING + ABOUT).map(|number| {
        // Those of another person stay.
        let userid = if number % 100 == 99 { "2" } else { "1" };
        let reason = if number < WAITING { Quarantine::UnknownUser } else { Quarantine::NoDate };
        let id = NotificationId::from(format!("ntf_{number:04}"));
        let (body, appli, userid) = ("appli=1".to_owned(), Some(1), Some(userid.to_owned()));
        let incoming = Incoming { id, received, body, appli, userid };
        let notifications = &notifications;
        async move { notifications.accept(&incoming, Beginning::Quarantined(reason)).await.unwrap() }
    });
    futures_util::future::join_all(accepted).await;
    let link = Link {
        connection: ConnectionId::from("con_1"),
        application: "client".to_owned(),
        region: "eu".to_owned(),
        userid: "1".to_owned(),
        left: None,
    };
    let id = ErasureId::from("ers_1");
    let erasure = Erasure::begin(id.clone(), UserId::from("usr_1"), "person-1", vec![link], stack.now());
    assert_eq!(connections.begin_erasure(&erasure).await.unwrap(), Begun::Now);
    let mut seen = Vec::new();
    for _ in 0..40 {
        let began = stack.now();
        stack.minute().await;
        assert!(stack.now().since(began) <= MINUTE, "{:?}", stack.now().since(began));
        seen.push(notifications.count(State::Quarantined, &today).await.unwrap());
        if connections.erasure(&id).await.unwrap().unwrap().is_done() {
            break;
        }
        pass(3_600).await;
    }
    let (all, others) = ((WAITING + ABOUT) as u64, 6);
    assert!(seen.iter().any(|left| (others + 1..all).contains(left)), "cut short at least once: {seen:?}");
    assert_eq!(seen.last(), Some(&others), "{seen:?}");
    let receipt = connections.erasure(&id).await.unwrap().unwrap();
    assert!(receipt.is_done());
    assert_eq!(receipt.counts.notifications, all - others);
}
