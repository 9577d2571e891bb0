//! The item of a delivery.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{Delivery, End, Key, Place, State, Try, Waiting, WaitsFor};
use afferent_domain::trace::Trace;

use super::TABLE;
use crate::StoreError;
use crate::item::{Item, Reading, n, s};

pub(super) fn write(delivery: &Delivery, kept: Duration) -> Item {
    let mut item = Item::from([
        ("event".to_owned(), s(delivery.key.event.as_str())),
        ("item".to_owned(), s(delivery.key.endpoint.as_str())),
        ("endpoint".to_owned(), s(delivery.key.endpoint.as_str())),
        ("user".to_owned(), s(delivery.user.as_str())),
        ("sequence".to_owned(), n(delivery.sequence)),
        ("type".to_owned(), s(&delivery.event_type)),
        ("created_ms".to_owned(), n(delivery.created.as_millis())),
        ("since_ms".to_owned(), n(delivery.since.as_millis())),
        ("attempts".to_owned(), n(delivery.attempts)),
        ("claims".to_owned(), n(delivery.claims)),
        ("state".to_owned(), s(delivery.state.as_str())),
    ]);
    if let Some(trace) = &delivery.trace {
        item.insert("trace".to_owned(), s(trace.to_item()));
    }
    match &delivery.state {
        State::Waiting(waiting) => item.extend([
            ("next_ms".to_owned(), n(waiting.next.as_millis())),
            ("cycle".to_owned(), n(waiting.at.cycle)),
            ("try".to_owned(), n(waiting.at.number)),
            ("waits_for".to_owned(), s(waiting.waits_for.as_str())),
            ("lease_ms".to_owned(), n(waiting.lease_until.as_millis())),
            ("wakes".to_owned(), n(waiting.wakes)),
            ("due_shard".to_owned(), s(delivery.key.due_shard())),
            ("due_ms".to_owned(), n(waiting.next.as_millis())),
        ]),
        State::Ended { reason, at, .. } => item.extend([
            ("reason".to_owned(), s(reason)),
            ("ended_ms".to_owned(), n(at.as_millis())),
            ("expires_at".to_owned(), n((*at + kept).as_secs())),
        ]),
    }
    item
}

pub(super) fn read(item: &Item) -> Result<Delivery, StoreError> {
    let item = Reading::new(TABLE, item);
    let instant = |name: &str| item.number(name).map(Timestamp::from_millis);
    let waiting = |place| {
        Ok::<_, StoreError>(State::Waiting(Waiting {
            place,
            next: instant("next_ms")?,
            at: Try { cycle: item.number("cycle")?, number: item.number("try")? },
            waits_for: WaitsFor::parse(item.text("waits_for")?)
                .ok_or_else(|| StoreError::Item { table: TABLE, attribute: "waits_for".to_owned() })?,
            lease_until: instant("lease_ms")?,
            wakes: item.number("wakes")?,
        }))
    };
    let ended = |end| {
        Ok::<_, StoreError>(State::Ended { end, reason: item.text("reason")?.to_owned(), at: instant("ended_ms")? })
    };
    let state = match item.text("state")? {
        "queued" => waiting(Place::Queued)?,
        "held" => waiting(Place::Held)?,
        "parked" => waiting(Place::Parked)?,
        "delivered" => ended(End::Delivered)?,
        "exhausted" => ended(End::Exhausted)?,
        "expired" => ended(End::Expired)?,
        "cancelled" => ended(End::Cancelled)?,
        _ => return Err(StoreError::Item { table: TABLE, attribute: "state".to_owned() }),
    };
    Ok(Delivery {
        key: Key { event: item.text("event")?.into(), endpoint: item.text("item")?.into() },
        user: item.text("user")?.into(),
        sequence: item.number("sequence")?,
        event_type: item.text("type")?.to_owned(),
        created: instant("created_ms")?,
        since: instant("since_ms")?,
        trace: item.maybe_text("trace").and_then(Trace::of_item),
        attempts: item.number("attempts")?,
        claims: item.number("claims")?,
        state,
    })
}
