//! How many there are: what a search answers that wants no resource of a page (`_count=0`, R4, `search.html#count`).

use afferent_domain::Timestamp;

use super::{Answer, Problem, asked};
use crate::routes::fhir::answers::resource;

/// Of so many pages what is found is added up; what takes more of them, or more time than there is, is refused: a total is
/// all that match or nothing.
const PAGES: usize = 100;

/// What was found, page by page.
#[derive(Debug)]
pub(super) struct Tally {
    total: usize,
    pages: usize,
    until: Timestamp,
}

impl Tally {
    /// One that is to be done by then.
    pub(super) const fn until(until: Timestamp) -> Self {
        Self { total: 0, pages: 0, until }
    }

    /// Adds a page of so many, after which `more` come or not; the total once none do.
    ///
    /// # Errors
    /// There are more pages than are looked at, or there is no time for another one.
    pub(super) fn add(&mut self, found: usize, more: bool, now: Timestamp) -> Result<Option<usize>, Problem> {
        self.total += found;
        self.pages += 1;
        if !more {
            return Ok(Some(self.total));
        }
        match (self.pages == PAGES, now >= self.until) {
            (true, _) => Err(asked::too_many()),
            (false, true) => Err(asked::no_time()),
            (false, false) => Ok(None),
        }
    }
}

/// The answer: a Bundle of the total and nothing else.
pub(super) fn counted(address: String, total: usize) -> Answer {
    resource(&afferent_fhir::Bundle::count(address, total), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: Timestamp = Timestamp::from_secs(9);

    #[test]
    fn pages_are_added_up_until_there_are_too_many() {
        let (mut tally, now) = (Tally::until(THEN), Timestamp::from_secs(1));
        for _ in 1..PAGES {
            assert_eq!(tally.add(3, true, now).unwrap(), None);
        }
        assert!(tally.add(3, true, now).is_err());
        assert_eq!(Tally { total: 7, pages: PAGES - 1, until: THEN }.add(0, false, now).unwrap(), Some(7));
    }

    #[test]
    fn pages_are_added_up_until_the_time_is_over() {
        assert!(Tally::until(THEN).add(3, true, THEN).is_err());
        assert_eq!(Tally::until(THEN).add(3, false, THEN).unwrap(), Some(3), "these are all");
    }
}
