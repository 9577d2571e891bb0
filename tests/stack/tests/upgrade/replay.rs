//! What a release left, gone on with by the functions of today: from the moment at which its functions stopped until all
//! that was under way has ended.

use std::collections::{BTreeMap, BTreeSet};

use afferent_domain::Timestamp;
use afferent_domain::signature::{SigningSecret, verifies};
use afferent_metrics::Metric;
use serde_json::{Value, json};

use crate::files::{self, Release, text};
use crate::record::in_virtual_time;
use crate::shapes;
use crate::world::{DAY, HOUR, MINUTE, World, key_of, pass};
use crate::{ask, log};

/// Longer than a held retraction, an erasure and the longest retry policy take.
const MOST_DAYS: u32 = 12;

/// The states in which a delivery waits.
const WAITING: [&str; 3] = ["queued", "held", "parked"];

/// A release, and what today's functions have made of it.
struct Replay {
    release: Release,
    world: World,
}

#[test]
fn today_s_functions_go_on_with_what_every_release_left_and_bring_it_to_its_end() {
    for release in files::all() {
        in_virtual_time(|runtime| runtime.block_on(go_on(release)));
    }
}

async fn go_on(release: Release) {
    let _listening = log::listen();
    let world = World::of(&release).await;
    world.run().await;
    let replay = Replay { release, world };
    replay.everything_is_answered_for().await;
    replay.leases_are_kept().await;
    replay.goes_to_its_end().await;
    replay.nothing_is_lost().await;
    replay.facts_are_the_same().await;
    replay.everything_is_answered_for().await;
    let errors = log::errors();
    assert!(errors.is_empty(), "{}: {errors:#?}", replay.release.about.version);
    let never = [Metric::PoisonMessages, Metric::RecordsUnfit];
    let counted = never.map(|metric| replay.world.stack.metrics.sum(metric));
    assert_eq!(counted, [0; 2], "messages that could not be read, and records");
}

impl Replay {
    /// The present items of a table, by their keys.
    fn now(&self, table: &str) -> BTreeMap<String, Value> {
        self.world.items(table).into_iter().map(|item| (key_of(table, &item), item)).collect()
    }

    /// The items of a table as the release left them, by their keys.
    fn then(&self, table: &str) -> BTreeMap<String, &Value> {
        self.release.table(table).iter().map(|item| (key_of(table, item), item)).collect()
    }

    /// The API answers for all that is in the tables.
    async fn everything_is_answered_for(&self) {
        let refused = ask::everything(&self.world).await;
        assert!(refused.is_empty(), "{}: {refused:#?}", self.release.about.version);
    }

    /// Whoever held a lease when the functions stopped is left alone until it has run out, and then somebody else goes on.
    async fn leases_are_kept(&self) {
        let at = self.release.about.at_ms;
        let lease = |item: &Value| text(item, "lease_ms").parse().map(Timestamp::from_millis).unwrap_or_default();
        let is_mark = |item: &&Value| text(item, "item").starts_with("service#") && !item["lease_pull"].is_null();
        let marks: Vec<&Value> = self.release.table("connections").iter().filter(is_mark).collect();
        let (live, dead): (Vec<&Value>, Vec<&Value>) = marks.into_iter().partition(|mark| lease(mark) > at);
        assert!(!live.is_empty() && !dead.is_empty(), "{} live leases, {} dead ones", live.len(), dead.len());
        let holder = |mark: &Value| mark["lease_pull"].clone();
        // Not before the first of them ends.
        let first = live.iter().map(|mark| lease(mark)).min().unwrap();
        pass(first.since(at) / 2).await;
        let now = self.now("connections");
        for mark in &live {
            assert_eq!(holder(&now[&key_of("connections", mark)]), holder(mark), "somebody took a lease that lives");
        }
        pass(HOUR).await;
        let now = self.now("connections");
        for mark in live.into_iter().chain(dead) {
            let mark = &now[&key_of("connections", mark)];
            assert!(lease(mark) <= self.world.stack.clock.now(), "{mark}");
            assert!(!text(mark, "pulled_ms").is_empty(), "it was read: {mark}");
        }
    }

    /// Time passes until nothing is under way any more.
    async fn goes_to_its_end(&self) {
        for _ in 0..4 * MOST_DAYS {
            pass(6 * HOUR).await;
            if self.under_way().is_empty() {
                return;
            }
        }
        panic!("{}: still under way after {MOST_DAYS} days: {:#?}", self.release.about.version, self.under_way());
    }

    /// What has not ended.
    fn under_way(&self) -> BTreeSet<String> {
        let mut under_way = BTreeSet::new();
        for (table, _) in crate::world::KEYS {
            let open = |item: &&Value| match table {
                "notifications" => text(item, "state") == "waiting",
                "deliveries" => WAITING.contains(&text(item, "state")),
                "connections" => {
                    let (owner, item_name) = (text(item, "owner"), text(item, "item"));
                    let runs = text(item, "state") == "running" || item_name.starts_with("doubt#");
                    let erasure = owner.starts_with("erasure#") && item_name == "erasure" && item["ended_ms"].is_null();
                    runs || erasure || (owner == "_rounds" && item_name == "running")
                }
                "endpoints" => text(item, "item").starts_with("job#") && text(item, "state") == "running",
                _ => false,
            };
            let items = self.world.items(table);
            under_way.extend(items.iter().filter(open).map(|item| format!("{table} {}", key_of(table, item))));
        }
        under_way
    }

    /// Everybody who is there: not those who were erased. Notices are of nobody, and stay too.
    fn users(&self) -> BTreeSet<String> {
        let items = self.world.items("connections");
        let users =
            items.iter().filter(|item| text(item, "owner") == "_users").map(|item| text(item, "item").to_owned());
        users.chain(["_app".to_owned()]).collect()
    }

    /// Whatever the release had taken has come to an end, once, under its own name.
    async fn nothing_is_lost(&self) {
        let users = self.users();
        let connections = self.release.table("connections").iter();
        let erased: BTreeSet<&str> = connections
            .filter(|item| text(item, "item") == "connection" && !users.contains(text(item, "user")))
            .map(|item| text(item, "userid"))
            .collect();

        let notifications = self.now("notifications");
        let mut taken: BTreeSet<String> = BTreeSet::new();
        let of_erased = |item: &Value| erased.contains(text(item, "userid"));
        taken.extend(self.then("notifications").into_iter().filter(|(_, item)| !of_erased(item)).map(|(key, _)| key));
        for message in self.release.queues.get("pulls").into_iter().flatten() {
            let body: Value = serde_json::from_str(&message.body).unwrap();
            taken.extend(body["id"].as_str().map(str::to_owned));
        }
        let lost: Vec<&String> = taken.iter().filter(|id| !notifications.contains_key(*id)).collect();
        assert!(lost.is_empty(), "notifications that are gone: {lost:?}");

        let deliveries = self.now("deliveries");
        for (key, item) in self.then("deliveries") {
            if text(item, "item").contains('#') || !users.contains(text(item, "user")) {
                continue;
            }
            let now = deliveries.get(&key).unwrap_or_else(|| panic!("the delivery {key} is gone"));
            let number = |item: &Value, name: &str| text(item, name).parse::<u64>().unwrap_or_default();
            assert!(number(now, "claims") >= number(item, "claims"), "{key}: a fencing number came again");
        }

        let events = self.now("events");
        for (key, head) in
            self.then("events").into_iter().filter(|(_, item)| shapes::name_of("events", item) == "events/head")
        {
            let journal = text(head, "journal");
            if !users.contains(journal) {
                continue;
            }
            let number = |item: &Value, name: &str| text(item, name).parse::<u64>().unwrap();
            let last = number(&events[&key], "last");
            assert!(last >= number(head, "last"), "{journal}: a number is given again");
            let is_event = |item: &&Value| text(item, "journal") == journal && text(item, "sequence") != "0";
            let numbers: BTreeSet<u64> =
                events.values().filter(is_event).map(|item| number(item, "sequence")).collect();
            assert_eq!(numbers, (1..=last).collect(), "{journal} has a gap");
        }
        for (record, item) in self.then("records").into_iter().chain(self.untold()) {
            let marker = format!("{}/{} {:0>39}", text(item, "user"), text(item, "record"), text(item, "rev"));
            assert!(!users.contains(text(item, "user")) || events.contains_key(&marker), "{record} has no event");
        }

        for queue in ["pulls-dead", "backfill-dead", "deliveries-dead", "fanout-failures"] {
            assert_eq!(self.world.messages(queue), 0, "{queue}");
        }
        self.webhooks_verify();
    }

    /// The records whose change was in the stream.
    fn untold(&self) -> impl Iterator<Item = (String, &Value)> {
        let images = self.release.stream.iter().map(|change| &change["NewImage"]);
        images.filter(|image| image.is_object()).map(|image| (key_of("records", image), image))
    }

    /// Everything that receivers were sent is signed by the secrets that the release sealed.
    fn webhooks_verify(&self) {
        let secrets = self.release.about.signing.values().flatten();
        let secrets: Vec<SigningSecret> = secrets.map(|secret| SigningSecret::parse(secret).unwrap()).collect();
        for (host, receiver) in &self.world.receivers {
            for seen in receiver.seen() {
                let header = |name: &str| seen.request.headers()[name].to_str().unwrap();
                let signed = Timestamp::from_secs(header("webhook-timestamp").parse().unwrap());
                let (id, signature) = (header("webhook-id"), header("webhook-signature"));
                let by = |secret: &SigningSecret| verifies(secret, id, signed, seen.request.body(), signature, seen.at);
                assert!(secrets.iter().any(by), "{host}: a signature does not verify");
            }
        }
        let reached = self.world.reached();
        assert!(
            ["well.example", "failing.example", "down.example"].iter().all(|host| reached.contains(host)),
            "{reached:?}"
        );
    }

    /// Reading the same facts again makes no revision: they have the same names and the same digests as then.
    async fn facts_are_the_same(&self) {
        let users = self.users();
        let connected = |item: &&Value| text(item, "item") == "connection" && text(item, "state") == "connected";
        let now = self.now("connections");
        let mut read = 0;
        for then in self.release.table("connections").iter().filter(connected) {
            if !users.contains(text(then, "user")) {
                continue;
            }
            let present = &now[&key_of("connections", then)];
            assert_eq!(text(present, "state"), "connected", "its tokens could be used");
            let id = text(then, "owner").trim_start_matches("connection#").to_owned();
            self.world.post(&format!("/v1/connections/{id}/refresh"), Value::Null).await;
            read += 1;
        }
        assert!(read > 3, "{read} connections");
        let before = self.now("records");
        pass(10 * MINUTE).await;
        let after = self.now("records");
        let is_fact = |item: &Value| !["connection", "backfill", "retraction", "profile"].contains(&text(item, "kind"));
        let differing = after.iter().filter(|(key, item)| is_fact(item) && before.get(*key) != Some(item));
        let differing: Vec<&String> = differing.map(|(key, _)| key).collect();
        assert!(differing.is_empty(), "written again: {differing:?}");

        // What went or was still open then may have another revision; nothing else has.
        let doubted = self.doubted();
        let mut same = 0;
        for (key, then) in self.then("records").into_iter().chain(self.untold()) {
            let settled =
                is_fact(then) && text(then, "status") != "preliminary" && !doubted.contains(text(then, "record"));
            if settled && users.contains(text(then, "user")) {
                let now = after.get(&key).unwrap_or_else(|| panic!("the record {key} is gone"));
                // The store may have been overtaken by the stream's later change of the same record.
                let latest = self.untold().filter(|(other, _)| *other == key).last().map_or(then, |(_, image)| image);
                assert_eq!(
                    json!([now["rev"], now["digest"], now["status"]]),
                    json!([latest["rev"], latest["digest"], latest["status"]]),
                    "{key}"
                );
                same += 1;
            }
        }
        assert!(same > 30, "{same} records");
        self.cursors_went_on();
    }

    /// The records that a second reading was to decide about.
    fn doubted(&self) -> BTreeSet<&str> {
        let doubts = self.release.table("connections").iter().filter(|item| text(item, "item").starts_with("doubt#"));
        let records = doubts.flat_map(|doubt| {
            let listed = doubt["records"]["L"].as_array().into_iter().flatten().map(|one| &one["S"]);
            listed.chain(doubt["records"]["SS"].as_array().into_iter().flatten())
        });
        records.filter_map(Value::as_str).collect()
    }

    fn cursors_went_on(&self) {
        let now = self.now("connections");
        for (key, then) in self.then("connections").into_iter().filter(|(_, item)| !item["cursor_s"].is_null()) {
            let Some(present) = now.get(&key) else { continue };
            let cursor = |item: &Value| text(item, "cursor_s").parse::<i64>().unwrap_or_default();
            assert!(cursor(present) >= cursor(then), "{key}: the cursor went back");
        }
        assert!(self.world.stack.clock.now() > self.release.about.at_ms + DAY, "time has passed");
    }
}
