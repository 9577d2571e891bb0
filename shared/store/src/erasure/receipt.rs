//! What an erasure keeps of itself while it lasts, and as its receipt.

use std::collections::HashMap;

use afferent_domain::Timestamp;
use afferent_domain::erasure::{Counts, Erasure, Left, Link, Part};
use afferent_domain::id::{ConnectionId, ErasureId, UserId};
use aws_sdk_dynamodb::types::AttributeValue;

use crate::StoreError;
use crate::item::{Item, Reading, n, s};

const TABLE: &str = "connections";

/// What an erasure keeps.
#[must_use]
pub fn erasure_attributes(erasure: &Erasure) -> Vec<(&'static str, AttributeValue)> {
    let link = |link: &Link| {
        let mut map: HashMap<String, AttributeValue> = [
            ("connection", s(link.connection.as_str())),
            ("application", s(&link.application)),
            ("region", s(&link.region)),
            ("userid", s(&link.userid)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        if let Some(left) = link.left {
            map.insert("consent".to_owned(), s(left.name()));
        }
        AttributeValue::M(map)
    };
    let counts = erasure.counts.by_table().map(|(table, count)| (table.to_owned(), n(count))).into();
    let mut attributes = vec![
        ("user", s(erasure.user.as_str())),
        ("reference_sha256", s(&erasure.reference_sha256)),
        ("begun_ms", n(erasure.begun.as_millis())),
        ("pass", n(erasure.pass)),
        ("part", s(erasure.part.name())),
        ("after", s(erasure.after.as_deref().unwrap_or_default())),
        ("links", AttributeValue::L(erasure.links.iter().map(link).collect())),
        ("erased", AttributeValue::M(counts)),
        ("keys_revoked", n(erasure.counts.keys)),
    ];
    attributes.extend(erasure.ended.map(|ended| ("ended_ms", n(ended.as_millis()))));
    attributes
}

/// Reads the item of an erasure.
///
/// # Errors
/// It is not one of ours.
pub fn read_erasure(id: &ErasureId, item: &Item) -> Result<Erasure, StoreError> {
    let reading = Reading::new(TABLE, item);
    let wrong = |attribute: &str| StoreError::Item { table: TABLE, attribute: attribute.to_owned() };
    let links = item.get("links").and_then(|links| links.as_l().ok()).ok_or_else(|| wrong("links"))?;
    let link = |value: &AttributeValue| {
        let map = value.as_m().map_err(|_| wrong("links"))?;
        let reading = Reading::new(TABLE, map);
        Ok(Link {
            connection: ConnectionId::from(reading.text("connection")?),
            application: reading.text("application")?.to_owned(),
            region: reading.text("region")?.to_owned(),
            userid: reading.text("userid")?.to_owned(),
            left: reading.maybe_text("consent").and_then(Left::of),
        })
    };
    let erased = item.get("erased").and_then(|erased| erased.as_m().ok()).ok_or_else(|| wrong("erased"))?;
    let count = |table| Reading::new(TABLE, erased).maybe_number(table).unwrap_or(0);
    Ok(Erasure {
        id: id.clone(),
        user: UserId::from(reading.text("user")?),
        reference_sha256: reading.text("reference_sha256")?.to_owned(),
        begun: Timestamp::from_millis(reading.number("begun_ms")?),
        ended: reading.maybe_number("ended_ms").map(Timestamp::from_millis),
        pass: reading.number("pass")?,
        part: Part::of(reading.text("part")?).ok_or_else(|| wrong("part"))?,
        after: reading.maybe_text("after").filter(|after| !after.is_empty()).map(str::to_owned),
        links: links.iter().map(link).collect::<Result<_, StoreError>>()?,
        counts: Counts {
            records: count("records"),
            events: count("events"),
            deliveries: count("deliveries"),
            notifications: count("notifications"),
            connections: count("connections"),
            keys: reading.maybe_number("keys_revoked").unwrap_or(0),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_erasure_reads_back_as_it_was_written_and_holds_no_name() {
        let id = ErasureId::from("ers_1");
        let link = |left| Link {
            connection: ConnectionId::from("con_1"),
            application: "client".to_owned(),
            region: "eu".to_owned(),
            userid: "90001001".to_owned(),
            left,
        };
        let links = vec![link(None), link(Some(Left::Revoked))];
        let now = Timestamp::from_secs(1_795_244_400);
        let mut erasure = Erasure::begin(id.clone(), UserId::from("usr_1"), "person-1", links, now);
        (erasure.pass, erasure.part, erasure.after) = (2, Part::Journal, Some("7".to_owned()));
        (erasure.counts.records, erasure.counts.deliveries, erasure.ended) = (3, 4, Some(now));
        erasure.counts.keys = 1;
        let item: Item =
            erasure_attributes(&erasure).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        assert!(!format!("{item:?}").contains("person-1"));
        assert_eq!(read_erasure(&id, &item).unwrap(), erasure);
    }
}
