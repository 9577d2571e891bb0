//! What an item is read as: the record, or the text that an answer tells it with.

use afferent_domain::id::RecordId;
use afferent_domain::record::{Record, Status};

use super::{read_record, wrong};
use crate::StoreError;
use crate::item::{Item, Reading, to_json};

/// A record as text, with what it is chosen by. Reading the record and writing it again would take several times as long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Its id.
    pub record: RecordId,
    /// When it was or began, in epoch milliseconds.
    pub effective_ms: i64,
    /// Preliminary, final, amended or entered in error.
    pub status: Status,
    /// The local day of a fact about a day.
    pub local_date: Option<String>,
    /// When it was or began (RFC 3339, local).
    pub start: String,
    /// The record's JSON, its members in the order of their names.
    pub json: String,
}

/// How many bytes a text takes in an answer: Lambda takes the whole answer as a JSON string, in which every quotation mark is
/// two bytes, a line break two and another control character six.
#[must_use]
pub fn escaped_len(text: &str) -> usize {
    // A sum without branches: this reads every byte of every answer.
    let extra = text.bytes().map(|byte| {
        let short = matches!(byte, b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c);
        usize::from(short) + 5 * usize::from(byte < 0x20 && !short)
    });
    text.len() + extra.sum::<usize>()
}

/// What an item is read as.
pub(super) trait Shape: Sized {
    /// Reads the item; with it the bytes that its JSON takes in an answer.
    fn read(item: &Item) -> Result<(Self, usize), StoreError>;
    fn record(&self) -> &RecordId;
    fn effective_ms(&self) -> i64;
    fn status(&self) -> Status;
}

impl Shape for Record {
    fn read(item: &Item) -> Result<(Self, usize), StoreError> {
        Reading::new("records", item).known()?;
        let json = to_json(item);
        Ok((read_record(&json)?, escaped_len(&json)))
    }

    fn record(&self) -> &RecordId {
        &self.record
    }

    fn effective_ms(&self) -> i64 {
        self.effective_ms
    }

    fn status(&self) -> Status {
        self.status
    }
}

impl Shape for Text {
    fn read(item: &Item) -> Result<(Self, usize), StoreError> {
        let reading = Reading::new("records", item);
        let effective = item.get("effective").and_then(|value| value.as_m().ok());
        let start = effective.and_then(|effective| effective.get("at").or_else(|| effective.get("start"))?.as_s().ok());
        let json = to_json(item);
        let size = escaped_len(&json);
        let text = Self {
            record: RecordId::from(reading.text("record")?),
            effective_ms: reading.number("effective_ms")?,
            status: serde_json::from_value(reading.text("status")?.into()).map_err(|_| wrong("status"))?,
            local_date: reading.maybe_text("local_date").map(str::to_owned),
            start: start.ok_or_else(|| wrong("effective"))?.clone(),
            json,
        };
        Ok((text, size))
    }

    fn record(&self) -> &RecordId {
        &self.record
    }

    fn effective_ms(&self) -> i64 {
        self.effective_ms
    }

    fn status(&self) -> Status {
        self.status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_as_long_as_in_a_json_string() {
        for text in ["", "plain", "{\"a\":\"b\\\\\"}", "a\r\nb\tc", "\u{8}\u{c}\u{1}\u{1f}\u{7f}", "é＝😀"] {
            assert_eq!(escaped_len(text) + 2, serde_json::to_string(text).unwrap().len(), "{text:?}");
        }
    }
}
