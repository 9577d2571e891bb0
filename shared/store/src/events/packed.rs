//! The text of an event, packed: a write is paid by the KB, and twice in a transaction. Unpacked it is the same text, byte
//! by byte.
//!
//! Packed by DEFLATE (RFC 1951), which makes half of the JSON of one record, and a tenth of that of a long series.

use std::io::{Read as _, Write as _};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use super::TABLE;
use crate::StoreError;
use crate::item::{Item, Reading, s};

/// The attribute of a text as it is.
const BODY: &str = "body";

/// The attribute of a packed one.
const PACKED: &str = "packed";

/// The longest text that is unpacked, in bytes: many times the longest that an event has.
const LONGEST: u64 = 16 * 1024 * 1024;

/// The attribute that holds `text`: packed, unless that saves nothing.
pub(super) fn attribute(text: &str) -> (String, AttributeValue) {
    match pack(text).filter(|packed| packed.len() < text.len()) {
        Some(packed) => (PACKED.to_owned(), AttributeValue::B(Blob::new(packed))),
        None => (BODY.to_owned(), s(text)),
    }
}

/// The text of an item.
pub(super) fn text(item: &Item) -> Result<String, StoreError> {
    match item.get(PACKED).and_then(|packed| packed.as_b().ok()) {
        Some(packed) => {
            unpack(packed.as_ref()).ok_or_else(|| StoreError::Item { table: TABLE, attribute: PACKED.to_owned() })
        }
        None => Reading::new(TABLE, item).text(BODY).map(str::to_owned),
    }
}

fn pack(text: &str) -> Option<Vec<u8>> {
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::best());
    packed.write_all(text.as_bytes()).ok()?;
    packed.finish().ok()
}

fn unpack(packed: &[u8]) -> Option<String> {
    let mut text = String::new();
    DeflateDecoder::new(packed).take(LONGEST).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY_OF_A_WEIGHT: &str = r#"{"specversion":"1.0","id":"evt_1","type":"body_weight.created","data":{"a":"é","record":{"kind":"body_weight","codes":[{"code":"29463-7"},{"code":"body-weight"}]}}}"#;

    #[test]
    fn a_text_comes_back_as_it_was_written() {
        for text in [BODY_OF_A_WEIGHT, "", "x", "é"] {
            let (name, value) = attribute(text);
            assert_eq!(super::text(&Item::from([(name, value)])).unwrap(), text);
        }
    }

    #[test]
    fn what_packing_does_not_make_smaller_stays_a_text() {
        assert_eq!(attribute("x"), ("body".to_owned(), s("x")));
        let (name, packed) = attribute(BODY_OF_A_WEIGHT);
        assert!(name == "packed" && packed.as_b().unwrap().as_ref().len() < BODY_OF_A_WEIGHT.len());
    }

    #[test]
    fn what_is_no_packed_text_is_an_error_that_names_the_attribute() {
        let item = Item::from([("packed".to_owned(), AttributeValue::B(Blob::new([0xff, 0xff])))]);
        assert!(matches!(text(&item), Err(StoreError::Item { attribute, .. }) if attribute == "packed"));
    }
}
