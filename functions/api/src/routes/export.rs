//! All that is held about a user, as lines of JSON: for the person who asks for a copy, and for whoever moves elsewhere.

use afferent_domain::id::{ConnectionId, NotificationId, RecordId};
use afferent_store::holdings::{AfterNotification, Holding};
use afferent_store::records::{After, PAGE_BYTES, Range, escaped_len};
use axum::extract::State;
use axum::http::Uri;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Answer;
use super::format::{Format, linked};
use crate::door::UserReader;
use crate::extract::{Cursors, Query, bad_cursor};
use crate::problem::Problem;
use crate::routes::put::{Routes, put};
use crate::state::Shared;

/// How many items are read at once.
const PIECE: u16 = 200;

/// How many events: each brings its deliveries, by a query of its own.
const EVENTS: u16 = 50;

/// A page with so many bytes takes no further piece.
const FULL: usize = 3_000_000;

/// How many lines a page has at most.
const LINES: usize = 5_000;

pub(crate) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; export_user)
}

/// Which page.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportWish {
    /// The `next` of the last line of the page before.
    cursor: Option<String>,
}

/// Exports all that is held about a user but tokens and secrets, as lines `{"type":…,"data":…}`.
///
/// In this order: `user`; `connection`, `service`, `run` and what else is kept of each connection; `notification` (those that
/// wait for the person: no other is found by person); `record`, retracted ones included; `event`, each followed by its
/// `delivery` lines. The journal holds every revision of a record for as many days as the stack keeps events: its parameter
/// `EventsRetentionDays`, 90 unless it is set. The last line of a page is
/// `{"type":"end","next":…}`; `next` is the `cursor` of the following page, which the header `Link` names too, and `null` at the end.
#[utoipa::path(
    get,
    path = "/v1/users/{user}/export",
    tag = "Data",
    params(("user" = String, Path, description = "The user."), ExportWish),
    security(("key" = ["user"])),
    responses((status = 200, description = "A page of lines, about 4 MB at most.", body = String, content_type = "application/x-ndjson"))
)]
async fn export_user(
    State(app): State<Shared>,
    reader: UserReader,
    Query(wish): Query<ExportWish>,
    uri: Uri,
) -> Answer {
    let cursors = Cursors::of(&uri);
    let mut place = match &wish.cursor {
        None => Some(Place::User(None)),
        Some(cursor) => Some(Place::read(&cursors.read(cursor)?).ok_or_else(bad_cursor)?),
    };
    let mut page = Lines::default();
    while let Some(from) = place.take() {
        place = from.write(&app, &reader, &mut page).await?;
        if page.is_full() {
            break;
        }
    }
    reader.exists(&app, page.count == 0 && wish.cursor.is_none()).await?;
    let next = place.map(|place| cursors.write(&place.to_text()));
    page.text.push_str(&format!("{{\"type\":\"end\",\"next\":{}}}\n", serde_json::json!(next)));
    Ok(linked(Format::Ndjson, page.text, &uri, next.as_deref()))
}

/// What was written so far.
#[derive(Default)]
struct Lines {
    text: String,
    count: usize,
    /// By [`escaped_len`].
    bytes: usize,
}

impl Lines {
    fn put(&mut self, name: &str, json: &str) {
        let line = format!("{{\"type\":\"{name}\",\"data\":{json}}}\n");
        self.bytes += escaped_len(&line);
        self.text.push_str(&line);
        self.count += 1;
    }

    /// Whether so much more is too much; then nothing more is put.
    fn ends_before(&mut self, bytes: usize) -> bool {
        let ends = self.count > 0 && self.bytes + bytes > PAGE_BYTES;
        if ends {
            self.count = LINES;
        }
        ends
    }

    fn put_all(&mut self, held: &[Holding]) {
        held.iter().for_each(|one| self.put(&one.name, &one.json));
    }

    fn is_full(&self) -> bool {
        self.count >= LINES || self.bytes >= FULL
    }
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// The user's own items, after this one.
    User(Option<String>),
    /// The items of the connections from this one on, of it after this item.
    Connections(Option<ConnectionId>, Option<String>),
    /// The notifications that wait for the accounts of the connections from this one on.
    Notifications(Option<ConnectionId>, Option<AfterNotification>),
    /// The records after this one.
    Records(Option<After>),
    /// The events after this number.
    Events(u64),
}

impl Place {
    /// Writes a piece, and tells what comes next.
    async fn write(self, app: &Shared, reader: &UserReader, page: &mut Lines) -> Result<Option<Self>, Problem> {
        let user = &reader.user;
        Ok(Some(match self {
            Self::User(after) => {
                let (held, next) = app.connections.held_of_user(user, after.as_deref(), PIECE).await?;
                page.put_all(&held.into_iter().filter(|one| one.name == "user").collect::<Vec<_>>());
                next.map_or(Self::Connections(None, None), |next| Self::User(Some(next)))
            }
            Self::Connections(from, after) => {
                let Some((one, following)) = connection(app, reader, from).await? else {
                    return Ok(Some(Self::Notifications(None, None)));
                };
                let (held, next) = app.connections.held_of_connection(&one.id, after.as_deref(), PIECE).await?;
                page.put_all(&held);
                match (next, following) {
                    (Some(next), _) => Self::Connections(Some(one.id), Some(next)),
                    (None, Some(following)) => Self::Connections(Some(following), None),
                    (None, None) => Self::Notifications(None, None),
                }
            }
            Self::Notifications(from, after) => {
                let Some((one, following)) = connection(app, reader, from).await? else {
                    return Ok(Some(Self::Records(None)));
                };
                let userid = &one.account.userid;
                let (held, next) = app.notifications.held_for(userid, after.as_ref(), PIECE).await?;
                page.put_all(&held);
                match (next, following) {
                    (Some(next), _) => Self::Notifications(Some(one.id), Some(next)),
                    (None, Some(following)) => Self::Notifications(Some(following), None),
                    (None, None) => Self::Records(None),
                }
            }
            Self::Records(after) => {
                let limit = usize::from(PIECE);
                let asked =
                    Range { newest_first: false, after: after.as_ref(), limit, retracted: true, ..Range::of(user) };
                let found = app.records.range(&asked, |_| true).await?;
                // A piece may be as large as a page: what does not fit any more is read again.
                let mut last = after;
                for record in &found.records {
                    let json = serde_json::to_string(record)?;
                    if page.ends_before(escaped_len(&json)) {
                        return Ok(Some(Self::Records(last)));
                    }
                    page.put("record", &json);
                    last = Some(After { record: record.record.clone(), effective_ms: record.effective_ms });
                }
                found.next.map_or(Self::Events(0), |next| Self::Records(Some(next)))
            }
            Self::Events(after) => {
                let events = app.outbox.events().erasable(user, after, EVENTS).await?;
                if events.is_empty() {
                    return Ok(None);
                }
                // A piece of events with their deliveries may be larger than a page.
                let mut last = after;
                for event in &events {
                    let deliveries = app.outbox.deliveries().held_of_event(&event.id).await?;
                    let bytes = deliveries.iter().map(|one| escaped_len(&one.json)).sum::<usize>();
                    if page.ends_before(escaped_len(&event.body) + bytes) {
                        break;
                    }
                    page.put("event", &event.body);
                    page.put_all(&deliveries);
                    last = event.sequence;
                }
                Self::Events(last)
            }
        }))
    }

    fn to_text(&self) -> String {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let id = |id: &Option<ConnectionId>| id.as_ref().map(ToString::to_string).unwrap_or_default();
        match self {
            Self::User(after) => format!("user {}", text(after)),
            Self::Connections(from, after) => format!("connections {} {}", id(from), text(after)),
            Self::Notifications(from, None) => format!("notifications {}", id(from)),
            Self::Notifications(from, Some(after)) => {
                format!("notifications {} {} {}", id(from), after.id, after.received_ms)
            }
            Self::Records(None) => "records".to_owned(),
            Self::Records(Some(after)) => format!("records {} {}", after.effective_ms, after.record),
            Self::Events(after) => format!("events {after}"),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let name = words.next()?;
        let mut word = || words.next().filter(|word| !word.is_empty());
        let id = |text: &str| ConnectionId::parse(text);
        Some(match name {
            "user" => Self::User(word().map(str::to_owned)),
            "connections" => {
                let from = word().map(id);
                Self::Connections(from.map_or(Some(None), |id| id.map(Some))?, word().map(str::to_owned))
            }
            "notifications" => {
                let from = word().map(id).map_or(Some(None), |id| id.map(Some))?;
                let after = match (word(), word()) {
                    (Some(id), Some(ms)) => {
                        Some(AfterNotification { id: NotificationId::parse(id)?, received_ms: ms.parse().ok()? })
                    }
                    _ => None,
                };
                Self::Notifications(from, after)
            }
            "records" => match (word(), word()) {
                (Some(ms), Some(record)) => {
                    Self::Records(Some(After { record: RecordId::parse(record)?, effective_ms: ms.parse().ok()? }))
                }
                _ => Self::Records(None),
            },
            "events" => Self::Events(word()?.parse().ok()?),
            _ => return None,
        })
    }
}

/// The connection `from` of the user, or the first, and the one that follows it in the order of their ids.
async fn connection(
    app: &Shared,
    reader: &UserReader,
    mut from: Option<ConnectionId>,
) -> Result<Option<(afferent_store::connections::Connection, Option<ConnectionId>)>, Problem> {
    loop {
        let (found, following) = app.connections.some_of_user(&reader.user, from.as_ref(), 1).await?;
        match (found.into_iter().next(), following) {
            (Some(first), following) => return Ok(Some((first, following))),
            // It was erased after it was found in the directory.
            (None, Some(following)) => from = Some(following),
            (None, None) => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_as_it_was_written() {
        let con = || Some(ConnectionId::from("con_0123456789abcdefghjkmnpqrs"));
        let record = RecordId::from("rec_0123456789abcdefghjkmnpqrs");
        let id = NotificationId::from("ntf_0123456789abcdefghjkmnpqrs");
        for place in [
            Place::User(None),
            Place::User(Some("link#0af".to_owned())),
            Place::Connections(None, None),
            Place::Connections(con(), None),
            Place::Connections(con(), Some("service#getmeas".to_owned())),
            Place::Notifications(None, None),
            Place::Notifications(con(), Some(AfterNotification { id, received_ms: 7 })),
            Place::Records(None),
            Place::Records(Some(After { record, effective_ms: -7 })),
            Place::Events(70),
        ] {
            assert_eq!(Place::read(&place.to_text()), Some(place));
        }
        for other in ["", "user2", "connections usr_1", "records x y", "events", "events x"] {
            assert_eq!(Place::read(other), None, "{other}");
        }
    }
}
