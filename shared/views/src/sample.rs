//! Records to test with.

use afferent_domain::Timestamp;
use afferent_domain::exact::Decimal;
use afferent_domain::id::{ConnectionId, RecordId, UserId};
use afferent_domain::record::{
    Attribution, Category, Change, Component, Effective, Fact, Record, Series, Source, SyncKind, revise,
};
use jiff::tz::TimeZone;

pub(crate) const LISBON: &str = "Europe/Lisbon";

/// An instant, from RFC 3339.
pub(crate) fn ms(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

pub(crate) fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(crate) fn local(zone: &str, ms: i64) -> String {
    crate::zone::text(&TimeZone::get(zone).unwrap(), ms).unwrap()
}

/// A fact at an instant in a zone, from a device; what it says is set by `set`.
pub(crate) fn record(name: &str, kind: &str, at: &str, set: impl FnOnce(&mut Fact)) -> Record {
    let (user, connection) = (UserId::from("usr_1"), ConnectionId::from("con_1"));
    let mut source = Source::withings("getmeas");
    source.device_id = Some("watch".to_owned());
    source.attribution = Some(Attribution::Device);
    let at = Timestamp::from_millis(ms(at));
    let mut fact = Fact::bare(user, connection, RecordId::from(name), kind, Category::VitalSigns, at, source);
    fact.tz = Some(LISBON.to_owned());
    set(&mut fact);
    let zone = fact.tz.clone().unwrap();
    let text = local(&zone, fact.effective_ms);
    if let Effective::At { .. } = fact.effective {
        fact.effective = Effective::At { at: text.clone() };
    }
    fact.local_date.get_or_insert(text[..10].to_owned());
    match revise(None, fact, at, SyncKind::Live) {
        Change::Write(record) => *record,
        Change::Unchanged => unreachable!("nothing is stored"),
    }
}

/// A measurement.
pub(crate) fn measured(name: &str, kind: &str, at: &str, value: &str, unit: &str) -> Record {
    record(name, kind, at, |fact| {
        fact.value = Some(decimal(value));
        fact.unit = Some(unit.to_owned());
    })
}

/// An hour of samples of a device: (second of the hour, value, seconds that it lasted).
pub(crate) fn hour(name: &str, kind: &str, unit: &str, at: &str, device: &str, samples: &[(i64, &str, i64)]) -> Record {
    record(name, kind, at, |fact| {
        fact.source.device_id = Some(device.to_owned());
        let origin_ms = fact.effective_ms;
        fact.effective =
            Effective::Period { start: local(LISBON, origin_ms), end: local(LISBON, origin_ms + 3_600_000) };
        fact.series = Some(Series {
            unit: unit.to_owned(),
            origin_ms,
            offsets_s: samples.iter().map(|(offset, ..)| *offset).collect(),
            values: samples.iter().map(|(_, value, _)| decimal(value)).collect(),
            durations_s: samples.iter().map(|(.., duration)| *duration).collect(),
        });
    })
}

/// A compound over a period: (part, method, value, unit).
pub(crate) fn compound(
    name: &str,
    kind: &str,
    (start, end): (&str, &str),
    parts: &[(&str, &str, &str, &str)],
) -> Record {
    record(name, kind, start, |fact| {
        fact.effective = Effective::Period { start: local(LISBON, ms(start)), end: local(LISBON, ms(end)) };
        fact.components = parts
            .iter()
            .map(|(part, method, value, unit)| Component {
                kind: (*part).to_owned(),
                method: (!method.is_empty()).then(|| (*method).to_owned()),
                value: Some(decimal(value)),
                unit: Some((*unit).to_owned()),
                ..Component::default()
            })
            .collect();
    })
}
