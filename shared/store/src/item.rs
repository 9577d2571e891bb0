//! Items: reading and writing attributes, and the exact way between an item and JSON.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::value::RawValue;

use crate::StoreError;

/// An item as the SDK has it.
pub type Item = HashMap<String, AttributeValue>;

/// A string attribute.
#[must_use]
pub fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A number attribute.
#[must_use]
pub fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// A set of strings; DynamoDB has no empty one.
#[must_use]
pub const fn ss(texts: Vec<String>) -> AttributeValue {
    AttributeValue::Ss(texts)
}

/// An item that is being read; errors name the table and the attribute.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    table: &'static str,
    item: &'a Item,
}

impl<'a> Reading<'a> {
    /// Reads `item`, an item of `table`.
    #[must_use]
    pub const fn new(table: &'static str, item: &'a Item) -> Self {
        Self { table, item }
    }

    fn wrong(self, attribute: &str) -> StoreError {
        StoreError::Item { table: self.table, attribute: attribute.to_owned() }
    }

    /// The string `attribute`.
    ///
    /// # Errors
    /// It is missing or no string.
    pub fn text(self, attribute: &str) -> Result<&'a str, StoreError> {
        self.maybe_text(attribute).ok_or_else(|| self.wrong(attribute))
    }

    /// The string `attribute`, if there is one.
    #[must_use]
    pub fn maybe_text(self, attribute: &str) -> Option<&'a str> {
        self.item.get(attribute)?.as_s().ok().map(String::as_str)
    }

    /// The number `attribute`.
    ///
    /// # Errors
    /// It is missing, no number, or no whole number of this size.
    pub fn number<T: std::str::FromStr>(self, attribute: &str) -> Result<T, StoreError> {
        self.maybe_number(attribute).ok_or_else(|| self.wrong(attribute))
    }

    /// The number `attribute`, if there is one of this size.
    #[must_use]
    pub fn maybe_number<T: std::str::FromStr>(self, attribute: &str) -> Option<T> {
        self.item.get(attribute)?.as_n().ok()?.parse().ok()
    }

    /// The strings of the set `attribute`, sorted; none if it is missing (DynamoDB has no empty set).
    #[must_use]
    pub fn set(self, attribute: &str) -> Vec<String> {
        let mut all = self.item.get(attribute).and_then(|value| value.as_ss().ok().cloned()).unwrap_or_default();
        all.sort();
        all
    }
}

/// The item that a JSON object describes: numbers go over by their text, so that no decimal is ever bent.
/// `null` members are left out.
///
/// # Errors
/// The text is no JSON object.
pub fn from_json(json: &str) -> Result<Item, serde_json::Error> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(json)?;
    members
        .into_iter()
        .filter(|(_, raw)| raw.get() != "null")
        .map(|(name, raw)| Ok((name, value_from_json(raw.get())?)))
        .collect()
}

fn value_from_json(json: &str) -> Result<AttributeValue, serde_json::Error> {
    Ok(match json.as_bytes().first() {
        Some(b'{') => AttributeValue::M(from_json(json)?),
        Some(b'[') => {
            let members: Vec<&RawValue> = serde_json::from_str(json)?;
            let members: Result<_, _> = members.into_iter().map(|raw| value_from_json(raw.get())).collect();
            AttributeValue::L(members?)
        }
        Some(b'"') => AttributeValue::S(serde_json::from_str(json)?),
        Some(b't' | b'f') => AttributeValue::Bool(serde_json::from_str(json)?),
        Some(b'n') => AttributeValue::Null(true),
        _ => AttributeValue::N(json.to_owned()),
    })
}

/// The JSON object that an item describes, members in the order of their names. Sets become lists,
/// bytes `null`. Numbers keep DynamoDB's text, which drops trailing zeros.
#[must_use]
pub fn to_json(item: &Item) -> String {
    let mut json = String::new();
    write_object(&mut json, item);
    json
}

fn write_object(json: &mut String, item: &Item) {
    let mut sorted: Vec<_> = item.iter().collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    json.push('{');
    for (index, (name, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        write_text(json, name);
        json.push(':');
        write_value(json, value);
    }
    json.push('}');
}

fn write_value(json: &mut String, value: &AttributeValue) {
    match value {
        AttributeValue::S(text) => write_text(json, text),
        AttributeValue::N(number) => json.push_str(number),
        AttributeValue::Bool(flag) => json.push_str(if *flag { "true" } else { "false" }),
        AttributeValue::M(members) => write_object(json, members),
        AttributeValue::L(members) => write_list(json, members, write_value),
        AttributeValue::Ss(members) => write_list(json, members, |json, text| write_text(json, text)),
        AttributeValue::Ns(members) => write_list(json, members, |json, number| json.push_str(number)),
        // Nothing that goes out as JSON holds bytes.
        _ => json.push_str("null"),
    }
}

fn write_list<T>(json: &mut String, members: &[T], write: impl Fn(&mut String, &T)) {
    json.push('[');
    for (index, member) in members.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        write(json, member);
    }
    json.push(']');
}

fn write_text(json: &mut String, text: &str) {
    if text.bytes().any(|byte| matches!(byte, 0x00..0x20 | b'"' | b'\\')) {
        // A string always serialises.
        json.push_str(&serde_json::to_string(text).unwrap_or_default());
        return;
    }
    json.push('"');
    json.push_str(text);
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_goes_into_an_item_and_back_without_changing_a_digit() {
        let json = r#"{"a":0.1,"b":[81.20,{"c":12345678901234567890.123}],"d":"é\"","e":true}"#;
        let item = from_json(json).unwrap();
        assert_eq!(item["a"], AttributeValue::N("0.1".to_owned()));
        assert_eq!(to_json(&item), json);
    }

    #[test]
    fn a_text_is_written_as_json_has_it_whatever_is_in_it() {
        for text in ["", "plain", "{\"a\":\"b\\\\\"}", "a\r\nb\tc", "\u{8}\u{c}\u{1}\u{1f}\u{7f}", "é＝😀"] {
            let item = Item::from([("text".to_owned(), s(text))]);
            assert_eq!(to_json(&item), serde_json::json!({ "text": text }).to_string());
        }
    }

    #[test]
    fn a_null_member_is_left_out() {
        assert!(from_json(r#"{"a":null}"#).unwrap().is_empty());
    }
}
