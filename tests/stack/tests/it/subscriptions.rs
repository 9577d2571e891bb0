//! What Withings is asked to notify of: made after connecting, compared daily, ended with the connection.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use afferent_domain::connection::State;
use afferent_domain::duty::Duty;
use afferent_local::Setup;
use afferent_store::duties::{DutyKey, Owner};
use stack_tests::{Rig, callback};
use withings_simulator::{CallbackRules, Settings, sample};

use crate::links::{of_kind, reconnect, state};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Longer than anything that needs the keeper's next look.
const SOON: Duration = Duration::from_secs(300);

/// The categories that a person with every scope is notified of; 98 to 100 need a contract.
const ALL: [u16; 16] = [1, 2, 4, 16, 44, 46, 50, 51, 52, 54, 55, 58, 60, 61, 62, 63];

/// Without the sweeps and the backfill that follow from connecting: they are not what is looked at here.
async fn rig(seed: u64, more: &[(&str, &str)], settings: Settings) -> Rig {
    let off = ["SweepUpdates", "SweepRecent", "SweepMonth", "SweepEverything"].map(|tier| (tier, "off"));
    let parameters = off.iter().chain(&[("BackfillDays", "0")]).chain(more);
    let parameters = parameters.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Rig::of(Setup { seed, parameters, ..Setup::default() }, settings).await
}

/// The categories that this URL is subscribed to, for the sample person.
fn subscribed(rig: &Rig, url: &str) -> BTreeSet<u16> {
    let all = rig.withings.notifier().subscriptions();
    let own = all.iter().filter(|one| one.userid == Some(rig.person.userid) && one.callbackurl == url);
    own.map(|one| one.appli).collect()
}

fn calls(rig: &Rig, action: &str) -> Vec<i64> {
    rig.withings.calls().iter().filter(|call| call.action == action).map(|call| call.at_ms).collect()
}

/// How the subscriptions stand in the public record of the connection.
async fn public(rig: &Rig) -> BTreeMap<u16, String> {
    let record = &of_kind(rig, "connection").await[0];
    let standing = |part: &afferent_domain::record::Component| {
        Some((part.kind.strip_prefix("subscription.")?.parse().ok()?, part.value_code.clone()?))
    };
    record.components.iter().filter_map(standing).collect()
}

async fn look_again(rig: &Rig) {
    let care = DutyKey { owner: Owner::Account(rig.connection.account.clone()), duty: Duty::Care };
    rig.connections.call_duty(&care, rig.stack.clock.now()).await.unwrap();
    tokio::time::sleep(8 * MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn after_connecting_there_is_one_subscription_per_category_of_the_granted_scopes_and_they_are_paced() {
    let rig = rig(231, &[], Settings::default()).await;
    rig.withings.unsubscribe(rig.person.userid, None);
    reconnect(&rig, "user.metrics,user.sleepevents").await;
    rig.withings.unsubscribe(rig.person.userid, None);
    tokio::time::sleep(10 * MINUTE).await;
    let metrics: BTreeSet<u16> = [1, 2, 4, 50, 51, 52, 54, 55, 58, 60, 61, 62, 63].into();
    assert_eq!(subscribed(&rig, &callback()), metrics);
    let made = calls(&rig, "subscribe");
    assert!(made.windows(2).all(|pair| pair[1] - pair[0] >= 5_000), "{made:?}");
    assert_eq!(public(&rig).await, metrics.iter().map(|appli| (*appli, "on".to_owned())).collect());
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_vanished_is_back_within_a_day_and_what_it_would_have_announced_is_read() {
    let rig = rig(232, &[], Settings::default()).await;
    look_again(&rig).await;
    tokio::time::sleep(HOUR).await;
    assert_eq!(rig.withings.unsubscribe(rig.person.userid, Some(1)), 1);
    sample::play(&rig.withings, &rig.person, 1).unwrap();
    tokio::time::sleep(DAY + 10 * MINUTE).await;
    assert_eq!(subscribed(&rig, &callback()), ALL.into());
    assert_eq!(of_kind(&rig, "body_weight").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn other_urls_are_left_alone_and_second_spellings_of_ours_are_revoked() {
    let rig = rig(233, &[], Settings::default()).await;
    let other = "https://other.example.org/hook";
    let respelt = callback().replace("https://afferent.example/", "https://AFFERENT.example:443/");
    rig.withings.subscribe(rig.person.userid, None, &[1, 50], other).unwrap();
    rig.withings.subscribe(rig.person.userid, None, &[1, 4], &respelt).unwrap();
    rig.withings.unsubscribe(rig.person.userid, Some(4));
    rig.withings.subscribe(rig.person.userid, None, &[4], &respelt).unwrap();
    look_again(&rig).await;
    assert_eq!(subscribed(&rig, other), [1, 50].into());
    assert_eq!(subscribed(&rig, &respelt), [4].into(), "where it is the only one it stays");
    let without: BTreeSet<u16> = ALL.into_iter().filter(|appli| *appli != 4).collect();
    assert_eq!(subscribed(&rig, &callback()), without);
}

#[tokio::test(start_paused = true)]
async fn a_category_without_its_scope_is_revoked() {
    let rig = rig(234, &[], Settings::default()).await;
    reconnect(&rig, "user.metrics").await;
    tokio::time::sleep(15 * MINUTE).await;
    let left = subscribed(&rig, &callback());
    assert!(left.contains(&1) && !left.contains(&16) && !left.contains(&50), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_withings_does_not_take_is_told_and_tried_again_and_pulls_go_on() {
    let elsewhere =
        CallbackRules { registered: vec!["https://elsewhere.example/".to_owned()], ..CallbackRules::default() };
    let settings = Settings { callback: elsewhere, ..Settings::default() };
    let rig = rig(235, &[], settings).await;
    rig.withings.unsubscribe(rig.person.userid, Some(58));
    look_again(&rig).await;
    assert_eq!(public(&rig).await[&58], "callback_refused");
    assert_eq!(public(&rig).await[&1], "on");
    let tries = calls(&rig, "subscribe").len();
    tokio::time::sleep(DAY).await;
    let more = calls(&rig, "subscribe").len() - tries;
    assert!((3..20).contains(&more), "a growing pause: {more}");
    sample::play(&rig.withings, &rig.person, 1).unwrap();
    rig.settle(SOON).await;
    assert_eq!(of_kind(&rig, "body_weight").await.len(), 1);
    rig.withings.configure(|settings| settings.callback.registered.clear());
    tokio::time::sleep(DAY + HOUR).await;
    assert_eq!(public(&rig).await[&58], "on");
    assert_eq!(rig.webhooks().iter().filter(|event| event["type"] == "connection.updated").count(), 2, "told twice");
}

#[tokio::test(start_paused = true)]
async fn too_many_subscriptions_are_told_as_that() {
    let settings = Settings { most_subscriptions: Some(10), ..Settings::default() };
    let rig = rig(236, &[], settings).await;
    rig.withings.unsubscribe(rig.person.userid, None);
    look_again(&rig).await;
    let standing = public(&rig).await;
    assert_eq!(standing.values().filter(|standing| *standing == "on").count(), 10);
    assert_eq!(standing.values().filter(|standing| *standing == "too_many_subscriptions").count(), 6);
}

#[tokio::test(start_paused = true)]
async fn the_application_subscribes_once_to_devices_without_an_account() {
    let rig = rig(237, &[], Settings::default()).await;
    look_again(&rig).await;
    let of_application = |call: &&withings_simulator::CallRecord| {
        call.action == "subscribe" && call.parameters.get("appli").is_some_and(|appli| appli == "53")
    };
    let count = || rig.withings.calls().iter().filter(of_application).count();
    assert_eq!(count(), 1);
    look_again(&rig).await;
    assert_eq!(count(), 1, "once for all accounts and looks");
    let again = rig.stack.clock.now() + 7 * DAY;
    let key = [("owner", format!("app#{}", rig.connection.account.application)), ("item", "care".to_owned())];
    let key = key.map(|(name, text)| (name.to_owned(), afferent_store::item::s(text)));
    let get = rig.client.get_item().table_name(rig.name("connections")).set_key(Some(key.into()));
    let due: i64 = get.send().await.unwrap().item.unwrap()["due_ms"].as_n().unwrap().parse().unwrap();
    assert!((again.as_millis() - due).abs() < 3_600_000, "weekly");
}

#[tokio::test(start_paused = true)]
async fn a_token_pair_that_nobody_uses_is_renewed_long_before_it_dies() {
    let rig = rig(238, &[("RenewAfterDays", "1"), ("CallbackUrl", "")], Settings::default()).await;
    look_again(&rig).await;
    // Nothing is left that would use it.
    let items = rig.client.scan().table_name(rig.name("connections")).send().await.unwrap();
    for item in items.items().iter().filter(|item| item["owner"].as_s().unwrap().starts_with("connection#")) {
        if item["item"].as_s().unwrap() != "connection" {
            let key = ["owner", "item"].map(|name| (name.to_owned(), item[name].clone()));
            rig.client
                .delete_item()
                .table_name(rig.name("connections"))
                .set_key(Some(key.into()))
                .send()
                .await
                .unwrap();
        }
    }
    rig.withings.clear_calls();
    tokio::time::sleep(DAY + HOUR).await;
    let actions: Vec<String> = rig.withings.calls().into_iter().map(|call| call.action).collect();
    assert_eq!(actions, ["requesttoken"]);
    assert_eq!(state(&rig).await, State::Connected);
}

#[tokio::test(start_paused = true)]
async fn disconnecting_ends_subscriptions_consent_and_tokens() {
    let rig = rig(239, &[], Settings::default()).await;
    look_again(&rig).await;
    let other = "https://other.example.org/hook";
    rig.withings.subscribe(rig.person.userid, None, &[1], other).unwrap();
    let connection = rig.connections.get(&rig.connection.id).await.unwrap().unwrap();
    assert!(rig.connections.set_state(&connection, State::Disconnected).await.unwrap());
    let key = DutyKey { owner: Owner::Connection(connection.id.clone()), duty: Duty::Disconnect };
    rig.connections.add_duty(&key, rig.stack.clock.now(), Vec::new()).await.unwrap();
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(calls(&rig, "revoke").len(), 17, "sixteen subscriptions and the consent");
    assert!(subscribed(&rig, &callback()).is_empty());
    assert!(rig.connections.tokens(&rig.connection.account).await.unwrap().is_none());
    assert_eq!(state(&rig).await, State::Disconnected);
    let told = rig.webhooks().into_iter().rfind(|event| event["type"] == "connection.updated").unwrap();
    assert_eq!(told["data"]["record"]["value_code"], "disconnected");
    let before = rig.withings.calls().len();
    tokio::time::sleep(DAY + HOUR).await;
    assert_eq!(rig.withings.calls().len(), before);
}

#[tokio::test(start_paused = true)]
async fn a_person_who_connects_again_before_the_disconnecting_is_done_stays_connected() {
    let rig = rig(240, &[], Settings::default()).await;
    look_again(&rig).await;
    let connection = rig.connections.get(&rig.connection.id).await.unwrap().unwrap();
    rig.connections.set_state(&connection, State::Disconnected).await.unwrap();
    let key = DutyKey { owner: Owner::Connection(connection.id.clone()), duty: Duty::Disconnect };
    rig.connections.add_duty(&key, rig.stack.clock.now() + HOUR, Vec::new()).await.unwrap();
    tokio::time::sleep(MINUTE).await;
    reconnect(&rig, "").await;
    tokio::time::sleep(2 * HOUR).await;
    assert_eq!(state(&rig).await, State::Connected);
    assert_eq!(calls(&rig, "revoke").len(), 0);
    assert!(rig.connections.tokens(&rig.connection.account).await.unwrap().is_some());
}
