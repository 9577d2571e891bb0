//! What a seed found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{DEADLINE, Delivery, End, Key, State};
use afferent_domain::endpoint::{Endpoint, Wanted};
use afferent_domain::event::Event;
use afferent_domain::id::{EndpointId, UserId};
use afferent_domain::signature::verifies;
use afferent_store::events::After;
use serde_json::Value;

use crate::world::{USERS, World};

/// How often a try is made again, at most, because whoever made it died before it was written down what follows.
const MADE_AGAIN: usize = 4;

/// What a seed found, as a line.
#[derive(Default)]
pub struct Found {
    events: usize,
    /// Deliveries by how they ended; those that did not are `waiting`.
    deliveries: BTreeMap<&'static str, usize>,
    /// Requests that reached a receiver.
    tries: usize,
    /// How often the same try of a delivery was made again at most, and how many of its requests are not in its log.
    doubled: usize,
    unlogged: usize,
    /// Breakers that were seen open.
    opened: usize,
    pub violations: Vec<String>,
}

impl Found {
    fn check(&mut self, holds: bool, what: impl Into<String>) {
        if !holds {
            self.violations.push(what.into());
        }
    }

    pub fn add(&mut self, other: Self) {
        self.events += other.events;
        self.tries += other.tries;
        self.opened += other.opened;
        self.doubled = self.doubled.max(other.doubled);
        self.unlogged = self.unlogged.max(other.unlogged);
        self.violations.extend(other.violations);
        for (end, count) in other.deliveries {
            *self.deliveries.entry(end).or_default() += count;
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} events, deliveries", self.events)?;
        for (end, count) in &self.deliveries {
            write!(to, " {count} {end}")?;
        }
        let Self { tries, doubled, unlogged, opened, violations, .. } = self;
        write!(
            to,
            ", {tries} tries (made again {doubled} times at most, {unlogged} not in the log), breaker open {opened}"
        )?;
        write!(to, ", {} violations", violations.len())
    }
}

/// What a receiver got under one `webhook-id`.
#[derive(Default)]
struct Got {
    texts: BTreeSet<Vec<u8>>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    requests: usize,
}

impl World {
    /// Compares what there is with what there should be.
    pub async fn look(&self) -> Found {
        let mut found = Found { opened: usize::from(self.opened()), ..Found::default() };
        found.check(self.opened(), "the breaker of the dead endpoint never opened");
        let mut journals = Vec::new();
        for user in (0..USERS).map(|user| UserId::from(format!("usr_{user}"))).chain([UserId::app()]) {
            match self.events.after(&user, 0, 10_000).await.unwrap() {
                After::Events(journal) => journals.push((user, journal)),
                After::Gone { .. } => {
                    found.check(false, format!("{user}: its journal has a gap, and nothing expires so soon"))
                }
            }
        }
        for (user, journal) in &journals {
            self.look_at_journal(user, journal, &mut found);
        }
        let events: Vec<&Event> = journals.iter().flat_map(|(_, journal)| journal).collect();
        let mut at = BTreeMap::new();
        for (user, _) in &journals {
            for entry in self.events.entries(user, u64::MAX, 10_000).await.unwrap() {
                at.insert(entry.event.to_string(), entry.at);
            }
        }
        for place in 0..self.endpoints().len() {
            self.look_at_endpoint(place, &events, &at, &mut found).await;
        }
        let watched: Vec<_> = self.watched().await;
        found.check(watched.is_empty(), format!("endpoints that do not come to rest: {watched:?}"));
        found
    }

    fn look_at_journal(&self, user: &UserId, journal: &[Event], found: &mut Found) {
        found.events += journal.len();
        for (event, number) in journal.iter().zip(1..) {
            found.check(event.sequence == number, format!("{user}: {} stands at {number}", event.sequence));
        }
        if *user == UserId::app() {
            return;
        }
        let changes: BTreeSet<(&str, u32)> = journal.iter().map(|event| (event.record.as_str(), event.rev)).collect();
        let expected = self.records_of(user);
        let one_for_each = journal.len() == changes.len()
            && changes.iter().map(|(record, _)| (*record).to_owned()).collect::<BTreeSet<_>>() == expected;
        let (events, expected) = (journal.len(), expected.len());
        found.check(one_for_each, format!("{user}: {events} events of {} changes, not {expected}", changes.len()));
    }

    async fn look_at_endpoint(
        &self,
        place: usize,
        events: &[&Event],
        at: &BTreeMap<String, Timestamp>,
        found: &mut Found,
    ) {
        let endpoint = &self.endpoints()[place];
        let id = &endpoint.endpoint;
        let mut got = self.got(place, found);
        for event in events {
            let wanted = Wanted {
                user: &event.user,
                event_type: &event.event_type,
                synckind: event.synckind,
                about: event.about.as_ref(),
            };
            if !endpoint.wants(&wanted) {
                continue;
            }
            let key = Key { event: event.id.clone(), endpoint: id.clone() };
            let event = event.id.as_str();
            let Some(delivery) = self.deliveries.get(&key).await.unwrap() else {
                found.check(false, format!("{id} {event}: no delivery"));
                continue;
            };
            let end = match &delivery.state {
                State::Ended { end, reason, .. } => {
                    found.check(!reason.is_empty(), format!("{id} {event}: it ended without a reason"));
                    end.as_str()
                }
                State::Waiting(_) => "waiting",
            };
            *found.deliveries.entry(end).or_default() += 1;
            // Every receiver is well again for longer than any delivery waits.
            found.check(end == End::Delivered.as_str(), format!("{id} {event}: {end} ({:?})", delivery.state));
            let Some(got) = got.remove(event) else {
                found.check(false, format!("{id} {event}: {end} and never sent"));
                continue;
            };
            found.check(got.texts.len() == 1, format!("{id} {event}: {} texts", got.texts.len()));
            let journalled = at.get(event).is_some_and(|at| got.first.is_some_and(|first| first >= *at));
            found.check(journalled, format!("{id} {event}: sent before it was in the journal"));
            self.look_at_tries(endpoint, &delivery, &got, found).await;
        }
        for event in got.keys() {
            found.check(false, format!("{id} {event}: sent, and not wanted or in no journal"));
        }
    }

    /// No try is made after the end, and none more often than a crash can double it.
    async fn look_at_tries(&self, endpoint: &Endpoint, delivery: &Delivery, got: &Got, found: &mut Found) {
        let name = format!("{} {}", endpoint.endpoint, delivery.key.event);
        let attempts = self.deliveries.attempts(&delivery.key).await.unwrap();
        if let State::Ended { at, .. } = delivery.state {
            let late = attempts.iter().filter(|(_, attempt)| attempt.at > at).count();
            found.check(late == 0, format!("{name}: {late} attempts after its end"));
            let last = got.last.unwrap_or_default();
            found.check(last <= at + DEADLINE, format!("{name}: ended at {at} and sent at {last}"));
        }
        // What was recovered lived twice; each of the endpoints has one recovery at most.
        let lives = if delivery.since == delivery.created { 1 } else { 2 };
        let mut tries = BTreeMap::<(u16, u16), usize>::new();
        for (_, attempt) in &attempts {
            *tries.entry((attempt.cycle, attempt.number)).or_default() += 1;
        }
        let policy = &endpoint.policy;
        let known = tries.keys().all(|(cycle, number)| *cycle <= policy.cycles() && *number <= policy.tries());
        found.check(known, format!("{name}: tries that its policy has not: {:?}", tries.keys()));
        let most = tries.values().max().copied().unwrap_or_default();
        found.check(most <= lives + MADE_AGAIN, format!("{name}: the same try {most} times in {lives} lives"));
        found.doubled = found.doubled.max(most.saturating_sub(lives));
        let unlogged = got.requests.saturating_sub(attempts.len());
        found.check(unlogged <= MADE_AGAIN, format!("{name}: {unlogged} requests more than attempts"));
        found.unlogged = found.unlogged.max(unlogged);
    }

    /// What the receiver of an endpoint got, by `webhook-id`; everything is signed, and names itself rightly.
    fn got(&self, place: usize, found: &mut Found) -> BTreeMap<String, Got> {
        let Endpoint { endpoint, .. } = &self.endpoints()[place];
        let mut got = BTreeMap::<String, Got>::new();
        for seen in self.receivers()[place].seen() {
            found.tries += 1;
            let header = |name: &str| seen.request.headers().get(name).map_or("", |value| value.to_str().unwrap());
            let (id, signature) = (header("webhook-id").to_owned(), header("webhook-signature"));
            let signed = Timestamp::from_secs(header("webhook-timestamp").parse().unwrap_or_default());
            let right = verifies(&self.secrets()[place], &id, signed, seen.request.body(), signature, seen.at);
            found.check(right, format!("{endpoint} {id}: the signature is wrong"));
            let body: Value = serde_json::from_slice(seen.request.body()).unwrap_or_default();
            found.check(body["id"] == id.as_str(), format!("{endpoint} {id}: the body is of {}", body["id"]));
            let entry = got.entry(id).or_default();
            entry.texts.insert(seen.request.body().to_vec());
            entry.requests += 1;
            entry.last = entry.last.max(Some(seen.at));
            entry.first = Some(entry.first.map_or(seen.at, |first| first.min(seen.at)));
        }
        got
    }

    pub fn key(&self, place: usize) -> EndpointId {
        self.endpoints()[place].endpoint.clone()
    }
}
