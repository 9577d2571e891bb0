//! Decimals with the digits that were sent. FHIR: the precision of a decimal has meaning, 81.20 is not 81.2.

use afferent_domain::exact::Decimal;
use afferent_domain::record::Raw;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// The most decimal places that are kept as they were sent; beyond that zeros say nothing.
const PLACES: u32 = 12;

/// A number as it is to be written: plain digits, never an exponent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number(String);

impl Number {
    /// A value as precise as the pair that Withings sent. Records and tables drop trailing zeros; the pair has them. Our unit
    /// may be Withings' times a power of ten, so only the digits of the pair are looked at, and if they are others, the value
    /// stands as it is.
    #[must_use]
    pub fn as_sent(value: Decimal, raw: Option<Raw>) -> Self {
        let plain = value.to_string();
        let Some(raw) = raw.filter(|raw| raw.value != 0) else { return Self(plain) };
        let (sent, sent_zeros) = stripped(i128::from(raw.value));
        let (digits, zeros) = stripped(value.get().mantissa());
        let places = value.get().scale();
        // As it was sent, the last of `sent_zeros` zeros stands here.
        let wanted = (sent_zeros + places).saturating_sub(zeros);
        if digits != sent || wanted <= places || wanted > PLACES {
            return Self(plain);
        }
        let point = if places == 0 { "." } else { "" };
        let more = usize::try_from(wanted - places).unwrap_or(0);
        Self(format!("{plain}{point}{}", "0".repeat(more)))
    }

    /// The milliseconds between two samples at this many per second, to the picosecond; `None` if there is no such number.
    pub(crate) fn period_ms(hertz: Decimal) -> Option<Self> {
        let hertz = Some(hertz.get()).filter(|hertz| hertz.is_sign_positive())?;
        let period = rust_decimal::Decimal::ONE_THOUSAND.checked_div(hertz)?.round_dp(9).normalize();
        (!period.is_zero()).then(|| Self(period.to_string()))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The digits without trailing zeros, and how many those were.
fn stripped(mut digits: i128) -> (i128, u32) {
    let mut zeros = 0;
    while digits != 0 && digits % 10 == 0 {
        digits /= 10;
        zeros += 1;
    }
    (digits, zeros)
}

impl From<Decimal> for Number {
    fn from(value: Decimal) -> Self {
        Self(value.to_string())
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(value.to_string())
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.clone()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sent(value: i64, unit: i32, shift: i32) -> String {
        let number = Decimal::scaled(value, unit).unwrap().shifted(shift).unwrap();
        Number::as_sent(number, Some(Raw { value, unit })).as_str().to_owned()
    }

    #[test]
    fn zeros_that_were_sent_stay() {
        assert_eq!(sent(8_120, -2, 0), "81.20");
        assert_eq!(sent(81_200, -3, 0), "81.200");
        assert_eq!(sent(7_000, -2, 0), "70.00");
        assert_eq!(sent(70, 0, 0), "70");
        assert_eq!(sent(7, 1, 0), "70");
        assert_eq!(sent(-5_050, -2, 0), "-50.50");
        assert_eq!(sent(0, -2, 0), "0");
    }

    #[test]
    fn a_height_in_metres_is_as_precise_in_centimetres() {
        assert_eq!(sent(1_780, -3, 2), "178.0");
        assert_eq!(sent(178, -2, 2), "178");
        assert_eq!(sent(18, -1, 2), "180");
    }

    #[test]
    fn a_pair_that_is_no_value_of_this_changes_nothing() {
        let value: Decimal = "36.6".parse().unwrap();
        assert_eq!(Number::as_sent(value, Some(Raw { value: 3_670, unit: -2 })).as_str(), "36.6");
        assert_eq!(Number::as_sent(value, None).as_str(), "36.6");
    }

    #[test]
    fn a_rate_becomes_a_period() {
        let period = |hertz: &str| Number::period_ms(hertz.parse().unwrap()).map(|period| period.as_str().to_owned());
        assert_eq!(period("500").as_deref(), Some("2"));
        assert_eq!(period("300").as_deref(), Some("3.333333333"));
        assert_eq!((period("0"), period("-1")), (None, None));
    }

    proptest! {
        #[test]
        fn the_number_is_the_same_whatever_zeros_it_has(value in any::<i64>(), unit in -9_i32..=9) {
            let number = Decimal::scaled(value, unit).unwrap();
            let text = Number::as_sent(number, Some(Raw { value, unit }));
            prop_assert_eq!(text.as_str().parse::<Decimal>().unwrap(), number);
            let places = text.as_str().split_once('.').map_or(0, |(_, places)| places.len());
            prop_assert!(value == 0 || places == usize::try_from(-unit).unwrap_or(0));
        }
    }
}
