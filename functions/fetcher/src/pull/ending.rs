//! How a pull ends: what it has satisfied, and when the rest is due.

use afferent_domain::Timestamp;
use afferent_domain::mark::{Entry, Evidence, satisfied};
use afferent_domain::pause::pause;
use afferent_domain::service::Service;
use afferent_gate::CallError;
use afferent_store::marks::{Ending, Mark};
use afferent_withings::Class;

use super::{SAME_ARGUMENTS, lane_of};
use crate::Fetcher;
use crate::earlier::Kept;
use crate::read::Reading;

/// What a reading proves, in the order in which its reads began.
pub(super) fn proof(service: Service, reading: &Reading, failure: Option<&CallError>) -> Vec<Evidence> {
    if reading.later {
        // It will be there some time; nothing is satisfied by its absence.
        return Vec::new();
    }
    let mut evidence = reading.evidence.clone();
    if failure.is_some() && !service.uses_lastupdate() {
        // A window is read in pieces, and a change in one of them says nothing of those that were not read.
        evidence.iter_mut().for_each(|piece| piece.changed.clear());
    }
    evidence.sort_by_key(|read| read.began);
    evidence
}

impl Fetcher {
    /// What the evidence satisfies, and when the rest is due.
    pub(super) fn ending(
        &self,
        service: Service,
        mark: &Mark,
        (reading, evidence): (&Reading, &[Evidence]),
        failure: Option<&CallError>,
    ) -> Ending {
        let (satisfied, left): (Vec<Entry>, Vec<Entry>) =
            mark.entries.iter().cloned().partition(|entry| satisfied(entry, evidence));
        let cursor = reading.cursor.filter(|_| service.uses_lastupdate());
        let now = self.clock.now();
        let progress = serde_json::to_string(&Kept::of(reading, now)).ok();
        if left.is_empty() {
            return Ending { satisfied, cursor, progress, ..Ending::default() };
        }
        let failed = mark.failures.saturating_add(1);
        let (due, failures) = match failure {
            Some(failure) => self.back_off(failure, mark.failures),
            None if reading.later => (now + pause(failed, &*self.dice), failed),
            // Everything was read and an entry is left: only time can be what it lacks.
            None => {
                let settled = left.iter().map(Entry::settled).max().unwrap_or(now);
                (settled.max(now + SAME_ARGUMENTS), 0)
            }
        };
        let lane = lane_of(&left);
        Ending { satisfied, due: Some(due), lane, cursor, progress, failures, pulled: None }
    }

    /// When a pull that failed is tried again, and how many failures count until then.
    fn back_off(&self, failure: &CallError, failures: u32) -> (Timestamp, u32) {
        let now = self.clock.now();
        let failed = failures.saturating_add(1);
        match failure {
            CallError::Spent(free) => ((*free).max(now), failures),
            CallError::Refreshing => (now + SAME_ARGUMENTS, failures),
            CallError::Withings(error) => match error.class() {
                Class::TooManyRequests { wait } => (now + wait, failures),
                Class::SameArguments { .. } => (now + SAME_ARGUMENTS, failures),
                _ => (now + pause(failed, &*self.dice), failed),
            },
            _ => (now + pause(failed, &*self.dice), failed),
        }
    }
}
