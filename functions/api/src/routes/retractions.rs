//! Records that Withings no longer shows, held until somebody looks.

use std::collections::BTreeMap;

use afferent_domain::id::{ConnectionId, RetractionId};
use afferent_domain::record::SyncKind;
use afferent_domain::retraction::{Lack, Large, Told, fact};
use afferent_store::connections::Connection;
use afferent_store::doubts::Doubt;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::commands::{Nothing, connection};
use super::{Answer, json, json_with};
use crate::door::{Reader, Writer};
use crate::extract::{MaybeBody, Path, Query, limit, read_pair, write_pair};
use crate::problem::{Details, Kind, Problem};
use crate::routes::put::{Routes, put};
use crate::state::{App, Shared};

/// How many records of a doubt are looked at for their kinds.
const SAMPLE: usize = 100;

pub(crate) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; list_retractions, approve_retraction, reject_retraction)
}

/// Records that a completely read window lacked.
#[derive(Serialize, ToSchema)]
struct Retraction {
    /// Its id.
    retraction: String,
    /// The connection.
    connection: String,
    /// The service that lacked them.
    service: &'static str,
    /// `waiting` for the second read, which retracts them or not; `held`, because it is about much at once; `approved`, and
    /// looked at once more.
    state: &'static str,
    /// How many records are missing.
    records: usize,
    /// How many measurements the window held.
    known: usize,
    /// The kinds of the records (of the first 100), and how many of each.
    kinds: BTreeMap<String, usize>,
    /// When they were first missed.
    since: String,
    /// Since when it is held.
    held_since: Option<String>,
    /// When it is looked at again. What is held is retracted then, if the records are still missing.
    due: Option<String>,
}

/// Retractions.
#[derive(Serialize, ToSchema)]
struct RetractionList {
    /// The retractions, the oldest first.
    retractions: Vec<Retraction>,
    /// The `cursor` of the next page.
    next: Option<String>,
}

/// Which of them.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RetractionPage {
    /// How many at most, from 1 to 100; 25 unless it is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Lists what Withings no longer shows of a connection and is not retracted yet. Numbers, no values.
#[utoipa::path(
    get,
    path = "/v1/connections/{connection}/retractions",
    tag = "Operating",
    params(("connection" = String, Path, description = "The connection."), RetractionPage),
    security(("key" = ["read"])),
    responses((status = 200, body = RetractionList))
)]
async fn list_retractions(
    State(app): State<Shared>,
    _: Reader,
    Path(text): Path<String>,
    Query(page): Query<RetractionPage>,
) -> Answer {
    let limit = usize::from(limit(page.limit, 25, 100)?);
    let after = page.cursor.as_deref().map(|cursor| read_pair(cursor, RetractionId::parse)).transpose()?;
    let connection = connection(&app, &text).await?;
    let mut doubts = app.connections.doubts(&connection.id).await?;
    let place = |doubt: &Doubt| (doubt.first.as_millis(), doubt.id.clone());
    doubts.sort_by_key(place);
    if let Some(after) = after {
        doubts.retain(|doubt| place(doubt) > after);
    }
    let more = doubts.len() > limit;
    doubts.truncate(limit);
    let last = doubts.last().filter(|_| more);
    let next = last.map(|doubt| write_pair(doubt.first.as_millis(), &doubt.id));
    let mut retractions = Vec::new();
    for doubt in &doubts {
        retractions.push(shown(&app, &connection, doubt).await?);
    }
    json(&RetractionList { retractions, next })
}

async fn shown(app: &App, connection: &Connection, doubt: &Doubt) -> Result<Retraction, Problem> {
    let sample = &doubt.records[..doubt.records.len().min(SAMPLE)];
    let mut kinds = BTreeMap::new();
    for record in app.records.get_many(&connection.user, sample).await?.into_values() {
        *kinds.entry(record.kind).or_insert(0) += 1;
    }
    Ok(Retraction {
        retraction: doubt.id.to_string(),
        connection: doubt.connection.to_string(),
        service: doubt.service.name(),
        state: match (doubt.held, doubt.approved) {
            (Some(_), Some(_)) => "approved",
            (Some(_), None) => "held",
            (None, _) => "waiting",
        },
        records: doubt.records.len(),
        known: doubt.known,
        kinds,
        since: doubt.first.to_string(),
        held_since: doubt.held.map(|at| at.to_string()),
        due: doubt.due.map(|at| at.to_string()),
    })
}

/// Lets a retraction through that is held: it is looked at once more, and if the records are still missing they are
/// retracted.
#[utoipa::path(
    post,
    path = "/v1/connections/{connection}/retractions/{retraction}/approve",
    tag = "Operating",
    params(("connection" = String, Path, description = "The connection."), ("retraction" = String, Path, description = "The retraction.")),
    request_body(content = Nothing, description = "May be left out."),
    security(("key" = ["write"])),
    responses(
        (status = 202, description = "It is being looked at.", body = Retraction),
        (status = 409, description = "It is not held, or it is being looked at already.", body = Details, content_type = "application/problem+json"),
    )
)]
async fn approve_retraction(
    State(app): State<Shared>,
    _: Writer,
    Path((text, id)): Path<(String, String)>,
    MaybeBody(Nothing {}): MaybeBody<Nothing>,
) -> Answer {
    let (connection, doubt) = found(&app, &text, &id).await?;
    if !app.connections.approve_retraction(&doubt.key(), app.now()).await? {
        return Err(not_held());
    }
    let (_, doubt) = found(&app, &text, &id).await?;
    json_with(StatusCode::ACCEPTED, &shown(&app, &connection, &doubt).await?)
}

/// Drops a retraction that is held: the records stay, until a later sweep misses them again.
#[utoipa::path(
    post,
    path = "/v1/connections/{connection}/retractions/{retraction}/reject",
    tag = "Operating",
    params(("connection" = String, Path, description = "The connection."), ("retraction" = String, Path, description = "The retraction.")),
    request_body(content = Nothing, description = "May be left out."),
    security(("key" = ["write"])),
    responses(
        (status = 200, description = "It is dropped; this is what it was.", body = Retraction),
        (status = 409, description = "It is not held, or it is being looked at.", body = Details, content_type = "application/problem+json"),
    )
)]
async fn reject_retraction(
    State(app): State<Shared>,
    _: Writer,
    Path((text, id)): Path<(String, String)>,
    MaybeBody(Nothing {}): MaybeBody<Nothing>,
) -> Answer {
    let (connection, doubt) = found(&app, &text, &id).await?;
    let now = app.now();
    if !doubt.may_be_decided(now) {
        return Err(not_held());
    }
    let large = Large {
        user: &connection.user,
        connection: &connection.id,
        service: doubt.service,
        id: &doubt.id,
        first: doubt.first,
        lack: Lack { missing: doubt.records.len(), known: doubt.known },
    };
    // Told before the doubt goes: whoever dies in between is asked again and tells the same again.
    app.records.bring(fact(&large, Told::Rejected), now, SyncKind::Live).await?;
    if !app.connections.reject_retraction(&doubt.key(), now).await? {
        // Somebody began to look at it just now, and says what comes of it.
        app.records.bring(fact(&large, Told::Held), now, SyncKind::Live).await?;
        return Err(not_held());
    }
    json(&shown(&app, &connection, &doubt).await?)
}

async fn found(app: &App, text: &str, id: &str) -> Result<(Connection, Doubt), Problem> {
    const NONE: Problem = Problem::NotFound("retraction");
    let connection = ConnectionId::parse(text).ok_or(Problem::NotFound("connection"))?;
    let connection = app.connections.get(&connection).await?.ok_or(Problem::NotFound("connection"))?;
    let doubts = app.connections.doubts(&connection.id).await?;
    let doubt = doubts.into_iter().find(|doubt| doubt.id.as_str() == id).ok_or(NONE)?;
    Ok((connection, doubt))
}

fn not_held() -> Problem {
    Problem::conflict(Kind::NotHeld, "only a retraction that is held, and that nobody is looking at, can be decided")
}
