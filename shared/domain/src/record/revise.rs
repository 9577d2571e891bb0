//! From what is stored and what Withings says now to the next revision, or none.

use super::{Fact, Record, Status, SyncKind, VERSION};
use crate::clock::Timestamp;
use crate::id::UserId;

/// How many shards the change index has per hour.
const SHARDS: u8 = 4;

/// What to do about a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is stored as it is; nothing is written.
    Unchanged,
    /// Write this, on the condition that the stored revision is still the one that was compared
    /// (`rev - 1`, or none for 1).
    Write(Box<Record>),
}

/// Compares a fact with what is stored of it.
///
/// - Not stored: revision 1, `preliminary` or `final`.
/// - Stored and equal: nothing, except that a `preliminary` record whose fact is now final becomes `final`.
/// - Stored as `preliminary` and different: the next revision, `preliminary` or `final`.
/// - Stored as `final` or `amended` and different, or retracted and back: the next revision, `amended`.
#[must_use]
pub fn revise(stored: Option<&Record>, fresh: Fact, now: Timestamp, synckind: SyncKind) -> Change {
    let digest = fresh.digest();
    let first = if fresh.preliminary { Status::Preliminary } else { Status::Final };
    let (rev, status, ingested_ms) = match stored {
        None => (1, first, now.as_millis()),
        Some(stored) => {
            let settles = stored.status == Status::Preliminary && !fresh.preliminary;
            let returns = stored.status == Status::EnteredInError;
            if stored.digest == digest && !settles && !returns {
                return Change::Unchanged;
            }
            let status = if stored.status == Status::Preliminary { first } else { Status::Amended };
            (stored.rev.saturating_add(1), status, stored.ingested_ms)
        }
    };
    Change::Write(Box::new(Record {
        v: VERSION,
        user_kind: format!("{}#{}", fresh.user, fresh.kind),
        user_service: format!("{}#{}", fresh.user, fresh.source.service),
        change_bucket: change_bucket(now, &fresh.user),
        user: fresh.user,
        record: fresh.record,
        rev,
        status,
        kind: fresh.kind,
        category: fresh.category,
        codes: fresh.codes,
        value: fresh.value,
        unit: fresh.unit,
        value_code: fresh.value_code,
        components: fresh.components,
        series: fresh.series,
        stages: fresh.stages,
        signal: fresh.signal,
        effective: fresh.effective,
        effective_ms: fresh.effective_ms,
        tz: fresh.tz,
        local_date: fresh.local_date,
        body_site: fresh.body_site,
        method: fresh.method,
        source: fresh.source,
        raw: fresh.raw,
        connection: fresh.connection,
        synckind,
        run: fresh.run,
        pull: None,
        trace: None,
        ingested_ms,
        changed_ms: now.as_millis(),
        digest,
    }))
}

/// The revision that says Withings no longer has the record. What it said stays readable in it.
#[must_use]
pub fn retract(stored: &Record, now: Timestamp) -> Record {
    Record {
        rev: stored.rev.saturating_add(1),
        status: Status::EnteredInError,
        synckind: SyncKind::Live,
        run: None,
        pull: None,
        trace: None,
        changed_ms: now.as_millis(),
        change_bucket: change_bucket(now, &stored.user),
        ..stored.clone()
    }
}

/// The key of the change index: the UTC hour, and a shard by user so that one hour is not one partition.
#[must_use]
pub fn change_bucket(changed: Timestamp, user: &UserId) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, user.as_str().as_bytes());
    bucket(changed, hash.as_ref().first().map_or(0, |byte| byte % SHARDS))
}

/// All keys of the change index for the UTC hour of an instant.
#[must_use]
pub fn change_buckets(hour: Timestamp) -> Vec<String> {
    (0..SHARDS).map(|shard| bucket(hour, shard)).collect()
}

fn bucket(hour: Timestamp, shard: u8) -> String {
    let text = hour.to_string();
    format!("{}#{shard}", text.get(..13).unwrap_or(&text))
}

#[cfg(test)]
mod tests;
