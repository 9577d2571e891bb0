//! Duties: what is due for a connection, an account or the application besides the marks of its pulls.
//!
//! A duty is an item of the `connections` table with a due time. `keeper` finds it in the due index and sends
//! a message that says "look"; whoever takes it leases it first, and its due time is the lease's end
//! meanwhile. So a duty whose worker dies is found again, and a doubled message changes nothing.

use std::fmt;
use std::str::FromStr;

use crate::service::Service;

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Duty {
    /// An account: its token pair renewed long before it dies, its subscriptions compared with Withings' list.
    /// Of the application: its subscription to category 53.
    Care,
    /// An account: notifications that came before its person was known are sorted again.
    Replay,
    /// A connection's service: what a lost notification left undone is found.
    Sweep(Service),
    /// One slice of a connection's backfill run.
    Slice {
        /// The run.
        run: String,
        /// Its number in the run; the newest is 0.
        number: u32,
    },
    /// Facts that a completely read window no longer shows, waiting for the second read.
    Doubt {
        /// The service.
        service: Service,
        /// Tells the doubts of a service apart.
        id: String,
    },
    /// A connection: it is being ended by the customer.
    Disconnect,
    /// A connection whose person's data are being erased.
    Erasure,
}

/// What is due together: each family has partitions of the due index of its own, so that a backlog in one is not in
/// the way of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Marks of pulls that a notification, or a person who has just connected, waits for.
    Mark,
    /// What somebody waits for.
    Prompt,
    /// Slices of backfill runs.
    Backfill,
    /// Sweeps, doubts, and the marks that nobody waits for.
    Sweep,
    /// Done by `keeper` itself.
    Keeper,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Mark, Self::Prompt, Self::Backfill, Self::Sweep, Self::Keeper];

    /// The partitions of the due index that hold it: marks in ten, the others in four, because an index
    /// partition takes 1,000 writes a second.
    pub fn shards(self) -> impl Iterator<Item = String> {
        let (letter, shards) = self.layout();
        (0..shards).map(move |shard| format!("{letter}{shard}"))
    }

    /// The partition that holds the duties of `owner`.
    #[must_use]
    pub fn shard(self, owner: &str) -> String {
        let (letter, shards) = self.layout();
        let sum = owner.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        format!("{letter}{}", sum % shards)
    }

    const fn layout(self) -> (&'static str, u32) {
        match self {
            Self::Mark => ("0", 10),
            Self::Prompt => ("d", 4),
            Self::Backfill => ("b", 4),
            Self::Sweep => ("r", 4),
            Self::Keeper => ("k", 4),
        }
    }
}

impl Duty {
    /// Where it is found.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self {
            Self::Care | Self::Replay | Self::Disconnect => Family::Prompt,
            Self::Slice { .. } => Family::Backfill,
            Self::Sweep(_) | Self::Doubt { .. } => Family::Sweep,
            Self::Erasure => Family::Keeper,
        }
    }
}

/// The sort key of its item.
impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Care => f.write_str("care"),
            Self::Replay => f.write_str("replay"),
            Self::Sweep(service) => write!(f, "sweep#{service}"),
            Self::Slice { run, number } => write!(f, "slice#{run}#{number:05}"),
            Self::Doubt { service, id } => write!(f, "doubt#{service}#{id}"),
            Self::Disconnect => f.write_str("disconnect"),
            Self::Erasure => f.write_str("erasure"),
        }
    }
}

/// The text names no duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such duty")]
pub struct UnknownDuty;

impl FromStr for Duty {
    type Err = UnknownDuty;

    fn from_str(text: &str) -> Result<Self, UnknownDuty> {
        let words: Vec<&str> = text.split('#').collect();
        let service = |name: &str| name.parse::<Service>().map_err(|_| UnknownDuty);
        match words.as_slice() {
            ["care"] => Ok(Self::Care),
            ["replay"] => Ok(Self::Replay),
            ["disconnect"] => Ok(Self::Disconnect),
            ["erasure"] => Ok(Self::Erasure),
            ["sweep", name] => Ok(Self::Sweep(service(name)?)),
            ["slice", run, number] => {
                Ok(Self::Slice { run: (*run).to_owned(), number: number.parse().map_err(|_| UnknownDuty)? })
            }
            ["doubt", name, id] => Ok(Self::Doubt { service: service(name)?, id: (*id).to_owned() }),
            _ => Err(UnknownDuty),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duty_reads_back_as_it_was_written() {
        let duties = [
            Duty::Care,
            Duty::Replay,
            Duty::Sweep(Service::Getmeas),
            Duty::Slice { run: "run_1".to_owned(), number: 7 },
            Duty::Doubt { service: Service::HeartList, id: "0a".to_owned() },
            Duty::Disconnect,
            Duty::Erasure,
        ];
        for duty in duties {
            assert_eq!(duty.to_string().parse(), Ok(duty));
        }
        for text in ["", "sweep", "sweep#getmood", "slice#run_1", "slice#run_1#x", "care#1"] {
            assert_eq!(text.parse::<Duty>(), Err(UnknownDuty), "{text}");
        }
    }

    #[test]
    fn slices_sort_by_their_number() {
        let slice = |number| Duty::Slice { run: "run_1".to_owned(), number }.to_string();
        assert!(slice(9) < slice(10) && slice(99) < slice(100));
    }

    #[test]
    fn no_partition_belongs_to_two_families() {
        let mut shards: Vec<String> = Family::ALL.into_iter().flat_map(Family::shards).collect();
        let count = shards.len();
        shards.sort();
        shards.dedup();
        assert_eq!(shards.len(), count);
        for family in Family::ALL {
            assert!(family.shards().any(|shard| shard == family.shard("connection#con_1")));
        }
    }
}
