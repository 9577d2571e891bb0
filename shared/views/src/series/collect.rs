//! From records, fed in the order of time, to a page of a series.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use afferent_domain::record::Record;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::bucket::{Stats, begin, end, text};
use super::{Bucket, From, POINTS, Point, Raw, Resolution, Series, Wish};
use crate::days::{Dates, earliest_day};
use crate::kinds;
use crate::samples::{Sample, Samples};

const HOUR_MS: i64 = 3_600_000;

/// Which device, by its place in the list of those that were met.
type Device = usize;

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
    covered_ms: i64,
    whole: Stats,
    buckets: BTreeMap<From, Stats>,
}

/// Collects a page of a series. Records are added in the order of their `effective_ms`, the oldest first.
pub struct Collector<'a> {
    wish: &'a Wish,
    unit: Option<String>,
    devices: Vec<Option<String>>,
    slots: BTreeMap<Slot, BTreeMap<Device, Share>>,
    /// The buckets that there are, each with the zone that it is told in.
    buckets: BTreeMap<From, TimeZone>,
    raw: Vec<(i64, Raw)>,
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
            seen: BTreeSet::new(),
        }
    }

    /// Adds a record's numbers, as far as they are asked for.
    pub fn add(&mut self, record: &Record) {
        let source = record.source.device_id.as_deref();
        if self.wish.device.as_deref().is_some_and(|wanted| source != Some(wanted)) || !self.is_of_site(record) {
            return;
        }
        let samples = Samples::of(record, &self.wish.quantity);
        if samples.numbers.is_empty() {
            return;
        }
        if self.unit.is_none() {
            self.unit = samples.unit.filter(|unit| !unit.is_empty()).map(str::to_owned);
        }
        let device = self.device(source);
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
                    self.raw.push((sample.at_ms, raw(record, &samples, sample)));
                }
                continue;
            }
            if of_this_page {
                self.buckets.entry(first).or_insert_with(|| samples.zone().clone());
            }
            // What the page before told decides with the rest of its hour which device counts.
            self.put(self.slot(record, sample, day, samples.unit.unwrap_or_default()), device, first, sample);
        }
    }

    fn put(&mut self, slot: Slot, device: Device, bucket: From, sample: &Sample) {
        /// A number that does not say how long it lasted.
        const MOMENT_MS: i64 = 60_000;
        let covered_ms = sample.until_ms.map_or(MOMENT_MS, |until| until.saturating_sub(sample.at_ms));
        let one = Stats::one(sample.value);
        match self.slots.entry(slot).or_default().entry(device) {
            Entry::Vacant(vacant) => {
                vacant.insert(Share { covered_ms, whole: one, buckets: BTreeMap::from([(bucket, one)]) });
            }
            Entry::Occupied(occupied) => {
                let share = occupied.into_mut();
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

    fn device(&mut self, source: Option<&str>) -> Device {
        let known = self.devices.iter().position(|device| device.as_deref() == source);
        known.unwrap_or_else(|| {
            self.devices.push(source.map(str::to_owned));
            self.devices.len() - 1
        })
    }

    /// How many points are complete once every record before `effective_ms` was added.
    #[must_use]
    pub fn complete(&self, effective_ms: i64) -> usize {
        match self.wish.resolution {
            Resolution::Raw => self.raw.iter().filter(|(at, _)| *at < effective_ms).count(),
            _ => self.buckets.keys().filter(|begin| self.is_complete(**begin, effective_ms)).count(),
        }
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
        self.raw.sort_by(|one, other| {
            (one.0, &one.1.record, &one.1.device_id).cmp(&(other.0, &other.1.record, &other.1.device_id))
        });
        let full = self.raw.get(POINTS).map(|(at, _)| *at);
        // Numbers of one instant stay together, however many they are.
        let first = self.raw.first().map(|(at, _)| at.saturating_add(1));
        let cut = [unread_ms, full.max(full.and(first))].into_iter().flatten().min();
        let kept = self.raw.into_iter().filter(|(at, _)| cut.is_none_or(|cut| *at < cut));
        (kept.map(|(_, raw)| Point::Raw(raw)).collect(), cut.map(From::Instant))
    }

    fn sums(self, unread_ms: Option<i64>) -> (Vec<Point>, Option<From>) {
        let devices = if self.wish.by_device { self.devices.len().max(1) } else { 1 };
        let full = self.buckets.keys().nth((POINTS / devices).max(1)).copied();
        // What was not read may open a bucket that nothing was met of yet.
        let unread = unread_ms.map(|unread| begin(self.wish.resolution, unread, earliest_day(unread)));
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
            Point::Bucket(Bucket {
                start: text(bucket, &zone),
                end: text(end(self.wish.resolution, bucket), &zone),
                count: stats.count,
                min: stats.min,
                max: stats.max,
                mean: stats.mean(),
                sum: stats.sum().filter(|_| amount),
                device_id: device.and_then(|device| self.devices.get(device).cloned().flatten()),
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
            let id = self.devices.get(**device).cloned().flatten();
            (share.covered_ms, share.whole.count, share.whole.sum(), std::cmp::Reverse(id))
        };
        shares.iter().max_by_key(rank).into_iter().collect()
    }
}

fn raw(record: &Record, samples: &Samples<'_>, sample: &Sample) -> Raw {
    Raw {
        at: samples.text(sample.at_ms),
        end: sample.until_ms.map(|until| samples.text(until)),
        value: sample.value,
        record: record.record.to_string(),
        device_id: record.source.device_id.clone(),
    }
}
