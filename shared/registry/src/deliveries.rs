//! What became of the deliveries to an endpoint.

use afferent_domain::Timestamp;
use afferent_domain::delivery::{Delivery, End, Key, Place, State};
use afferent_domain::id::{EndpointId, EventId, UserId};
use afferent_store::deliveries::{Attempt, ListPlace, Listed, Outcome};
use serde::{Deserialize, Serialize};

use crate::{Registry, RegistryError};

/// The most deliveries on a page.
pub const MOST_LISTED: u16 = 200;

/// How many are on a page if nothing is said.
const LISTED: u16 = 50;

/// How many deliveries are looked at for one page at most: of a rare state a page may hold few, or none, and go on.
const MOST_LOOKED_AT: usize = 2_000;

/// What of a list is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListWish {
    /// Only those that stand so.
    #[serde(default)]
    pub state: Option<Only>,
    /// Where the page before ended: its `next`.
    #[serde(default)]
    pub cursor: Option<String>,
    /// How many at most, up to [`MOST_LISTED`].
    #[serde(default)]
    pub limit: Option<u16>,
}

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Only {
    /// It has not ended.
    Waiting,
    /// The endpoint took it.
    Delivered,
    /// Every try failed.
    Exhausted,
    /// It became too old.
    Expired,
    /// It was cancelled.
    Cancelled,
    /// It ended without being delivered.
    Undelivered,
}

impl Only {
    fn fits(self, state: &str) -> bool {
        let waits = [Place::Queued, Place::Held, Place::Parked].map(Place::as_str).contains(&state);
        match self {
            Self::Waiting => waits,
            Self::Delivered => state == End::Delivered.as_str(),
            Self::Exhausted => state == End::Exhausted.as_str(),
            Self::Expired => state == End::Expired.as_str(),
            Self::Cancelled => state == End::Cancelled.as_str(),
            Self::Undelivered => !waits && state != End::Delivered.as_str(),
        }
    }
}

/// A page of deliveries, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The deliveries.
    pub deliveries: Vec<Row>,
    /// The cursor of the next page; none on the last one.
    pub next: Option<String>,
}

/// A delivery as a list has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its event.
    pub event: EventId,
    /// Its state: `queued`, `held` or `parked` while it waits; `delivered`, `exhausted`, `expired` or `cancelled`.
    pub state: String,
    /// When it was made.
    pub created_ms: Timestamp,
}

/// One delivery, and every attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeliveryShown {
    /// Its event.
    pub event: EventId,
    /// Its endpoint.
    pub endpoint: EndpointId,
    /// The journal that the event is in.
    pub user: UserId,
    /// The event's number there.
    pub sequence: u64,
    /// The event's type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Its state, as in [`Row`].
    pub state: String,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was made.
    pub created_ms: Timestamp,
    /// When it was last sent again; when it was made, if it never was.
    pub since_ms: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<Timestamp>,
    /// When the next try may be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_ms: Option<Timestamp>,
    /// What that waits for: `schedule`, `rate`, `breaker` or `retry_after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<&'static str>,
    /// Every attempt, in its order.
    pub attempts: Vec<AttemptShown>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttemptShown {
    /// Its number, from 1.
    pub number: u32,
    /// When it began.
    pub at_ms: Timestamp,
    /// The cycle of the policy, from 1.
    pub cycle: u16,
    /// Which try of the cycle, from 1.
    #[serde(rename = "try")]
    pub try_number: u16,
    /// How long it took.
    pub duration_ms: u64,
    /// How long resolving the name took, as far as it came to that; and below the other parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolve_ms: Option<u64>,
    /// Connecting, TLS included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_ms: Option<u64>,
    /// From the request to the first byte of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<u64>,
    /// Reading the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_ms: Option<u64>,
    /// What came of it.
    #[serde(flatten)]
    pub came: Came,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Came {
    /// An answer.
    Answered {
        /// Its status code.
        status: u16,
        /// Its headers, redacted.
        headers: Vec<String>,
        /// The beginning of its body, redacted.
        excerpt: String,
        /// Whether the body was longer than what was read of it.
        truncated: bool,
    },
    /// The customer's queue took it.
    Queued {
        /// SQS's id of the message.
        message: String,
    },
    /// No answer.
    Unanswered {
        /// The class of the error.
        error: String,
        /// Whose fault it is: `receiver`, `network` or `ours`.
        fault: String,
    },
}

impl Registry {
    /// The deliveries to an endpoint, the newest first. Those of a deleted one are shown for as long as they are kept.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn deliveries(&self, id: &EndpointId, wish: &ListWish) -> Result<Page, RegistryError> {
        crate::known(id)?;
        let limit = wish.limit.unwrap_or(LISTED);
        if !(1..=MOST_LISTED).contains(&limit) {
            return Err(RegistryError::invalid("limit", format!("a number from 1 to {MOST_LISTED}")));
        }
        let mut place = wish.cursor.as_deref().map(read_cursor).transpose()?;
        let (mut rows, mut looked_at) = (Vec::new(), 0);
        loop {
            // No more than are wanted: the cursor is where the last page of the table ended.
            let most = limit - u16::try_from(rows.len()).unwrap_or(limit);
            let (found, next) = self.outbox.deliveries().of_endpoint(id, place.as_ref(), most).await?;
            looked_at += found.len();
            let fits = |listed: &Listed| wish.state.is_none_or(|only| only.fits(&listed.state));
            rows.extend(found.into_iter().filter(fits).map(row));
            place = next;
            if place.is_none() || rows.len() >= usize::from(limit) || looked_at >= MOST_LOOKED_AT {
                break;
            }
        }
        if rows.is_empty() && place.is_none() && wish.cursor.is_none() {
            self.endpoint(id).await?;
        }
        Ok(Page { deliveries: rows, next: place.map(|place| write_cursor(&place)) })
    }

    /// One delivery with its attempts.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn delivery(&self, event: &EventId, id: &EndpointId) -> Result<DeliveryShown, RegistryError> {
        const NONE: RegistryError = RegistryError::NotFound("delivery");
        crate::known(id)?;
        if !event.as_str().starts_with(EventId::PREFIX) {
            return Err(NONE);
        }
        let key = Key { event: event.clone(), endpoint: id.clone() };
        let delivery = self.outbox.deliveries().get(&key).await?.ok_or(NONE)?;
        let attempts = self.outbox.deliveries().attempts(&key).await?;
        Ok(shown(delivery, attempts))
    }
}

fn row(listed: Listed) -> Row {
    Row { event: listed.key.event, state: listed.state, created_ms: listed.created }
}

fn shown(delivery: Delivery, attempts: Vec<(u32, Attempt)>) -> DeliveryShown {
    let state = delivery.state.as_str().to_owned();
    let (reason, ended_ms, next_ms, waits_for) = match delivery.state {
        State::Waiting(waiting) => (None, None, Some(waiting.next), Some(waiting.waits_for.as_str())),
        State::Ended { reason, at, .. } => (Some(reason), Some(at), None, None),
    };
    DeliveryShown {
        event: delivery.key.event,
        endpoint: delivery.key.endpoint,
        user: delivery.user,
        sequence: delivery.sequence,
        event_type: delivery.event_type,
        state,
        reason,
        created_ms: delivery.created,
        since_ms: delivery.since,
        ended_ms,
        next_ms,
        waits_for,
        attempts: attempts.into_iter().map(|(number, attempt)| attempt_shown(number, attempt)).collect(),
    }
}

fn attempt_shown(number: u32, attempt: Attempt) -> AttemptShown {
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    AttemptShown {
        number,
        at_ms: attempt.at,
        cycle: attempt.cycle,
        try_number: attempt.number,
        duration_ms: millis(attempt.duration),
        resolve_ms: attempt.phases.resolve.map(millis),
        connect_ms: attempt.phases.connect.map(millis),
        first_byte_ms: attempt.phases.first_byte.map(millis),
        body_ms: attempt.phases.body.map(millis),
        came: match attempt.outcome {
            Outcome::Answered { status, headers, excerpt, truncated } => {
                Came::Answered { status, headers, excerpt, truncated }
            }
            Outcome::Queued { message } => Came::Queued { message },
            Outcome::Unanswered { error, fault } => Came::Unanswered { error, fault },
        },
    }
}

fn write_cursor(place: &ListPlace) -> String {
    format!("{}-{}", place.created.as_millis(), place.event)
}

fn read_cursor(text: &str) -> Result<ListPlace, RegistryError> {
    let wrong = || RegistryError::invalid("cursor", "the next of a page before");
    let (created, event) = text.split_once('-').ok_or_else(wrong)?;
    let created = created.parse().map(Timestamp::from_millis).map_err(|_| wrong())?;
    if !event.starts_with(EventId::PREFIX) {
        return Err(wrong());
    }
    Ok(ListPlace { created, event: EventId::from(event) })
}
