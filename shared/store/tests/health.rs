//! How endpoints fare, against a DynamoDB: counted by many at once, and probed by one.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::endpoint::{Cause, Destination, Endpoint, EndpointUrl};
use afferent_domain::health::{Breaker, FIRST_PROBE, Health, OPENING_TIME, OPENING_TRIES, Owed, Stop, probe_wait};
use afferent_domain::id::EndpointId;
use afferent_local::{Setup, Simulation, Ticks};
use afferent_store::endpoints::Endpoints;

struct Table {
    simulation: Simulation,
    endpoints: Endpoints,
    id: EndpointId,
}

impl Table {
    async fn start(aws_latency_ms: (u64, u64)) -> Self {
        let setup = Setup { ticks: Ticks::Off, aws_latency_ms, ..Setup::default() };
        let simulation = Simulation::bare(setup).await.unwrap();
        let client = afferent_store::client(&simulation.rim.aws);
        let endpoints = Endpoints::new(client, "afferent-endpoints".to_owned());
        let url = EndpointUrl::parse("https://example.org/hook").unwrap();
        let id = EndpointId::from("ep_1");
        let endpoint = Endpoint::new(id.clone(), Destination::Http { url }, simulation.clock.now());
        endpoints.put(&endpoint, None).await.unwrap();
        Self { simulation, endpoints, id }
    }

    async fn health(&self) -> Health {
        self.endpoints.whole(&self.id).await.unwrap().unwrap().health
    }

    async fn is_watched(&self) -> bool {
        !self.endpoints.watched().await.unwrap().is_empty()
    }

    /// Its breaker, opened at the returned time.
    async fn open(&self) -> Timestamp {
        let start = self.simulation.clock.now();
        self.endpoints.count_tries(&self.id, OPENING_TRIES, start).await.unwrap();
        tokio::time::sleep(OPENING_TIME).await;
        let now = self.simulation.clock.now();
        assert!(self.endpoints.open_breaker(&self.id, now).await.unwrap());
        now
    }
}

#[tokio::test(start_paused = true)]
async fn tries_counted_by_many_at_once_are_all_counted_from_the_first_one_on() {
    let table = Table::start((1, 40)).await;
    let start = table.simulation.clock.now();
    let counts = (0..10_u64).map(|n| table.endpoints.count_tries(&table.id, 2, start + Duration::from_millis(n)));
    for counted in futures_util::future::join_all(counts).await {
        assert!(counted.unwrap().failed_tries >= 2);
    }
    let health = table.health().await;
    assert_eq!(health.failed_tries, 20);
    assert!(health.failing_since.unwrap() <= start + Duration::from_millis(9));
    assert!(!table.is_watched().await, "failed tries alone are no failure");
}

#[tokio::test(start_paused = true)]
async fn a_success_ends_the_row_and_a_failure_after_it_begins_another() {
    let table = Table::start((0, 0)).await;
    let start = table.simulation.clock.now();
    table.endpoints.count_tries(&table.id, 5, start).await.unwrap();
    table.endpoints.note_success(&table.id, start + Duration::from_secs(1)).await.unwrap();
    let health = table.health().await;
    assert_eq!(health, Health { last_success: Some(start + Duration::from_secs(1)), ..Health::default() });
    let later = start + Duration::from_secs(2);
    assert_eq!(table.endpoints.count_tries(&table.id, 1, later).await.unwrap().failing_since, Some(later));
    table.endpoints.count_failure(&table.id, later).await.unwrap();
    assert!(table.is_watched().await);
    assert_eq!(table.health().await.failures_in_a_row, 1);
}

#[tokio::test(start_paused = true)]
async fn the_breaker_opens_once_and_not_after_a_success_came_in_between() {
    let table = Table::start((0, 0)).await;
    let start = table.simulation.clock.now();
    assert!(!table.endpoints.open_breaker(&table.id, start).await.unwrap(), "nothing failed");
    let now = table.open().await;
    assert!(!table.endpoints.open_breaker(&table.id, now).await.unwrap(), "it is open");
    let health = table.health().await;
    assert_eq!(health.breaker, Breaker::Open { since: now, probes: 0, next_probe: now + FIRST_PROBE });
    assert_eq!(health.failures_in_a_row, 1, "opening is the first failure of the row");
    assert!(table.is_watched().await);

    table.endpoints.note_success(&table.id, now).await.unwrap();
    assert!(!table.endpoints.open_breaker(&table.id, now).await.unwrap(), "who counted before the success is too late");
}

#[tokio::test(start_paused = true)]
async fn one_alone_gets_a_probe_and_the_next_one_comes_later() {
    let table = Table::start((1, 40)).await;
    let opened = table.open().await;
    let due = opened + FIRST_PROBE;
    let until = due + Duration::from_secs(40);
    let takes = (0..6).map(|_| table.endpoints.take_probe(&table.id, due, until));
    let taken = futures_util::future::join_all(takes).await;
    assert_eq!(taken.into_iter().filter(|taken| *taken.as_ref().unwrap()).count(), 1);
    table.endpoints.probe_failed(&table.id, 0, due).await.unwrap();
    let next = due + probe_wait(1);
    assert_eq!(table.health().await.breaker, Breaker::Open { since: opened, probes: 1, next_probe: next });
    assert!(!table.endpoints.take_probe(&table.id, until, until).await.unwrap(), "nor for the lease of the one before");
    assert!(table.endpoints.take_probe(&table.id, next, next).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn after_a_success_an_open_breaker_drains_and_is_looked_after_until_that_is_done() {
    let table = Table::start((0, 0)).await;
    let opened = table.open().await;
    let since = table.health().await.failing_since.unwrap();
    assert!(table.endpoints.note_warned(&table.id, since, 1).await.unwrap());
    let closed = opened + Duration::from_secs(60);
    table.endpoints.note_success(&table.id, closed).await.unwrap();
    assert_eq!(table.health().await.breaker, Breaker::Draining { since: closed });
    assert!(table.is_watched().await);
    table.endpoints.probe_failed(&table.id, 3, closed).await.unwrap();
    assert!(!table.endpoints.take_probe(&table.id, closed, closed).await.unwrap());
    assert_eq!(table.health().await.breaker, Breaker::Draining { since: closed }, "a late probe changes nothing");
    assert!(!table.endpoints.note_drained(&table.id, opened).await.unwrap(), "that was another time");
    assert!(table.endpoints.note_drained(&table.id, closed).await.unwrap());
    assert_eq!(table.health().await.breaker, Breaker::Closed);
    assert!(!table.is_watched().await);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_fails_again_while_it_drains_stays_looked_after() {
    let table = Table::start((0, 0)).await;
    let closed = table.open().await + Duration::from_secs(60);
    table.endpoints.note_success(&table.id, closed).await.unwrap();
    table.endpoints.count_failure(&table.id, closed + Duration::from_secs(1)).await.unwrap();
    assert!(table.endpoints.note_drained(&table.id, closed).await.unwrap());
    assert_eq!((table.health().await.breaker, table.is_watched().await), (Breaker::Closed, true));
}

#[tokio::test(start_paused = true)]
async fn the_first_who_is_told_to_stop_says_why_and_a_success_does_not_take_it_back() {
    let table = Table::start((0, 0)).await;
    let now = table.simulation.clock.now();
    let gone = Stop { cause: Cause::Gone, at: now };
    table.endpoints.note_stop(&table.id, gone).await.unwrap();
    let other = Stop { cause: Cause::Receiver, at: now + Duration::from_secs(1) };
    table.endpoints.note_stop(&table.id, other).await.unwrap();
    table.endpoints.note_success(&table.id, now + Duration::from_secs(2)).await.unwrap();
    assert_eq!(table.health().await.stop, Some(gone));
    assert!(table.is_watched().await);
}

#[tokio::test(start_paused = true)]
async fn who_begins_anew_has_no_failures_and_keeps_what_still_drains() {
    let table = Table::start((0, 0)).await;
    table.endpoints.note_success(&table.id, table.simulation.clock.now()).await.unwrap();
    let success = table.health().await.last_success;
    let opened = table.open().await;
    table.endpoints.note_stop(&table.id, Stop { cause: Cause::Gone, at: opened }).await.unwrap();
    table.endpoints.reset_health(&table.id, Some(opened)).await.unwrap();
    let draining = Breaker::Draining { since: opened };
    assert_eq!(table.health().await, Health { last_success: success, breaker: draining, ..Health::default() });
    assert!(table.is_watched().await);
    table.endpoints.reset_health(&table.id, None).await.unwrap();
    assert_eq!(table.health().await, Health { last_success: success, ..Health::default() });
    assert!(!table.is_watched().await);
}

#[tokio::test(start_paused = true)]
async fn a_warning_is_noted_once_and_only_for_the_row_that_it_tells_of() {
    let table = Table::start((0, 0)).await;
    let first = table.simulation.clock.now();
    assert!(!table.endpoints.note_warned(&table.id, first, 1).await.unwrap(), "there is no row");
    table.endpoints.count_failure(&table.id, first).await.unwrap();
    table.endpoints.count_failure(&table.id, first).await.unwrap();
    assert!(table.endpoints.note_warned(&table.id, first, 1).await.unwrap());
    assert!(!table.endpoints.note_warned(&table.id, first, 1).await.unwrap());
    assert_eq!(table.health().await.warnings_due().collect::<Vec<_>>(), [2]);

    let second = first + Duration::from_secs(60);
    table.endpoints.note_success(&table.id, second).await.unwrap();
    table.endpoints.count_failure(&table.id, second).await.unwrap();
    assert!(!table.endpoints.note_warned(&table.id, first, 2).await.unwrap(), "that row is over");
    assert_eq!(table.health().await.warnings_due().collect::<Vec<_>>(), [1]);
}

#[tokio::test(start_paused = true)]
async fn what_a_success_ended_before_its_warnings_were_given_is_owed_until_they_are() {
    let table = Table::start((0, 0)).await;
    let first = table.simulation.clock.now();
    for _ in 0..3 {
        table.endpoints.count_failure(&table.id, first).await.unwrap();
    }
    table.endpoints.note_warned(&table.id, first, 1).await.unwrap();
    let success = first + Duration::from_secs(5);
    table.endpoints.note_success(&table.id, success).await.unwrap();
    let owed = Owed { since: first, warned: 1, failures: 3 };
    assert_eq!(table.health().await, Health { last_success: Some(success), owed: Some(owed), ..Health::default() });
    assert!(table.is_watched().await);
    assert_eq!(owed.warnings().collect::<Vec<_>>(), [2, 3]);
    table.endpoints.note_success(&table.id, success).await.unwrap();
    assert_eq!(table.health().await.owed, Some(owed), "another success takes nothing back");
    table.endpoints.note_owed_given(&table.id, success).await.unwrap();
    assert_eq!(table.health().await.owed, Some(owed), "that is another row");
    table.endpoints.note_owed_given(&table.id, first).await.unwrap();
    assert_eq!((table.health().await.owed, table.is_watched().await), (None, false));
}
