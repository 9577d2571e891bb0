//! The end of a link: hints and what a call makes of them, dead token pairs, connecting again, erasing.

use std::collections::BTreeMap;
use std::time::Duration;

use afferent_domain::connection::{Scopes, State};
use afferent_domain::id::{ConnectionId, UserId};
use afferent_domain::record::Record;
use afferent_domain::secret::Secret;
use afferent_local::Setup;
use afferent_secrets::sealer;
use afferent_store::connections::Connection;
use afferent_store::item::s;
use afferent_store::tokens::Pair;
use stack_tests::{Rig, callback};
use withings_simulator::{Notify, ProfileAction, Settings, sample};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Longer than anything that needs the keeper's next look.
const SOON: Duration = Duration::from_secs(300);

pub(crate) async fn state(rig: &Rig) -> State {
    rig.connections.get(&rig.connection.id).await.unwrap().unwrap().state
}

pub(crate) async fn of_kind(rig: &Rig, kind: &str) -> Vec<Record> {
    rig.tables.records.page(&rig.connection.user, Some(kind), None, 100).await.unwrap().0
}

/// What the records of the profile say, the oldest first: the action, and whether the link lives.
async fn profiles(rig: &Rig) -> Vec<(String, String)> {
    let mut profiles = of_kind(rig, "profile").await;
    profiles.reverse();
    let said = |record: Record| {
        let link = record.components.iter().find(|part| part.kind == "link").unwrap().value_code.clone();
        (record.value_code.unwrap(), link.unwrap())
    };
    profiles.into_iter().map(said).collect()
}

fn said(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(action, link)| ((*action).to_owned(), (*link).to_owned())).collect()
}

/// Without the sweeps and the backfill that follow from connecting again: they are not what is looked at here.
pub(crate) async fn start(seed: u64, more: &[(&str, &str)], aws_latency_ms: (u64, u64)) -> Rig {
    let off = ["SweepUpdates", "SweepRecent", "SweepMonth", "SweepEverything"].map(|tier| (tier, "off"));
    let parameters = off.iter().chain(&[("BackfillDays", "0")]).chain(more);
    let parameters = parameters.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Rig::of(Setup { seed, parameters, aws_latency_ms, ..Setup::default() }, Settings::default()).await
}

async fn post(rig: &Rig, fields: &str) {
    assert!(rig.post(&format!("userid={}&{fields}", rig.person.userid)).await.status().is_success());
}

/// The person consents once more.
pub(crate) async fn reconnect(rig: &Rig, scope: &str) -> Connection {
    let now = rig.stack.clock.now();
    let tokens = rig.withings.issue_tokens(rig.person.userid, None, scope).unwrap();
    let connection = Connection {
        connected: now,
        state: State::Connected,
        scopes: Scopes::new(scope.split(',')),
        ..rig.connection.clone()
    };
    let sealer = sealer(&rig.stack.rim.aws, &format!("{}/seal-tokens", rig.stack.template.place.stack)).await.unwrap();
    let owner = connection.account.to_string();
    let seal = |token: String| sealer.seal(&owner, &Secret::new(token), &*rig.stack.dice).unwrap().0;
    let pair = Pair {
        access: seal(tokens.access_token),
        refresh: seal(tokens.refresh_token),
        expires: now + 3 * HOUR,
        refreshed: now,
    };
    rig.connections.connect(&connection, "sample", &pair, true).await.unwrap();
    rig.withings.subscribe(rig.person.userid, None, &[], &callback()).unwrap();
    connection
}

/// The states that the connection's events told, in their order.
fn told(rig: &Rig) -> Vec<String> {
    let webhooks = rig.webhooks();
    let records = webhooks.iter().map(|event| &event["data"]["record"]).filter(|record| record["kind"] == "connection");
    let mut states: Vec<String> = records.map(|record| record["value_code"].as_str().unwrap().to_owned()).collect();
    states.dedup();
    states
}

async fn quarantined(rig: &Rig) -> BTreeMap<String, usize> {
    let items = rig.client.scan().table_name(rig.name("notifications")).send().await.unwrap();
    let mut reasons = BTreeMap::new();
    for item in items.items().iter().filter(|item| item["state"].as_s().unwrap() == "quarantined") {
        assert!(item.contains_key("awaits"), "nothing else is quarantined here");
        *reasons.entry(item["reason"].as_s().unwrap().clone()).or_default() += 1;
    }
    reasons
}

async fn has_tokens(rig: &Rig) -> bool {
    rig.connections.tokens(&rig.connection.account).await.unwrap().is_some()
}

#[tokio::test(start_paused = true)]
async fn a_forged_unlink_undoes_nothing_and_the_record_says_that_the_link_lives() {
    let rig = start(201, &[], (0, 0)).await;
    for action in ["unlink", "delete"] {
        post(&rig, &format!("action={action}&appli=46")).await;
        let tally = rig.settle(SOON).await;
        assert_eq!((tally.waiting, tally.quarantined), (0, 0));
    }
    assert_eq!(state(&rig).await, State::Connected);
    let mut profiles = profiles(&rig).await;
    profiles.sort();
    assert_eq!(profiles, said(&[("delete", "linked"), ("unlink", "linked")]));
    sample::play(&rig.withings, &rig.person, 1).unwrap();
    rig.settle(SOON).await;
    assert_eq!(of_kind(&rig, "body_weight").await.len(), 1, "pulls go on");
}

#[tokio::test(start_paused = true)]
async fn a_real_unlink_ends_the_link_and_an_event_says_so() {
    let rig = start(202, &[], (0, 0)).await;
    rig.withings.profile(rig.person.userid, ProfileAction::Unlink, Notify::Yes).unwrap();
    let tally = rig.settle(SOON).await;
    assert_eq!(tally.waiting, 0, "{tally:?}");
    assert_eq!(state(&rig).await, State::Unlinked);
    assert!(!has_tokens(&rig).await);
    assert_eq!(profiles(&rig).await, said(&[("unlink", "dead")]));
    assert_eq!(told(&rig).last().unwrap(), "unlinked");
    // What comes now waits for the person, and costs no call.
    let calls = rig.withings.calls().len();
    post(&rig, "appli=1&startdate=1795240000&enddate=1795240001").await;
    rig.settle(SOON).await;
    assert_eq!(rig.withings.calls().len(), calls);
    assert!(quarantined(&rig).await["disconnected"] > 0);
}

#[tokio::test(start_paused = true)]
async fn an_unlink_that_comes_late_after_connecting_again_undoes_nothing() {
    let rig = start(203, &[], (0, 0)).await;
    rig.withings.profile(rig.person.userid, ProfileAction::Unlink, Notify::Yes).unwrap();
    rig.settle(SOON).await;
    tokio::time::sleep(HOUR).await;
    reconnect(&rig, "").await;
    rig.settle(SOON).await;
    assert_eq!(state(&rig).await, State::Connected);
    // Withings' last try of the first one.
    tokio::time::sleep(4 * HOUR).await;
    post(&rig, "action=unlink&appli=46").await;
    rig.settle(SOON).await;
    assert_eq!(state(&rig).await, State::Connected);
    assert!(has_tokens(&rig).await);
    assert_eq!(profiles(&rig).await, said(&[("unlink", "dead"), ("unlink", "linked")]));
    assert_eq!(told(&rig).last().unwrap(), "connected");
}

#[tokio::test(start_paused = true)]
async fn a_second_real_unlink_within_seven_hours_is_a_record_of_its_own() {
    let rig = start(204, &[], (0, 0)).await;
    for _ in 0..2 {
        rig.withings.profile(rig.person.userid, ProfileAction::Unlink, Notify::Yes).unwrap();
        rig.settle(SOON).await;
        assert_eq!(state(&rig).await, State::Unlinked);
        tokio::time::sleep(HOUR).await;
        reconnect(&rig, "").await;
        rig.settle(SOON).await;
        assert_eq!(state(&rig).await, State::Connected);
    }
    assert_eq!(profiles(&rig).await, said(&[("unlink", "dead"), ("unlink", "dead")]));
}

#[tokio::test(start_paused = true)]
async fn repeats_of_a_hint_are_one_record_for_seven_hours() {
    let rig = start(205, &[], (0, 0)).await;
    for _ in 0..3 {
        post(&rig, "action=unlink&appli=46").await;
        rig.settle(SOON).await;
        tokio::time::sleep(2 * HOUR).await;
    }
    let records = of_kind(&rig, "profile").await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].rev, 2, "unverified, then linked, and a repeat changes nothing");
    tokio::time::sleep(2 * HOUR).await;
    post(&rig, "action=unlink&appli=46").await;
    rig.settle(SOON).await;
    assert_eq!(of_kind(&rig, "profile").await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_hint_after_a_repeat_that_was_forged_is_verified_again() {
    let rig = start(206, &[], (0, 0)).await;
    post(&rig, "action=unlink&appli=46").await;
    rig.settle(SOON).await;
    assert_eq!(profiles(&rig).await, said(&[("unlink", "linked")]));
    tokio::time::sleep(HOUR).await;
    rig.withings.profile(rig.person.userid, ProfileAction::Unlink, Notify::Yes).unwrap();
    rig.settle(SOON).await;
    assert_eq!(state(&rig).await, State::Unlinked);
    assert_eq!(profiles(&rig).await, said(&[("unlink", "dead")]));
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_dies_without_a_word_ends_in_reauthorise_and_what_came_is_kept() {
    let rig = start(207, &[], (0, 0)).await;
    rig.withings.kill_tokens(rig.person.userid);
    sample::play(&rig.withings, &rig.person, 1).unwrap();
    let tally = rig.settle(SOON).await;
    assert_eq!((tally.waiting, tally.quarantined), (0, 1), "{tally:?}");
    assert_eq!(quarantined(&rig).await, BTreeMap::from([("disconnected".to_owned(), 1)]));
    assert_eq!(state(&rig).await, State::Reauthorise);
    assert!(!has_tokens(&rig).await);
    assert_eq!(told(&rig).last().unwrap(), "reauthorise");
    let calls = rig.withings.calls().len();
    tokio::time::sleep(DAY + HOUR).await;
    assert_eq!(rig.withings.calls().len(), calls, "nobody calls for a dead link");
}

#[tokio::test(start_paused = true)]
async fn what_came_while_the_link_was_dead_is_pulled_after_connecting_again() {
    let rig = start(208, &[], (0, 0)).await;
    rig.withings.kill_tokens(rig.person.userid);
    for appli in [1, 4, 50, 46] {
        sample::play(&rig.withings, &rig.person, appli).unwrap();
        rig.settle(SOON).await;
    }
    assert_eq!(rig.tally().await.quarantined, 4);
    tokio::time::sleep(DAY).await;
    reconnect(&rig, "").await;
    tokio::time::sleep(MINUTE).await;
    let tally = rig.settle(2 * SOON).await;
    assert_eq!((tally.waiting, tally.quarantined), (0, 0), "{tally:?}");
    assert_eq!((tally.satisfied, tally.recorded), (3, 1));
    for kind in ["body_weight", "blood_pressure", "bed_in"] {
        assert_eq!(of_kind(&rig, kind).await.len(), 1, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_notification_that_came_before_its_person_connected_is_satisfied_afterwards() {
    let rig = start(209, &[], (0, 0)).await;
    let other = rig.withings.create_user(withings_simulator::NewUser::default()).unwrap();
    let now = rig.stack.clock.now().as_secs();
    let body = |appli: &str| format!("userid={other}&appli={appli}");
    for fields in [format!("1&startdate={}&enddate={now}", now - 1), format!("50&date={now}&deviceid=c4")] {
        assert!(rig.post(&body(&fields)).await.status().is_success());
    }
    assert_eq!(rig.settle(SOON).await.quarantined, 2);
    assert_eq!(quarantined(&rig).await, BTreeMap::from([("unknown_user".to_owned(), 2)]));
    tokio::time::sleep(DAY).await;
    let account =
        afferent_store::connections::AccountKey { userid: other.to_string(), ..rig.connection.account.clone() };
    let tokens = rig.withings.issue_tokens(other, None, "").unwrap();
    let sealer = sealer(&rig.stack.rim.aws, &format!("{}/seal-tokens", rig.stack.template.place.stack)).await.unwrap();
    let seal = |token| sealer.seal(&account.to_string(), &Secret::new(token), &*rig.stack.dice).unwrap().0;
    let at = rig.stack.clock.now();
    let (access, refresh) = (seal(tokens.access_token), seal(tokens.refresh_token));
    let pair = Pair { access, refresh, expires: at + HOUR, refreshed: at };
    let connection = Connection {
        id: ConnectionId::derive(&["other"]),
        user: UserId::derive(&["other"]),
        account: account.clone(),
        connected: at,
        first_connected: at,
        ..rig.connection.clone()
    };
    rig.connections.connect(&connection, "other", &pair, true).await.unwrap();
    tokio::time::sleep(5 * MINUTE).await;
    let tally = rig.tally().await;
    assert_eq!((tally.quarantined, tally.waiting, tally.satisfied, tally.recorded), (0, 0, 1, 1), "{tally:?}");
}

#[tokio::test(start_paused = true)]
async fn an_unlink_that_comes_after_a_pull_found_the_pair_dead_says_why_it_was() {
    let rig = start(210, &[], (0, 0)).await;
    rig.withings.kill_tokens(rig.person.userid);
    sample::play(&rig.withings, &rig.person, 1).unwrap();
    rig.settle(SOON).await;
    assert_eq!(state(&rig).await, State::Reauthorise);
    post(&rig, "action=unlink&appli=46").await;
    let tally = rig.settle(SOON).await;
    assert_eq!(state(&rig).await, State::Unlinked);
    assert_eq!((tally.recorded, tally.quarantined), (1, 1), "it is recorded; the weigh-in waits");
    assert_eq!(profiles(&rig).await, said(&[("unlink", "dead")]));
    assert_eq!(told(&rig).last().unwrap(), "unlinked");
}

async fn unlinked_under(seed: u64, policy: &str) -> Rig {
    let rig = start(seed, &[("OnUnlink", policy)], (0, 0)).await;
    for appli in [1, 4, 50] {
        sample::play(&rig.withings, &rig.person, appli).unwrap();
    }
    rig.settle(SOON).await;
    rig.withings.profile(rig.person.userid, ProfileAction::Unlink, Notify::Yes).unwrap();
    rig.settle(SOON).await;
    post(&rig, "appli=1&startdate=1795240000&enddate=1795240001").await;
    tokio::time::sleep(2 * DAY).await;
    assert_eq!(state(&rig).await, State::Unlinked);
    rig
}

#[tokio::test(start_paused = true)]
async fn by_default_an_unlinked_persons_records_stay() {
    let rig = unlinked_under(211, "keep").await;
    assert_eq!(of_kind(&rig, "body_weight").await.len(), 1);
    assert_eq!(of_kind(&rig, "bed_in").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn under_the_policy_erase_an_unlinked_persons_data_go_and_no_event_comes_of_it() {
    let rig = unlinked_under(212, "erase").await;
    let (left, _) = rig.tables.records.page(&rig.connection.user, None, None, 100).await.unwrap();
    let kinds: Vec<&str> = left.iter().map(|record| record.kind.as_str()).collect();
    assert_eq!(kinds, ["connection"]);
    let erased = |what: &str| {
        let part = left[0].components.iter().find(|part| part.kind == format!("erased.{what}")).unwrap();
        part.value.unwrap().as_integer().unwrap()
    };
    assert!(erased("records") > 5 && erased("events") > 5 && erased("deliveries") > 5);
    let events = rig.tables.events.erasable(&rig.connection.user, 0, 1_000).await.unwrap();
    assert!(!events.is_empty() && events.iter().all(|event| event.event_type.starts_with("connection.")));
    assert!(rig.webhooks().iter().all(|event| !event["type"].as_str().unwrap().ends_with(".deleted")));
    let texts = |table: &str| {
        let scan = rig.client.scan().table_name(rig.name(table)).send();
        async move { format!("{:?}", scan.await.unwrap().items()) }
    };
    assert!(!texts("records").await.contains("body_weight") && !texts("events").await.contains("body_weight"));
    assert!(!texts("deliveries").await.contains("body_weight"));
    assert_eq!(quarantined(&rig).await, BTreeMap::new(), "what waited for the person waits no more");
}

#[tokio::test(start_paused = true)]
async fn a_person_who_is_back_before_the_last_pass_leaves_nothing_that_waits_for_it() {
    let rig = start(213, &[("OnUnlink", "erase")], (0, 0)).await;
    sample::play(&rig.withings, &rig.person, 1).unwrap();
    rig.settle(SOON).await;
    rig.withings.profile(rig.person.userid, ProfileAction::Unlink, Notify::Yes).unwrap();
    rig.settle(SOON).await;
    tokio::time::sleep(2 * HOUR).await;
    let owner = format!("connection#{}", rig.connection.id);
    let late = || {
        let query = rig
            .client
            .query()
            .table_name(rig.name("connections"))
            .key_condition_expression("#owner = :owner AND begins_with(#item, :late)")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#item", "item")
            .expression_attribute_values(":owner", s(&owner))
            .expression_attribute_values(":late", s("late#"));
        async move { query.send().await.unwrap().items.unwrap_or_default() }
    };
    let kept = late().await;
    assert!(!kept.is_empty() && kept.iter().all(|item| item.contains_key("expires_at")), "{kept:?}");
    reconnect(&rig, "").await;
    tokio::time::sleep(2 * DAY).await;
    assert_eq!((state(&rig).await, late().await), (State::Connected, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn fetchers_that_die_while_they_end_a_link_leave_nothing_half_done() {
    for seed in 300..312 {
        // Calls take time, so that there is something to die in.
        let rig = start(seed, &[], (1, 5)).await;
        rig.settle(SOON).await;
        rig.withings.profile(rig.person.userid, ProfileAction::Unlink, Notify::No).unwrap();
        rig.stack.functions.crash_sometimes(700, rig.stack.dice.clone());
        for fields in ["appli=1&startdate=1795240000&enddate=1795240001", "action=unlink&appli=46"] {
            // The front door dies too, and Withings tries again.
            while !rig.post(&format!("userid={}&{fields}", rig.person.userid)).await.status().is_success() {}
        }
        tokio::time::sleep(20 * MINUTE).await;
        rig.stack.functions.crash_sometimes(0, rig.stack.dice.clone());
        tokio::time::sleep(2 * HOUR).await;
        let tally = rig.settle(SOON).await;
        assert_eq!(tally.waiting, 0, "seed {seed}: {tally:?}");
        assert_eq!(state(&rig).await, State::Unlinked, "seed {seed}");
        assert!(!has_tokens(&rig).await, "seed {seed}");
        assert_eq!(profiles(&rig).await, said(&[("unlink", "dead")]), "seed {seed}");
        assert_eq!(told(&rig).last().unwrap(), "unlinked", "seed {seed}");
        assert!(rig.connections.marks_of(&rig.connection.id).await.unwrap().is_empty(), "seed {seed}");
    }
}
