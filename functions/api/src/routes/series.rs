//! Values over time.

use afferent_store::records::Range;
use afferent_views::samples::{Quantity, UnknownQuantity};
use afferent_views::series::{Collector, From, Point, Resolution, Wish};
use afferent_views::table;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::format::{Format, linked};
use super::records::dates;
use super::{Answer, json};
use crate::door::UserReader;
use crate::extract::{Cursors, Query, bad_cursor};
use crate::problem::Problem;
use crate::routes::put::{Routes, put};
use crate::state::Shared;

/// How many records are read at once.
const PIECE: usize = 1_000;

/// After how many pieces an answer ends, even without a point, as long as the next one begins further on.
pub(super) const PIECES: usize = 12;

pub(crate) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; get_series)
}

/// Which series.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SeriesWish {
    /// What: a kind, a part of a compound after a dot, a method of the part after another.
    #[param(example = "blood_pressure.systolic")]
    kind: String,
    /// From this day of the person on (`2026-11-21`), or from this instant on (RFC 3339).
    #[param(example = "2026-01-01")]
    start_date: Option<String>,
    /// To this day, included; or to this instant, not included. A day if `start_date` is one.
    #[param(example = "2026-12-31")]
    end_date: Option<String>,
    /// `raw` for every number, or buckets of `1m`, `5m`, `15m`, `30m`, `1h`, `1d`, `1w`, `1M`; days and longer are the
    /// person's own. `raw` unless it is said.
    #[param(example = "1d")]
    resolution: Option<String>,
    /// Only what this device measured.
    device: Option<String>,
    /// Each device by itself.
    #[serde(default)]
    by_device: bool,
    /// Of this part of the body; without it of the whole.
    #[param(example = "left_arm")]
    body_site: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// The form of the answer; without it `Accept` decides.
    #[param(inline)]
    format: Option<Format>,
}

/// A series.
#[derive(Serialize, ToSchema)]
struct Series {
    /// What it is of.
    kind: String,
    /// How fine it is.
    resolution: String,
    /// The unit of the numbers (UCUM).
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    /// The points, the oldest first.
    #[schema(value_type = Vec<Point>)]
    points: Vec<Point>,
    /// The `cursor` of the next page; `null` at the end.
    #[schema(required)]
    next: Option<String>,
}

/// Gets the numbers of one quantity over time, as they are or summed up; 5,000 points at most in an answer.
///
/// Of what can be added up (steps, energy, distance, durations) one device counts in each UTC hour, the one that covers most of
/// it: a phone and a watch count the same walk. Means are exact, rounded half to even to four places.
#[utoipa::path(
    get,
    path = "/v1/users/{user}/series",
    tag = "Data",
    params(("user" = String, Path, description = "The user."), SeriesWish),
    security(("key" = ["user"])),
    responses((status = 200, description = "The points.", content(
        (Series = "application/json"),
        (String = "text/csv"),
        (String = "application/x-ndjson"),
    )))
)]
async fn get_series(
    State(app): State<Shared>,
    reader: UserReader,
    Query(asked): Query<SeriesWish>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let format = Format::of(asked.format, &headers)?;
    let cursors = Cursors::of(&uri);
    let resolution = asked.resolution.as_deref().unwrap_or("raw");
    let wish = Wish {
        quantity: asked
            .kind
            .parse::<Quantity>()
            .map_err(|UnknownQuantity(expected)| Problem::field("kind", expected))?,
        dates: dates(asked.start_date.as_deref(), asked.end_date.as_deref())?,
        resolution: resolution.parse().map_err(|expected| Problem::field("resolution", format!("{expected}")))?,
        from: asked.cursor.as_deref().map(|cursor| read_from(&cursors.read(cursor)?)).transpose()?,
        device: asked.device,
        by_device: asked.by_device,
        body_site: asked.body_site,
    };
    let resolution: Resolution = wish.resolution;
    let found = collect(&app, &reader, &wish).await?;
    reader.exists(&app, found.points.is_empty() && asked.cursor.is_none()).await?;
    let next = found.next.map(|next| cursors.write(&next.to_text()));
    let raw = resolution == Resolution::Raw;
    match format {
        Format::Csv => Ok(linked(format, table::of_points(&found.points, raw), &uri, next.as_deref())),
        Format::Ndjson => {
            let lines = found.points.iter().map(|point| serde_json::to_string(point).map(|line| line + "\n"));
            Ok(linked(format, lines.collect::<Result<String, _>>()?, &uri, next.as_deref()))
        }
        Format::Json => json(&Series {
            kind: wish.quantity.to_string(),
            resolution: resolution.to_string(),
            unit: found.unit,
            points: found.points,
            next,
        }),
    }
}

/// Reads on until all is read, the answer is full, or enough was read.
async fn collect(app: &Shared, reader: &UserReader, wish: &Wish) -> Result<afferent_views::series::Series, Problem> {
    let kinds = [wish.quantity.kind.clone()];
    let (from_ms, to_ms) = wish.bounds_ms();
    let mut collector = Collector::new(wish);
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
        // A piece may hold many times the numbers of an answer.
        let mut records = found.records.iter().peekable();
        while let Some(record) = records.next() {
            collector.add(record);
            if let Some(unread) = records.peek().map(|record| record.effective_ms).filter(|at| collector.is_full(*at)) {
                return Ok(collector.finish(Some(unread)));
            }
        }
        let Some(next) = found.next else { break };
        let unread = next.effective_ms;
        if collector.is_full(unread) || (piece >= PIECES && collector.moves_on(unread)) {
            return Ok(collector.finish(Some(unread)));
        }
        after = Some(next);
    }
    Ok(collector.finish(None))
}

fn read_from(text: &str) -> Result<From, Problem> {
    From::from_text(text).ok_or_else(bad_cursor)
}
