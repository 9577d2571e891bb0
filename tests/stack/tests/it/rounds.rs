//! Rounds of all accounts: after the callback secret was changed, and after the tables were restored from a backup.

mod many;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use afferent_domain::connection::State as Link;
use afferent_domain::id::RoundId;
use afferent_domain::link::hash;
use afferent_domain::round::{Cause, Round, State};
use afferent_domain::secret::Secret;
use afferent_local::Setup;
use afferent_store::item::Item;
use serde_json::json;
use stack_tests::{Rig, callback};
use withings_simulator::{Settings, Userid, sample};

use crate::links::of_kind;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Longer than anything that needs the keeper's next look.
const SOON: Duration = Duration::from_secs(300);

/// The secret of the callback URL that follows.
const ANOTHER: &str = "another-secret";

/// Each table, and the attributes of its key.
const TABLES: [(&str, &[&str]); 6] = [
    ("records", &["user", "record"]),
    ("events", &["journal", "sequence"]),
    ("deliveries", &["event", "item"]),
    ("notifications", &["notification"]),
    ("connections", &["owner", "item"]),
    ("endpoints", &["endpoint", "item"]),
];

/// Without the sweeps and the backfill that follow from connecting: they would find what a round is to find.
async fn rig(seed: u64) -> Rig {
    rig_with(seed, &[]).await
}

async fn rig_with(seed: u64, more: &[(&str, &str)]) -> Rig {
    let off = ["SweepUpdates", "SweepRecent", "SweepMonth", "SweepEverything"].map(|tier| (tier, "off"));
    let parameters = off.iter().chain(&[("BackfillDays", "0")]).chain(more);
    let parameters = parameters.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let rig = Rig::of(Setup { seed, parameters, ..Setup::default() }, Settings::default()).await;
    tokio::time::sleep(HOUR).await;
    rig
}

async fn begin(rig: &Rig, cause: Cause) -> RoundId {
    let now = rig.stack.clock.now();
    let round = Round::begin(RoundId::draw(now, &*rig.stack.dice), cause, now);
    assert_eq!(rig.connections.begin_round(&round).await.unwrap(), None);
    round.round
}

async fn round(rig: &Rig, id: &RoundId) -> Round {
    rig.connections.round(id).await.unwrap().unwrap()
}

/// The categories that this URL is subscribed to, of the rig's person.
fn subscribed(rig: &Rig, url: &str) -> BTreeSet<u16> {
    subscribed_of(rig, rig.person.userid, url)
}

fn subscribed_of(rig: &Rig, userid: Userid, url: &str) -> BTreeSet<u16> {
    let all = rig.withings.notifier().subscriptions();
    all.iter().filter(|one| one.userid == Some(userid) && one.callbackurl == url).map(|one| one.appli).collect()
}

/// The digests of the secret that the rig's callback URL has and of [`ANOTHER`], as the template takes them.
fn both_secrets() -> String {
    [afferent_local::CALLBACK_SECRET, ANOTHER].map(|secret| hash(&Secret::new(secret))).join(",")
}

/// From now on the callback URL has another secret; the new URL.
fn change_secret(rig: &Rig) -> String {
    let fresh = callback().replace(afferent_local::CALLBACK_SECRET, ANOTHER);
    let secret = json!({
        "client_id": "simulatedclient", "client_secret": "simulatedsecret", "callback_url": fresh,
    });
    assert!(rig.stack.secrets.put(&format!("{}/withings", rig.stack.template.place.stack), &secret.to_string()));
    fresh
}

/// Everything that is in the tables now.
async fn backup(rig: &Rig) -> BTreeMap<&'static str, Vec<Item>> {
    let mut all = BTreeMap::new();
    for (table, _) in TABLES {
        let pages = rig.client.scan().table_name(rig.name(table)).into_paginator().items().send();
        all.insert(table, pages.collect::<Result<Vec<Item>, _>>().await.unwrap());
    }
    all
}

/// Brings the tables to what they were.
async fn restore(rig: &Rig, backup: &BTreeMap<&'static str, Vec<Item>>) {
    for (table, names) in TABLES {
        let key = |item: &Item| -> Item {
            names.iter().map(|name| ((*name).to_owned(), item[*name].clone())).collect::<HashMap<_, _>>()
        };
        let then: Vec<Item> = backup[table].iter().map(key).collect();
        let now = rig.client.scan().table_name(rig.name(table)).into_paginator().items().send();
        let now = now.collect::<Result<Vec<Item>, _>>().await.unwrap();
        for item in now.iter().filter(|item| !then.contains(&key(item))) {
            let delete = rig.client.delete_item().table_name(rig.name(table)).set_key(Some(key(item)));
            delete.send().await.unwrap();
        }
        for item in backup[table].iter().filter(|item| !now.contains(item)) {
            rig.client.put_item().table_name(rig.name(table)).set_item(Some(item.clone())).send().await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_callback_secret_changed_a_round_moves_every_subscription_and_says_when_the_old_one_may_go() {
    let rig = rig_with(281, &[("CallbackSecretSha256", &both_secrets())]).await;
    let before = subscribed(&rig, &callback());
    assert!(before.len() > 10);
    let fresh = change_secret(&rig);
    let id = begin(&rig, Cause::Callback).await;
    tokio::time::sleep(30 * MINUTE).await;
    let round = round(&rig, &id).await;
    assert_eq!((round.state, round.progress.accounts, round.progress.left), (State::Done, 1, 0), "{round:?}");
    assert_eq!((subscribed(&rig, &callback()).len(), subscribed(&rig, &fresh)), (0, before));
}

#[tokio::test(start_paused = true)]
async fn what_came_after_a_backup_is_read_again_and_the_epoch_says_that_numbers_come_again() {
    let rig = rig(282).await;
    sample::play(&rig.withings, &rig.person, 4).unwrap();
    rig.settle(SOON).await;
    let raised = lose_and_find_again(&rig).await;
    assert!(raised >= 1, "the journal was in the backup");
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_began_after_the_backup_begins_anew_under_another_epoch() {
    let rig = rig(285).await;
    assert_eq!(lose_and_find_again(&rig).await, 0, "the backup holds no journal");
}

/// Loses a weight by going back to a backup, and has a round find it again. How many journals had their epoch raised.
async fn lose_and_find_again(rig: &Rig) -> u64 {
    let saved = backup(rig).await;
    let since_ms = rig.stack.clock.now();
    tokio::time::sleep(MINUTE).await;
    sample::play(&rig.withings, &rig.person, 1).unwrap();
    rig.settle(SOON).await;
    let lost = of_kind(rig, "body_weight").await;
    assert_eq!(lost.len(), 1);
    restore(rig, &saved).await;
    assert!(of_kind(rig, "body_weight").await.is_empty(), "the backup is older");
    let before = rig.webhooks().len();
    let id = begin(rig, Cause::Restored { since_ms }).await;
    tokio::time::sleep(HOUR).await;
    let round = round(rig, &id).await;
    assert_eq!((round.state, round.progress.accounts, round.progress.lost), (State::Done, 1, 0), "{round:?}");
    let again = of_kind(rig, "body_weight").await;
    assert_eq!((again.len(), &again[0].record), (1, &lost[0].record));
    let hooks = rig.webhooks();
    let told = hooks[before..].iter().find(|event| event["type"] == "body_weight.created").unwrap();
    let round_epoch = round.epoch();
    assert_eq!(told["epoch"], round_epoch);
    let earlier = hooks[..before].iter().find(|event| event["type"] == "body_weight.created").unwrap();
    assert_eq!(earlier["epoch"], 0);
    round.progress.journals
}

#[tokio::test(start_paused = true)]
async fn a_token_pair_that_was_used_up_after_the_backup_shows_itself_and_its_person_must_consent_again() {
    let rig = rig(283).await;
    let saved = backup(&rig).await;
    let since_ms = rig.stack.clock.now();
    // Access tokens live three hours: the next call refreshes, and uses the new pair.
    tokio::time::sleep(4 * HOUR).await;
    sample::play(&rig.withings, &rig.person, 1).unwrap();
    rig.settle(SOON).await;
    tokio::time::sleep(10 * HOUR).await;
    restore(&rig, &saved).await;
    let id = begin(&rig, Cause::Restored { since_ms }).await;
    tokio::time::sleep(2 * HOUR).await;
    let round = round(&rig, &id).await;
    assert_eq!((round.state, round.progress.accounts, round.progress.lost), (State::Done, 0, 1), "{round:?}");
    let connection = rig.connections.get(&rig.connection.id).await.unwrap().unwrap();
    assert_eq!(connection.state, Link::Reauthorise);
}

#[tokio::test(start_paused = true)]
async fn there_is_one_round_at_a_time_and_one_that_was_ended_goes_no_further() {
    let rig = rig(284).await;
    let id = begin(&rig, Cause::Callback).await;
    let now = rig.stack.clock.now();
    let second = Round::begin(RoundId::draw(now, &*rig.stack.dice), Cause::Callback, now);
    let other = rig.connections.begin_round(&second).await.unwrap().unwrap();
    assert_eq!(other.round, id);
    assert!(rig.connections.end_round(&other, State::Cancelled, now).await.unwrap());
    tokio::time::sleep(30 * MINUTE).await;
    let ended = round(&rig, &id).await;
    assert_eq!((ended.state, ended.progress.accounts, ended.progress.ended_ms), (State::Cancelled, 0, Some(now)));
    assert_eq!(rig.connections.rounds().await.unwrap(), [ended]);
}
