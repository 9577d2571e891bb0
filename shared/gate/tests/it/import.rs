//! Pairs that come from elsewhere, and pairs that leave.

use std::time::Duration;

use afferent_domain::budget::Lane;
use afferent_domain::connection::State;
use afferent_domain::secret::Secret;
use afferent_gate::{ConnectError, Consent, History, Imported, MOST_CONNECTIONS};
use afferent_local::dynamodb::Fault;
use afferent_store::connections::Connection;
use withings_simulator::{NewUser, Settings};

use crate::bench::{Bench, HOUR, MINUTE};

fn connected(imported: Imported) -> Connection {
    match imported {
        Imported::Connected(connection) => connection,
        Imported::Already(_) => panic!("it was there already"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_imported_pair_is_refreshed_before_its_first_use() {
    let bench = Bench::start(1).await;
    let consent = bench.consent("person", Duration::ZERO);
    let imported = bench.connector().import(&bench.seals(), &consent, Some(History::Nothing)).await.unwrap();
    assert_eq!(connected(imported).state, State::Connected);
    bench.call(&bench.process(), MINUTE).await.unwrap();
    assert_eq!((bench.wire.dead(), bench.wire.refreshes().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_is_no_good_ends_the_connection_as_any_dead_one_does() {
    let bench = Bench::start(1).await;
    let consent = bench.consent("person", Duration::ZERO);
    bench.withings.kill_tokens(bench.userid);
    bench.connector().import(&bench.seals(), &consent, None).await.unwrap();
    let refused = bench.call(&bench.process(), MINUTE).await;
    assert!(matches!(refused, Err(afferent_gate::CallError::Reauthorise)), "{refused:?}");
    assert!(bench.connections.tokens(&bench.account()).await.unwrap().unwrap().dead);
    // A better pair takes its place, for another user as well.
    let better = bench.consent("another", Duration::ZERO);
    connected(bench.connector().import(&bench.seals(), &better, None).await.unwrap());
    bench.call(&bench.process(), MINUTE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pair_of_another_person_is_never_used_after_its_refresh() {
    let bench = Bench::start(1).await;
    let another = bench.withings.create_user(NewUser::default()).unwrap();
    let pair = bench.withings.issue_tokens(another, None, "").unwrap();
    // Two lines of a file that were mixed up.
    let mut consent = bench.consent("person", Duration::ZERO);
    consent.access_token = Secret::new(pair.access_token);
    consent.refresh_token = Secret::new(pair.refresh_token);
    bench.connector().import(&bench.seals(), &consent, None).await.unwrap();
    for _ in 0..2 {
        let refused = bench.call(&bench.process(), MINUTE).await;
        assert!(matches!(refused, Err(afferent_gate::CallError::Reauthorise)), "{refused:?}");
    }
    assert!(bench.connections.tokens(&bench.account()).await.unwrap().unwrap().dead);
    assert!(bench.wire.sent().iter().all(|sent| sent.bearer.is_none()), "nobody's data was asked for");
    assert_eq!(bench.wire.refreshes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_imports_of_one_account_at_once_one_brings_the_pair() {
    for seed in 0..10 {
        let bench = Bench::of(seed, Settings::default(), (1, 40)).await;
        let consents = ["one", "two", "three"].map(|reference| bench.consent(reference, Duration::ZERO));
        let (connector, seals) = (bench.connector(), bench.seals());
        let imports = consents.iter().map(|consent| connector.import(&seals, consent, None));
        for imported in futures_util::future::try_join_all(imports).await.unwrap() {
            connected(imported);
        }
        let tokens = bench.connections.tokens(&bench.account()).await.unwrap().unwrap();
        assert_eq!(tokens.generation, 1, "seed {seed}");
        assert_eq!(bench.connections.of_account(&bench.account()).await.unwrap().len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn an_import_never_puts_its_pair_over_one_that_a_consent_brings_at_the_same_time() {
    for seed in 0..40 {
        let bench = Bench::of(seed, Settings::default(), (1, 40)).await;
        let (connector, seals) = (bench.connector(), bench.seals());
        // It lived here once; what a file holds is older than what the person consents to now.
        let before = connector.connect_quietly(&seals, &bench.consent("person", HOUR)).await.unwrap();
        bench.connections.set_state(&before, State::Reauthorise).await.unwrap();
        let (old, new) = (bench.consent("person", Duration::ZERO), bench.consent("person", 2 * HOUR));
        let wait = Duration::from_millis(seed * 5);
        let consents = async {
            tokio::time::sleep(wait).await;
            connector.connect_quietly(&seals, &new).await
        };
        let (imported, consented) = tokio::join!(connector.import(&seals, &old, None), consents);
        imported.unwrap();
        let stored = connector.export_pair(&seals, &consented.unwrap().account).await.unwrap().unwrap();
        assert_eq!(stored.refresh_token.reveal(), new.refresh_token.reveal(), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_users_who_connect_one_account_at_once_one_is_refused_where_it_is_to_be_one_s_alone() {
    for seed in 0..20 {
        let bench = Bench::of(seed, Settings::default(), (1, 40)).await;
        let (connector, seals) = (bench.connector(), bench.seals());
        let alone = |reference| Consent { alone: true, ..bench.consent(reference, HOUR) };
        let (one, two, three) = (alone("one"), alone("two"), alone("three"));
        let (first, second, third) = tokio::join!(
            connector.connect_quietly(&seals, &one),
            connector.connect_quietly(&seals, &two),
            connector.import(&seals, &three, None),
        );
        let refused = [first.err(), second.err(), third.err()];
        let taken = refused.iter().filter(|error| matches!(error, Some(ConnectError::Taken))).count();
        assert_eq!(taken, 2, "seed {seed}: {refused:?}");
        assert_eq!(bench.connections.of_account(&bench.account()).await.unwrap().len(), 1, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn importing_stores_all_or_nothing_and_meets_other_writers() {
    let bench = Bench::start(1).await;
    let consent = bench.consent("person", Duration::ZERO);
    bench.stack.dynamodb.faults().next(Fault::Failed, "TransactWriteItems", "", 1_000);
    assert!(bench.connector().import(&bench.seals(), &consent, None).await.is_err());
    assert_eq!(bench.connections.of_account(&consent.account).await.unwrap(), []);
    assert_eq!(bench.connections.tokens(&consent.account).await.unwrap(), None);
    assert_eq!(bench.connections.users(None, 10).await.unwrap(), (Vec::new(), None));
    bench.stack.dynamodb.faults().clear();
    bench.stack.dynamodb.faults().next(Fault::Conflict, "TransactWriteItems", "", 3);
    let connection = connected(bench.connector().import(&bench.seals(), &consent, None).await.unwrap());
    let known = bench.connections.of_user(&connection.user).await.unwrap();
    assert_eq!(known.iter().collect::<Vec<_>>(), [&connection]);
    assert_eq!(bench.connections.all(None, 10).await.unwrap(), (vec![connection], None));
}

#[tokio::test(start_paused = true)]
async fn a_user_has_a_hundred_connections_at_most_and_those_may_always_come_back() {
    let bench = Bench::start(1).await;
    let (connector, seals) = (bench.connector(), bench.seals());
    let of = |number: u16| {
        let consent = bench.consent("everybody", HOUR);
        let account = afferent_store::connections::AccountKey { userid: number.to_string(), ..consent.account.clone() };
        Consent { account, ..consent }
    };
    for number in 1..=MOST_CONNECTIONS {
        connected(connector.import(&seals, &of(number), None).await.unwrap());
    }
    let refused = connector.import(&seals, &of(MOST_CONNECTIONS + 1), None).await;
    assert!(matches!(refused, Err(ConnectError::TooMany)), "{refused:?}");
    let refused = connector.connect_quietly(&seals, &of(MOST_CONNECTIONS + 1)).await;
    assert!(matches!(refused, Err(ConnectError::TooMany)), "{refused:?}");
    let again = connector.connect_quietly(&seals, &of(7)).await.unwrap();
    let all = bench.connections.of_user(&again.user).await.unwrap();
    assert_eq!(all.len(), usize::from(MOST_CONNECTIONS));
    assert!(matches!(connector.import(&seals, &of(8), None).await, Ok(Imported::Already(_))));
    let elsewhere = Consent { reference: "somebody".to_owned(), ..of(MOST_CONNECTIONS + 1) };
    connected(connector.import(&seals, &elsewhere, None).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn who_refreshes_an_exported_pair_first_owns_the_chain() {
    let bench = Bench::start(1).await;
    let connection = bench.connect(3 * HOUR).await;
    let (connector, seals) = (bench.connector(), bench.seals());
    let exported = connector.export_pair(&seals, &connection.account).await.unwrap().unwrap();
    assert_eq!(exported.expires, bench.now() + 3 * HOUR);
    let until = bench.now() + MINUTE;
    // Elsewhere it is refreshed, and the new pair is used.
    let elsewhere = Bench::consent(&bench, "elsewhere", Duration::ZERO);
    let moved = Consent {
        access_token: exported.access_token,
        refresh_token: exported.refresh_token,
        reference: "elsewhere".to_owned(),
        ..elsewhere
    };
    assert!(bench.process().renew(&connection.account, Lane::OnDemand, Duration::ZERO, until).await.unwrap());
    bench.call(&bench.process(), MINUTE).await.unwrap();
    // Here the chain went on, so that what left is dead: nobody can have both.
    for left in bench.connections.of_account(&connection.account).await.unwrap() {
        bench.connections.set_state(&left, State::Reauthorise).await.unwrap();
    }
    connected(connector.import(&seals, &moved, None).await.unwrap());
    let refused = bench.call(&bench.process(), MINUTE).await;
    assert!(matches!(refused, Err(afferent_gate::CallError::Reauthorise)), "{refused:?}");
    assert!(connector.export_pair(&seals, &connection.account).await.unwrap().is_none(), "a dead pair does not leave");
}
