//! Erasing: what there is more of than fits into a minute, what is shared, and what is still being written.

use std::time::Duration;

use afferent_domain::connection::{Scopes, State as Link, Subscriptions};
use afferent_domain::duty::Duty;
use afferent_domain::erasure::{self, Erasure};
use afferent_domain::event::Draft;
use afferent_domain::id::{ConnectionId, ErasureId, NotificationId, UserId};
use afferent_domain::notification::Quarantine;
use afferent_local::Setup;
use afferent_local::dynamodb::Fault;
use afferent_store::connections::{AccountKey, Connection, Connections};
use afferent_store::duties::{DutyKey, Owner};
use afferent_store::erasure::Begun;
use afferent_store::notifications::{Beginning, Incoming, Notifications, State, day};
use afferent_store::tokens::Pair;

use crate::stack::{Stack, pass};

/// How long the function has.
const MINUTE: Duration = Duration::from_secs(55);

/// A link of the userid `1`, as the receipt of an erasure has it.
fn linked(connection: &str, region: &str) -> erasure::Link {
    erasure::Link {
        connection: ConnectionId::from(connection),
        application: "client".to_owned(),
        region: region.to_owned(),
        userid: "1".to_owned(),
        left: None,
    }
}

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
    let id = ErasureId::from("ers_1");
    let links = vec![linked("con_1", "eu")];
    let erasure = Erasure::begin(id.clone(), UserId::from("usr_1"), "person-1", links, stack.now());
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

/// Stores a connection of a person.
async fn connected(stack: &Stack, connections: &Connections, id: &str, user: &str, userid: &str) -> Connection {
    let now = stack.now();
    let account = AccountKey { application: "client".to_owned(), region: "eu".to_owned(), userid: userid.to_owned() };
    let connection = Connection {
        id: ConnectionId::from(id),
        user: UserId::from(user),
        account,
        tz: None,
        connected: now,
        first_connected: now,
        state: Link::Connected,
        scopes: Scopes::default(),
        subscriptions: Subscriptions::default(),
        followed_up: true,
    };
    let sealed = || "1.x".to_owned();
    let pair = Pair { access: sealed(), refresh: sealed(), expires: now, refreshed: now };
    connections.connect(&connection, user, &pair, false).await.unwrap();
    connection
}

#[tokio::test(start_paused = true)]
async fn notifications_of_a_userid_that_another_user_has_too_stay_whichever_of_the_persons_links_comes_first() {
    // Of the person's two links of one userid only that in Europe is another user's as well.
    for (shared, regions, left) in
        [(true, ["eu", "us"], 3), (true, ["us", "eu"], 3), (false, ["eu", "us"], 0), (false, ["us", "eu"], 0)]
    {
        let stack = Stack::start().await;
        let connections = Connections::new(stack.client.clone(), "afferent-connections".to_owned());
        let notifications = Notifications::new(stack.client.clone(), "afferent-notifications".to_owned());
        let (received, today) = (stack.now(), day(stack.now()));
        for number in 0..3 {
            let (id, userid) = (NotificationId::from(format!("ntf_{number}")), Some("1".to_owned()));
            let incoming = Incoming { id, received, body: "appli=1".to_owned(), appli: Some(1), userid };
            notifications.accept(&incoming, Beginning::Quarantined(Quarantine::UnknownUser)).await.unwrap();
        }
        if shared {
            connected(&stack, &connections, "con_other", "usr_2", "1").await;
        }
        let links = regions.map(|region| linked(&format!("con_{region}"), region));
        let id = ErasureId::from("ers_1");
        let erasure = Erasure::begin(id.clone(), UserId::from("usr_1"), "person-1", links.into(), stack.now());
        assert_eq!(connections.begin_erasure(&erasure).await.unwrap(), Begun::Now);
        for _ in 0..30 {
            stack.minute().await;
            pass(3_600).await;
        }
        assert!(connections.erasure(&id).await.unwrap().unwrap().is_done());
        let kept = notifications.count(State::Quarantined, &today).await.unwrap();
        assert_eq!(kept, left, "shared: {shared}, {regions:?}");
    }
}

/// A change of a weight that a connection brought.
fn change(record: &str, connection: &str) -> Draft {
    Draft::of_record(&format!(
        r#"{{"user":"usr_1","record":"{record}","rev":1,"status":"final","kind":"body_weight",
            "connection":"{connection}","synckind":"live","changed_ms":1795244591412,"value":81.25}}"#
    ))
    .unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_erasure_makes_no_number_free_and_no_change_twice_of_what_a_dead_writer_left_behind_the_head() {
    // What the writer dies at: its first put, its markers, its move of the head. The SDK tries four times, of two markers.
    for (operation, about) in [("PutItem", "packed"), ("PutItem", "event_sequence"), ("UpdateItem", "afferent-events")]
    {
        let stack = Stack::start().await;
        let connections = Connections::new(stack.client.clone(), "afferent-connections".to_owned());
        let erased = connected(&stack, &connections, "con_1", "usr_1", "1").await;
        connected(&stack, &connections, "con_2", "usr_1", "2").await;
        let user = UserId::from("usr_1");
        let append = async |drafts: Vec<Draft>| {
            let journalled = stack.events.append(&user, drafts, stack.now(), &*stack.simulation.dice).await;
            journalled.map(|all| all.into_iter().map(|one| one.sequence).collect::<Vec<_>>())
        };
        append(vec![change("rec_first", "con_2")]).await.unwrap();
        let both = || vec![change("rec_1", "con_1"), change("rec_2", "con_2")];
        stack.simulation.dynamodb.faults().next(Fault::Failed, operation, about, 8);
        append(both()).await.unwrap_err();
        stack.simulation.dynamodb.faults().clear();

        assert!(connections.set_state(&erased, Link::Unlinked).await.unwrap());
        let key = DutyKey { owner: Owner::Connection(erased.id.clone()), duty: Duty::Erasure };
        assert!(connections.add_duty(&key, stack.now(), Vec::new()).await.unwrap());
        assert_eq!(stack.minute().await["erasures"], 1);

        // The change comes again, because its writer had not acknowledged it, and then another.
        let put = about != "packed";
        assert_eq!(append(both()).await.unwrap(), [2, 3], "{about}");
        assert_eq!(append(vec![change("rec_3", "con_2")]).await.unwrap(), [4], "{about}");
        let entries = stack.events.entries(&user, u64::MAX, 10).await.unwrap();
        let there: Vec<_> = entries.iter().rev().map(|entry| (entry.sequence, entry.event.clone())).collect();
        let all = [("rec_first", "con_2"), ("rec_1", "con_1"), ("rec_2", "con_2"), ("rec_3", "con_2")];
        let all = (1..).zip(all).map(|(number, (record, connection))| (number, change(record, connection).id));
        // What was there to be erased is gone; what came after the pass is the next one's.
        let expected: Vec<_> = all.filter(|(number, _)| !put || *number != 2).collect();
        assert_eq!(there, expected, "{about}");
        assert_eq!(stack.events.head(&user).await.unwrap().unwrap().last, 4);
        pass(26 * 3_600).await;
        assert_eq!(stack.minute().await["erasures"], 1);
        let left = stack.events.entries(&user, u64::MAX, 10).await.unwrap();
        assert_eq!(left.iter().rev().map(|entry| entry.sequence).collect::<Vec<_>>(), [1, 3, 4], "{about}");
    }
}
