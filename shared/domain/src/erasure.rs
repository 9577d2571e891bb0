//! Erasing a person: what was held, what is left, and the receipt of it, which outlives the person.
//!
//! The work is done in passes. The first takes what can go at once; the second, when Withings was told, everything; the
//! third, a day later, when the stream of the table `records` has forgotten every change, what was still made of changes
//! from before. Backups of the tables go last, by themselves.

use std::time::Duration;

use ring::digest::{SHA256, digest};

use crate::Timestamp;
use crate::id::{ConnectionId, ErasureId, UserId};

/// How many passes there are.
pub const PASSES: u32 = 3;

/// The stream keeps a change for 24 h (AWS: DynamoDB Streams); an hour more for what was being made of it.
pub const LAST_PASS: Duration = Duration::from_secs(25 * 3600);

/// How long after the beginning the second pass may begin: whoever read for the person then is done by now.
pub const SETTLED: Duration = Duration::from_secs(3 * 60);

/// How long Withings is waited for. Then the tokens are destroyed though the consent was not taken back.
pub const PATIENCE: Duration = Duration::from_secs(3 * 24 * 3600);

/// How long point-in-time recovery can bring back what a table held (AWS: 35 days).
pub const BACKUPS: Duration = Duration::from_secs(35 * 24 * 3600);

/// Notifications that pulls have satisfied are found by nobody; their TTL takes them.
pub const NOTIFICATIONS: Duration = Duration::from_secs(90 * 24 * 3600);

/// What is gone through in a pass, in this order: first what could bring the rest back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// Marks, runs, duties and whatever else is kept about the connections, but for the connections themselves.
    #[default]
    Work,
    /// The records.
    Records,
    /// The events with their deliveries.
    Journal,
    /// Deliveries and attempts that somebody at work wrote when their event was gone already. In the last pass alone.
    Deliveries,
    /// Notifications that wait for the person, or are about the person and name no pull.
    Notifications,
    /// Keys that open nothing but the person. In the last pass alone.
    Keys,
    /// The connections, the tokens, the user.
    Person,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Work, Self::Records, Self::Journal, Self::Deliveries, Self::Notifications, Self::Keys, Self::Person];

    /// As tables have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Records => "records",
            Self::Journal => "journal",
            Self::Deliveries => "deliveries",
            Self::Notifications => "notifications",
            Self::Keys => "keys",
            Self::Person => "person",
        }
    }

    /// The part of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }
}

/// How a consent ended at Withings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Withings was told, and has taken it back.
    Revoked,
    /// The person had ended it before, or the token pair was dead.
    Dead,
    /// Another connection of the account lives: its consent is the same one.
    Shared,
    /// Withings refuses to take it back; the tokens are destroyed.
    Refused,
    /// Withings could not be reached for [`PATIENCE`]; the tokens are destroyed.
    Unreachable,
}

impl Left {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Revoked, Self::Dead, Self::Shared, Self::Refused, Self::Unreachable];

    /// As tables and receipts have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Dead => "dead_before",
            Self::Shared => "shared",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|left| left.name() == name)
    }
}

/// A connection of the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Which.
    pub connection: ConnectionId,
    /// The application's client id.
    pub application: String,
    /// Withings' cloud.
    pub region: String,
    /// Withings' userid.
    pub userid: String,
    /// How its consent ended; `None` until it has.
    pub left: Option<Left>,
}

/// How many items were deleted, and how many keys revoked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Of `records`.
    pub records: u64,
    /// Events, of `events`.
    pub events: u64,
    /// Deliveries and their attempts, of `deliveries`.
    pub deliveries: u64,
    /// Of `notifications`.
    pub notifications: u64,
    /// Of `connections`.
    pub connections: u64,
    /// Keys that were revoked; they stay in the table.
    pub keys: u64,
}

impl Counts {
    /// What was deleted, by table.
    #[must_use]
    pub const fn by_table(&self) -> [(&'static str, u64); 5] {
        [
            ("records", self.records),
            ("events", self.events),
            ("deliveries", self.deliveries),
            ("notifications", self.notifications),
            ("connections", self.connections),
        ]
    }
}

/// An erasure: how far it is, and in the end the receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Its id.
    pub id: ErasureId,
    /// Who was erased.
    pub user: UserId,
    /// SHA-256 of what the customer called the person, lower-case hex: whoever knows the name can tell that it is this one.
    pub reference_sha256: String,
    /// When it was asked for.
    pub begun: Timestamp,
    /// When the last pass was over.
    pub ended: Option<Timestamp>,
    /// The pass that is under way, from 0; [`PASSES`] when all are over.
    pub pass: u32,
    /// Where it is.
    pub part: Part,
    /// The last record or the number of the last event that was looked at.
    pub after: Option<String>,
    /// The person's connections.
    pub links: Vec<Link>,
    /// What was deleted.
    pub counts: Counts,
}

impl Erasure {
    /// One that begins at `now`.
    #[must_use]
    pub fn begin(id: ErasureId, user: UserId, reference: &str, links: Vec<Link>, now: Timestamp) -> Self {
        Self {
            id,
            user,
            reference_sha256: sha256(reference),
            begun: now,
            ended: None,
            pass: 0,
            part: Part::Records,
            after: None,
            links,
            counts: Counts::default(),
        }
    }

    /// Whether every pass is over.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether the pass that is under way is the last.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        self.pass + 1 >= PASSES
    }

    /// Whether the pass that is under way spares the records and events of connections: the person's customer is to be
    /// told that they end.
    #[must_use]
    pub const fn spares_connections(&self) -> bool {
        self.pass == 0
    }

    /// Goes on to the next part, or the next pass. The first pass has records and events alone; the last one also looks
    /// for what was still made when its event was gone, and revokes keys.
    pub fn advance(&mut self) {
        self.after = None;
        let skipped = |part: &Part| match part {
            // The first pass is about data alone: among the work that is kept is that of telling Withings.
            Part::Notifications | Part::Person => self.pass == 0,
            Part::Deliveries | Part::Keys => !self.is_last(),
            Part::Work | Part::Records | Part::Journal => false,
        };
        let mut rest = Part::ALL.into_iter().skip_while(|part| *part != self.part).skip(1);
        match rest.find(|part| !skipped(part)) {
            Some(part) => self.part = part,
            None => {
                self.part = Part::default();
                self.pass += 1;
            }
        }
    }

    /// When the pass that comes next may begin. `None`: at once.
    #[must_use]
    pub fn not_before(&self, now: Timestamp) -> Option<Timestamp> {
        match self.pass {
            0 => None,
            1 => Some(self.begun + SETTLED),
            _ => Some(now + LAST_PASS),
        }
    }

    /// Until when a backup may hold what was erased; `None` until it is known.
    #[must_use]
    pub fn backups_until(&self) -> Option<Timestamp> {
        self.ended.map(|ended| ended + BACKUPS)
    }

    /// Until when notifications may be kept that pulls had satisfied before.
    #[must_use]
    pub fn notifications_until(&self) -> Timestamp {
        self.begun + NOTIFICATIONS
    }
}

/// SHA-256 in lower-case hex.
#[must_use]
pub fn sha256(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn erasure() -> Erasure {
        let now = Timestamp::from_secs(1_795_244_400);
        Erasure::begin(ErasureId::from("ers_1"), UserId::from("usr_1"), "person-1", Vec::new(), now)
    }

    #[test]
    fn three_passes_the_first_about_data_alone_the_last_also_about_what_was_still_made() {
        let mut erasure = erasure();
        let mut way = Vec::new();
        while erasure.pass < PASSES {
            way.push((erasure.pass, erasure.part));
            erasure.advance();
        }
        let pass = |pass: u32| way.iter().filter(|(of, _)| *of == pass).map(|(_, part)| *part).collect::<Vec<_>>();
        assert_eq!(pass(0), [Part::Records, Part::Journal]);
        assert_eq!(pass(1), [Part::Work, Part::Records, Part::Journal, Part::Notifications, Part::Person]);
        assert_eq!(pass(2), Part::ALL);
    }

    #[test]
    fn the_name_is_kept_as_a_hash_alone() {
        let kept = format!("{:?}", erasure());
        assert!(!kept.contains("person-1"));
        // echo -n person-1 | sha256sum
        assert_eq!(erasure().reference_sha256, "57496249fe55411872cde30b22b2ff793471bdee54c3183655065902f6af1eb7");
    }

    #[test]
    fn backups_are_known_once_the_last_pass_is_over() {
        let mut erasure = erasure();
        assert_eq!(erasure.backups_until(), None);
        let ended = erasure.begun + LAST_PASS;
        erasure.ended = Some(ended);
        assert_eq!(erasure.backups_until(), Some(ended + Duration::from_secs(35 * 86_400)));
    }

    #[test]
    fn names_read_back() {
        assert!(Part::ALL.into_iter().all(|part| Part::of(part.name()) == Some(part)));
        assert!(Left::ALL.into_iter().all(|left| Left::of(left.name()) == Some(left)));
    }
}
