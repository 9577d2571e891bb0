//! From facts to revisions: what is stored is compared with what Withings says now, and only a difference is
//! written.

use std::collections::HashMap;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::budget::Lane;
use afferent_domain::id::{PullId, RecordId, UserId};
use afferent_domain::mark::{Cause, Entry};
use afferent_domain::notification::Window;
use afferent_domain::record::{Change, Fact, Record, SyncKind, revise};
use afferent_domain::service::Service;
use afferent_function::trace;
use afferent_store::StoreError;
use afferent_store::connections::Connection;
use afferent_store::records::Written;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::Fetcher;
use crate::plan::{cut, merged};
use crate::pull::LEASE;

/// How many writes are under way at once.
const WRITES: usize = 8;

/// How often a record is compared again because somebody else wrote it meanwhile.
const ROUNDS: usize = 5;

/// How far the clocks of two invocations may be apart.
pub(crate) const CLOCKS_APART: Duration = Duration::from_millis(200);

/// The longest window of details that is marked as one, in seconds: a call a day or a night, and each entry is struck
/// out by itself.
const LONGEST_DETAILS: i64 = 7 * DAY;

const DAY: i64 = 24 * 3600;

/// How facts are stored.
#[derive(Clone, Copy)]
pub(crate) struct Storing<'a> {
    pub(crate) synckind: SyncKind,
    /// Which reading brought them.
    pub(crate) pull: Option<&'a PullId>,
    /// When the call was sent that brought them. What was stored since may be newer than the answer.
    pub(crate) sent: Timestamp,
    /// The service that holds the details of those that are new or changed, if they are to be read.
    pub(crate) details: Option<Details<'a>>,
}

/// Whose details are read where, and for which pull.
#[derive(Clone, Copy)]
pub(crate) struct Details<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) service: Service,
    pub(crate) pull: &'a PullId,
    pub(crate) lane: Lane,
    /// Of what ended before, only what is news.
    pub(crate) since: Timestamp,
}

impl Details<'_> {
    /// Whether Withings has the row only since the person connected, however long ago it was: devices are synced late.
    /// A row of a recording that does not say is taken for it.
    fn is_news(self, fact: &Fact) -> bool {
        let connected = self.connection.connected.as_secs();
        self.since < Timestamp::from_millis(i64::MAX)
            && fact.source.modified.map_or(self.service.is_signal(), |modified| modified >= connected)
    }
}

/// What came of storing.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// The instants of the facts that were new or changed.
    pub(crate) changed: Vec<Timestamp>,
    /// Whether a record was stored by somebody else after the call was sent, and differs: which of the two
    /// answers is the newer one only another call can tell.
    pub(crate) stale: bool,
}

enum One {
    Unchanged,
    Changed(Timestamp),
    Stale,
}

impl Fetcher {
    /// Brings the records to `facts`. Of facts about the same record the last counts.
    ///
    /// The details of what is new or changed are marked before it is stored, because dying in between must not lose
    /// them, and once more after it: a pull that came in between read the details of what was stored before.
    ///
    /// # Errors
    /// The table is out of reach. What is stored by then stays: doing it again writes the rest.
    pub(crate) async fn store(&self, facts: Vec<Fact>, how: Storing<'_>) -> Result<Stored, StoreError> {
        let mut by_user: HashMap<UserId, HashMap<RecordId, Fact>> = HashMap::new();
        for fact in facts {
            by_user.entry(fact.user.clone()).or_default().insert(fact.record.clone(), fact);
        }
        let mut done = Stored::default();
        for (user, mut facts) in by_user {
            let mut ids: Vec<RecordId> = facts.keys().cloned().collect();
            // Begun in the order of their time, so that a journal reads roughly like a diary.
            ids.sort_by_key(|id| (facts.get(id).map(|fact| fact.effective_ms), id.clone()));
            let mut stored = self.records.get_many(&user, &ids).await?;
            let mut detailed: Vec<Window> = Vec::new();
            if let Some(details) = how.details {
                let changed = facts.values().filter(|fact| {
                    let change = revise(stored.get(&fact.record), (*fact).clone(), how.sent, how.synckind);
                    change != Change::Unchanged
                });
                let windows = changed.filter_map(|fact| Some((fact, fact.effective.span_secs()?)));
                let wanted =
                    windows.filter(|(fact, (_, end))| *end >= details.since.as_secs() || details.is_news(fact));
                detailed = wanted.map(|(_, (start, end))| Window::new(start, end)).collect();
                self.mark_details(details, detailed.clone()).await?;
            }
            let writes = ids.into_iter().filter_map(|id| Some((stored.remove(&id), facts.remove(&id)?)));
            let writes: Vec<One> = stream::iter(writes)
                .map(|(stored, fact)| self.store_one(stored, fact, how))
                .buffered(WRITES)
                .try_collect()
                .await?;
            for one in writes {
                match one {
                    One::Unchanged => {}
                    One::Changed(at) => done.changed.push(at),
                    One::Stale => done.stale = true,
                }
            }
            if let Some(details) = how.details {
                self.mark_details(details, detailed).await?;
            }
        }
        Ok(done)
    }

    /// Stores facts of our own, or of a notification: there is no call whose answer could be overtaken.
    pub(crate) async fn store_own(&self, facts: Vec<Fact>) -> Result<(), StoreError> {
        let sent = Timestamp::from_millis(i64::MAX);
        self.store(facts, Storing { synckind: SyncKind::Live, pull: None, sent, details: None }).await.map(drop)
    }

    /// Marks the service that holds the details of rows that lie in `windows`, in pieces that an invocation can read.
    pub(crate) async fn mark_details(&self, details: Details<'_>, windows: Vec<Window>) -> Result<(), StoreError> {
        let now = self.clock.now();
        for window in pieces(windows) {
            let cause = Cause::Summary(details.pull.clone(), details.lane);
            let entry = Entry { cause, received: now, window: Some(window) };
            let trace = trace::carried();
            self.connections.mark(&details.connection.id, details.service, &entry, trace, now + LEASE).await?;
        }
        Ok(())
    }

    async fn store_one(&self, mut stored: Option<Record>, fact: Fact, how: Storing<'_>) -> Result<One, StoreError> {
        let at = Timestamp::from_millis(fact.effective_ms);
        for _ in 0..ROUNDS {
            match revise(stored.as_ref(), fact.clone(), self.clock.now(), how.synckind) {
                Change::Unchanged => return Ok(One::Unchanged),
                Change::Write(mut record) => {
                    record.pull = how.pull.cloned();
                    record.trace = trace::carried();
                    let since = |stored: &Record| Timestamp::from_millis(stored.changed_ms) + CLOCKS_APART;
                    if stored.as_ref().is_some_and(|stored| since(stored) > how.sent && stored.digest != record.digest)
                    {
                        return Ok(One::Stale);
                    }
                    match self.records.put(&record).await? {
                        Written::Stored => return Ok(One::Changed(at)),
                        Written::Overtaken => stored = self.records.get(&fact.user, &fact.record).await?,
                    }
                }
            }
        }
        Err(StoreError::Conflict { operation: "PutItem" })
    }
}

/// Windows that lie within a day of each other taken together, none longer than [`LONGEST_DETAILS`].
fn pieces(windows: Vec<Window>) -> Vec<Window> {
    let mut pieces: Vec<Window> = Vec::new();
    for window in merged(windows).into_iter().flat_map(|window| cut(window, LONGEST_DETAILS)) {
        match pieces.last_mut() {
            Some(last) if window.start - last.end <= DAY && window.end - last.start < LONGEST_DETAILS => {
                last.end = window.end;
            }
            _ => pieces.push(window),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_year_of_nights_is_marked_in_pieces_of_at_most_a_week() {
        let night = |number: i64| Window::new(number * DAY, number * DAY + 8 * 3600);
        let pieces = pieces((0..180).map(night).collect());
        assert!(pieces.iter().all(|piece| piece.end - piece.start < LONGEST_DETAILS));
        assert_eq!(pieces.len(), 26);
        let covered = |night: Window| pieces.iter().any(|piece| piece.start <= night.start && piece.end >= night.end);
        assert!((0..180).map(night).all(covered));
    }

    #[test]
    fn a_window_of_months_is_cut() {
        let pieces = pieces(vec![Window::new(0, 30 * DAY)]);
        assert_eq!((pieces.len(), pieces[0].start, pieces[4].end), (5, 0, 30 * DAY));
    }
}
