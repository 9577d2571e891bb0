//! How many there are: what a search answers that wants no resource of a page (`_count=0`, R4, `search.html#count`).

use super::{Answer, Problem, asked};
use crate::routes::fhir::answers::resource;

/// Of so many pages what is found is added up; what takes more of them is refused, because the function has seconds.
const PAGES: usize = 100;

/// What was found, page by page.
#[derive(Debug, Default)]
pub(super) struct Tally {
    total: usize,
    pages: usize,
}

impl Tally {
    /// Adds a page of so many, after which `more` come or not; the total once none do.
    ///
    /// # Errors
    /// There are more pages than are looked at.
    pub(super) fn add(&mut self, found: usize, more: bool) -> Result<Option<usize>, Problem> {
        self.total += found;
        self.pages += 1;
        if !more {
            return Ok(Some(self.total));
        }
        if self.pages == PAGES { Err(asked::too_many()) } else { Ok(None) }
    }
}

/// The answer: a Bundle of the total and nothing else.
pub(super) fn counted(address: String, total: usize) -> Answer {
    resource(&afferent_fhir::Bundle::count(address, total), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_added_up_until_there_are_too_many() {
        let mut tally = Tally::default();
        for _ in 1..PAGES {
            assert_eq!(tally.add(3, true).unwrap(), None);
        }
        assert!(tally.add(3, true).is_err());
        assert_eq!(Tally { total: 7, pages: PAGES - 1 }.add(0, false).unwrap(), Some(7));
    }
}
