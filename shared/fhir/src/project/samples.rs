//! Series and signals as `SampledData`, whose samples are equidistant.
//!
//! The samples of a series come when they come. They are put on the widest grid that has them all, from the beginning of
//! the hour; `E` stands where there is none. So nothing is lost and nothing is invented.

use std::fmt::Write as _;

use afferent_domain::exact::Decimal;
use afferent_domain::record::{Record, Series, Signal};

use super::parts::{named, sampled};
use crate::model::{Coding, Component, Quantity, SampledData, Value};
use crate::number::Number;

/// The most places of a grid: the seconds of an hour.
const PLACES: i64 = 3600;

/// What a series or a signal of the record becomes.
pub(super) fn of(record: &Record) -> Vec<Component> {
    let series = record.series.iter().flat_map(|series| of_series(record, series));
    series.chain(record.signal.iter().flat_map(|signal| of_signal(record, signal))).collect()
}

fn of_series(record: &Record, series: &Series) -> Vec<Component> {
    let grid = |values: &[Decimal], unit: &str| {
        let data = on_grid(&series.offsets_s, values)?;
        Some(Value::Samples(SampledData {
            origin: Quantity::new(0, Some(unit)),
            period: Number::from(data.0 * 1000),
            dimensions: 1,
            data: data.1,
        }))
    };
    let values = grid(&series.values, &series.unit).map(|values| sampled(record, values));
    let durations: Vec<Decimal> = series.durations_s.iter().map(|seconds| Decimal::from(*seconds)).collect();
    let durations = if durations.is_empty() { None } else { grid(&durations, "s") };
    values.into_iter().chain(durations.map(|durations| named("sample_duration", durations))).collect()
}

/// The seconds between two places, and what stands at each. `None` if there is nothing, or it is of no hour.
fn on_grid(offsets: &[i64], values: &[Decimal]) -> Option<(i64, String)> {
    let last = *offsets.last()?;
    let sorted = offsets.windows(2).all(|pair| pair[0] < pair[1]);
    if !sorted || offsets.first().is_none_or(|first| *first < 0) || last >= PLACES || offsets.len() != values.len() {
        return None;
    }
    let step = offsets.iter().fold(0, |step, offset| common(step, *offset));
    // One sample at the very beginning has no step: the hour is one.
    let step = if step == 0 { PLACES } else { step };
    let mut data = String::new();
    let mut samples = offsets.iter().zip(values).peekable();
    for place in 0..=last / step {
        let gap = if place == 0 { "" } else { " " };
        let _ = match samples.next_if(|(offset, _)| **offset == place * step) {
            Some((_, value)) => write!(data, "{gap}{value}"),
            None => write!(data, "{gap}E"),
        };
    }
    Some((step, data))
}

/// The greatest common divisor.
const fn common(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn of_signal(record: &Record, signal: &Signal) -> Vec<Component> {
    let number = |count: u32| Value::Integer(count);
    let mut parts = vec![named("signal_id", Value::Text(signal.signalid.to_string()))];
    parts.extend(signal.part.map(|part| named("signal_part", number(part))));
    parts.extend(signal.parts.map(|parts| named("signal_parts", number(parts))));
    parts.extend(signal.digest.clone().map(|digest| named("signal_digest", Value::Text(digest))));
    let hertz = |hertz| named("sampling_frequency", Value::Quantity(Quantity::new(hertz, Some("Hz"))));
    parts.extend(signal.sampling_hz.map(hertz));
    if signal.samples.is_empty() {
        return parts;
    }
    let data = signal.samples.iter().map(i64::to_string).collect::<Vec<_>>().join(" ");
    let unit = signal.unit.as_deref();
    let value = match signal.sampling_hz.and_then(Number::period_ms) {
        Some(period) => Value::Samples(SampledData { origin: Quantity::new(0, unit), period, dimensions: 1, data }),
        // Samples without a rate are no SampledData.
        None => Value::Text(data),
    };
    let mut samples = sampled(record, value);
    if record.kind == "ecg_signal" {
        let potential = Coding {
            display: Some("MDC_ECG_ELEC_POTL".to_owned()),
            ..Coding::new("urn:iso:std:iso:11073:10101", "131328")
        };
        samples.code.coding.insert(0, potential);
    }
    parts.push(samples);
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grid(samples: &[(i64, i64)]) -> Option<(i64, String)> {
        let values: Vec<Decimal> = samples.iter().map(|(_, value)| Decimal::from(*value)).collect();
        on_grid(&samples.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), &values)
    }

    #[test]
    fn samples_stand_on_the_widest_grid_that_has_them_all() {
        assert_eq!(grid(&[(0, 61), (60, 62), (180, 64)]), Some((60, "61 62 E 64".to_owned())));
        assert_eq!(grid(&[(600, 5), (1_200, 7)]), Some((600, "E 5 7".to_owned())));
        assert_eq!(grid(&[(0, 9)]), Some((3_600, "9".to_owned())));
        assert_eq!(grid(&[(7, 9)]), Some((7, "E 9".to_owned())));
    }

    #[test]
    fn what_is_of_no_hour_has_no_grid() {
        assert_eq!(grid(&[]), None);
        assert_eq!(grid(&[(-60, 1)]), None);
        assert_eq!(grid(&[(3_600, 1)]), None);
        assert_eq!(grid(&[(60, 1), (60, 2)]), None);
        assert_eq!(on_grid(&[0], &[]), None);
    }

    proptest! {
        #[test]
        fn every_sample_is_found_at_its_second(samples in prop::collection::btree_map(0_i64..3_600, 0_i64..300, 1..90)) {
            let samples: Vec<(i64, i64)> = samples.into_iter().collect();
            let (step, data) = grid(&samples).unwrap();
            let found: Vec<(i64, i64)> = (0..)
                .zip(data.split(' '))
                .filter(|(_, text)| *text != "E")
                .map(|(place, text)| (place * step, text.parse().unwrap()))
                .collect();
            prop_assert_eq!(found, samples);
        }
    }
}
