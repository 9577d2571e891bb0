//! The order in which visible messages are handed out: the longest visible first, and fair between groups.
//!
//! AWS ("How Amazon SQS fair queues work"): a tenant, that is a `MessageGroupId`, is noisy while it has more
//! than 10 % of the messages in flight and at least 30 of them. While a quiet tenant has a message, quiet ones
//! are served; among noisy ones, the tenant with the fewest in flight. A message without a group is a tenant
//! of its own, hence never noisy. Not modelled: the share of processing time (the second way to be noisy).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use afferent_domain::Timestamp;

/// Below this many in flight, no group is noisy.
const NOISY_FROM: usize = 30;

/// Since when a message is visible, and its number.
type Key = (Timestamp, u64);

/// The visible messages of a queue, and how many of each group are in flight.
#[derive(Debug, Default)]
pub(crate) struct Fair {
    groups: HashMap<Option<String>, BTreeSet<Key>>,
    /// The first message of each group: what `next` chooses from. At most nine groups can be noisy at once,
    /// so that it looks at ten of them at most.
    heads: BTreeMap<Key, Option<String>>,
    visible: usize,
    in_flight: usize,
    in_flight_by_group: HashMap<String, usize>,
}

impl Fair {
    pub fn visible(&self) -> usize {
        self.visible
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Since when the longest visible message is visible.
    pub fn first(&self) -> Option<Timestamp> {
        self.heads.first_key_value().map(|((since, _), _)| *since)
    }

    pub fn insert(&mut self, key: Key, group: &Option<String>) {
        let keys = self.groups.entry(group.clone()).or_default();
        let head = keys.first().copied();
        if keys.insert(key) {
            self.visible += 1;
        }
        if head.is_none_or(|head| key < head) {
            if let Some(head) = head {
                self.heads.remove(&head);
            }
            self.heads.insert(key, group.clone());
        }
    }

    pub fn remove(&mut self, key: Key, group: &Option<String>) {
        let Some(keys) = self.groups.get_mut(group) else { return };
        if keys.remove(&key) {
            self.visible -= 1;
        }
        if self.heads.remove(&key).is_some()
            && let Some(head) = keys.first()
        {
            self.heads.insert(*head, group.clone());
        }
        if keys.is_empty() {
            self.groups.remove(group);
        }
    }

    pub fn takes_off(&mut self, group: &Option<String>) {
        self.in_flight += 1;
        if let Some(group) = group {
            *self.in_flight_by_group.entry(group.clone()).or_default() += 1;
        }
    }

    pub fn lands(&mut self, group: &Option<String>) {
        self.in_flight -= 1;
        if let Some(group) = group
            && let Some(count) = self.in_flight_by_group.get_mut(group)
        {
            *count -= 1;
            if *count == 0 {
                self.in_flight_by_group.remove(group);
            }
        }
    }

    /// The message whose turn it is.
    pub fn next(&self) -> Option<u64> {
        let mut best: Option<(usize, u64)> = None;
        for ((_, number), group) in &self.heads {
            let count = group.as_ref().and_then(|group| self.in_flight_by_group.get(group)).copied().unwrap_or(0);
            if count < NOISY_FROM || count * 10 <= self.in_flight {
                return Some(*number);
            }
            if best.is_none_or(|(fewest, _)| count < fewest) {
                best = Some((count, *number));
            }
        }
        best.map(|(_, number)| number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn group(name: &str) -> Option<String> {
        Some(name.to_owned())
    }

    #[test]
    fn a_noisy_group_waits_for_the_quiet_ones_and_is_served_when_there_are_none() {
        let mut fair = Fair::default();
        fair.insert((at(1), 1), &group("loud"));
        fair.insert((at(2), 2), &group("quiet"));
        (0..29).for_each(|_| fair.takes_off(&group("loud")));
        assert_eq!(fair.next(), Some(1), "29 in flight are not noisy yet");
        fair.takes_off(&group("loud"));
        assert_eq!(fair.next(), Some(2), "30 in flight and all of them: noisy");
        fair.remove((at(2), 2), &group("quiet"));
        assert_eq!(fair.next(), Some(1));
    }

    #[test]
    fn thirty_in_flight_are_not_noisy_as_long_as_they_are_a_tenth() {
        let mut fair = Fair::default();
        fair.insert((at(1), 1), &group("large"));
        fair.insert((at(2), 2), &group("small"));
        (0..30).for_each(|_| fair.takes_off(&group("large")));
        (0..270).for_each(|_| fair.takes_off(&None));
        assert_eq!(fair.next(), Some(1));
        fair.lands(&None);
        assert_eq!(fair.next(), Some(2));
    }

    #[test]
    fn of_two_noisy_groups_the_one_with_fewer_in_flight_is_served() {
        let mut fair = Fair::default();
        fair.insert((at(1), 1), &group("louder"));
        fair.insert((at(2), 2), &group("loud"));
        (0..60).for_each(|_| fair.takes_off(&group("louder")));
        (0..40).for_each(|_| fair.takes_off(&group("loud")));
        assert_eq!(fair.next(), Some(2));
    }

    #[test]
    fn the_longest_visible_message_is_first_whichever_group_it_has() {
        let mut fair = Fair::default();
        for (ms, number, name) in [(5, 1, "a"), (3, 2, "b"), (4, 3, "a"), (1, 4, "b")] {
            fair.insert((at(ms), number), &group(name));
        }
        let mut order = Vec::new();
        while let Some(number) = fair.next() {
            order.push(number);
            for (ms, other, name) in [(5, 1, "a"), (3, 2, "b"), (4, 3, "a"), (1, 4, "b")] {
                if other == number {
                    fair.remove((at(ms), number), &group(name));
                }
            }
        }
        assert_eq!(order, [4, 2, 3, 1]);
        assert_eq!(fair.visible(), 0);
    }
}
