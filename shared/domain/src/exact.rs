//! Numbers that never pass through binary floating point, and JSON trees that hold them.
//!
//! `serde_json` reads `0.1` into an `f64` unless it is stopped. Here it is: [`Decimal`] and [`Json`] take a
//! number's own text through [`RawValue`]. The price: a type that holds one of them must not sit inside an
//! untagged, internally tagged or flattened serde type, because those buffer numbers as `f64` first.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// The most digits (and the most decimal places) a [`Decimal`] may have. DynamoDB would take 38; what is
/// beyond 28 is no measurement.
pub const MAX_DIGITS: u32 = 28;

/// How deep a [`Json`] tree may be nested. Withings' answers are five deep.
pub const MAX_DEPTH: usize = 64;

/// An exact decimal number, at most [`MAX_DIGITS`] digits, without trailing zeros: `71.840` is kept as
/// `71.84`, as DynamoDB would do, so that a number read back from the table equals the one written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Decimal(rust_decimal::Decimal);

/// Why a text is not a [`Decimal`]. Carries no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// The text is not a number.
    #[error("it is not a number")]
    NotANumber,
    /// More digits or a larger exponent than any measurement has.
    #[error("the number has more digits than any measurement")]
    Absurd,
}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self(rust_decimal::Decimal::ZERO);

    /// `value * 10^unit`, exactly; Withings' way of writing a measurement.
    ///
    /// # Errors
    /// [`DecimalError::Absurd`] if the product needs more than [`MAX_DIGITS`] digits.
    pub fn scaled(value: i64, unit: i32) -> Result<Self, DecimalError> {
        Self::of(i128::from(value), i64::from(unit))
    }

    /// `digits * 10^exponent`, with the trailing zeros taken off first.
    fn of(mut digits: i128, mut exponent: i64) -> Result<Self, DecimalError> {
        if digits == 0 {
            return Ok(Self::ZERO);
        }
        while digits % 10 == 0 {
            digits /= 10;
            exponent += 1;
        }
        let size = digits.unsigned_abs().ilog10() + 1;
        let places = i64::from(MAX_DIGITS);
        if size > MAX_DIGITS || exponent < -places || exponent > places - i64::from(size) {
            return Err(DecimalError::Absurd);
        }
        let (digits, scale) = match u32::try_from(exponent) {
            Ok(zeros) => (digits * 10_i128.pow(zeros), 0),
            Err(_) => (digits, u32::try_from(-exponent).map_err(|_| DecimalError::Absurd)?),
        };
        rust_decimal::Decimal::try_from_i128_with_scale(digits, scale).map(Self).map_err(|_| DecimalError::Absurd)
    }

    /// This times `10^places`; how metres become centimetres without a multiplication.
    ///
    /// # Errors
    /// [`DecimalError::Absurd`] if the product needs more than [`MAX_DIGITS`] digits.
    pub fn shifted(self, places: i32) -> Result<Self, DecimalError> {
        Self::of(self.0.mantissa(), i64::from(places) - i64::from(self.0.scale()))
    }

    /// The number as an integer, if it is one that fits.
    #[must_use]
    pub fn as_integer(self) -> Option<i64> {
        if self.0.scale() == 0 { i64::try_from(self.0.mantissa()).ok() } else { None }
    }

    /// Whether this is zero.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// The number in its arithmetic type.
    #[must_use]
    pub fn get(self) -> rust_decimal::Decimal {
        self.0
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self(rust_decimal::Decimal::from(value))
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    /// Reads an integer, a decimal fraction, or either with an exponent.
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        // Longer than any number within bounds, even one with many zeros; and nothing below can overflow.
        if text.len() > 128 {
            return Err(DecimalError::Absurd);
        }
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            None => (text, 0),
            Some((mantissa, exponent)) => {
                let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
                if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(DecimalError::NotANumber);
                }
                let limit = if exponent.starts_with('-') { -1_000_000 } else { 1_000_000 };
                (mantissa, exponent.parse::<i64>().unwrap_or(limit).clamp(-1_000_000, 1_000_000))
            }
        };
        let (negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let fraction_digits = fraction.trim_end_matches('0');
        if whole.len() + fraction.len() == 0 || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
            return Err(DecimalError::NotANumber);
        }
        let mut digits: i128 = 0;
        for byte in whole.bytes().chain(fraction_digits.bytes()) {
            digits = digits
                .checked_mul(10)
                .and_then(|digits| digits.checked_add(i128::from(byte - b'0')))
                .ok_or(DecimalError::Absurd)?;
        }
        let places = i64::try_from(fraction_digits.len()).map_err(|_| DecimalError::Absurd)?;
        Self::of(if negative { -digits } else { digits }, exponent - places)
    }
}

/// Plain digits, never an exponent, so that it is a JSON number and a DynamoDB number as it stands.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.to_string()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        unquoted(raw.get()).parse().map_err(D::Error::custom)
    }
}

/// The text between the quotes, if there are quotes: Withings writes some numbers as strings.
fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// Any JSON, with exact numbers and sorted keys.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Json {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number within bounds.
    Number(Decimal),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object; of a repeated key the last value counts.
    Object(BTreeMap<String, Json>),
    /// A number out of bounds or a string that is no Unicode. Written as `null`.
    Unreadable,
}

/// Why a text is not [`Json`]. Carries nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The text is not JSON, or is cut off.
    #[error("it is not JSON")]
    Syntax,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("the JSON is nested too deep")]
    TooDeep,
}

impl Json {
    /// Reads a whole document. A number out of bounds spoils only itself.
    ///
    /// # Errors
    /// [`JsonError`] if it is no JSON or nested too deep.
    pub fn parse(document: &[u8]) -> Result<Self, JsonError> {
        let raw: &RawValue = serde_json::from_slice(document).map_err(|_| JsonError::Syntax)?;
        Self::read(raw.get(), 0)
    }

    /// Each level is read from its own text: `serde_json` skips over a raw value without recursion, so the
    /// depth has to be counted here.
    fn read(text: &str, depth: usize) -> Result<Self, JsonError> {
        if depth > MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        let text = text.trim();
        match text.as_bytes().first().ok_or(JsonError::Syntax)? {
            b'n' => Ok(Self::Null),
            b't' => Ok(Self::Bool(true)),
            b'f' => Ok(Self::Bool(false)),
            b'"' => Ok(serde_json::from_str(text).map_or(Self::Unreadable, Self::Text)),
            b'[' => {
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| JsonError::Syntax)?;
                items
                    .into_iter()
                    .map(|item| Self::read(item.get(), depth + 1))
                    .collect::<Result<_, _>>()
                    .map(Self::List)
            }
            b'{' => {
                let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).map_err(|_| JsonError::Syntax)?;
                members
                    .into_iter()
                    .map(|(name, member)| Ok((name, Self::read(member.get(), depth + 1)?)))
                    .collect::<Result<_, _>>()
                    .map(Self::Object)
            }
            _ => Ok(text.parse().map_or(Self::Unreadable, Self::Number)),
        }
    }

    /// The member `name` of an object, unless it is missing or `null`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.get(name).filter(|member| **member != Self::Null),
            _ => None,
        }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null | Self::Unreadable => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => value.serialize(serializer),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(items) => items.serialize(serializer),
            Self::Object(members) => members.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::read(raw.get(), 0).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
