//! The numbers of a record, each with when it was: a measurement has one, a compound one per part, an hour of samples
//! hundreds.

use std::fmt;
use std::str::FromStr;

use afferent_domain::exact::Decimal;
use afferent_domain::record::{Attribution, Component, Effective, Record};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::days::local_day;
use crate::kinds;
use crate::zone;

/// Which number is meant: a kind (`body_weight`), a part of a compound (`blood_pressure.systolic`), or one method of a
/// part (`activity_day.heart_rate.mean`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    /// The kind of the records.
    pub kind: String,
    /// The part of a compound.
    pub part: Option<String>,
    /// How the part came about.
    pub method: Option<String>,
}

/// The text names no number; what would.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownQuantity(pub String);

impl FromStr for Quantity {
    type Err = UnknownQuantity;

    fn from_str(text: &str) -> Result<Self, UnknownQuantity> {
        let whole = |kind: &str| Self { kind: kind.to_owned(), part: None, method: None };
        // Kinds that nobody named have dots in their names, and no parts.
        if text.starts_with("withings.") {
            return Ok(whole(text));
        }
        let mut names = text.split('.');
        let (kind, part, method, more) = (names.next().unwrap_or_default(), names.next(), names.next(), names.next());
        let list = |names: Vec<String>| UnknownQuantity(format!("one of {}", names.join(", ")));
        if !kinds::is_compound(kind) {
            let named = !kind.is_empty() && part.is_none();
            return if named {
                Ok(whole(kind))
            } else {
                Err(UnknownQuantity("a kind, such as body_weight".to_owned()))
            };
        }
        let parts = || kinds::parts(kind).into_iter().map(|part| format!("{kind}.{part}")).collect();
        let part = part.filter(|_| more.is_none()).ok_or_else(|| list(parts()))?;
        let known = kinds::methods(kind, part);
        if known.is_empty() {
            return Err(list(parts()));
        }
        let methods =
            || known.iter().filter(|method| !method.is_empty()).map(|method| format!("{kind}.{part}.{method}"));
        match method {
            None if known.contains(&"") => {}
            Some(method) if known.contains(&method) && !method.is_empty() => {}
            None => return Err(list(methods().collect())),
            Some(_) => return Err(list(std::iter::once(format!("{kind}.{part}")).chain(methods()).collect())),
        }
        let (part, method) = (Some(part.to_owned()), method.map(str::to_owned));
        Ok(Self { kind: kind.to_owned(), part, method })
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = [&self.part, &self.method].into_iter().flatten();
        rest.fold(f.write_str(&self.kind), |written, name| written.and_then(|()| write!(f, ".{name}")))
    }
}

/// One number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it was or began, in milliseconds since the epoch.
    pub at_ms: i64,
    /// Until when it lasted, if that is known.
    pub until_ms: Option<i64>,
    /// The number.
    pub value: Decimal,
}

/// A record's numbers of one quantity, sorted by time.
pub struct Samples<'a> {
    record: &'a Record,
    zone: TimeZone,
    day: Option<Date>,
    /// The numbers.
    pub numbers: Vec<Sample>,
    /// Their unit (UCUM).
    pub unit: Option<&'a str>,
}

impl<'a> Samples<'a> {
    /// The numbers of `record` that `quantity` means.
    #[must_use]
    pub fn of(record: &'a Record, quantity: &Quantity) -> Self {
        let (numbers, unit) = numbers(record, quantity);
        Self { record, zone: zone::zone(record.tz.as_deref()), day: local_day(record), numbers, unit }
    }

    /// The day that a number counts for: of an hour of samples the one that it was where the person was, else the
    /// record's.
    #[must_use]
    pub fn day(&self, sample: &Sample) -> Option<Date> {
        if self.record.series.is_some() { zone::day(&self.zone, sample.at_ms) } else { self.day }
    }

    /// The day that the record counts for.
    pub(crate) const fn record_day(&self) -> Option<Date> {
        self.day
    }

    /// The zone of the record.
    pub(crate) const fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

fn numbers<'a>(record: &'a Record, quantity: &Quantity) -> (Vec<Sample>, Option<&'a str>) {
    let single = |value| Sample { at_ms: record.effective_ms, until_ms: end_ms(&record.effective), value };
    if let Some(name) = &quantity.part {
        let part = part(&record.components, name, quantity.method.as_deref());
        let number = part.and_then(|part| part.value).map(single);
        return (number.into_iter().collect(), part.and_then(|part| part.unit.as_deref()));
    }
    if let Some(series) = &record.series {
        let until = |index: usize, at: i64| {
            let duration = series.durations_s.get(index).filter(|duration| **duration > 0)?;
            Some(at.saturating_add(duration.saturating_mul(1000)))
        };
        let numbers = series.offsets_s.iter().zip(&series.values).enumerate().map(|(index, (offset, value))| {
            let at_ms = series.origin_ms.saturating_add(offset.saturating_mul(1000));
            Sample { at_ms, until_ms: until(index, at_ms), value: *value }
        });
        return (numbers.collect(), Some(series.unit.as_str()));
    }
    (record.value.map(single).into_iter().collect(), record.unit.as_deref())
}

/// The part of a compound by its name and method.
pub(crate) fn part<'a>(parts: &'a [Component], name: &str, method: Option<&str>) -> Option<&'a Component> {
    parts.iter().find(|part| part.kind == name && part.method.as_deref() == method)
}

/// The attribution as far as it is told: that a device knew the person goes without saying.
pub(crate) fn told(attribution: Option<Attribution>) -> Option<Attribution> {
    attribution.filter(|attribution| *attribution != Attribution::Device)
}

/// Its name.
pub(crate) fn attribution_name(attribution: Attribution) -> String {
    serde_json::to_string(&attribution).unwrap_or_default().trim_matches('"').to_owned()
}

/// The end of a period, in milliseconds since the epoch.
pub(crate) fn end_ms(effective: &Effective) -> Option<i64> {
    match effective {
        Effective::At { .. } => None,
        Effective::Period { end, .. } => end.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_reads_back_as_it_was_written() {
        for text in [
            "body_weight",
            "heart_rate",
            "blood_pressure.systolic",
            "activity_day.steps_total",
            "activity_day.heart_rate.mean",
            "workout.active_energy",
            "workout.active_energy.manual",
            "withings.meastype.4711",
        ] {
            assert_eq!(text.parse::<Quantity>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn of_a_compound_one_number_has_to_be_named() {
        let expected = |text: &str| text.parse::<Quantity>().unwrap_err().0;
        assert_eq!(expected("blood_pressure"), "one of blood_pressure.diastolic, blood_pressure.systolic");
        assert_eq!(expected("blood_pressure.pulse"), expected("blood_pressure"));
        assert_eq!(
            expected("activity_day.heart_rate"),
            "one of activity_day.heart_rate.mean, activity_day.heart_rate.minimum, activity_day.heart_rate.maximum"
        );
        assert_eq!(expected("activity_day.steps_total.mean"), "one of activity_day.steps_total");
        assert_eq!(expected("body_weight.mean"), "a kind, such as body_weight");
        assert_eq!(expected(""), "a kind, such as body_weight");
    }
}
