//! What open breakers keep back: probed, expired, released, never stranded.

use std::time::Duration;

use afferent_domain::delivery::{Key, LIFE, Place};
use afferent_domain::endpoint::Endpoint;
use afferent_domain::filter::Pattern;
use afferent_domain::health::{Breaker, DRAINING, Health, OPENING_TRIES};
use afferent_domain::id::EndpointId;
use afferent_domain::rate::Rate;
use local_sqs::Receive;

use crate::stack::{ENDPOINT, Stack, key, pass};

/// What is released in a minute to an endpoint without a rate.
const RELEASED: usize = 1_200;

impl Stack {
    pub(crate) async fn open_breaker(&self) {
        let (endpoint, now) = (EndpointId::from(ENDPOINT), self.now());
        self.endpoints.count_tries(&endpoint, OPENING_TRIES, now - Duration::from_secs(60)).await.unwrap();
        assert!(self.endpoints.open_breaker(&endpoint, now).await.unwrap());
    }

    async fn health(&self) -> Health {
        self.endpoints.whole(&EndpointId::from(ENDPOINT)).await.unwrap().unwrap().health
    }

    async fn is_watched(&self) -> bool {
        !self.endpoints.watched().await.unwrap().is_empty()
    }

    /// Receives what is visible, and deletes it.
    async fn take(&self) -> Option<Key> {
        let mut got = self.simulation.sqs.receive("afferent-deliveries", Receive::default()).await.unwrap();
        let message = got.pop()?;
        self.simulation.sqs.delete("afferent-deliveries", &message.receipt_handle).unwrap();
        Some(key(afferent_queue::Delivery::from_body(&message.body).unwrap().event.as_str()))
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_breaker_is_open_the_oldest_delivery_is_woken_for_each_probe_and_probes_come_later_and_later() {
    let stack = Stack::start().await;
    let endpoint = stack.endpoint().await.endpoint;
    for event in ["evt_1", "evt_2", "evt_3"] {
        stack.queued_for(event).await;
        let expires = stack.now() + LIFE;
        stack.keep_back(&key(event), expires).await;
        pass(1).await;
    }
    stack.open_breaker().await;
    let (opened, mut probes) = (stack.now(), Vec::new());
    for second in 0..3_600 {
        if second % 60 == 0 {
            stack.minute().await;
        }
        if let Some(key) = stack.take().await {
            let Breaker::Open { next_probe, probes: made, .. } = stack.health().await.breaker else { panic!("open") };
            assert_eq!(key.event.as_str(), "evt_1", "the oldest goes first, and is kept back again as the oldest");
            assert!(stack.endpoints.take_probe(&endpoint, next_probe, next_probe).await.unwrap(), "it is not early");
            assert!(stack.now() >= next_probe && stack.now().since(next_probe) <= Duration::from_secs(1));
            probes.push(stack.now().since(opened).as_secs());
            stack.endpoints.probe_failed(&endpoint, made, stack.now()).await.unwrap();
            stack.keep_back(&key, opened + LIFE - Duration::from_secs(10)).await;
        }
        pass(1).await;
    }
    let waits: Vec<u64> = probes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!((probes[0], waits), (60, vec![120, 240, 480, 900, 900]));
    assert_eq!(stack.waiting(&key("evt_2")).await.place, Place::Parked, "the others were let alone");
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_message_is_lost_gets_another_within_two_minutes() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    stack.many(3, "kept back").await;
    stack.open_breaker().await;
    assert_eq!(stack.minute().await["breakers"], 1);
    pass(60).await;
    assert!(stack.take().await.is_some());
    assert_eq!(stack.minute().await["breakers"], 0, "it may be on its way");
    pass(60).await;
    assert_eq!(stack.minute().await["breakers"], 1);
    assert_eq!(stack.take().await, Some(key("evt_00001")), "at once");
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_keeps_nothing_back_is_not_probed_by_the_keeper() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    stack.open_breaker().await;
    for _ in 0..5 {
        assert_eq!(stack.minute().await["breakers"], 0);
        pass(60).await;
    }
    assert_eq!(stack.messages("afferent-deliveries"), 0);
}

#[tokio::test(start_paused = true)]
async fn what_expires_while_it_is_kept_back_is_woken_all_of_it_and_is_not_the_probe() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    for event in ["evt_1", "evt_2", "evt_3"] {
        stack.queued_for(event).await;
    }
    let soon = stack.now() + Duration::from_secs(30);
    stack.keep_back(&key("evt_1"), soon).await;
    stack.keep_back(&key("evt_2"), soon).await;
    stack.keep_back(&key("evt_3"), soon + LIFE).await;
    pass(31).await;
    stack.open_breaker().await;
    assert_eq!(stack.minute().await["breakers"], 3);
    pass(2).await;
    assert_eq!(stack.visible(), 2, "expired ones at once, the probe at its time");
    pass(59).await;
    assert_eq!(stack.visible(), 3);
}

#[tokio::test(start_paused = true)]
async fn when_the_breaker_has_closed_all_are_released_at_a_pace_and_then_nobody_looks_any_more() {
    let stack = Stack::start().await;
    let endpoint = stack.endpoint().await.endpoint;
    let keys = stack.many(RELEASED + 300, "kept back").await;
    stack.open_breaker().await;
    let failing_since = stack.health().await.failing_since.unwrap();
    assert!(stack.endpoints.note_warned(&endpoint, failing_since, 1).await.unwrap());
    stack.endpoints.note_success(&endpoint, stack.now()).await.unwrap();
    assert_eq!(stack.minute().await["breakers"], RELEASED);
    pass(30).await;
    let half = stack.visible();
    assert!((RELEASED / 2 - 20..=RELEASED / 2 + 20).contains(&half), "{half} after half a minute");
    pass(30).await;
    assert_eq!(stack.minute().await["breakers"], 300);
    assert_eq!(stack.announced().len(), keys.len());
    let waiting = stack.waiting(&keys[0]).await;
    assert_eq!(waiting.place, Place::Queued);
    pass(60).await;
    assert_eq!(stack.minute().await["breakers"], 0);
    assert!(matches!(stack.health().await.breaker, Breaker::Draining { .. }), "a dispatcher may still know no better");
    pass(DRAINING.as_secs()).await;
    stack.minute().await;
    assert_eq!(stack.health().await.breaker, Breaker::Closed);
    assert!(!stack.is_watched().await);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_released_faster_than_the_endpoints_rate() {
    let stack = Stack::start().await;
    let mut endpoint = stack.endpoint().await;
    endpoint.rate = Some(Rate::new(1, 2).unwrap());
    stack.put_endpoint(&endpoint).await;
    stack.many(100, "kept back").await;
    stack.open_breaker().await;
    stack.endpoints.note_success(&endpoint.endpoint, stack.now()).await.unwrap();
    assert_eq!(stack.minute().await["breakers"], 30);
    pass(30).await;
    assert!((14..=16).contains(&stack.visible()), "one in two seconds: {}", stack.visible());
}

#[tokio::test(start_paused = true)]
async fn what_was_released_and_whose_message_is_lost_gets_another() {
    let stack = Stack::start().await;
    let endpoint = stack.endpoint().await.endpoint;
    stack.many(1, "kept back").await;
    stack.open_breaker().await;
    stack.endpoints.note_success(&endpoint, stack.now()).await.unwrap();
    stack.minute().await;
    assert!(stack.take().await.is_some());
    pass(120).await;
    assert_eq!(stack.minute().await["deliveries"], 1);
    assert!(stack.take().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn two_keepers_at_once_release_everything_and_lose_nothing() {
    let stack = Stack::start().await;
    let endpoint = stack.endpoint().await.endpoint;
    let keys = stack.many(120, "kept back").await;
    stack.open_breaker().await;
    stack.endpoints.note_success(&endpoint, stack.now()).await.unwrap();
    tokio::join!(stack.minute(), stack.minute());
    assert_eq!(stack.announced().len(), keys.len());
    for key in &keys {
        assert_eq!(stack.waiting(key).await.place, Place::Queued);
    }
    pass(60).await;
    assert_eq!(stack.minute().await["breakers"], 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_back_by_a_breaker_that_is_closed_is_found_within_a_day() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    let keys = stack.many(3, "kept back").await;
    stack.minute().await;
    assert_eq!(stack.messages("afferent-deliveries"), 0, "its endpoint is not among those that are looked after");
    assert_eq!(stack.daily().await["stranded"], 3);
    assert_eq!(stack.announced().len(), keys.len());
}

#[tokio::test(start_paused = true)]
async fn the_daily_look_lets_alone_what_an_open_breaker_keeps_back() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    stack.many(3, "kept back").await;
    stack.open_breaker().await;
    assert_eq!(stack.daily().await["stranded"], 0);
    assert_eq!(stack.messages("afferent-deliveries"), 0);
}

#[tokio::test(start_paused = true)]
async fn more_dead_endpoints_than_a_run_has_time_for_do_not_carry_it_over_its_end_and_all_are_probed_in_time() {
    let stack = Stack::of(afferent_local::Setup { aws_latency_ms: (1_000, 1_000), ..Default::default() }).await;
    // None of them wants notices, or each would get all.
    let types = vec![Pattern::parse("ecg.*").unwrap()];
    let endpoint = Endpoint { types, ..stack.endpoint().await };
    stack.put_endpoint(&endpoint).await;
    for number in 0..150 {
        let id = EndpointId::from(format!("ep_dead_{number}"));
        stack.put_endpoint(&Endpoint { endpoint: id.clone(), ..endpoint.clone() }).await;
        stack.endpoints.count_tries(&id, OPENING_TRIES, stack.now() - Duration::from_secs(60)).await.unwrap();
        assert!(stack.endpoints.open_breaker(&id, stack.now()).await.unwrap());
        let name = Key { event: format!("evt_{number}").as_str().into(), endpoint: id };
        stack.put_kept_back(&name).await;
    }
    for _ in 0..10 {
        let began = stack.now();
        stack.minute().await;
        let took = stack.now().since(began);
        assert!(took < Duration::from_secs(55), "{took:?}");
    }
    assert_eq!(stack.announced().len(), 150);
}
