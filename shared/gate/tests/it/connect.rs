//! What connecting stores, and what follows.

use std::time::Duration;

use afferent_domain::budget::Lane;
use afferent_domain::connection::{Scope, Scopes, State};
use afferent_domain::duty::Duty;
use afferent_domain::id::PullId;
use afferent_domain::record::Status;
use afferent_domain::secret::Secret;
use afferent_gate::follow_up;
use afferent_local::dynamodb::Fault;
use afferent_store::connections::Connection;
use afferent_store::duties::{DutyKey, Owner, Taken};
use afferent_withings::Class;
use withings_simulator::Settings;

use crate::bench::{Bench, HOUR, MINUTE};

const PATIENCE: Duration = Duration::from_secs(30);

fn duty(connection: &Connection, duty: Duty) -> DutyKey {
    DutyKey { owner: Owner::Account(connection.account.clone()), duty }
}

#[tokio::test(start_paused = true)]
async fn a_code_becomes_a_pair_whose_userid_may_be_a_text() {
    for userid_as_string in [false, true] {
        let bench = Bench::of(1, Settings { userid_as_string, ..Settings::default() }, (0, 0)).await;
        let code = Secret::new(bench.withings.issue_code(bench.userid, None, "user.info,user.activity").unwrap());
        let (gate, until) = (bench.process(), bench.now() + MINUTE);
        let token = gate.exchange(&code, "https://a.example.org/", PATIENCE, until).await.unwrap();
        assert_eq!(token.userid, bench.userid);
        assert_eq!(token.scope, ["user.info", "user.activity"]);
        let again = gate.exchange(&code, "https://a.example.org/", PATIENCE, until).await;
        assert!(matches!(again, Err(afferent_gate::CallError::Withings(error)) if error.class() == Class::InvalidCode));
    }
}

#[tokio::test(start_paused = true)]
async fn connecting_makes_care_and_replay_due_and_tells_it() {
    let bench = Bench::start(1).await;
    let connector = bench.connector();
    let consent = bench.consent("person", 3 * HOUR);
    let connection = connector.connect_within(PATIENCE, &bench.seals(), &consent).await.unwrap();
    for what in [Duty::Care, Duty::Replay] {
        let (now, holder) = (bench.now(), PullId::from("pul_1"));
        let key = duty(&connection, what);
        let taken = bench.connections.take_duty(&key, &holder, now, now + MINUTE).await.unwrap();
        assert!(matches!(taken, Taken::Yes(_)), "{key:?}");
        // Whoever is at work on it began before the next consent: that one makes it due anew.
        connector.connect_within(PATIENCE, &bench.seals(), &consent).await.unwrap();
        let taken = bench.connections.take_duty(&key, &PullId::from("pul_2"), now, now + MINUTE).await.unwrap();
        assert!(matches!(taken, Taken::Yes(_)), "{key:?}");
    }
    let record = bench.records.get(&connection.user, &connection.fact().record).await.unwrap().unwrap();
    assert_eq!((record.kind.as_str(), record.value_code.as_deref()), ("connection", Some("connected")));
    let text = serde_json::to_string(&record).unwrap();
    for secret in [consent.access_token.reveal(), consent.refresh_token.reveal()] {
        assert!(!text.contains(secret), "a token is public");
    }
    assert!(bench.connections.get(&connection.id).await.unwrap().unwrap().followed_up);
}

#[tokio::test(start_paused = true)]
async fn connecting_again_keeps_the_ids_and_the_first_time_and_is_told() {
    let bench = Bench::start(1).await;
    let connector = bench.connector();
    let connect =
        async || connector.connect_within(PATIENCE, &bench.seals(), &bench.consent("person", 3 * HOUR)).await.unwrap();
    let first = connect().await;
    assert_eq!(first.connected, first.first_connected);
    tokio::time::sleep(24 * HOUR).await;
    let living = bench.connections.get(&first.id).await.unwrap().unwrap();
    assert!(bench.connections.set_state(&living, State::Reauthorise).await.unwrap());
    for copy in [
        bench.connections.get(&first.id).await.unwrap().unwrap(),
        bench.connections.of_account(&first.account).await.unwrap().remove(0),
    ] {
        assert_eq!(copy.state, State::Reauthorise);
    }
    let again = connect().await;
    assert_eq!((&again.id, &again.user, again.state), (&first.id, &first.user, State::Connected));
    assert_eq!(again.first_connected, first.connected);
    assert!(again.connected > first.connected);
    // What was read before the reconnect changes nothing any more.
    assert!(!bench.connections.set_state(&living, State::Unlinked).await.unwrap());
    assert_eq!(bench.connections.get(&first.id).await.unwrap().unwrap().state, State::Connected);
    let record = bench.records.get(&first.user, &first.fact().record).await.unwrap().unwrap();
    assert_eq!((record.rev, record.status), (2, Status::Amended));
}

#[tokio::test(start_paused = true)]
async fn a_partial_grant_is_kept() {
    let bench = Bench::start(1).await;
    let mut consent = bench.consent("person", 3 * HOUR);
    consent.scopes = Scopes::new(["user.info", "user.activity"]);
    let connection = bench.connector().connect_within(PATIENCE, &bench.seals(), &consent).await.unwrap();
    let stored = bench.connections.get(&connection.id).await.unwrap().unwrap();
    assert!(stored.scopes.grant(Some(Scope::Activity)) && !stored.scopes.grant(Some(Scope::Metrics)));
}

#[tokio::test(start_paused = true)]
async fn two_users_of_one_account_have_connections_of_their_own_and_one_chain_of_tokens() {
    let bench = Bench::start(1).await;
    let connector = bench.connector();
    let one = connector.connect_quietly(&bench.seals(), &bench.consent("one", 3 * HOUR)).await.unwrap();
    let two = connector.connect_quietly(&bench.seals(), &bench.consent("two", 3 * HOUR)).await.unwrap();
    assert!(one.id != two.id && one.user != two.user && one.account == two.account);
    assert_eq!(bench.connections.of_account(&one.account).await.unwrap().len(), 2);
    let until = bench.now() + MINUTE;
    assert!(bench.process().renew(&one.account, Lane::OnDemand, Duration::ZERO, until).await.unwrap());
    bench.call(&bench.process(), MINUTE).await.unwrap();
    assert_eq!((bench.wire.dead(), bench.wire.refreshes().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn whoever_shares_an_account_has_the_scopes_of_its_newest_consent() {
    let bench = Bench::start(1).await;
    let (connector, seals) = (bench.connector(), bench.seals());
    let consent = |reference: &str, scopes: &[&str]| {
        let scopes = Scopes::new(scopes.iter().copied());
        afferent_gate::Consent { scopes, ..bench.consent(reference, 3 * HOUR) }
    };
    let one =
        connector.connect_within(PATIENCE, &seals, &consent("one", &["user.info", "user.activity"])).await.unwrap();
    let stored = async |connection: &Connection| {
        let own = bench.connections.get(&connection.id).await.unwrap().unwrap();
        let of_account = bench.connections.of_account(&connection.account).await.unwrap();
        assert!(of_account.contains(&own), "both copies say the same");
        own
    };

    let two = connector.connect_within(PATIENCE, &seals, &consent("two", &["user.info"])).await.unwrap();
    let fewer = stored(&one).await;
    assert_eq!((fewer.scopes.to_string().as_str(), fewer.followed_up), ("user.info", true));

    // Nor does a consent that connects nobody leave what it took away.
    tokio::time::sleep(HOUR).await;
    connector.keep_pair(&seals, &consent("three", &["user.metrics"])).await.unwrap();
    for connection in [&one, &two] {
        let other = stored(connection).await;
        assert_eq!(other.scopes.to_string(), "user.metrics");
        assert!(!other.followed_up, "what it was not granted before is to be read");
    }

    bench.connections.set_state(&stored(&two).await, State::Disconnected).await.unwrap();
    connector.connect_within(PATIENCE, &seals, &consent("one", &["user.info"])).await.unwrap();
    assert_eq!(stored(&two).await.scopes.to_string(), "user.metrics", "who does not live has no consent");
}

#[tokio::test(start_paused = true)]
async fn connecting_stores_all_or_nothing_and_what_a_crash_left_undone_is_done_by_care() {
    let bench = Bench::start(1).await;
    let consent = bench.consent("person", 3 * HOUR);
    bench.stack.dynamodb.faults().next(Fault::Failed, "TransactWriteItems", "", 1_000);
    assert!(bench.connector().connect_within(PATIENCE, &bench.seals(), &consent).await.is_err());
    assert_eq!(bench.connections.of_account(&consent.account).await.unwrap(), []);
    assert_eq!(bench.connections.tokens(&consent.account).await.unwrap(), None);
    bench.stack.dynamodb.faults().clear();

    // Meets other writers for a while.
    bench.stack.dynamodb.faults().next(Fault::Conflict, "TransactWriteItems", "", 3);
    bench.stack.dynamodb.faults().next(Fault::Failed, "PutItem", "records", 1_000);
    let connection = bench.connector().connect_within(PATIENCE, &bench.seals(), &consent).await.unwrap();
    assert!(!bench.connections.get(&connection.id).await.unwrap().unwrap().followed_up);
    bench.stack.dynamodb.faults().clear();
    for _ in 0..2 {
        let connection = bench.connections.get(&connection.id).await.unwrap().unwrap();
        let depth = bench.connector().depth;
        follow_up(&bench.connections, &bench.records, &connection, depth, bench.now()).await.unwrap();
    }
    let record = bench.records.get(&connection.user, &connection.fact().record).await.unwrap().unwrap();
    assert_eq!(record.rev, 1);
    assert!(bench.connections.get(&connection.id).await.unwrap().unwrap().followed_up);
}
