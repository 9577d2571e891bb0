//! How long each phase of a call lasted.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Takes down when the phases of one call began and ended. To be read at any time, also after a failure: the phase
/// that was under way then counts up to the failure.
#[derive(Debug, Default)]
pub struct Stopwatch {
    marks: Mutex<[Option<Instant>; Mark::COUNT]>,
}

/// A moment in a call, in the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The call begins; what may not be called at all never does.
    Begun,
    /// A connection is being set up; the first step of that is the look-up, where there is a name.
    Connecting,
    /// The look-up begins.
    Resolving,
    /// The look-up has ended well.
    Resolved,
    /// The connection stands, TLS included.
    Connected,
    /// The status and the headers are there.
    Answered,
    /// The call has ended, well or not.
    Ended,
}

impl Mark {
    const COUNT: usize = Self::Ended as usize + 1;
}

/// How long each phase lasted; `None` for a phase that was not entered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Looking up the name. `None` too for an address, and on a connection that was used again.
    pub resolve: Option<Duration>,
    /// Connecting, including TLS. `None` too on a connection that was used again.
    pub connect: Option<Duration>,
    /// From the connection to the last byte of the headers: sending is in it.
    pub first_byte: Option<Duration>,
    /// From the headers to the last byte of the body that was read.
    pub body: Option<Duration>,
}

impl Stopwatch {
    /// A stopwatch that has not begun.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes down that something happens now.
    pub fn mark(&self, mark: Mark) {
        self.mark_at(mark, Instant::now());
    }

    /// Takes down when something happened. What comes later in the order is forgotten: that phase begins anew. Once
    /// the answer is there, a connection that is still being set up belongs to somebody else's call.
    pub fn mark_at(&self, mark: Mark, at: Instant) {
        let mut marks = self.lock();
        let connection = matches!(mark, Mark::Connecting | Mark::Resolving | Mark::Resolved | Mark::Connected);
        if connection && (marks[Mark::Answered as usize].is_some() || marks[Mark::Ended as usize].is_some()) {
            return;
        }
        marks[mark as usize..].fill(None);
        marks[mark as usize] = Some(at);
    }

    /// What is known by now.
    #[must_use]
    pub fn read(&self) -> Phases {
        let marks = *self.lock();
        let at = |mark: Mark| marks[mark as usize];
        let end = at(Mark::Ended).unwrap_or_else(Instant::now);
        let between = |from: Option<Instant>, to: Option<Instant>| {
            from.map(|from| to.unwrap_or(end).saturating_duration_since(from))
        };
        let Some(begun) = at(Mark::Begun) else { return Phases::default() };
        let (resolving, resolved, connected) = (at(Mark::Resolving), at(Mark::Resolved), at(Mark::Connected));
        let body = between(at(Mark::Answered), None);
        // While a connection was being set up, another one became free and was used.
        let reused = connected.is_none() && body.is_some();
        let Some(connecting) = at(Mark::Connecting).filter(|_| !reused) else {
            return Phases { resolve: None, connect: None, first_byte: between(Some(begun), at(Mark::Answered)), body };
        };
        let from = if resolving.is_some() { resolved } else { Some(connecting) };
        Phases {
            resolve: between(resolving, resolved),
            connect: between(from, connected),
            first_byte: between(connected, at(Mark::Answered)),
            body,
        }
    }

    fn lock(&self) -> MutexGuard<'_, [Option<Instant>; Mark::COUNT]> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(marks: &[(Mark, u64)]) -> Phases {
        let (watch, start) = (Stopwatch::new(), Instant::now());
        for (mark, ms) in marks {
            watch.mark_at(*mark, start + Duration::from_millis(*ms));
        }
        watch.read()
    }

    fn phases(resolve: Option<u64>, connect: Option<u64>, first_byte: Option<u64>, body: Option<u64>) -> Phases {
        let [resolve, connect, first_byte, body] =
            [resolve, connect, first_byte, body].map(|ms| ms.map(Duration::from_millis));
        Phases { resolve, connect, first_byte, body }
    }

    #[test]
    fn each_phase_lasts_from_the_end_of_the_one_before() {
        let whole = after(&[
            (Mark::Begun, 0),
            (Mark::Connecting, 1),
            (Mark::Resolving, 1),
            (Mark::Resolved, 3),
            (Mark::Connected, 7),
            (Mark::Answered, 15),
            (Mark::Ended, 31),
        ]);
        assert_eq!(whole, phases(Some(2), Some(4), Some(8), Some(16)));
    }

    #[test]
    fn a_failure_counts_for_the_phase_that_was_under_way() {
        let (begun, connecting, resolving) = ((Mark::Begun, 0), (Mark::Connecting, 0), (Mark::Resolving, 0));
        let (resolved, connected, ended) = ((Mark::Resolved, 1), (Mark::Connected, 3), (Mark::Ended, 9));
        assert_eq!(after(&[begun, connecting, resolving, ended]), phases(Some(9), None, None, None));
        assert_eq!(after(&[begun, connecting, resolving, resolved, ended]), phases(Some(1), Some(8), None, None));
        let sent = after(&[begun, connecting, resolving, resolved, connected, ended]);
        assert_eq!(sent, phases(Some(1), Some(2), Some(6), None));
    }

    #[test]
    fn an_address_is_connected_to_without_a_look_up() {
        let watch = after(&[(Mark::Begun, 0), (Mark::Connecting, 0), (Mark::Connected, 2), (Mark::Ended, 5)]);
        assert_eq!(watch, phases(None, Some(2), Some(3), None));
    }

    #[test]
    fn a_connection_used_again_has_neither_look_up_nor_connecting() {
        let again = after(&[(Mark::Begun, 0), (Mark::Answered, 4), (Mark::Ended, 5)]);
        assert_eq!(again, phases(None, None, Some(4), Some(1)));
        let raced = after(&[
            (Mark::Begun, 0),
            (Mark::Connecting, 0),
            (Mark::Resolving, 0),
            (Mark::Answered, 4),
            (Mark::Resolved, 5),
            (Mark::Connected, 5),
            (Mark::Ended, 6),
        ]);
        assert_eq!(raced, phases(None, None, Some(4), Some(2)));
    }

    #[test]
    fn what_never_began_has_no_phase() {
        assert_eq!(after(&[]), Phases::default());
        assert_eq!(after(&[(Mark::Ended, 3)]), Phases::default());
    }
}
