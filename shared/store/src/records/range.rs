//! A user's records by time, of some kinds or of all of them, in pages.
//!
//! Each kind (or, if all are wanted, each service) is one query of an index, and the answers are merged by
//! (`effective_ms`, record). DynamoDB promises no order among equal `effective_ms`, and a weighing is a dozen records of
//! one second: so a stream gives nothing away until it has read past the instant that it is at.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};

use afferent_domain::id::{RecordId, UserId};
use afferent_domain::record::{Record, Status};
use afferent_domain::service::Service;
use futures_util::future::try_join_all;

use super::{After, Records, Shape, Text, read_known};
use crate::StoreError;
use crate::item::{Item, n, s};

/// How many records one page looks at, whatever it keeps of them.
pub const LOOKS: usize = 5_000;

/// The index that has whole records.
const BY_KIND: &str = "by_kind";

/// How many bytes of records, by [`super::escaped_len`] of their JSON, one page may hold; the first record always fits.
pub const PAGE_BYTES: usize = 4_000_000;

/// How many bytes of records one page looks at, whatever it keeps of them.
pub const LOOK_BYTES: usize = 16_000_000;

/// How many records an index without their contents is asked ahead of what is kept.
const WAVE: usize = 50;

/// The most that one query asks for.
const LARGEST_QUERY: usize = 1_000;

/// `source.service` of records that no service of Withings brought: notifications that are data, and our own.
const OTHERS: [&str; 2] = ["notify", "afferent"];

/// Which records are wanted.
#[derive(Clone, Debug)]
pub struct Range<'a> {
    /// Whose.
    pub user: &'a UserId,
    /// Of these kinds; without any, of all.
    pub kinds: &'a [String],
    /// From this `effective_ms` on.
    pub from_ms: i64,
    /// To this one, included.
    pub to_ms: i64,
    /// In which direction of time.
    pub newest_first: bool,
    /// Only what follows this one in that direction.
    pub after: Option<&'a After>,
    /// How many at most.
    pub limit: usize,
    /// Whether retracted ones are among them.
    pub retracted: bool,
    /// Whether it is enough to have what a view is made of: values, times, device. Then codes, raw pairs, the digest and what
    /// brought the record are not read, and blank in what comes: such a record is never stored, [`super::to_item`] refuses it. Only
    /// where kinds are named.
    pub lean: bool,
}

/// What a lean record has, by the names of the expression below.
const LEAN: &str = "#record, rev, #status, #kind, #category, #value, #unit, value_code, components, #series, effective, \
     effective_ms, tz, local_date, body_site, #method, #source.#provider, #source.#service, #source.device_id, \
     #source.#model, #source.model_id, #source.attribution, #connection, v";

/// The names in it that DynamoDB may keep for itself.
const LEAN_NAMES: [&str; 13] = [
    "record",
    "status",
    "kind",
    "category",
    "value",
    "unit",
    "series",
    "method",
    "source",
    "provider",
    "service",
    "model",
    "connection",
];

impl<'a> Range<'a> {
    /// All that the user has and that is not retracted, the newest first, 25 at most.
    #[must_use]
    pub const fn of(user: &'a UserId) -> Self {
        Self {
            user,
            kinds: &[],
            from_ms: i64::MIN,
            to_ms: i64::MAX,
            newest_first: true,
            after: None,
            limit: 25,
            retracted: false,
            lean: false,
        }
    }

    /// Fills the blanks of a lean item, so that it reads as a record.
    fn fill(&self, mut item: Item) -> Item {
        for blank in ["digest", "user_kind", "user_service", "change_bucket"] {
            item.insert(blank.to_owned(), s(""));
        }
        for never in ["ingested_ms", "changed_ms"] {
            item.insert(never.to_owned(), n(0));
        }
        item.insert("user".to_owned(), s(self.user.as_str()));
        item.insert("synckind".to_owned(), s("live"));
        item
    }

    fn order(&self, one: (i64, &RecordId), other: (i64, &RecordId)) -> Ordering {
        if self.newest_first { other.cmp(&one) } else { one.cmp(&other) }
    }

    /// The `effective_ms` that are still to be read; none if nothing is left.
    fn span(&self) -> Option<(i64, i64)> {
        let after = self.after.map(|after| after.effective_ms);
        let (from, to) = match after {
            None => (self.from_ms, self.to_ms),
            Some(at) if self.newest_first => (self.from_ms, self.to_ms.min(at)),
            Some(at) => (self.from_ms.max(at), self.to_ms),
        };
        (from <= to).then_some((from, to))
    }
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<T = Record> {
    /// The records, in their order.
    pub records: Vec<T>,
    /// Where the next page goes on, if there may be more. A page with room left has one too if it looked at [`LOOKS`]
    /// records or [`LOOK_BYTES`] of them, or holds [`PAGE_BYTES`].
    pub next: Option<After>,
}

impl<T> Default for Found<T> {
    fn default() -> Self {
        Self { records: Vec::new(), next: None }
    }
}

/// What an index says of a record.
struct Entry<T> {
    effective_ms: i64,
    record: RecordId,
    retracted: bool,
    /// Itself and its size, from an index that has it.
    whole: Option<(T, usize)>,
}

/// One query of an index, a piece at a time.
struct Stream<T> {
    index: &'static str,
    name: &'static str,
    key: String,
    ahead: VecDeque<Entry<T>>,
    size: usize,
    start: Option<Item>,
    done: bool,
}

impl<T> Stream<T> {
    fn new(index: &'static str, name: &'static str, key: String, size: usize) -> Self {
        Self { index, name, key, ahead: VecDeque::new(), size, start: None, done: false }
    }

    /// Whether all that shares the instant of the first one ahead is ahead too.
    fn ready(&self) -> bool {
        let ends = self.ahead.front().zip(self.ahead.back());
        self.done || ends.is_some_and(|(first, last)| first.effective_ms != last.effective_ms)
    }
}

impl Records {
    /// A page of a user's records, ordered by (`effective_ms`, record) in the wanted direction, of those that `keep`
    /// lets through. Which records there are is eventually consistent.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is no record.
    pub async fn range(&self, asked: &Range<'_>, keep: impl Fn(&Record) -> bool) -> Result<Found, StoreError> {
        self.range_of(asked, keep).await
    }

    /// The same, as texts; never lean.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is no record.
    pub async fn texts(&self, asked: &Range<'_>, keep: impl Fn(&Text) -> bool) -> Result<Found<Text>, StoreError> {
        self.range_of(&Range { lean: false, ..asked.clone() }, keep).await
    }

    async fn range_of<T: Shape>(&self, asked: &Range<'_>, keep: impl Fn(&T) -> bool) -> Result<Found<T>, StoreError> {
        let mut found = Found::default();
        let Some(span) = asked.span() else { return Ok(found) };
        let mut streams = streams(asked);
        let (mut looks, mut looked_bytes, mut bytes) = (0, 0, 0);
        let mut last = None;
        while found.records.len() < asked.limit && looks < LOOKS && looked_bytes < LOOK_BYTES && bytes < PAGE_BYTES {
            let wave = WAVE.min(asked.limit - found.records.len());
            let (mut entries, mut behind) = (Vec::new(), None);
            while entries.len() < wave && looks < LOOKS {
                self.fill(asked, span, &mut streams).await?;
                let Some(entry) = pop(asked, &mut streams) else { break };
                if asked.after.is_some_and(|after| {
                    asked.order((entry.effective_ms, &entry.record), (after.effective_ms, &after.record)).is_le()
                }) {
                    continue;
                }
                looks += 1;
                if entry.retracted && !asked.retracted {
                    behind = Some(After { record: entry.record, effective_ms: entry.effective_ms });
                    continue;
                }
                behind = None;
                entries.push(entry);
            }
            let none = entries.is_empty();
            for (place, record) in self.whole(asked.user, entries).await? {
                looked_bytes += record.as_ref().map_or(0, |(_, size)| *size);
                if let Some((record, size)) = record.filter(|(record, _)| wanted(asked, record) && keep(record)) {
                    if bytes > 0 && bytes + size > PAGE_BYTES {
                        found.next = last;
                        return Ok(found);
                    }
                    bytes += size;
                    found.records.push(record);
                }
                last = Some(place);
            }
            // Only now is all that lies before it on a page.
            last = behind.or(last);
            if none {
                break;
            }
        }
        let more = streams.iter().any(|stream| !stream.done || !stream.ahead.is_empty());
        found.next = last.filter(|_| more);
        Ok(found)
    }

    /// The newest record of each kind that is not retracted, in the order of `kinds`; nothing for a kind that the user
    /// has none of. Of several at one instant it is the one of the whole body.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is no record.
    pub async fn latest(&self, user: &UserId, kinds: &[String]) -> Result<Vec<Record>, StoreError> {
        /// More than there are parts of a body.
        const AT_ONCE: usize = 12;
        let newest = kinds.iter().map(async |kind| {
            let kinds = std::slice::from_ref(kind);
            let found = self.range(&Range { kinds, limit: AT_ONCE, ..Range::of(user) }, |_| true).await?;
            let at = found.records.first().map(|record| record.effective_ms);
            let same = found.records.into_iter().filter(|record| Some(record.effective_ms) == at);
            Ok::<_, StoreError>(same.min_by_key(|record| (record.body_site.is_some(), record.record.clone())))
        });
        Ok(try_join_all(newest).await?.into_iter().flatten().collect())
    }

    /// Makes every stream ready.
    async fn fill<T: Shape>(
        &self,
        asked: &Range<'_>,
        span: (i64, i64),
        streams: &mut [Stream<T>],
    ) -> Result<(), StoreError> {
        while streams.iter().any(|stream| !stream.ready()) {
            let waiting = streams.iter_mut().filter(|stream| !stream.ready());
            try_join_all(waiting.map(|stream| self.read_on(asked, span, stream))).await?;
        }
        Ok(())
    }

    async fn read_on<T: Shape>(
        &self,
        asked: &Range<'_>,
        span: (i64, i64),
        stream: &mut Stream<T>,
    ) -> Result<(), StoreError> {
        let lean = asked.lean && stream.index == BY_KIND;
        let mut query = self.client.query();
        if lean {
            query = query.projection_expression(LEAN);
            for name in LEAN_NAMES {
                query = query.expression_attribute_names(format!("#{name}"), name);
            }
        }
        let answer = query
            .table_name(&self.table)
            .index_name(stream.index)
            .key_condition_expression("#key = :key AND effective_ms BETWEEN :from AND :to")
            .expression_attribute_names("#key", stream.name)
            .expression_attribute_values(":key", s(&stream.key))
            .expression_attribute_values(":from", n(span.0))
            .expression_attribute_values(":to", n(span.1))
            .scan_index_forward(!asked.newest_first)
            .set_limit(i32::try_from(stream.size).ok())
            .set_exclusive_start_key(stream.start.take())
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        for item in answer.items.unwrap_or_default() {
            let item = if lean { asked.fill(item) } else { item };
            stream.ahead.push_back(entry(stream.index, &item)?);
        }
        let order = |one: &Entry<T>, other: &Entry<T>| {
            asked.order((one.effective_ms, &one.record), (other.effective_ms, &other.record))
        };
        stream.ahead.make_contiguous().sort_by(order);
        stream.start = answer.last_evaluated_key;
        stream.done = stream.start.is_none();
        stream.size = (stream.size * 2).min(LARGEST_QUERY);
        Ok(())
    }

    /// The entries with their records, in their order. One that is no longer there is left out.
    async fn whole<T: Shape>(
        &self,
        user: &UserId,
        entries: Vec<Entry<T>>,
    ) -> Result<Vec<(After, Option<(T, usize)>)>, StoreError> {
        let missing: Vec<_> =
            entries.iter().filter(|entry| entry.whole.is_none()).map(|entry| entry.record.clone()).collect();
        let mut read = if missing.is_empty() { HashMap::new() } else { self.get_sized(user, &missing).await? };
        let whole = entries.into_iter().map(|entry| {
            let record = entry.whole.or_else(|| read.remove(&entry.record));
            (After { record: entry.record, effective_ms: entry.effective_ms }, record)
        });
        Ok(whole.collect())
    }
}

fn streams<T>(asked: &Range<'_>) -> Vec<Stream<T>> {
    let user = asked.user;
    if asked.kinds.is_empty() {
        let services = Service::ALL.map(Service::name).into_iter().chain(OTHERS);
        let size = (asked.limit / 4 + 2).min(LARGEST_QUERY);
        return services
            .map(|service| Stream::new("by_service", "user_service", format!("{user}#{service}"), size))
            .collect();
    }
    let size = (asked.limit / asked.kinds.len() + 2).min(LARGEST_QUERY);
    let mut kinds: Vec<_> = asked.kinds.iter().collect();
    kinds.sort();
    kinds.dedup();
    kinds.into_iter().map(|kind| Stream::new(BY_KIND, "user_kind", format!("{user}#{kind}"), size)).collect()
}

/// The next entry of all streams; every one of them is ready.
fn pop<T>(asked: &Range<'_>, streams: &mut [Stream<T>]) -> Option<Entry<T>> {
    let fronts = streams.iter_mut().filter(|stream| !stream.ahead.is_empty());
    let place = |stream: &Stream<T>| stream.ahead.front().map(|entry| (entry.effective_ms, entry.record.clone()));
    let first = fronts.min_by(|one, other| match (place(one), place(other)) {
        (Some(one), Some(other)) => asked.order((one.0, &one.1), (other.0, &other.1)),
        _ => Ordering::Equal,
    })?;
    first.ahead.pop_front()
}

fn entry<T: Shape>(index: &str, item: &Item) -> Result<Entry<T>, StoreError> {
    if index == "by_service" {
        let known = read_known(item)?;
        let (effective_ms, record) = (known.effective_ms, known.record);
        return Ok(Entry { effective_ms, record, retracted: known.retracted, whole: None });
    }
    let (record, size) = T::read(item)?;
    Ok(Entry {
        effective_ms: record.effective_ms(),
        record: record.record().clone(),
        retracted: record.status() == Status::EnteredInError,
        whole: Some((record, size)),
    })
}

/// Whether the record itself is what its entry promised: an index may be behind.
fn wanted<T: Shape>(asked: &Range<'_>, record: &T) -> bool {
    (asked.retracted || record.status() != Status::EnteredInError)
        && (asked.from_ms..=asked.to_ms).contains(&record.effective_ms())
}
