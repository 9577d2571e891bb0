//! Sweeps: what is read although no notification asked for it, so that one that was lost costs a day and not the
//! truth.
//!
//! A connection's service is swept in *tiers*, each at a rhythm of its own: what was modified since the last pull,
//! the last days, the last months, everything. A *pass* of a tier reads its window from the newest piece to the
//! oldest and may take many invocations. What is known afterwards is what Withings held when the pass began
//! ([`Completeness`]); a pass that is under way, or that never began, proves nothing.

mod proof;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::backfill::{is_detail, pieces};
use crate::clock::Timestamp;
use crate::notification::Window;
use crate::service::Service;

pub use proof::{Case, Evidence, Verdict, Why, judge};

/// A window ends so long after its pass began: clocks of devices run ahead, and the local day may be tomorrow's.
const AHEAD: Duration = Duration::from_secs(86_400);

/// What is swept together. The order is that of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// What was modified since the last pull, by `lastupdate`.
    Updates,
    /// The last days.
    Recent,
    /// The last months.
    Month,
    /// All there is.
    Everything,
}

impl Tier {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Updates, Self::Recent, Self::Month, Self::Everything];

    /// Its name in tables and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Updates => "updates",
            Self::Recent => "recent",
            Self::Month => "month",
            Self::Everything => "everything",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How far back a tier reads, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// How far back; all there is if `None`.
    pub back: Option<Duration>,
    /// How often.
    pub every: Duration,
}

/// A rhythm, or none: `off`, `<every>`, or `<back>/<every>`, where both are a whole number and `s`, `m`, `h` or `d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace(pub Option<Rhythm>);

/// The text is no pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither off, nor a span like 3d, nor two like 3d/1d")]
pub struct BadPace;

impl FromStr for Pace {
    type Err = BadPace;

    fn from_str(text: &str) -> Result<Self, BadPace> {
        if text == "off" {
            return Ok(Self(None));
        }
        let (back, every) = match text.split_once('/') {
            Some((back, every)) => (Some(span(back)?), span(every)?),
            None => (None, span(text)?),
        };
        Ok(Self(Some(Rhythm { back, every })))
    }
}

fn span(text: &str) -> Result<Duration, BadPace> {
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(BadPace)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(BadPace),
    };
    let number: u32 = number.parse().map_err(|_| BadPace)?;
    let span = Duration::from_secs(seconds * u64::from(number));
    // Three centuries are more than any tier needs, and no sum of them overflows.
    if span.is_zero() || span > Duration::from_secs(100_000 * 86_400) { Err(BadPace) } else { Ok(span) }
}

/// The rhythms of all tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiers {
    /// Of [`Tier::Updates`]; how far back is without meaning.
    pub updates: Pace,
    /// Of [`Tier::Recent`].
    pub recent: Pace,
    /// Of [`Tier::Month`].
    pub month: Pace,
    /// Of [`Tier::Everything`].
    pub everything: Pace,
    /// Whether series are swept too; they cost a call a day or a night.
    pub details: bool,
}

impl Default for Tiers {
    fn default() -> Self {
        let day = Duration::from_secs(86_400);
        let pace = |back: Option<u32>, every: u32| {
            Pace(Some(Rhythm { back: back.map(|back| day * back), every: day * every }))
        };
        Self {
            updates: pace(None, 1),
            recent: pace(Some(3), 1),
            month: pace(Some(60), 7),
            everything: pace(None, 365),
            details: true,
        }
    }
}

impl Tiers {
    /// The same with one tier switched off.
    #[must_use]
    pub const fn without(mut self, tier: Tier) -> Self {
        match tier {
            Tier::Updates => self.updates = Pace(None),
            Tier::Recent => self.recent = Pace(None),
            Tier::Month => self.month = Pace(None),
            Tier::Everything => self.everything = Pace(None),
        }
        self
    }

    /// The rhythm of a tier for a service; `None` if the service has no such tier.
    #[must_use]
    pub fn of(&self, tier: Tier, service: Service) -> Option<Rhythm> {
        if !is_swept(service) || (is_detail(service) && !self.details) {
            return None;
        }
        let pace = match tier {
            Tier::Updates if service.uses_lastupdate() => self.updates,
            // The answer is always all there is: one tier says everything.
            Tier::Month | Tier::Everything if service.is_whole() => return None,
            Tier::Updates => return None,
            Tier::Recent => self.recent,
            Tier::Month => self.month,
            Tier::Everything => self.everything,
        };
        pace.0
    }
}

/// Whether the service is swept at all. A recording's signal never changes; its row is swept.
#[must_use]
pub const fn is_swept(service: Service) -> bool {
    !service.is_signal()
}

/// A pass that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// When it began.
    pub began: Timestamp,
    /// The newest second that is not read yet; of [`Tier::Updates`]: when to look whether it was read.
    pub next: i64,
    /// The oldest second that is read.
    pub back: i64,
    /// How far the reading of the next piece came; the reader's own words.
    pub progress: Option<String>,
}

impl Pass {
    /// A pass that begins at `now` and reads back to `floor` at the most.
    #[must_use]
    pub fn begin(service: Service, rhythm: Rhythm, floor: i64, now: Timestamp) -> Self {
        let next = now + AHEAD;
        let back = rhythm.back.map_or(i64::MIN, |back| (now - back).as_secs()).max(floor).min(next.as_secs());
        let back = if service.is_whole() { 0 } else { back };
        Self { began: now, next: next.as_secs(), back, progress: None }
    }

    /// The piece to read next; `None` if nothing is left.
    #[must_use]
    pub fn piece(&self, service: Service) -> Option<Window> {
        if self.next < self.back {
            return None;
        }
        pieces(service, Window::new(self.back, self.next)).next()
    }

    /// Goes on behind a piece that was read.
    pub fn advance(&mut self, piece: Window) {
        self.next = piece.start.saturating_sub(1);
        self.progress = None;
    }
}

/// A pass that is over: what Withings held at `began` of all that is dated from `back` on is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completed {
    /// When it began.
    pub began: Timestamp,
    /// How far back it read (epoch seconds).
    pub back: i64,
}

/// How a tier stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The pass that is under way.
    pub pass: Option<Pass>,
    /// The last one that is over.
    pub done: Option<Completed>,
}

/// The sweeping of one service of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// Which service.
    pub service: Service,
    /// Decides when in a period a tier's turn is, so that not all connections are swept at the same time.
    pub phase: u64,
    /// Since when there is something to sweep.
    pub since: Timestamp,
    /// How far back the first backfill run reached (epoch seconds).
    pub horizon: i64,
    /// How the tiers stand; one that is missing never began.
    pub tiers: BTreeMap<Tier, Standing>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// This tier, now; it has been due since then.
    Now(Tier, Timestamp),
    /// Nothing before then. `None`: the service has no tier.
    Wait(Option<Timestamp>),
}

impl Sweep {
    /// What to do at `now`. The quicker tiers go before the slower ones, also before a pass that is under way:
    /// a year's pass may take days.
    #[must_use]
    pub fn next(&self, tiers: &Tiers, now: Timestamp) -> Next {
        let mut first: Option<Timestamp> = None;
        for tier in Tier::ALL {
            let Some(due) = self.due(tier, tiers) else { continue };
            if due <= now {
                return Next::Now(tier, due);
            }
            first = Some(first.map_or(due, |first| first.min(due)));
        }
        Next::Wait(first)
    }

    /// When the tier is due, or has been since.
    #[must_use]
    pub fn due(&self, tier: Tier, tiers: &Tiers) -> Option<Timestamp> {
        let rhythm = tiers.of(tier, self.service)?;
        let standing = self.tiers.get(&tier);
        Some(match standing.and_then(|standing| standing.pass.as_ref()) {
            Some(pass) if tier == Tier::Updates => Timestamp::from_secs(pass.next),
            Some(pass) => pass.began,
            None => {
                let last = standing.and_then(|standing| standing.done).map_or(self.since, |done| done.began);
                self.turn(rhythm.every, last)
            }
        })
    }

    /// The first of the tier's turns after `last`. Turns lie on a grid, so that a late pass does not move the next.
    fn turn(&self, every: Duration, last: Timestamp) -> Timestamp {
        let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1);
        let phase = i64::try_from(self.phase % every.unsigned_abs()).unwrap_or_default();
        let past = (last.as_millis() - phase).rem_euclid(every);
        Timestamp::from_millis(last.as_millis() + (every - past))
    }

    /// What is known. `read_from` is how far back a backfill run read the service without trouble (epoch seconds).
    #[must_use]
    pub fn completeness(&self, tiers: &Tiers, read_from: Option<i64>, now: Timestamp) -> Completeness {
        let done = |tier: Tier| self.tiers.get(&tier).and_then(|standing| standing.done);
        let windows = || Tier::ALL.into_iter().filter(|tier| *tier != Tier::Updates).filter_map(done);
        // By `lastupdate` whatever was modified since the connection was made is seen, however old it is.
        let updates = done(Tier::Updates)
            .map(|done| Completed { back: read_from.unwrap_or(i64::MAX).min(self.since.as_secs()), ..done });
        let standing = |tier: Tier| {
            let due = self.due(tier, tiers)?;
            let under_way = self.tiers.get(&tier).and_then(|standing| standing.pass.as_ref()).map(|pass| pass.began);
            Some(Report { tier, done: done(tier), under_way, late: now.since(due) })
        };
        Completeness {
            service: self.service,
            edits: frontier(windows().chain(updates)),
            deletions: frontier(windows()),
            tiers: Tier::ALL.into_iter().filter_map(standing).collect(),
        }
    }
}

/// How a tier stands, for somebody who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which.
    pub tier: Tier,
    /// The last pass that is over.
    pub done: Option<Completed>,
    /// When the one that is under way began.
    pub under_way: Option<Timestamp>,
    /// For how long its turn, or the end of its pass, has been overdue.
    pub late: Duration,
}

/// Up to when it is known what Withings holds. Each list goes from the latest instant with the shortest past to the
/// earliest with the longest; none of its members follows from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completeness {
    /// Of which service.
    pub service: Service,
    /// What was added and edited.
    pub edits: Vec<Completed>,
    /// What was deleted: it was noticed; a retraction waits for its second read.
    pub deletions: Vec<Completed>,
    /// How the tiers stand.
    pub tiers: Vec<Report>,
}

impl Completeness {
    /// The same, and with what backfill runs prove that are done: additions and edits, up to their end, of what is dated
    /// from their beginning on. What a run reads later than its end it reads as it is then, which is no less.
    #[must_use]
    pub fn with_runs(mut self, runs: impl Iterator<Item = Completed>) -> Self {
        self.edits = frontier(self.edits.into_iter().chain(runs));
        self
    }

    /// Up to when what was added and edited is known of all that is dated from `at` (epoch seconds) on.
    #[must_use]
    pub fn edits_from(&self, at: i64) -> Option<Timestamp> {
        known(&self.edits, at)
    }

    /// Up to when what was deleted is known of all that is dated from `at` (epoch seconds) on.
    #[must_use]
    pub fn deletions_from(&self, at: i64) -> Option<Timestamp> {
        known(&self.deletions, at)
    }
}

fn known(frontier: &[Completed], at: i64) -> Option<Timestamp> {
    frontier.iter().filter(|done| done.back <= at).map(|done| done.began).max()
}

fn frontier(done: impl Iterator<Item = Completed>) -> Vec<Completed> {
    let mut all: Vec<Completed> = done.collect();
    all.sort_by_key(|done| (std::cmp::Reverse(done.began), done.back));
    let mut deepest = i64::MAX;
    all.retain(|done| {
        let deeper = done.back < deepest;
        deepest = deepest.min(done.back);
        deeper
    });
    all
}

/// A number of the text that is spread evenly (FNV-1a).
#[must_use]
pub fn phase(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests;
