//! When a fact that Withings no longer shows is believed to be gone.
//!
//! Withings sends no tombstones: a deleted fact just stops being returned. But a plan that lapsed, a scope that
//! was taken away and a store that lags behind look the same, with status 0. So a retraction needs a window
//! read whole, a *control* (another known fact of the service that the same reading does return), and the same
//! result in a second read. What would take away much at once is held.

use std::time::Duration;

use crate::Timestamp;
use crate::exact::Decimal;
use crate::id::{ConnectionId, RecordId, RetractionId, UserId};
use crate::record::{Category, Code, Component, Fact, Source};
use crate::service::Service;

/// The kind of the public record of a retraction that is held.
pub const KIND: &str = "retraction";

/// How long after the first read the second one may be, where a control was returned.
pub const SECOND_READ: Duration = Duration::from_secs(15 * 60);

/// How long after it where the service knows no other fact to serve as a control.
pub const WITHOUT_CONTROL: Duration = Duration::from_secs(24 * 3600);

/// How long a large retraction is held, unless an operator lets it through.
pub const HOLD: Duration = Duration::from_secs(7 * 24 * 3600);

/// More measurements than this at once are large.
const MOST: usize = 20;

/// More than this share of what the window held is large, in percent.
const SHARE_PERCENT: usize = 20;

/// The share is only looked at where the window held this many: of three weigh-ins one is a third.
const SMALLEST: usize = 10;

/// Whether the reading showed something else that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// It did.
    Passed,
    /// Something known was asked for and did not come either: the reading proves nothing.
    Failed,
    /// The service knows nothing else to ask for.
    None,
}

impl Control {
    /// As tables have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::None => "none",
        }
    }
}

/// What a completely read window lacks, counted in measurements: facts of one instant are one (a weigh-in has
/// twenty).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lack {
    /// Known, and not returned.
    pub missing: usize,
    /// Known to be in the window.
    pub known: usize,
}

impl Lack {
    /// Whether it is too much to be believed without somebody having looked.
    #[must_use]
    pub const fn is_large(self) -> bool {
        self.missing > MOST || (self.known >= SMALLEST && self.missing * 100 > self.known * SHARE_PERCENT)
    }
}

/// A retraction that was too large to be believed at once.
#[derive(Clone, Copy, Debug)]
pub struct Large<'a> {
    /// Whose records.
    pub user: &'a UserId,
    /// What brought them.
    pub connection: &'a ConnectionId,
    /// Of which service.
    pub service: Service,
    /// Its id.
    pub id: &'a RetractionId,
    /// When they were first missed.
    pub first: Timestamp,
    /// How much it is about.
    pub lack: Lack,
}

/// What became of a large one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing happens until its time is up or an operator has looked.
    Held,
    /// What it is about came back.
    Withdrawn,
    /// The records are retracted.
    Applied,
    /// An operator does not believe it.
    Rejected,
}

impl Told {
    const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Withdrawn => "withdrawn",
            Self::Applied => "applied",
            Self::Rejected => "rejected",
        }
    }
}

/// Its public record, so that operators hear of it as of everything else. Numbers only.
#[must_use]
pub fn fact(large: &Large<'_>, told: Told) -> Fact {
    let record = RecordId::derive(&[large.user.as_str(), KIND, large.id.as_str()]);
    let source = Source { service: "afferent".to_owned(), ..Source::withings("afferent") };
    let (user, connection) = (large.user.clone(), large.connection.clone());
    let mut fact = Fact::bare(user, connection, record, KIND, Category::Account, large.first, source);
    fact.value_code = Some(told.name().to_owned());
    let part = |kind: &str| Component { kind: kind.to_owned(), codes: vec![Code::own(kind)], ..Component::default() };
    let count = |kind: &str, count: usize| Component {
        value: i64::try_from(count).ok().map(Decimal::from),
        unit: Some("{count}".to_owned()),
        ..part(kind)
    };
    let text = |kind: &str, text: &str| Component { value_code: Some(text.to_owned()), ..part(kind) };
    fact.components = vec![
        text("retraction", large.id.as_str()),
        text("service", large.service.name()),
        count("missing", large.lack.missing),
        count("known", large.lack.known),
    ];
    fact
}

/// What to do after a second read that showed the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The facts are gone.
    Retract,
    /// Read again then.
    Wait(Timestamp),
    /// Large: nothing before then, unless an operator lets it through.
    Hold(Timestamp),
    /// Nothing is proven. A sweep will ask again.
    Drop,
}

/// When the second read is due, after a first read at `first`.
#[must_use]
pub fn second_read(first: Timestamp, control: Control) -> Timestamp {
    match control {
        Control::Passed | Control::Failed => first + SECOND_READ,
        Control::None => first + WITHOUT_CONTROL,
    }
}

/// Decides at `now`, after a second read that lacks `lack`. The first read was at `first`; large retractions
/// are held for `hold`, unless `approved`.
#[must_use]
pub fn verdict(
    first: Timestamp,
    control: Control,
    lack: Lack,
    hold: Duration,
    approved: bool,
    now: Timestamp,
) -> Verdict {
    let earliest = second_read(first, control);
    match control {
        _ if lack.missing == 0 => Verdict::Drop,
        Control::Failed => Verdict::Drop,
        _ if now < earliest => Verdict::Wait(earliest),
        _ if lack.is_large() && !approved && now < first + hold => Verdict::Hold(first + hold),
        _ => Verdict::Retract,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Timestamp = Timestamp::from_secs(1_789_625_130);
    const ONE: Lack = Lack { missing: 1, known: 30 };

    #[test]
    fn with_a_control_the_second_read_is_a_quarter_of_an_hour_later() {
        let at = |after: Duration| verdict(FIRST, Control::Passed, ONE, HOLD, false, FIRST + after);
        assert_eq!(at(SECOND_READ - Duration::from_millis(1)), Verdict::Wait(FIRST + SECOND_READ));
        assert_eq!(at(SECOND_READ), Verdict::Retract);
    }

    #[test]
    fn without_a_control_it_is_a_day_later() {
        let at = |after: Duration| verdict(FIRST, Control::None, ONE, HOLD, false, FIRST + after);
        assert_eq!(at(SECOND_READ), Verdict::Wait(FIRST + WITHOUT_CONTROL));
        assert_eq!(at(WITHOUT_CONTROL), Verdict::Retract);
    }

    #[test]
    fn a_control_that_does_not_come_proves_nothing_however_long_it_lasts() {
        assert_eq!(verdict(FIRST, Control::Failed, ONE, HOLD, true, FIRST + HOLD), Verdict::Drop);
    }

    #[test]
    fn what_is_back_in_the_second_read_is_not_in_doubt_any_more() {
        let none = Lack { missing: 0, known: 30 };
        assert_eq!(verdict(FIRST, Control::Passed, none, HOLD, true, FIRST + HOLD), Verdict::Drop);
    }

    #[test]
    fn much_at_once_is_held_for_a_week_or_until_an_operator_lets_it_through() {
        for lack in [Lack { missing: 21, known: 1_000 }, Lack { missing: 3, known: 10 }] {
            let at = |after, approved| verdict(FIRST, Control::Passed, lack, HOLD, approved, FIRST + after);
            assert_eq!(at(SECOND_READ, false), Verdict::Hold(FIRST + HOLD), "{lack:?}");
            assert_eq!(at(SECOND_READ, true), Verdict::Retract);
            assert_eq!(at(HOLD, false), Verdict::Retract);
        }
    }

    #[test]
    fn one_of_few_is_not_much() {
        for lack in [Lack { missing: 1, known: 1 }, Lack { missing: 2, known: 10 }, Lack { missing: 20, known: 100 }] {
            assert!(!lack.is_large(), "{lack:?}");
        }
    }
}
