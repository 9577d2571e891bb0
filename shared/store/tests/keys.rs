//! Keys against a DynamoDB: who is let in, how often, and what is kept of what was asked.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::collections::BTreeMap;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::grant::{Grant, Grants};
use afferent_domain::id::KeyId;
use afferent_local::{Setup, Simulation, Ticks};
use afferent_store::keys::audit::Entry;
use afferent_store::keys::idempotency::{Began, KEPT, LEASE, Repeatable};
use afferent_store::keys::{Authenticated, Keys, NewKey};

async fn table() -> (Simulation, Keys) {
    let simulation = Simulation::bare(Setup { ticks: Ticks::Off, ..Setup::default() }).await.unwrap();
    let client = afferent_store::client(&simulation.rim.aws);
    (simulation, Keys::new(client, "afferent-keys".to_owned()))
}

fn new() -> NewKey {
    NewKey::new("ours", Grants::new([Grant::Read]))
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

async fn let_in(keys: &Keys, text: &str, now: Timestamp) -> Option<u32> {
    match keys.authenticate(text, now).await.unwrap() {
        Authenticated::Yes(_, allowance) => Some(allowance.remaining),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_is_known_by_its_text_and_comes_back_as_it_was_made() {
    let (simulation, keys) = table().await;
    let now = simulation.clock.now();
    let new = NewKey { return_urls: vec!["https://app.example.org/back".to_owned()], ..new() };
    let (made, text) = keys.create(&new, now, &*simulation.dice).await.unwrap();
    assert_eq!(keys.get(&made.id).await.unwrap(), Some(made.clone()));
    let Authenticated::Yes(key, allowance) = keys.authenticate(text.reveal(), now).await.unwrap() else { panic!() };
    assert_eq!((key.id, key.return_urls, key.last_used), (made.id, new.return_urls, Some(now)));
    assert_eq!((allowance.per_minute, allowance.remaining), (600, 599));
}

#[tokio::test(start_paused = true)]
async fn the_right_id_with_the_wrong_secret_is_as_unknown_as_anything_else() {
    let (simulation, keys) = table().await;
    let now = simulation.clock.now();
    let (_, text) = keys.create(&new(), now, &*simulation.dice).await.unwrap();
    let text = text.reveal();
    let last = if text.ends_with('0') { "1" } else { "0" };
    for wrong in [format!("{}{last}", &text[..text.len() - 1]), "afk_".to_owned(), "usr_1".to_owned()] {
        assert_eq!(keys.authenticate(&wrong, now).await.unwrap(), Authenticated::Unknown, "{wrong}");
    }
    assert_eq!(let_in(&keys, text, now).await, Some(599), "and none of them was counted");
}

#[tokio::test(start_paused = true)]
async fn an_expired_or_revoked_key_says_so_to_whoever_has_it() {
    let (simulation, keys) = table().await;
    let now = simulation.clock.now();
    let expiring = NewKey { expires: Some(now + millis(1)), ..new() };
    let (expiring, text) = keys.create(&expiring, now, &*simulation.dice).await.unwrap();
    assert_eq!(let_in(&keys, text.reveal(), now).await, Some(599));
    assert_eq!(keys.authenticate(text.reveal(), now + millis(1)).await.unwrap(), Authenticated::Expired);
    let revoked = keys.revoke(&expiring.id, now + millis(2)).await.unwrap().unwrap();
    let again = keys.revoke(&expiring.id, now + millis(3)).await.unwrap().unwrap();
    assert_eq!((revoked.revoked, again.revoked), (Some(now + millis(2)), Some(now + millis(2))));
    assert_eq!(keys.authenticate(text.reveal(), now).await.unwrap(), Authenticated::Revoked);
    assert_eq!(keys.revoke(&KeyId::from("key_none"), now).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_key_may_ask_for_a_minutes_worth_at_once_and_then_as_fast_as_its_rate() {
    let (simulation, keys) = table().await;
    let now = simulation.clock.now();
    let (_, text) = keys.create(&NewKey { per_minute: 6, ..new() }, now, &*simulation.dice).await.unwrap();
    let text = text.reveal();
    for left in (0..6).rev() {
        assert_eq!(let_in(&keys, text, now).await, Some(left));
    }
    let Authenticated::Limited { retry_after, allowance } = keys.authenticate(text, now).await.unwrap() else {
        panic!()
    };
    assert_eq!((retry_after, allowance.remaining, allowance.whole_after), (millis(1), 0, millis(60_000)));
    assert_eq!(let_in(&keys, text, now + retry_after).await, Some(0));
    let Authenticated::Limited { retry_after, .. } = keys.authenticate(text, now + millis(1)).await.unwrap() else {
        panic!()
    };
    assert_eq!(retry_after, millis(10_000));
    assert_eq!(let_in(&keys, text, now + millis(10_001)).await, Some(0), "being refused has cost nothing");
    assert_eq!(
        let_in(&keys, text, now + millis(1_000_000)).await,
        Some(5),
        "idle for long, it has no more than a minute"
    );
}

#[tokio::test(start_paused = true)]
async fn keys_are_listed_page_by_page_with_those_that_are_revoked() {
    let (simulation, keys) = table().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        tokio::time::sleep(millis(10)).await;
        made.push(keys.create(&new(), simulation.clock.now(), &*simulation.dice).await.unwrap().0.id);
    }
    keys.revoke(&made[1], simulation.clock.now()).await.unwrap();
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let (page, more) = keys.list(after.as_ref(), 2).await.unwrap();
        listed.extend(page);
        after = listed.last().map(|key| key.id.clone());
        if !more {
            break;
        }
    }
    assert_eq!(listed.iter().map(|key| key.id.clone()).collect::<Vec<_>>(), made);
    assert_eq!(listed.iter().filter(|key| key.revoked.is_some()).count(), 1);
}

fn request(digest: &str, holder: &str) -> Repeatable {
    Repeatable {
        key: KeyId::from("key_1"),
        name: "name".to_owned(),
        digest: digest.to_owned(),
        holder: holder.to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_equal_requests_one_is_done_and_both_get_its_answer() {
    let (simulation, keys) = table().await;
    let now = simulation.clock.now();
    let (one, two) = (request("a", "1"), request("a", "2"));
    assert_eq!(keys.begin(&one, now).await.unwrap(), Began::Ours);
    assert_eq!(keys.begin(&two, now).await.unwrap(), Began::UnderWay(now + LEASE));
    assert_eq!(keys.begin(&request("b", "3"), now).await.unwrap(), Began::Other);
    assert!(keys.answered(&one, Some("sealed")).await.unwrap());
    assert_eq!(keys.begin(&two, now + LEASE).await.unwrap(), Began::Done("sealed".to_owned()));
    assert_eq!(keys.begin(&request("b", "3"), now + KEPT).await.unwrap(), Began::Ours, "forgotten after a day");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_died_may_be_made_again_and_one_that_is_forgotten_at_once() {
    let (simulation, keys) = table().await;
    let now = simulation.clock.now();
    let (dead, next) = (request("a", "1"), request("a", "2"));
    assert_eq!(keys.begin(&dead, now).await.unwrap(), Began::Ours);
    assert_eq!(keys.begin(&next, now + LEASE).await.unwrap(), Began::Ours);
    assert!(!keys.answered(&dead, Some("late")).await.unwrap(), "it was overtaken");
    keys.forget(&dead).await.unwrap();
    assert_eq!(keys.begin(&request("b", "3"), now).await.unwrap(), Began::Other, "the later one still stands");
    keys.forget(&next).await.unwrap();
    assert_eq!(keys.begin(&request("b", "3"), now).await.unwrap(), Began::Ours);
    assert!(keys.answered(&request("b", "3"), None).await.unwrap());
    assert_eq!(keys.begin(&request("b", "4"), now).await.unwrap(), Began::Unkept);
}

#[tokio::test(start_paused = true)]
async fn an_audit_entry_without_an_end_has_an_unknown_outcome() {
    let (simulation, keys) = table().await;
    let now = simulation.clock.now();
    let entry = |number: u64| {
        let at = now + millis(number);
        Entry {
            id: Entry::draw(at, &*simulation.dice),
            at,
            key: Some(KeyId::from("key_1")),
            label: "ours".to_owned(),
            method: "POST".to_owned(),
            route: "/v1/keys/{key}".to_owned(),
            ids: BTreeMap::from([("key".to_owned(), "key_2".to_owned())]),
            request: "r-1".to_owned(),
            end: None,
        }
    };
    let entries: Vec<Entry> = (0..3).map(entry).collect();
    for entry in &entries {
        keys.begin_entry(entry).await.unwrap();
    }
    keys.end_entry(&entries[0], 204, now).await.unwrap();
    let (page, more) = keys.entries("2026-11-21", None, 2).await.unwrap();
    assert_eq!((page, more), (vec![entries[2].clone(), entries[1].clone()], true));
    let (rest, _) = keys.entries("2026-11-21", Some(&entries[1].id), 2).await.unwrap();
    assert_eq!(rest, [Entry { end: Some((204, now)), ..entries[0].clone() }]);
    assert_eq!(keys.entries("2026-11-22", None, 2).await.unwrap(), (Vec::new(), false));
}
