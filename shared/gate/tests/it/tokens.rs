//! What becomes of a pair.

use std::time::Duration;

use afferent_domain::budget::Lane;
use afferent_domain::secret::Secret;
use afferent_gate::CallError;
use afferent_local::dynamodb::Fault;
use afferent_secrets::{Sealer, Seals};
use afferent_withings::{App, Class, Client, auth};
use futures_util::future::join_all;
use withings_simulator::{DuplicateGuard, FaultKind, Settings};

use crate::bench::{Bench, HOUR, MINUTE};

const NEVER: Duration = Duration::from_secs(10 * 3600);

#[tokio::test(start_paused = true)]
async fn a_401_refreshes_once_and_the_call_is_made_once_more() {
    let bench = Bench::start(1).await;
    // We believe in it longer than Withings does.
    bench.connect(NEVER).await;
    tokio::time::sleep(4 * HOUR).await;
    bench.call(&bench.process(), 2 * MINUTE).await.unwrap();
    let actions: Vec<String> = bench.wire.sent().into_iter().map(|sent| sent.action).collect();
    assert_eq!(actions, ["getmeas", "requesttoken", "getmeas"]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_about_to_die_is_refreshed_before_the_call() {
    let bench = Bench::start(1).await;
    bench.connect(3 * HOUR).await;
    tokio::time::sleep(3 * HOUR - Duration::from_secs(59)).await;
    bench.call(&bench.process(), 2 * MINUTE).await.unwrap();
    let actions: Vec<String> = bench.wire.sent().into_iter().map(|sent| sent.action).collect();
    assert_eq!(actions, ["requesttoken", "getmeas"]);
}

#[tokio::test(start_paused = true)]
async fn the_new_pair_is_stored_before_it_is_first_used() {
    let bench = Bench::start(1).await;
    bench.connect(Duration::ZERO).await;
    // The one write that stores a new pair.
    bench.stack.dynamodb.faults().next(Fault::Failed, "UpdateItem", "refreshed_ms", 1_000);
    assert!(matches!(bench.call(&bench.process(), 2 * MINUTE).await, Err(CallError::Store(_))));
    assert!(bench.wire.sent().iter().all(|sent| sent.bearer.is_none()), "a pair was used that nobody has stored");
    bench.stack.dynamodb.faults().clear();
    assert!(bench.recovers(5 * MINUTE).await, "the old refresh token lives until the new pair is used");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_for_seconds_loses_no_pair() {
    let bench = Bench::start(1).await;
    bench.connect(Duration::ZERO).await;
    // The SDK itself tries three times.
    bench.stack.dynamodb.faults().next(Fault::Failed, "UpdateItem", "refreshed_ms", 7);
    bench.call(&bench.process(), 2 * MINUTE).await.unwrap();
    assert_eq!(bench.wire.refreshes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_the_old_refresh_token_is_still_good_and_not_tried_at_once() {
    for kind in [FaultKind::Hang, FaultKind::Http(502), FaultKind::Truncated, FaultKind::NotJson] {
        let bench = Bench::start(1).await;
        bench.connect(Duration::ZERO).await;
        bench.spoil(kind.clone(), true, 1);
        let lost = bench.call(&bench.process(), 2 * MINUTE).await;
        assert!(matches!(lost, Err(CallError::Withings(_))), "{kind:?}: {lost:?}");
        bench.call(&bench.process(), 2 * MINUTE).await.unwrap();
        let [first, second] = bench.wire.refreshes()[..] else { panic!("{kind:?}: not two refreshes") };
        assert!(second.since(first) >= Duration::from_secs(11), "{kind:?}");
        assert!(second.since(first) <= Duration::from_secs(62), "{kind:?}: the lease is not burnt for minutes");
        assert_eq!((bench.wire.dead(), bench.wire.violations()), (0, vec![]), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_refresh_token_means_to_connect_again_and_is_not_tried_again() {
    let bench = Bench::start(1).await;
    let connection = bench.connect(NEVER).await;
    bench.withings.kill_tokens(bench.userid);
    let gate = bench.process();
    for _ in 0..3 {
        assert!(matches!(bench.call(&gate, 2 * MINUTE).await, Err(CallError::Reauthorise)));
        assert!(matches!(bench.call(&bench.process(), 2 * MINUTE).await, Err(CallError::Reauthorise)));
        tokio::time::sleep(HOUR).await;
    }
    assert_eq!(bench.wire.refreshes().len(), 1);

    let dead = bench.connections.tokens(&connection.account).await.unwrap().unwrap();
    assert!(dead.dead);
    bench.connect(3 * HOUR).await;
    assert!(!bench.connections.bury_tokens(&connection.account, dead.generation).await.unwrap(), "a reconnect wins");
    bench.call(&gate, 2 * MINUTE).await.unwrap();

    bench.withings.kill_tokens(bench.userid);
    assert!(matches!(bench.call(&gate, 2 * MINUTE).await, Err(CallError::Reauthorise)));
    assert!(bench.connections.bury_tokens(&connection.account, dead.generation + 1).await.unwrap());
    assert_eq!(bench.connections.tokens(&connection.account).await.unwrap(), None);
    assert!(matches!(bench.call(&bench.process(), 2 * MINUTE).await, Err(CallError::Reauthorise)));
    let again = bench.connect(3 * HOUR).await;
    assert_eq!(again.id, connection.id);
    bench.call(&bench.process(), 2 * MINUTE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wrong_sealing_key_cuts_nobody_off() {
    let bench = Bench::start(1).await;
    bench.connect(3 * HOUR).await;
    let wrong = format!(r#"{{"current":"1","1":"{}"}}"#, "w".repeat(64));
    let stranger = bench.process_with(Seals::from(Sealer::from_json(&wrong).unwrap()));
    assert!(matches!(bench.call(&stranger, 2 * MINUTE).await, Err(CallError::Sealed)));
    tokio::time::sleep(3 * HOUR).await;
    assert!(matches!(bench.call(&stranger, 2 * MINUTE).await, Err(CallError::Sealed)));
    assert_eq!(bench.wire.sent().len(), 0);
    bench.call(&bench.process(), 2 * MINUTE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_same_call_within_ten_seconds_is_spaced_and_does_not_hold_the_application_back() {
    let settings = Settings { duplicate_guard: DuplicateGuard::Tokens, ..Settings::default() };
    let bench = Bench::of(1, settings, (0, 0)).await;
    let pair = bench.consent("person", Duration::ZERO);
    bench.connector().connect_quietly(&bench.seals(), &pair).await.unwrap();
    // Somebody else has just sent the very same.
    let app = App {
        client_id: "simulatedclient".to_owned(),
        client_secret: Secret::new("simulatedsecret"),
        callback_url: None,
    };
    let withings = Client::new(bench.stack.rim.http.clone(), "https://wbsapi.withings.net");
    let request = auth::token_by_refresh(&app, &pair.refresh_token);
    withings.call(&request, None, MINUTE).await.unwrap();

    let began = bench.now();
    bench.call(&bench.process(), 2 * MINUTE).await.unwrap();
    let took = bench.now().since(began);
    assert!(took >= Duration::from_secs(11) && took < Duration::from_secs(30), "{took:?}");
    assert_eq!(bench.wire.refreshes().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_gives_the_lease_back() {
    let bench = Bench::start(1).await;
    bench.connect(Duration::ZERO).await;
    bench.spoil(FaultKind::Status { status: 601, error: "Too Many Requests".to_owned() }, false, 1);
    let refused = bench.call(&bench.process(), 2 * MINUTE).await;
    assert!(
        matches!(&refused, Err(CallError::Withings(error)) if matches!(error.class(), Class::TooManyRequests { .. }))
    );
    let tokens = bench.connections.tokens(&bench.account()).await.unwrap().unwrap();
    let lease = bench
        .connections
        .lease_refresh(&bench.account(), tokens.generation, bench.now(), bench.now() + MINUTE)
        .await
        .unwrap();
    assert!(lease.is_some(), "nobody holds it");
}

#[tokio::test(start_paused = true)]
async fn a_pair_is_renewed_by_its_age_and_not_before() {
    let bench = Bench::start(1).await;
    bench.connect(3 * HOUR).await;
    let gate = bench.process();
    let month = 30 * 24 * HOUR;
    let renew = async |gate: &afferent_gate::Gate| {
        gate.renew(&bench.account(), Lane::Reconcile, month, bench.now() + 2 * MINUTE).await.unwrap()
    };
    assert!(!renew(&gate).await);
    tokio::time::sleep(month).await;
    assert!(renew(&gate).await);
    assert!(!renew(&bench.process()).await);
    // A year of nothing but this.
    for _ in 0..14 {
        tokio::time::sleep(month).await;
        assert!(renew(&bench.process()).await);
    }
    bench.call(&bench.process(), 2 * MINUTE).await.unwrap();
    assert_eq!(bench.wire.dead(), 0);
}

#[tokio::test(start_paused = true)]
async fn many_processes_that_find_the_token_dead_refresh_it_once() {
    let bench = Bench::of(1, Settings::default(), (1, 40)).await;
    bench.connect(Duration::ZERO).await;
    bench.stack.network.set_latency(100, 4_000);
    let processes: Vec<_> = (0..8).map(|_| bench.process()).collect();
    for result in join_all(processes.iter().map(|gate| bench.call(gate, 2 * MINUTE))).await {
        result.unwrap();
    }
    assert_eq!(bench.wire.refreshes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_a_reconnect_overtook_does_not_put_an_older_pair_over_it() {
    let bench = Bench::start(1).await;
    let connection = bench.connect(Duration::ZERO).await;
    let now = bench.now();
    let lease = bench.connections.lease_refresh(&connection.account, 1, now, now + MINUTE).await.unwrap().unwrap();
    bench.connect(3 * HOUR).await;
    let mut late = lease.tokens.pair.clone();
    "1.late".clone_into(&mut late.access);
    assert!(!bench.connections.store_refreshed(&connection.account, &lease, &late).await.unwrap());
    assert!(!bench.connections.condemn(&connection.account, &lease).await.unwrap());
    let tokens = bench.connections.tokens(&connection.account).await.unwrap().unwrap();
    assert_eq!((tokens.generation, tokens.dead), (2, false));
    bench.call(&bench.process(), 2 * MINUTE).await.unwrap();
}
