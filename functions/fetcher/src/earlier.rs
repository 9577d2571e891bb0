//! What a pull leaves to those that come after it: the reads that it completed, and how far one came that was cut short.

use std::collections::BTreeSet;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::id::PullId;
use afferent_domain::mark::{Entry, Evidence, completed_by};
use afferent_domain::notification::Window;
use afferent_domain::service::Service;
use afferent_store::StoreError;
use afferent_store::connections::Connection;
use serde::{Deserialize, Serialize};

use crate::Fetcher;
use crate::read::{Progress, Reading};

/// How long the reads of earlier pulls are remembered. A notification that waited on the queue may be older than
/// a pull that is over by now; it is satisfied without a call.
const REMEMBERED: Duration = Duration::from_secs(15 * 60);

/// How far the time of the latest notification that a mark tells may be behind.
const TOLD: Duration = Duration::from_secs(60);

/// The most reads that are remembered, and the most instants of changes in each.
const MOST_SEEN: (usize, usize) = (100, 50);

/// What a pull leaves to the next one.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The read that was under way when it was cut short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) read: Option<Progress>,
    /// The reads that were completed.
    #[serde(default)]
    seen: Vec<Seen>,
}

/// A completed read, as an item keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    began: Timestamp,
    changed: BTreeSet<i64>,
    whole: Vec<(i64, i64)>,
    since_last: bool,
    /// The pull that made it, if that is not the one that left this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pull: Option<PullId>,
}

impl Kept {
    pub(crate) fn of(reading: &Reading, now: Timestamp) -> Self {
        let (reads, instants) = MOST_SEEN;
        let seen = reading.evidence.iter().rev().filter(|read| read.began + REMEMBERED > now).take(reads);
        let seen = seen.map(|read| Seen {
            began: read.began,
            changed: read.changed.iter().map(|at| at.as_secs()).take(instants).collect(),
            whole: read.whole.iter().map(|window| (window.start, window.end)).collect(),
            since_last: read.since_last,
            pull: read.pull.clone(),
        });
        Self { read: reading.progress.clone(), seen: seen.collect() }
    }

    /// What is remembered at `now` of what the pull `left_by` left, in the order in which the reads began.
    pub(crate) fn evidence(&self, left_by: Option<&PullId>, now: Timestamp) -> Vec<Evidence> {
        let recent = self.seen.iter().filter(|seen| seen.began + REMEMBERED > now);
        let evidence = |seen: &Seen| Evidence {
            began: seen.began,
            changed: seen.changed.iter().map(|secs| Timestamp::from_secs(*secs)).collect(),
            whole: seen.whole.iter().map(|(start, end)| Window::new(*start, *end)).collect(),
            since_last: seen.since_last,
            pull: seen.pull.as_ref().or(left_by).cloned(),
        };
        let mut evidence: Vec<Evidence> = recent.map(evidence).collect();
        evidence.sort_by_key(|read| read.began);
        evidence
    }
}

impl Fetcher {
    /// The earlier pull that satisfied `entry`, if one did: there is nothing to mark then, nor to read.
    /// Asked where many notifications come at once, because it costs a read, and of those with a window: one without may ask
    /// whether the link lives, and is answered by a pull. The mark still tells to the minute when the latest one came.
    pub(crate) async fn satisfied_earlier(
        &self,
        connection: &Connection,
        service: Service,
        entry: &Entry,
    ) -> Result<Option<PullId>, StoreError> {
        if entry.window.is_none() {
            return Ok(None);
        }
        let Some(earlier) = self.connections.earlier(&connection.id, service).await? else { return Ok(None) };
        let kept: Kept = serde_json::from_str(&earlier.progress).unwrap_or_default();
        if entry.received >= earlier.notified + TOLD {
            return Ok(None);
        }
        let evidence = kept.evidence(Some(&earlier.pull), self.clock.now());
        Ok(completed_by(entry, &evidence).and_then(|read| read.pull.clone()))
    }
}
