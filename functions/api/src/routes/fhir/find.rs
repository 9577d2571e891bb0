//! Finding the records of a search: by when they were, or by when they changed.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::id::{RecordId, UserId};
use afferent_domain::record::Record;
use afferent_fhir::device_record;
use afferent_fhir::search::Search;
use afferent_store::records::{After, Range, escaped_len};

use super::asked;
use super::{PAGE_BYTES, Problem};
use crate::state::App;

/// How many changes are looked at in one go, and how many for one page.
const WAVE: u16 = 50;
const LOOKS: usize = 2_000;

/// By how much the clock of whoever journalled a change may be behind that of whoever made it.
const SKEW: Duration = Duration::from_secs(5 * 60);

/// Between which two records a page ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// After this one in the order of time.
    Time(After),
    /// After the change of this number.
    Change(u64),
}

impl Place {
    /// Of a record in the order of time.
    pub(super) fn of(record: &Record) -> Self {
        Self::Time(After { record: record.record.clone(), effective_ms: record.effective_ms })
    }

    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Time(after) => format!("{} {}", after.effective_ms, after.record),
            Self::Change(number) => format!("change {number}"),
        }
    }

    pub(super) fn read(text: &str) -> Result<Self, Problem> {
        let place = text.split_once(' ').and_then(|(first, second)| match first {
            "change" => Some(Self::Change(second.parse().ok()?)),
            _ => Some(Self::Time(After { record: RecordId::parse(second)?, effective_ms: first.parse().ok()? })),
        });
        place.ok_or_else(asked::bad_cursor)
    }
}

/// What was found, each with the place behind it, and where the next page goes on.
pub(super) type Found = (Vec<(Place, Record)>, Option<Place>);

/// A page of the records that a search asks for.
pub(super) async fn find(
    app: &App,
    user: &UserId,
    search: &Search,
    after: Option<Place>,
    limit: usize,
) -> Result<Found, Problem> {
    let since_ms = search.changed_since_ms();
    match after {
        Some(Place::Change(number)) => return by_change(app, user, search, number, limit).await,
        None if since_ms.is_some() => {
            let since = Timestamp::from_millis(since_ms.unwrap_or_default().max(0));
            let number = app.outbox.events().number_before(user, since - SKEW, app.now()).await?;
            if let Some(number) = number {
                return by_change(app, user, search, number, limit).await;
            }
            // So long ago that not every change is known: then all records are looked at.
        }
        _ => {}
    }
    let after = match &after {
        Some(Place::Time(after)) => Some(after),
        _ => None,
    };
    let (records, next) = by_time(app, user, search, after, limit).await?;
    Ok((records.into_iter().map(|record| (Place::of(&record), record)).collect(), next.map(Place::Time)))
}

async fn by_time(
    app: &App,
    user: &UserId,
    search: &Search,
    after: Option<&After>,
    limit: usize,
) -> Result<(Vec<Record>, Option<After>), Problem> {
    let newest_first = !search.oldest_first;
    if let Some(wanted) = search.common.records(user) {
        let place = |record: &Record| After { record: record.record.clone(), effective_ms: record.effective_ms };
        let found = app.records.get_many(user, &wanted).await?.into_values();
        let mut found: Vec<Record> = found.filter(|record| search.holds(record)).collect();
        found.sort_by(|a, b| in_order(newest_first, &place(a), &place(b)));
        found.retain(|record| after.is_none_or(|after| in_order(newest_first, &place(record), after).is_gt()));
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(place);
        return Ok((found, next));
    }
    let kinds = search.kinds();
    if kinds.as_ref().is_some_and(Vec::is_empty) {
        return Ok((Vec::new(), None));
    }
    let (from_ms, to_ms) = search.bounds_ms();
    let range = Range {
        kinds: kinds.as_deref().unwrap_or_default(),
        from_ms,
        to_ms,
        newest_first,
        after,
        limit,
        retracted: search.retracted(),
        ..Range::of(user)
    };
    let found = app.records.range(&range, |record| search.holds(record)).await?;
    Ok((found.records, found.next))
}

/// Which of two records comes first.
fn in_order(newest_first: bool, a: &After, b: &After) -> Ordering {
    let order = (a.effective_ms, &a.record).cmp(&(b.effective_ms, &b.record));
    if newest_first { order.reverse() } else { order }
}

/// A page of what changed after the change of this number, in the order of the journal. A record comes once, with its last
/// change: of the earlier ones another revision is told, which is no longer there.
async fn by_change(app: &App, user: &UserId, search: &Search, after: u64, limit: usize) -> Result<Found, Problem> {
    let kinds = search.kinds();
    let (mut found, mut after, mut looks, mut bytes) = (Vec::new(), after, 0, 0);
    loop {
        let (changes, more) = app.outbox.events().changes(user, after, WAVE).await?;
        let meant: Vec<_> =
            changes.iter().filter(|one| kinds.as_ref().is_none_or(|kinds| kinds.contains(&one.kind))).collect();
        let ids: BTreeSet<RecordId> = meant.iter().map(|one| one.record.clone()).collect();
        let mut records = app.records.get_many(user, &ids.into_iter().collect::<Vec<_>>()).await?;
        for change in meant {
            let is_last = |record: &Record| record.rev == change.rev && search.holds(record);
            if records.get(&change.record).is_some_and(is_last)
                && let Some(record) = records.remove(&change.record)
            {
                bytes += escaped_len(&serde_json::to_string(&record)?);
                found.push((Place::Change(change.sequence), record));
            }
            after = change.sequence;
            if found.len() == limit || bytes > PAGE_BYTES {
                return Ok((found, Some(Place::Change(after))));
            }
        }
        looks += changes.len();
        after = changes.last().map_or(after, |last| last.sequence);
        if !more {
            return Ok((found, None));
        }
        if looks >= LOOKS {
            return Ok((found, Some(Place::Change(after))));
        }
    }
}

/// The records of devices that the records name, as far as there are any.
pub(super) async fn devices_of(
    app: &App,
    user: &UserId,
    records: impl Iterator<Item = &Record>,
) -> Result<BTreeSet<RecordId>, Problem> {
    let named: BTreeSet<RecordId> =
        records.filter_map(|record| record.source.device_id.as_deref()).map(|hash| device_record(user, hash)).collect();
    let named: Vec<RecordId> = named.into_iter().collect();
    Ok(app.records.get_many(user, &named).await?.into_keys().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_as_it_was_written() {
        let after = After { record: RecordId::derive(&["a"]), effective_ms: -7 };
        for place in [Place::Time(after), Place::Change(70)] {
            assert_eq!(Place::read(&place.to_text()).unwrap(), place);
        }
        for other in ["", "change", "change x", "7", "x rec_1"] {
            assert!(Place::read(other).is_err(), "{other}");
        }
    }
}
