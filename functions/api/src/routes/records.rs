//! Health records: lists by time, one by its id, the latest of each kind.

mod shape;

use std::collections::BTreeSet;

use afferent_domain::id::RecordId;
use afferent_domain::record::{Record, Status};
use afferent_store::records::{After, PAGE_BYTES, Range, Text, escaped_len};
use afferent_views::days::{Dates, DatesError, day_of};
use afferent_views::{kinds, table};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use utoipa::{IntoParams, ToSchema};

use super::format::{Format, linked};
use super::{Answer, page_of, text};
use crate::door::UserReader;
use crate::extract::{Cursors, Path, Query, bad_cursor, limit};
use crate::problem::Problem;
use crate::routes::put::{Routes, put};
use crate::state::Shared;
use shape::RecordShape;

/// How many records a list has unless it is said, and at most; as lines or as a table it may be more.
const LIST: (u16, u16) = (25, 200);
const LINES: (u16, u16) = (1_000, 1_000);

/// How many kinds one request may name: each is a query of its own.
const KINDS: usize = 50;

pub(crate) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; list_records, get_record, get_latest)
}

/// The dates of a query.
pub(super) fn dates(start: Option<&str>, end: Option<&str>) -> Result<Dates, Problem> {
    let wrong = |error: DatesError| Problem::field(error.parameter, error.expected);
    Dates::read(start, end).map_err(wrong)
}

/// Names with commas between them, each once.
fn names(text: Option<&str>) -> Vec<String> {
    let names: BTreeSet<&str> = text.unwrap_or_default().split(',').map(str::trim).collect();
    names.into_iter().filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn kinds_of(text: Option<&str>) -> Result<Vec<String>, Problem> {
    let kinds = names(text);
    if kinds.len() > KINDS { Err(Problem::field("kind", format!("at most {KINDS} kinds"))) } else { Ok(kinds) }
}

/// In which direction of time.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Order {
    /// Backwards.
    #[default]
    Newest,
    /// Forwards.
    Oldest,
}

/// Which records.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RecordsWish {
    /// Only of these kinds: names with commas between them, 50 at most.
    #[param(example = "body_weight,blood_pressure")]
    kind: Option<String>,
    /// From this day of the person on (`2026-11-21`), or from this instant on (RFC 3339).
    #[param(example = "2026-11-01")]
    start_date: Option<String>,
    /// To this day, included; or to this instant, not included. A day if `start_date` is one.
    #[param(example = "2026-11-21")]
    end_date: Option<String>,
    /// `newest` first, or `oldest`.
    #[serde(default)]
    #[param(inline)]
    order: Order,
    /// Only with these states, with commas between them: `preliminary`, `final`, `amended`, `entered-in-error`.
    status: Option<String>,
    /// Whether records that Withings no longer has are in the list.
    #[serde(default)]
    include_retracted: bool,
    /// How many at most: from 1 to 200, and 25 unless it is said; as CSV or NDJSON from 1 to 1,000, and 1,000 unless it is
    /// said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// The form of the answer; without it `Accept` decides.
    #[param(inline)]
    format: Option<Format>,
}

/// Records, and where the next page begins.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it says to readers of the document what the answer is; records keep their exact text")]
pub(super) struct RecordPage {
    /// The records, as the `records` table has them.
    #[schema(value_type = Vec<RecordShape>)]
    records: Vec<Record>,
    /// The `cursor` of the next page; `null` at the end.
    #[schema(required)]
    next: Option<String>,
}

/// Lists the records of a user by when they were. As CSV or NDJSON the next page is in the header `Link`.
#[utoipa::path(
    get,
    path = "/v1/users/{user}/records",
    tag = "Data",
    params(("user" = String, Path, description = "The user."), RecordsWish),
    security(("key" = ["user"])),
    responses((status = 200, description = "The records.", content(
        (RecordPage = "application/json"),
        (String = "text/csv"),
        (String = "application/x-ndjson"),
    )))
)]
async fn list_records(
    State(app): State<Shared>,
    reader: UserReader,
    Query(wish): Query<RecordsWish>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let format = Format::of(wish.format, &headers)?;
    let (usual, most) = if format == Format::Json { LIST } else { LINES };
    let kinds = kinds_of(wish.kind.as_deref())?;
    let dates = dates(wish.start_date.as_deref(), wish.end_date.as_deref())?;
    let states = states(wish.status.as_deref())?;
    let cursors = Cursors::of(&uri);
    let after = wish.cursor.as_deref().map(|cursor| read_after(&cursors.read(cursor)?)).transpose()?;
    let (from_ms, to_ms) = dates.bounds_ms();
    let asked = Range {
        user: &reader.user,
        kinds: &kinds,
        from_ms,
        to_ms,
        newest_first: matches!(wish.order, Order::Newest),
        after: after.as_ref(),
        limit: usize::from(limit(wish.limit, usual, most)?),
        retracted: wish.include_retracted || states.contains(&Status::EnteredInError),
        lean: false,
    };
    let is_wanted = |status: &Status| states.is_empty() || states.contains(status);
    let write_after = |after: &After| cursors.write(&format!("{} {}", after.effective_ms, after.record));
    if format == Format::Csv {
        let keep = |record: &Record| dates.hold(record) && is_wanted(&record.status);
        let found = app.records.range(&asked, keep).await?;
        reader.exists(&app, found.records.is_empty() && after.is_none()).await?;
        // An hour of samples is a few hundred bytes as JSON and tens of thousands as rows.
        let (table, taken) = table::of_records(&found.records, PAGE_BYTES, escaped_len);
        let cut = found.records.get(taken).and(found.records.get(taken.saturating_sub(1))).map(after_of);
        let next = cut.as_ref().or(found.next.as_ref()).map(write_after);
        return Ok(linked(format, table, &uri, next.as_deref()));
    }
    let keep = |record: &Text| {
        let day = || day_of(record.local_date.as_deref(), &record.start);
        dates.hold_on(record.effective_ms, day) && is_wanted(&record.status)
    };
    let found = app.records.texts(&asked, keep).await?;
    reader.exists(&app, found.records.is_empty() && after.is_none()).await?;
    let next = found.next.as_ref().map(write_after);
    let members = found.records.iter().map(|record| record.json.as_str());
    Ok(match format {
        Format::Ndjson => linked(format, members.flat_map(|member| [member, "\n"]).collect(), &uri, next.as_deref()),
        _ => text(StatusCode::OK, format.content_type(), page_of("records", members, next)),
    })
}

/// Gets one record.
#[utoipa::path(
    get,
    path = "/v1/users/{user}/records/{record}",
    tag = "Data",
    params(("user" = String, Path, description = "The user."), ("record" = String, Path, description = "The record.")),
    security(("key" = ["user"])),
    responses((status = 200, description = "The record.", body = RecordShape))
)]
async fn get_record(
    State(app): State<Shared>,
    reader: UserReader,
    Path((_, record)): Path<(String, String)>,
) -> Answer {
    let record = RecordId::parse(&record).ok_or(Problem::NotFound("record"))?;
    let found = app.records.get(&reader.user, &record).await?.ok_or(Problem::NotFound("record"))?;
    super::json(&found)
}

/// Of which kinds the latest.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LatestWish {
    /// These kinds, with commas between them, 50 at most; without it all that are measured now and then.
    #[param(example = "body_weight,blood_pressure")]
    kind: Option<String>,
    /// The form of the answer; without it `Accept` decides.
    #[param(inline)]
    format: Option<Format>,
}

/// The latest of each kind.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it says to readers of the document what the answer is; records keep their exact text")]
struct LatestRecords {
    /// At most one record of each kind, in the order of their names.
    #[schema(value_type = Vec<RecordShape>)]
    records: Vec<Record>,
}

/// Gets the latest record of each kind that is not retracted: of several at one instant the one of the whole body. Of a kind
/// that is sampled it may be an hour of samples. If they are longer than 4 MB together, fewer kinds are to be named.
#[utoipa::path(
    get,
    path = "/v1/users/{user}/latest",
    tag = "Data",
    params(("user" = String, Path, description = "The user."), LatestWish),
    security(("key" = ["user"])),
    responses((status = 200, description = "The records.", content(
        (LatestRecords = "application/json"),
        (String = "text/csv"),
        (String = "application/x-ndjson"),
    )))
)]
async fn get_latest(
    State(app): State<Shared>,
    reader: UserReader,
    Query(wish): Query<LatestWish>,
    headers: HeaderMap,
) -> Answer {
    let asked = kinds_of(wish.kind.as_deref())?;
    let kinds = if asked.is_empty() { kinds::measured() } else { asked };
    let records = app.records.latest(&reader.user, &kinds).await?;
    reader.exists(&app, records.is_empty()).await?;
    let format = Format::of(wish.format, &headers)?;
    let body = match format {
        Format::Csv => {
            let (table, taken) = table::of_records(&records, PAGE_BYTES, escaped_len);
            Some(table).filter(|_| taken == records.len())
        }
        Format::Ndjson => Some(lines(&raw(&records)?)),
        Format::Json => Some(format!(r#"{{"records":[{}]}}"#, joined(&raw(&records)?, ","))),
    };
    // The first always fits, so that every kind can be had.
    let fits = |body: &String| records.len() == 1 || escaped_len(body) <= PAGE_BYTES;
    let body =
        body.filter(fits).ok_or_else(|| Problem::field("kind", "fewer kinds: these are too long for one answer"))?;
    Ok(text(StatusCode::OK, format.content_type(), body))
}

fn raw(records: &[Record]) -> Result<Vec<Box<RawValue>>, serde_json::Error> {
    records.iter().map(to_raw_value).collect()
}

fn joined(members: &[Box<RawValue>], between: &str) -> String {
    members.iter().map(|member| member.get()).collect::<Vec<_>>().join(between)
}

fn lines(members: &[Box<RawValue>]) -> String {
    members.iter().map(|member| format!("{}\n", member.get())).collect()
}

fn states(text: Option<&str>) -> Result<Vec<Status>, Problem> {
    let expected = || Problem::field("status", "some of preliminary, final, amended, entered-in-error");
    let read = |name: String| serde_json::from_value(serde_json::Value::String(name)).map_err(|_| expected());
    names(text).into_iter().map(read).collect()
}

fn after_of(record: &Record) -> After {
    After { record: record.record.clone(), effective_ms: record.effective_ms }
}

/// A place between two records.
fn read_after(text: &str) -> Result<After, Problem> {
    let after = text.split_once(' ').and_then(|(effective_ms, record)| {
        Some(After { record: RecordId::parse(record)?, effective_ms: effective_ms.parse().ok()? })
    });
    after.ok_or_else(bad_cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_once_each() {
        assert_eq!(names(Some("b, a,,b")), ["a", "b"]);
        assert!(names(None).is_empty());
        let many = (0..=KINDS).map(|number| format!("k{number}")).collect::<Vec<_>>().join(",");
        assert!(kinds_of(Some(&many)).is_err());
        assert_eq!(states(Some("final,entered-in-error")).unwrap(), [Status::EnteredInError, Status::Final]);
        assert!(states(Some("gone")).is_err());
    }
}
