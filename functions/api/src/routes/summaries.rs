//! Days, nights and workouts.

use afferent_store::records::Range;
use afferent_views::summaries::{Collector, Page, Row, Summary, table};
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::format::{Format, linked};
use super::records::dates;
use super::series::PIECES;
use super::{Answer, json};
use crate::door::UserReader;
use crate::extract::{Cursors, Path, Query, bad_cursor, limit};
use crate::problem::Problem;
use crate::routes::put::{Routes, put};
use crate::state::Shared;

/// How many rows an answer has unless it is said, and at most.
const ROWS: (u16, u16) = (31, 366);

/// How many records are read at once.
const PIECE: usize = 500;

pub(crate) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; list_summaries)
}

/// Which days.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SummariesWish {
    /// From this day of the person on (`2026-11-21`), or from this instant on (RFC 3339).
    #[param(example = "2026-11-01")]
    start_date: Option<String>,
    /// To this day, included; or to this instant, not included. A day if `start_date` is one.
    #[param(example = "2026-11-21")]
    end_date: Option<String>,
    /// How many rows at most, from 1 to 366; 31 unless it is said. A day is never cut.
    #[param(minimum = 1, maximum = 366)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// The form of the answer; without it `Accept` decides.
    #[param(inline)]
    format: Option<Format>,
}

/// Rows of a summary.
#[derive(Serialize, ToSchema)]
struct Summaries {
    /// The rows, the oldest first.
    summaries: Vec<Row>,
    /// The `cursor` of the next page; `null` at the end.
    #[schema(required)]
    next: Option<String>,
}

/// Lists what is asked for most, by local day: `body` (the last values of a day), `activity` (its sums), `sleep` (each night and
/// nap, under the day of waking), `workouts`, and `daily` (activity, the main night and the last measurements in one row).
///
/// A row is `tentative` while a record in it may still change by itself.
#[utoipa::path(
    get,
    path = "/v1/users/{user}/summaries/{summary}",
    tag = "Data",
    params(
        ("user" = String, Path, description = "The user."),
        ("summary" = String, Path, description = "`body`, `activity`, `sleep`, `workouts` or `daily`.", example = "sleep"),
        SummariesWish,
    ),
    security(("key" = ["user"])),
    responses((status = 200, description = "The rows.", content(
        (Summaries = "application/json"),
        (String = "text/csv"),
        (String = "application/x-ndjson"),
    )))
)]
async fn list_summaries(
    State(app): State<Shared>,
    reader: UserReader,
    Path((_, summary)): Path<(String, String)>,
    Query(wish): Query<SummariesWish>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let format = Format::of(wish.format, &headers)?;
    let summary: Summary = summary.parse().map_err(|_| Problem::NotFound("summary"))?;
    let dates = dates(wish.start_date.as_deref(), wish.end_date.as_deref())?;
    let cursors = Cursors::of(&uri);
    let day = |text: &str| cursors.read(text)?.parse().map_err(|_| bad_cursor());
    let from = wish.cursor.as_deref().map(day).transpose()?;
    let rows = usize::from(limit(wish.limit, ROWS.0, ROWS.1)?);
    let found = collect(&app, &reader, summary, Collector::new(summary, dates, from), rows).await?;
    reader.exists(&app, found.rows.is_empty() && wish.cursor.is_none()).await?;
    let next = found.next.map(|next| cursors.write(&next.to_string()));
    match format {
        Format::Csv => Ok(linked(format, table(summary, &found.rows), &uri, next.as_deref())),
        Format::Ndjson => {
            let lines = found.rows.iter().map(|row| serde_json::to_string(row).map(|line| line + "\n"));
            Ok(linked(format, lines.collect::<Result<String, _>>()?, &uri, next.as_deref()))
        }
        Format::Json => json(&Summaries { summaries: found.rows, next }),
    }
}

/// Reads on until all is read, the answer is full, or enough was read.
async fn collect(
    app: &Shared,
    reader: &UserReader,
    summary: Summary,
    mut collector: Collector,
    rows: usize,
) -> Result<Page, Problem> {
    let kinds = summary.kinds();
    let (from_ms, to_ms) = collector.bounds_ms();
    let mut after = None;
    for piece in 1.. {
        let asked = Range {
            kinds: &kinds,
            from_ms,
            to_ms,
            newest_first: false,
            after: after.as_ref(),
            limit: PIECE,
            lean: true,
            ..Range::of(&reader.user)
        };
        let found = app.records.range(&asked, |_| true).await?;
        found.records.into_iter().for_each(|record| collector.add(record));
        let Some(next) = found.next else { break };
        let unread = next.effective_ms;
        if collector.complete(unread) > rows || (piece >= PIECES && collector.moves_on(unread)) {
            return Ok(collector.finish(Some(unread), rows));
        }
        after = Some(next);
    }
    Ok(collector.finish(None, rows))
}
