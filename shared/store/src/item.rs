//! Items: reading and writing attributes, and the exact way between an item and JSON.

use std::collections::{BTreeMap, HashMap};

use afferent_domain::record;
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

/// The version up to which the items of a table are understood. Items say theirs in `v`; one without it has version 1, so
/// nothing is written until a form needs a second one. It is raised when an attribute changes its meaning or is no longer
/// there, not when one is added (`docs/upgrading.md`).
const fn understood(table: &str) -> u32 {
    match table.as_bytes() {
        b"records" => record::VERSION,
        _ => 1,
    }
}

/// An item that is being read; errors name the table and the attribute. Of an item of a later version nothing is read that
/// an item must have.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    table: &'static str,
    item: &'a Item,
    later: Option<u32>,
}

impl<'a> Reading<'a> {
    /// Reads `item`, an item of `table`.
    #[must_use]
    pub fn new(table: &'static str, item: &'a Item) -> Self {
        let version = item.get("v").and_then(|version| version.as_n().ok()?.parse().ok());
        Self { table, item, later: version.filter(|version| *version > understood(table)) }
    }

    /// The same, if the item's version is understood. For what is not read attribute by attribute.
    ///
    /// # Errors
    /// A later version wrote the item.
    pub const fn known(self) -> Result<Self, StoreError> {
        match self.later {
            None => Ok(self),
            Some(version) => Err(StoreError::Later { table: self.table, version }),
        }
    }

    fn wrong(self, attribute: &str) -> StoreError {
        StoreError::Item { table: self.table, attribute: attribute.to_owned() }
    }

    /// The string `attribute`.
    ///
    /// # Errors
    /// It is missing or no string, or a later version wrote the item.
    pub fn text(self, attribute: &str) -> Result<&'a str, StoreError> {
        self.known()?.maybe_text(attribute).ok_or_else(|| self.wrong(attribute))
    }

    /// The string `attribute`, if there is one.
    #[must_use]
    pub fn maybe_text(self, attribute: &str) -> Option<&'a str> {
        self.item.get(attribute)?.as_s().ok().map(String::as_str)
    }

    /// The number `attribute`.
    ///
    /// # Errors
    /// It is missing, no number, or no whole number of this size, or a later version wrote the item.
    pub fn number<T: std::str::FromStr>(self, attribute: &str) -> Result<T, StoreError> {
        self.known()?.maybe_number(attribute).ok_or_else(|| self.wrong(attribute))
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

    #[test]
    fn an_item_of_a_later_version_is_told_from_a_broken_one_and_one_without_a_version_is_of_the_first() {
        let version = |version: u32| Item::from([("v".to_owned(), n(version)), ("a".to_owned(), s("text"))]);
        let first = version(1);
        assert_eq!(Reading::new("connections", &first).text("a").unwrap(), "text");
        let later = version(2);
        let read = Reading::new("connections", &later);
        for refused in [read.text("a").err(), read.number::<u32>("missing").err(), read.known().err()] {
            assert!(matches!(refused, Some(StoreError::Later { table: "connections", version: 2 })), "{refused:?}");
        }
        let bare = Item::from([("a".to_owned(), s("text"))]);
        let read = Reading::new("connections", &bare);
        assert!(read.text("a").is_ok() && matches!(read.text("b"), Err(StoreError::Item { .. })));
    }
}
