//! The items of the journal.

use afferent_domain::Timestamp;
use afferent_domain::event::Event;
use afferent_domain::id::{EndpointId, EventId, RecordId, UserId};
use afferent_domain::record::SyncKind;
use aws_sdk_dynamodb::types::AttributeValue;

use super::{DIRECTORY, FAILURES, Failure, KEPT, TABLE, packed};
use crate::StoreError;
use crate::item::{Item, Reading, n, s};

pub(super) fn marker_journal(user: &UserId, record: &RecordId) -> String {
    format!("{user}/{record}")
}

pub(super) struct Marker {
    pub(super) rev: u32,
    pub(super) event: EventId,
    pub(super) sequence: u64,
    pub(super) at: Timestamp,
}

impl Marker {
    pub(super) fn read(item: &Item) -> Result<Self, StoreError> {
        let item = Reading::new(TABLE, item);
        Ok(Self {
            rev: item.number("sequence")?,
            event: item.text("event")?.into(),
            sequence: item.number("event_sequence")?,
            at: Timestamp::from_millis(item.number("at_ms")?),
        })
    }
}

pub(super) fn event_item(event: &Event, now: Timestamp, expires: &AttributeValue) -> Item {
    let mut item = Item::from([
        ("journal".to_owned(), s(event.user.as_str())),
        ("sequence".to_owned(), n(event.sequence)),
        ("event".to_owned(), s(event.id.as_str())),
        ("type".to_owned(), s(&event.event_type)),
        ("time_ms".to_owned(), n(event.time.as_millis())),
        ("record".to_owned(), s(event.record.as_str())),
        ("rev".to_owned(), n(event.rev)),
        ("synckind".to_owned(), s(synckind_text(event.synckind))),
        ("at_ms".to_owned(), n(now.as_millis())),
        packed::attribute(&event.body),
        ("expires_at".to_owned(), expires.clone()),
    ]);
    if let Some(about) = &event.about {
        item.insert("about".to_owned(), s(about.as_str()));
    }
    if event.test {
        item.insert("test".to_owned(), AttributeValue::Bool(true));
    }
    item
}

const fn synckind_text(synckind: SyncKind) -> &'static str {
    match synckind {
        SyncKind::Live => "live",
        SyncKind::Backfill => "backfill",
    }
}

/// What an event's item says besides its text.
pub(super) struct Kind {
    pub(super) synckind: SyncKind,
    pub(super) about: Option<EndpointId>,
    pub(super) test: bool,
}

pub(super) fn read_kind(item: &Item) -> Kind {
    let reading = Reading::new(TABLE, item);
    let backfill = reading.maybe_text("synckind") == Some(synckind_text(SyncKind::Backfill));
    Kind {
        synckind: if backfill { SyncKind::Backfill } else { SyncKind::Live },
        about: reading.maybe_text("about").map(EndpointId::from),
        test: item.get("test").is_some_and(|flag| flag.as_bool() == Ok(&true)),
    }
}

/// The item that makes a journal findable: its number is a hash of the user, 120 bits of the 38 digits that a number of
/// DynamoDB has.
pub(super) fn directory_item(user: &UserId) -> Item {
    Item::from([
        ("journal".to_owned(), s(DIRECTORY)),
        ("sequence".to_owned(), n(directory_number(user))),
        ("user".to_owned(), s(user.as_str())),
    ])
}

pub(super) fn directory_number(user: &UserId) -> u128 {
    let text = RecordId::derive(&["journal", user.as_str()]);
    let letters = text.as_str().trim_start_matches(RecordId::PREFIX).bytes();
    // A derived id is 26 letters of five bits; the last 24 are 120.
    letters.skip(2).fold(0, |number: u128, letter| number << 5 | u128::from(letter_value(letter)))
}

/// The value of a letter of Crockford's base 32.
fn letter_value(letter: u8) -> u8 {
    let position = b"0123456789abcdefghjkmnpqrstvwxyz".iter().position(|one| *one == letter);
    position.and_then(|position| u8::try_from(position).ok()).unwrap_or(0)
}

pub(super) fn marker_item(event: &Event, now: Timestamp, expires: &AttributeValue) -> Item {
    Item::from([
        ("journal".to_owned(), s(marker_journal(&event.user, &event.record))),
        ("sequence".to_owned(), n(event.rev)),
        ("event".to_owned(), s(event.id.as_str())),
        ("event_sequence".to_owned(), n(event.sequence)),
        ("at_ms".to_owned(), n(now.as_millis())),
        ("expires_at".to_owned(), expires.clone()),
    ])
}

/// The marker of an event that is in the journal of `user`.
pub(super) fn marker_of(user: &UserId, event: &Item) -> Result<Item, StoreError> {
    let reading = Reading::new(TABLE, event);
    Ok(Item::from([
        ("journal".to_owned(), s(marker_journal(user, &reading.text("record")?.into()))),
        ("sequence".to_owned(), n(reading.number::<u32>("rev")?)),
        ("event".to_owned(), s(reading.text("event")?)),
        ("event_sequence".to_owned(), n(reading.number::<u64>("sequence")?)),
        ("at_ms".to_owned(), n(reading.number::<i64>("at_ms")?)),
        ("expires_at".to_owned(), n(reading.number::<i64>("expires_at")?)),
    ]))
}

pub(crate) fn read_event(user: &UserId, item: &Item) -> Result<Event, StoreError> {
    let Kind { synckind, about, test } = read_kind(item);
    let body = packed::text(item)?;
    let item = Reading::new(TABLE, item);
    Ok(Event {
        id: item.text("event")?.into(),
        user: user.clone(),
        sequence: item.number("sequence")?,
        event_type: item.text("type")?.to_owned(),
        time: Timestamp::from_millis(item.number("time_ms")?),
        record: item.text("record")?.into(),
        rev: item.number("rev")?,
        synckind,
        about,
        test,
        body,
    })
}

pub(super) fn failure_item(failure: &Failure) -> Item {
    let mut item = Item::from([
        ("journal".to_owned(), s(FAILURES)),
        ("sequence".to_owned(), n(failure_number(&failure.change))),
        ("change".to_owned(), s(&failure.change)),
        ("reason".to_owned(), s(&failure.reason)),
        ("at_ms".to_owned(), n(failure.at.as_millis())),
        ("expires_at".to_owned(), n((failure.at + KEPT).as_secs())),
    ]);
    for (name, text) in [("user", &failure.user), ("record", &failure.record)] {
        if let Some(text) = text {
            item.insert(name.to_owned(), s(text));
        }
    }
    item
}

pub(super) fn read_failure(item: &Item) -> Result<Failure, StoreError> {
    let item = Reading::new(TABLE, item);
    Ok(Failure {
        change: item.text("change")?.to_owned(),
        user: item.maybe_text("user").map(str::to_owned),
        record: item.maybe_text("record").map(str::to_owned),
        reason: item.text("reason")?.to_owned(),
        at: Timestamp::from_millis(item.number("at_ms")?),
    })
}

/// A number for a failure's sort key: FNV-1a, cut to 48 bits. A collision would hide one note of two.
fn failure_number(change: &str) -> u64 {
    let hash = change
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    hash >> 16
}
