//! Marks: what makes a (connection, service) dirty, and what makes it clean again.
//!
//! A notification leaves an [`Entry`] on the mark of each service that it names; so does whatever else makes a
//! service worth reading ([`Cause`]). A pull takes the entries as they stand, reads, and strikes out those that
//! it satisfied:
//!
//! - an entry with a window, once a new or changed fact lay in the window, or the window was read whole;
//! - an entry without one, once anything new or changed came.
//!
//! A read that brought nothing only counts if it began at least [`SETTLE`] after the notification: clocks
//! differ, and Withings' own stores may lag behind its notifier.

use std::time::Duration;

use crate::Timestamp;
use crate::budget::Lane;
use crate::id::{NotificationId, PullId};
use crate::notification::Window;

/// How long after a notification a read must begin for "nothing new" to mean something.
pub const SETTLE: Duration = Duration::from_secs(2);

/// How far a named window is widened on both sides before it is read: whether Withings takes `startdate`
/// as included is not known.
pub const PADDING_SECS: i64 = 60;

/// Why a service is to be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A notification says so.
    Notification(NotificationId),
    /// A pull found the row new or changed whose details the service holds; the lane is that pull's.
    Summary(PullId, Lane),
    /// A sweep's turn has come.
    Sweep,
    /// The person has connected: what was modified since the cursor is missing.
    Connect,
    /// The customer asks for what Withings has now.
    Refresh,
}

impl Cause {
    /// The lane that reads for it.
    #[must_use]
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Notification(_) => Lane::Live,
            Self::Summary(_, lane) => *lane,
            Self::Sweep => Lane::Reconcile,
            Self::Connect | Self::Refresh => Lane::OnDemand,
        }
    }

    fn to_text(&self) -> String {
        match self {
            Self::Notification(id) => id.to_string(),
            Self::Summary(pull, lane) => format!("{pull}/{}", lane.name()),
            Self::Sweep => "sweep".to_owned(),
            Self::Connect => "connect".to_owned(),
            Self::Refresh => "refresh".to_owned(),
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        match text.split_once('/') {
            Some((pull, lane)) if pull.starts_with(PullId::PREFIX) => {
                Some(Self::Summary(PullId::from(pull), Lane::of(lane)?))
            }
            Some(_) => None,
            None if text == "sweep" => Some(Self::Sweep),
            None if text == "connect" => Some(Self::Connect),
            None if text == "refresh" => Some(Self::Refresh),
            None => text.starts_with(NotificationId::PREFIX).then(|| Self::Notification(NotificationId::from(text))),
        }
    }
}

/// A claim on a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Whose claim it is.
    pub cause: Cause,
    /// When it came.
    pub received: Timestamp,
    /// The window that it names.
    pub window: Option<Window>,
}

impl Entry {
    /// As a member of the mark's string set: `<cause> <received ms> [<start> <end>]`.
    #[must_use]
    pub fn to_text(&self) -> String {
        let base = format!("{} {}", self.cause.to_text(), self.received.as_millis());
        match self.window {
            Some(Window { start, end }) => format!("{base} {start} {end}"),
            None => base,
        }
    }

    /// Reads what [`Entry::to_text`] wrote; `None` for anything else.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let cause = Cause::from_text(words.next()?)?;
        let received = Timestamp::from_millis(words.next()?.parse().ok()?);
        let window = match (words.next(), words.next(), words.next()) {
            (None, None, None) => None,
            (Some(start), Some(end), None) => Some(Window::new(start.parse().ok()?, end.parse().ok()?)),
            _ => return None,
        };
        Some(Self { cause, received, window })
    }

    /// The notification behind it, if it is one.
    #[must_use]
    pub const fn notification(&self) -> Option<&NotificationId> {
        match &self.cause {
            Cause::Notification(id) => Some(id),
            Cause::Summary(..) | Cause::Sweep | Cause::Connect | Cause::Refresh => None,
        }
    }

    /// When a read that brings nothing may begin and still satisfy this. Only Withings' notifier may be ahead of
    /// its stores.
    #[must_use]
    pub fn settled(&self) -> Timestamp {
        match self.cause {
            Cause::Notification(_) => self.received + SETTLE,
            Cause::Summary(..) | Cause::Sweep | Cause::Connect | Cause::Refresh => self.received,
        }
    }
}

/// What one read brought.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// When the read began.
    pub began: Timestamp,
    /// The instants (of periods: the beginnings) of the facts that were new or changed.
    pub changed: Vec<Timestamp>,
    /// The windows that were read whole, up to their last page.
    pub whole: Vec<Window>,
    /// Whether everything since the last pull was read (by `lastupdate`), up to the last page.
    pub since_last: bool,
    /// The earlier pull that made this read; `None` of the one that is under way.
    pub pull: Option<PullId>,
}

/// Whether these reads together satisfy `entry`. A window may have been read whole in pieces.
#[must_use]
pub fn satisfied(entry: &Entry, reads: &[Evidence]) -> bool {
    let settled = || reads.iter().filter(|read| read.began >= entry.settled());
    // What a read before it brought may have been announced by another notification, even one of the same second.
    let since = || reads.iter().filter(|read| read.began >= entry.received);
    match entry.window {
        Some(window) => {
            // Not padded: a fact beside the window may be what another notification announced.
            let changed = since().flat_map(|read| &read.changed).any(|at| window.contains(*at));
            let padded = window.padded(PADDING_SECS);
            changed || covered(padded, settled().flat_map(|read| read.whole.iter().copied()).collect())
        }
        None => {
            since().any(|read| !read.changed.is_empty())
                || settled().any(|read| read.since_last || !read.whole.is_empty())
        }
    }
}

/// The read that completed what satisfies `entry`, of reads in the order in which they began: with those before it the
/// entry is satisfied, and without it it is not. `None` if all of them together do not satisfy it.
#[must_use]
pub fn completed_by<'a>(entry: &Entry, reads: &'a [Evidence]) -> Option<&'a Evidence> {
    if !satisfied(entry, reads) {
        return None;
    }
    // More reads never satisfy less, so the place is found by halves.
    let (mut too_few, mut enough) = (0, reads.len());
    while too_few + 1 < enough {
        let middle = usize::midpoint(too_few, enough);
        if satisfied(entry, &reads[..middle]) {
            enough = middle;
        } else {
            too_few = middle;
        }
    }
    reads.get(enough.checked_sub(1)?)
}

/// Whether the pieces leave no second of the window out.
fn covered(window: Window, mut pieces: Vec<Window>) -> bool {
    pieces.sort();
    let mut next = window.start;
    for piece in pieces {
        if piece.start > next {
            return false;
        }
        next = next.max(piece.end.saturating_add(1));
        if next > window.end {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOTICE: i64 = 1_789_625_140;

    fn notified(id: &str) -> Cause {
        Cause::Notification(NotificationId::from(id))
    }

    fn cause() -> impl Strategy<Value = Cause> {
        prop_oneof![
            Just(notified("ntf_0")),
            prop::sample::select(vec![Lane::Live, Lane::OnDemand, Lane::Backfill, Lane::Reconcile])
                .prop_map(|lane| Cause::Summary(PullId::from("pul_0"), lane)),
            Just(Cause::Sweep),
            Just(Cause::Connect),
            Just(Cause::Refresh),
        ]
    }

    fn entry(window: Option<Window>) -> Entry {
        Entry { cause: notified("ntf_1"), received: Timestamp::from_secs(NOTICE), window }
    }

    fn weighed() -> Window {
        Window::new(1_789_625_129, 1_789_625_130)
    }

    #[test]
    fn a_new_fact_in_the_window_satisfies_at_once() {
        let read = Evidence {
            began: Timestamp::from_secs(NOTICE),
            changed: vec![Timestamp::from_secs(1_789_625_130)],
            ..Evidence::default()
        };
        assert!(satisfied(&entry(Some(weighed())), &[read]));
    }

    #[test]
    fn one_fact_does_not_satisfy_two_notifications_that_name_neighbouring_windows() {
        let read = Evidence {
            began: Timestamp::from_secs(NOTICE),
            changed: vec![Timestamp::from_secs(weighed().end)],
            ..Evidence::default()
        };
        let later = Window::new(weighed().start + 10, weighed().end + 10);
        assert!(satisfied(&entry(Some(weighed())), std::slice::from_ref(&read)));
        assert!(!satisfied(&entry(Some(later)), &[read]));
    }

    #[test]
    fn a_new_fact_elsewhere_does_not() {
        let read = Evidence {
            began: Timestamp::from_secs(NOTICE + 60),
            changed: vec![Timestamp::from_secs(1_789_000_000)],
            since_last: true,
            ..Evidence::default()
        };
        assert!(!satisfied(&entry(Some(weighed())), &[read]));
    }

    #[test]
    fn what_was_found_before_it_came_satisfies_nothing() {
        let read = |began| Evidence {
            began,
            changed: vec![Timestamp::from_secs(weighed().end)],
            since_last: true,
            ..Evidence::default()
        };
        let notice = Timestamp::from_secs(NOTICE);
        for window in [None, Some(weighed())] {
            assert!(!satisfied(&entry(window), &[read(notice - Duration::from_millis(1))]));
            assert!(satisfied(&entry(window), &[read(notice)]));
        }
    }

    #[test]
    fn a_window_read_whole_satisfies_only_once_it_had_time_to_settle() {
        let read = |began| Evidence {
            began: Timestamp::from_secs(began),
            whole: vec![weighed().padded(PADDING_SECS)],
            ..Evidence::default()
        };
        assert!(!satisfied(&entry(Some(weighed())), &[read(NOTICE + 1)]));
        assert!(satisfied(&entry(Some(weighed())), &[read(NOTICE + 2)]));
    }

    #[test]
    fn a_window_may_be_read_whole_in_pieces_but_not_with_a_gap() {
        let piece = |start, end| Evidence {
            began: Timestamp::from_secs(NOTICE + 2),
            whole: vec![Window::new(weighed().start + start, weighed().end + end)],
            ..Evidence::default()
        };
        let named = entry(Some(weighed()));
        assert!(satisfied(&named, &[piece(0, 90), piece(-90, -2)]));
        assert!(!satisfied(&named, &[piece(1, 90), piece(-90, -2)]));
    }

    #[test]
    fn the_read_that_completed_the_proof_is_the_first_without_which_there_is_none() {
        let piece = |pull: &str, began, start, end| Evidence {
            began: Timestamp::from_secs(began),
            whole: vec![Window::new(weighed().start + start, weighed().end + end)],
            pull: Some(PullId::from(pull)),
            ..Evidence::default()
        };
        let early = piece("pul_early", NOTICE + 1, -90, 90);
        let reads = [early, piece("pul_1", NOTICE + 2, 0, 90), piece("pul_2", NOTICE + 3, -90, -2)];
        let more =
            [reads.as_slice(), &[piece("pul_3", NOTICE + 4, -90, 90), piece("pul_4", NOTICE + 5, -90, 90)]].concat();
        let by = |reads: &[Evidence]| completed_by(&entry(Some(weighed())), reads).and_then(|read| read.pull.clone());
        assert_eq!((by(&reads), by(&more)), (Some(PullId::from("pul_2")), Some(PullId::from("pul_2"))));
        assert_eq!((by(&reads[..2]), by(&[])), (None, None));
    }

    #[test]
    fn a_notification_without_a_window_wants_something_new_or_a_settled_read() {
        let read = |began, changed: Vec<Timestamp>| Evidence {
            began: Timestamp::from_secs(began),
            changed,
            since_last: true,
            ..Evidence::default()
        };
        assert!(satisfied(&entry(None), &[read(NOTICE, vec![Timestamp::from_secs(5)])]));
        assert!(!satisfied(&entry(None), &[read(NOTICE + 1, vec![])]));
        assert!(satisfied(&entry(None), &[read(NOTICE + 2, vec![])]));
    }

    proptest! {
        #[test]
        fn an_entry_reads_back_as_it_was_written(cause in cause(), received in 0_i64..1 << 45, window in proptest::option::of((0_i64..1 << 35, 0_i64..1 << 35))) {
            let entry = Entry {
                cause,
                received: Timestamp::from_millis(received),
                window: window.map(|(start, end)| Window::new(start, end)),
            };
            prop_assert_eq!(Entry::from_text(&entry.to_text()), Some(entry));
        }

        #[test]
        fn no_text_makes_reading_an_entry_panic(text in ".*") {
            let _ = Entry::from_text(&text);
        }
    }
}
