//! From records, fed in the order of time, to a page of a series.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use afferent_domain::exact::Decimal;
use afferent_domain::record::{Attribution, Record, Source};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::bucket::{Stats, begin, end, text};
use super::{Bucket, From, POINTS, Point, Raw, Resolution, Series, Wish};
use crate::days::{Dates, earliest_day};
use crate::kinds;
use crate::samples::{Sample, Samples, told};
use crate::summaries::{Rank, rank};
use crate::zone;

const HOUR_MS: i64 = 3_600_000;

/// Which device, by its place in the list of those that were met.
type Device = usize;

/// What tells devices apart. A phone and what another maker's app brought have no id.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Identity {
    device_id: Option<String>,
    model: Option<String>,
    external: bool,
}

impl Identity {
    fn of(source: &Source) -> Self {
        if source.device_id.is_some() {
            return Self { device_id: source.device_id.clone(), ..Self::default() };
        }
        let model = source.model.clone().or_else(|| source.model_id.map(|id| id.to_string()));
        Self { device_id: None, model, external: source.attribution == Some(Attribution::External) }
    }
}

/// A number as it is, before it is told: telling takes longer and more room than all the rest.
struct Kept {
    at_ms: i64,
    until_ms: Option<i64>,
    value: Decimal,
    /// The place of its record in the list of those.
    record: usize,
}

/// What is told of the record of such a number.
struct Told {
    record: String,
    device_id: Option<String>,
    attribution: Option<Attribution>,
    zone: TimeZone,
}

/// Numbers that compete: those of several devices in one slot are the same thing measured twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    /// Nothing competes.
    Any,
    /// A UTC hour.
    Hour(i64),
    /// A local day.
    Day(Date),
}

/// What one device has in a slot.
struct Share {
    /// Of a day's activity and nights: a series and a summary tell of the same device.
    rank: Option<Rank>,
    covered_ms: i64,
    whole: Stats,
    buckets: BTreeMap<From, Stats>,
}

/// Collects a page of a series. Records are added in the order of their `effective_ms`, the oldest first.
pub struct Collector<'a> {
    wish: &'a Wish,
    unit: Option<String>,
    devices: Vec<Identity>,
    slots: BTreeMap<Slot, BTreeMap<Device, Share>>,
    /// The buckets that there are, each with the zone that it is told in.
    buckets: BTreeMap<From, TimeZone>,
    raw: Vec<Kept>,
    told: Vec<Told>,
    /// The samples of one device and second that came: of what other services still may bring again.
    seen: BTreeSet<(i64, Device)>,
}

impl<'a> Collector<'a> {
    /// Collects what `wish` asks for.
    #[must_use]
    pub fn new(wish: &'a Wish) -> Self {
        Self {
            wish,
            unit: None,
            devices: Vec::new(),
            slots: BTreeMap::new(),
            buckets: BTreeMap::new(),
            raw: Vec::new(),
            told: Vec::new(),
            seen: BTreeSet::new(),
        }
    }

    /// Adds a record's numbers, as far as they are asked for.
    pub fn add(&mut self, record: &Record) {
        let device_id = record.source.device_id.as_deref();
        if self.wish.device.as_deref().is_some_and(|wanted| device_id != Some(wanted)) || !self.is_of_site(record) {
            return;
        }
        let samples = Samples::of(record, &self.wish.quantity);
        if samples.numbers.is_empty() {
            return;
        }
        if self.unit.is_none() {
            self.unit = samples.unit.filter(|unit| !unit.is_empty()).map(str::to_owned);
        }
        let device = self.device(Identity::of(&record.source));
        self.seen = self.seen.split_off(&(record.effective_ms, 0));
        let by_day = self.wish.resolution.is_of_days() || matches!(self.wish.dates, Dates::Days { .. });
        for sample in &samples.numbers {
            // What day a sample was on takes longer than all the rest.
            let day = if by_day { samples.day(sample) } else { samples.record_day() };
            let Some(day) = day else { continue };
            if !self.wish.dates.hold_at(sample.at_ms, day) {
                continue;
            }
            if record.series.is_some() && !self.seen.insert((sample.at_ms, device)) {
                continue;
            }
            let first = begin(self.wish.resolution, sample.at_ms, day);
            let of_this_page = self.wish.from.is_none_or(|from| first >= from);
            if self.wish.resolution == Resolution::Raw {
                if of_this_page {
                    let Sample { at_ms, until_ms, value } = *sample;
                    self.raw.push(Kept { at_ms, until_ms, value, record: self.told.len() });
                }
                continue;
            }
            if of_this_page {
                self.buckets.entry(first).or_insert_with(|| samples.zone().clone());
            }
            // What the page before told decides with the rest of its hour which device counts.
            let slot = self.slot(record, sample, day, samples.unit.unwrap_or_default());
            self.put(slot, (device, rank(record)), first, sample);
        }
        if self.raw.last().is_some_and(|last| last.record == self.told.len()) {
            self.told.push(Told {
                record: record.record.to_string(),
                device_id: record.source.device_id.clone(),
                attribution: told(record.source.attribution),
                zone: samples.zone().clone(),
            });
        }
    }

    fn put(&mut self, slot: Slot, (device, rank): (Device, Option<Rank>), bucket: From, sample: &Sample) {
        /// A number that does not say how long it lasted.
        const MOMENT_MS: i64 = 60_000;
        let covered_ms = sample.until_ms.map_or(MOMENT_MS, |until| until.saturating_sub(sample.at_ms));
        let one = Stats::one(sample.value);
        match self.slots.entry(slot).or_default().entry(device) {
            Entry::Vacant(vacant) => {
                vacant.insert(Share { rank, covered_ms, whole: one, buckets: BTreeMap::from([(bucket, one)]) });
            }
            Entry::Occupied(occupied) => {
                let share = occupied.into_mut();
                share.rank = share.rank.take().max(rank);
                share.covered_ms = share.covered_ms.saturating_add(covered_ms);
                share.whole.add(&one);
                share.buckets.entry(bucket).and_modify(|stats| stats.add(&one)).or_insert(one);
            }
        }
    }

    fn slot(&self, record: &Record, sample: &Sample, day: Date, unit: &str) -> Slot {
        let quantity = &self.wish.quantity;
        let name = quantity.part.as_deref().unwrap_or(&quantity.kind);
        if self.wish.by_device || !kinds::is_amount(name, unit) {
            Slot::Any
        } else if record.series.is_some() {
            Slot::Hour(sample.at_ms.div_euclid(HOUR_MS))
        } else if matches!(&*record.kind, "activity_day" | "sleep_session") {
            Slot::Day(day)
        } else {
            Slot::Any
        }
    }

    /// The whole body is where no site is named, or it is.
    fn is_of_site(&self, record: &Record) -> bool {
        match (self.wish.body_site.as_deref(), record.body_site.as_deref()) {
            (None, site) => matches!(site, None | Some("whole_body")),
            (wanted, site) => wanted == site,
        }
    }

    fn device(&mut self, identity: Identity) -> Device {
        let known = self.devices.iter().position(|device| *device == identity);
        known.unwrap_or_else(|| {
            self.devices.push(identity);
            self.devices.len() - 1
        })
    }

    /// How many points are complete once every record before `effective_ms` was added.
    #[must_use]
    pub fn complete(&self, effective_ms: i64) -> usize {
        match self.wish.resolution {
            Resolution::Raw => self.raw.iter().filter(|kept| kept.at_ms < effective_ms).count(),
            _ => self.buckets.keys().filter(|begin| self.is_complete(**begin, effective_ms)).count(),
        }
    }

    /// Whether more is complete than an answer has, once every record before `effective_ms` was added.
    #[must_use]
    pub fn is_full(&self, effective_ms: i64) -> bool {
        let (raw, buckets) = (self.raw.len(), self.buckets.len());
        raw.max(buckets) > POINTS && self.complete(effective_ms) > POINTS
    }

    /// Whether a page that ends there goes on behind where it began, even if it has no points.
    #[must_use]
    pub fn moves_on(&self, effective_ms: i64) -> bool {
        self.wish.from.is_none_or(|from| self.unread(effective_ms) > from)
    }

    /// The first bucket that may lack what was not read.
    fn unread(&self, effective_ms: i64) -> From {
        begin(self.wish.resolution, effective_ms, earliest_day(effective_ms))
    }

    fn is_complete(&self, begin: From, effective_ms: i64) -> bool {
        match end(self.wish.resolution, begin) {
            From::Instant(end) => end <= effective_ms,
            From::Day(last) => last < earliest_day(effective_ms),
        }
    }

    /// The page: everything, or if records from `unread_ms` (`effective_ms`) on were not added, what is complete.
    #[must_use]
    pub fn finish(self, unread_ms: Option<i64>) -> Series {
        let unit = self.unit.clone();
        let (points, next) =
            if self.wish.resolution == Resolution::Raw { self.raws(unread_ms) } else { self.sums(unread_ms) };
        Series { unit, points, next }
    }

    fn raws(mut self, unread_ms: Option<i64>) -> (Vec<Point>, Option<From>) {
        let place = |kept: &Kept| (kept.at_ms, self.told.get(kept.record).map(|told| &told.record));
        self.raw.sort_by(|one, other| place(one).cmp(&place(other)));
        let full = self.raw.get(POINTS).map(|kept| kept.at_ms);
        // Numbers of one instant stay together, however many they are.
        let first = self.raw.first().map(|kept| kept.at_ms.saturating_add(1));
        let cut = [unread_ms, full.max(full.and(first))].into_iter().flatten().min();
        let kept = self.raw.iter().filter(|kept| cut.is_none_or(|cut| kept.at_ms < cut));
        let points = kept.filter_map(|kept| Some(Point::Raw(raw(kept, self.told.get(kept.record)?))));
        (points.collect(), cut.map(From::Instant))
    }

    fn sums(self, unread_ms: Option<i64>) -> (Vec<Point>, Option<From>) {
        let devices = if self.wish.by_device { self.devices.len().max(1) } else { 1 };
        let full = self.buckets.keys().nth((POINTS / devices).max(1)).copied();
        // What was not read may open a bucket that nothing was met of yet.
        let unread = unread_ms.map(|unread| self.unread(unread));
        let next = [full, unread].into_iter().flatten().min();
        let mut sums: BTreeMap<(From, Option<Device>), Stats> = BTreeMap::new();
        for (slot, shares) in &self.slots {
            for (device, share) in self.counting(*slot, shares) {
                for (bucket, stats) in &share.buckets {
                    if !self.buckets.contains_key(bucket) || next.is_some_and(|next| *bucket >= next) {
                        continue;
                    }
                    let device = self.wish.by_device.then_some(*device);
                    sums.entry((*bucket, device)).and_modify(|sum| sum.add(stats)).or_insert(*stats);
                }
            }
        }
        let amount = {
            let quantity = &self.wish.quantity;
            kinds::is_amount(
                quantity.part.as_deref().unwrap_or(&quantity.kind),
                self.unit.as_deref().unwrap_or_default(),
            )
        };
        let point = |((bucket, device), stats): ((From, Option<Device>), Stats)| {
            let zone = self.buckets.get(&bucket).cloned().unwrap_or(TimeZone::UTC);
            let identity = device.and_then(|device| self.devices.get(device).cloned()).unwrap_or_default();
            Point::Bucket(Bucket {
                start: text(bucket, &zone),
                end: text(end(self.wish.resolution, bucket), &zone),
                count: stats.count,
                min: stats.min,
                max: stats.max,
                mean: stats.mean(),
                sum: stats.sum().filter(|_| amount),
                device_id: identity.device_id,
                model: identity.model,
            })
        };
        (sums.into_iter().map(point).collect(), next)
    }

    /// The devices that count in a slot.
    fn counting<'s>(&self, slot: Slot, shares: &'s BTreeMap<Device, Share>) -> Vec<(&'s Device, &'s Share)> {
        if slot == Slot::Any {
            return shares.iter().collect();
        }
        let rank = |(device, share): &(&Device, &Share)| {
            let identity = self.devices.get(**device);
            (share.rank.clone(), share.covered_ms, share.whole.count, share.whole.sum(), std::cmp::Reverse(identity))
        };
        shares.iter().max_by_key(rank).into_iter().collect()
    }
}

fn raw(kept: &Kept, of: &Told) -> Raw {
    let text = |ms: i64| zone::text(&of.zone, ms).unwrap_or_default();
    Raw {
        at: text(kept.at_ms),
        end: kept.until_ms.map(text),
        value: kept.value,
        record: of.record.clone(),
        device_id: of.device_id.clone(),
        attribution: of.attribution,
    }
}
