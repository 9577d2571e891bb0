//! What is written with a condition is written and counted once, also where the answer was lost and the SDK sent it again.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{Delivery, End, Key};
use afferent_domain::id::{ConnectionId, EndpointId, EventId, NotificationId, PullId, UserId};
use afferent_domain::notification::Quarantine;
use afferent_domain::record::{Category, Fact, Source, SyncKind};
use afferent_domain::service::Service;
use afferent_local::dynamodb::Fault;
use afferent_local::{Setup, Simulation, Ticks};
use afferent_metrics::{Edge, Kept as Lines, Metric};
use afferent_store::deliveries::{Again, Claim, Deliveries, Kept};
use afferent_store::notifications::{Awaited, Beginning, Incoming, Notifications, State};
use afferent_store::records::Records;

struct World {
    simulation: Simulation,
    lines: Arc<Lines>,
    edge: Edge,
    deliveries: Deliveries,
    notifications: Notifications,
    records: Records,
}

impl World {
    async fn new() -> Self {
        let simulation = Simulation::bare(Setup { ticks: Ticks::Off, ..Setup::default() }).await.unwrap();
        let client = afferent_store::client(&simulation.rim.aws);
        let lines = Arc::<Lines>::default();
        let sink: Arc<dyn afferent_metrics::Sink> = lines.clone();
        Self {
            edge: Edge::new("test", "afferent".to_owned(), Arc::clone(&simulation.rim.clock), sink),
            deliveries: Deliveries::new(client.clone(), "afferent-deliveries".to_owned()),
            notifications: Notifications::new(client.clone(), "afferent-notifications".to_owned()),
            records: Records::new(client, "afferent-records".to_owned()),
            lines,
            simulation,
        }
    }

    fn now(&self) -> Timestamp {
        self.simulation.clock.now()
    }

    /// Does something whose next write of this kind is done, and its answer lost.
    async fn unanswered<T>(&self, operation: &str, about: &str, work: impl Future<Output = T>) -> T {
        self.simulation.dynamodb.faults().next(Fault::AnswerLost, operation, about, 1);
        self.edge.invocation(work).await
    }

    fn counted<const N: usize>(&self, metrics: [Metric; N]) -> [u64; N] {
        metrics.map(|metric| self.lines.sum(metric))
    }

    fn incoming(&self, id: &str) -> Incoming {
        Incoming {
            id: NotificationId::from(id),
            received: self.now(),
            body: "userid=1&appli=1".to_owned(),
            appli: Some(1),
            userid: Some("1".to_owned()),
        }
    }
}

fn key() -> Key {
    Key { event: EventId::from("evt_1"), endpoint: EndpointId::from("ep_1") }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_counts_once_at_its_beginning_and_at_each_of_its_ends() {
    const COUNTED: [Metric; 4] = [
        Metric::DeliveriesCreated,
        Metric::DeliveriesDelivered,
        Metric::DeliveriesRevived,
        Metric::DeliveriesCancelled,
    ];
    let world = World::new().await;
    let (deliveries, pass) = (&world.deliveries, || tokio::time::sleep(Duration::from_millis(1)));
    let key = key();
    let delivery = Delivery::new(key.clone(), UserId::from("usr_1"), 1, "ecg.created".to_owned(), world.now());
    assert!(world.unanswered("PutItem", "evt_1", deliveries.put_if_absent(&delivery)).await.unwrap());
    assert_eq!(world.counted(COUNTED), [1, 0, 0, 0]);
    // Somebody else, later: it is there.
    pass().await;
    let other = Delivery { created: world.now(), ..delivery };
    world.simulation.dynamodb.faults().next(Fault::Failed, "PutItem", "evt_1", 1);
    assert!(!world.edge.invocation(deliveries.put_if_absent(&other)).await.unwrap());

    let Claim::Taken(claimed) = deliveries.claim(&key, world.now()).await.unwrap() else { panic!("it is free") };
    let ended = deliveries.end(&claimed, End::Delivered, "taken", (1, None), world.now());
    assert_eq!(world.unanswered("UpdateItem", ":reason", ended).await.unwrap(), Kept::Yes);
    pass().await;
    let overtaken = deliveries.end(&claimed, End::Delivered, "taken", (1, None), world.now());
    assert_eq!(world.edge.invocation(overtaken).await.unwrap(), Kept::Overtaken);
    assert_eq!(world.counted(COUNTED), [1, 1, 0, 0]);

    let again = deliveries.again(&key, world.now());
    assert_eq!(world.unanswered("UpdateItem", ":schedule", again).await.unwrap(), Again::Yes);
    pass().await;
    assert_eq!(world.edge.invocation(deliveries.again(&key, world.now())).await.unwrap(), Again::Waits);
    assert_eq!(world.counted(COUNTED), [1, 1, 1, 0]);

    let cancelled = deliveries.cancel(&key, "for a test", world.now());
    assert!(world.unanswered("UpdateItem", "for a test", cancelled).await.unwrap());
    pass().await;
    assert!(!world.edge.invocation(deliveries.cancel(&key, "for a test", world.now())).await.unwrap());
    assert_eq!(world.counted(COUNTED), [1, 1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_notification_counts_once_when_it_comes_and_when_it_ends() {
    const COUNTED: [Metric; 4] = [
        Metric::NotificationsAccepted,
        Metric::NotificationsSatisfied,
        Metric::NotificationsQuarantined,
        Metric::NotificationsReleased,
    ];
    let world = World::new().await;
    let (notifications, pull) = (&world.notifications, PullId::from("pul_1"));
    let awaited = [Service::Getmeas, Service::HeartList]
        .map(|service| Awaited { connection: ConnectionId::from("con_1"), service });
    let (first, second) = (world.incoming("ntf_1"), world.incoming("ntf_2"));
    for incoming in [&first, &second] {
        let accepted = notifications.accept(incoming, Beginning::Waiting(&awaited));
        assert_eq!(world.unanswered("PutItem", "digest", accepted).await.unwrap(), State::Waiting);
        // Its message comes again.
        let again = world.edge.invocation(notifications.accept(incoming, Beginning::Waiting(&awaited)));
        assert_eq!(again.await.unwrap(), State::Waiting);
    }
    assert_eq!(world.counted(COUNTED), [2, 0, 0, 0]);
    assert!(!world.edge.invocation(notifications.satisfy(&first.id, &awaited[0], &pull)).await.unwrap());
    let satisfied = notifications.satisfy(&first.id, &awaited[1], &pull);
    assert!(world.unanswered("UpdateItem", ":satisfied", satisfied).await.unwrap());
    assert!(!world.edge.invocation(notifications.satisfy(&first.id, &awaited[1], &pull)).await.unwrap());
    assert_eq!(world.counted(COUNTED), [2, 1, 0, 0]);
    let quarantined = notifications.quarantine(&second.id, Quarantine::Disconnected, "1");
    world.unanswered("UpdateItem", ":reason", quarantined).await.unwrap();
    world.edge.invocation(notifications.quarantine(&second.id, Quarantine::Disconnected, "1")).await.unwrap();
    assert_eq!(world.counted(COUNTED), [2, 1, 1, 0]);
    let pulls = [pull];
    let released = notifications.begin_again(&second, Beginning::Satisfied(&pulls));
    assert_eq!(world.unanswered("UpdateItem", ":quarantined", released).await.unwrap(), State::Satisfied);
    let again = world.edge.invocation(notifications.begin_again(&second, Beginning::Satisfied(&pulls)));
    assert_eq!(again.await.unwrap(), State::Satisfied);
    assert_eq!(world.counted(COUNTED), [2, 2, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_revision_counts_once_and_its_writer_knows_that_it_wrote_it() {
    const COUNTED: [Metric; 2] = [Metric::RecordsCreated, Metric::RecordsRevised];
    let world = World::new().await;
    let (user, connection) = (UserId::from("usr_1"), ConnectionId::from("con_1"));
    let at = world.now();
    let source = Source::withings("getmeas");
    let mut fact = Fact::bare(user, connection, "rec_1".into(), "body_weight", Category::Exam, at, source);
    for (number, counted) in [(1, [1, 0]), (2, [1, 1])] {
        fact.value = Some(number.into());
        let brought = world.records.bring(fact.clone(), world.now(), SyncKind::Live);
        let written = world.unanswered("PutItem", "rec_1", brought).await.unwrap();
        assert_eq!(written.map(|record| record.rev), Some(u32::try_from(number).unwrap()));
        let again = world.edge.invocation(world.records.bring(fact.clone(), world.now(), SyncKind::Live));
        assert_eq!(again.await.unwrap(), None);
        assert_eq!(world.counted(COUNTED), counted);
    }
}
