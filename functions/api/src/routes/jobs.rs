//! Jobs on the deliveries of an endpoint: recover, replay, cancel.

use afferent_domain::id::JobId;
use afferent_domain::job::{Job, Kind, State as Standing};
use afferent_registry::{Span, instant};
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::commands::Nothing;
use super::endpoints::Part;
use super::{Answer, json, json_with};
use crate::door::{EndpointOwner, made};
use crate::extract::{Body, MaybeBody, Path, Query};
use crate::problem::Problem;
use crate::routes::put::{Routes, put};
use crate::state::Shared;

pub(crate) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; recover_deliveries, replay_events, list_jobs, show_job, cancel_job)
}

/// Which deliveries or events a job is about, and how it goes about them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"since": "2026-11-20T00:00:00Z", "preview": true}))]
struct JobWish {
    /// From when on (RFC 3339): what ended undelivered then or later; of a replay what was journalled then or later.
    since: String,
    /// And made or journalled before this; now unless it is said, and never later.
    until: Option<String>,
    /// How many are sent in a minute at most, from 1 to 6000; 600 unless it is said.
    #[schema(minimum = 1, maximum = 6000)]
    per_minute: Option<u32>,
    /// Whether it only counts.
    #[serde(default)]
    preview: bool,
}

impl JobWish {
    fn span(&self) -> Result<Span, Problem> {
        Ok(Span {
            since_ms: instant("since", &self.since)?,
            until_ms: self.until.as_deref().map(|until| instant("until", until)).transpose()?,
            per_minute: self.per_minute,
            preview: self.preview,
        })
    }
}

/// A job on the deliveries of an endpoint, and how far it is. Times in milliseconds since 1970.
#[derive(Serialize, ToSchema)]
pub(crate) struct JobShown {
    /// Its id.
    #[schema(example = "job_5v6j1g23tk2p6eb2h2fk4dzvym")]
    job: String,
    /// Whose deliveries.
    endpoint: String,
    /// What it does: send again what ended undelivered, send what was never sent, or cancel what waits.
    #[schema(value_type = shapes::JobKind)]
    kind: Kind,
    /// Whether it only counts.
    preview: bool,
    /// From when on.
    since_ms: i64,
    /// And before this.
    until_ms: i64,
    /// How many it sends in a minute at most.
    per_minute: u32,
    /// When it was begun.
    created_ms: i64,
    #[schema(value_type = shapes::JobState)]
    state: Standing,
    /// How many were looked at.
    looked_at: u64,
    /// How many of these are sent or cancelled, or would be.
    matched: u64,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    ended_ms: Option<i64>,
}

impl From<Job> for JobShown {
    fn from(job: Job) -> Self {
        Self {
            job: job.job.to_string(),
            endpoint: job.endpoint.to_string(),
            kind: job.kind,
            preview: job.preview,
            since_ms: job.since_ms.as_millis(),
            until_ms: job.until_ms.as_millis(),
            per_minute: job.per_minute,
            created_ms: job.created_ms.as_millis(),
            state: job.state,
            looked_at: job.progress.looked_at,
            matched: job.progress.matched,
            ended_ms: job.progress.ended_ms.map(afferent_domain::Timestamp::as_millis),
        }
    }
}

/// A part of the list of jobs.
#[derive(Serialize, ToSchema)]
struct JobList {
    /// The jobs, the oldest first.
    jobs: Vec<JobShown>,
    /// The cursor of the next part; `null` at the end.
    #[schema(required)]
    next: Option<String>,
}

/// Delivers again what ended without being delivered.
///
/// However long before it was made; but not what its receiver or its owner wants no more, nor what is no longer kept.
#[utoipa::path(
    post,
    path = "/v1/endpoints/{endpoint}/recover",
    tag = "Deliveries",
    params(("endpoint" = String, Path, description = "The endpoint.")),
    request_body = JobWish,
    security(("key" = ["endpoint"])),
    responses((status = 202, description = "The job, which runs.", body = JobShown))
)]
async fn recover_deliveries(State(app): State<Shared>, owner: EndpointOwner, Body(wish): Body<JobWish>) -> Answer {
    let job = app.registry().await?.recover(&owner.endpoint, wish.span()?).await?;
    begun(job)
}

/// Delivers what the endpoint would want now and has no delivery of.
///
/// After a change of what it wants, or after it was disabled.
#[utoipa::path(
    post,
    path = "/v1/endpoints/{endpoint}/replay",
    tag = "Deliveries",
    params(("endpoint" = String, Path, description = "The endpoint.")),
    request_body = JobWish,
    security(("key" = ["endpoint"])),
    responses((status = 202, description = "The job, which runs.", body = JobShown))
)]
async fn replay_events(State(app): State<Shared>, owner: EndpointOwner, Body(wish): Body<JobWish>) -> Answer {
    let job = app.registry().await?.replay(&owner.endpoint, wish.span()?).await?;
    begun(job)
}

fn begun(job: Job) -> Answer {
    let id = job.job.to_string();
    Ok(made(json_with(StatusCode::ACCEPTED, &JobShown::from(job))?, [("job", id)]))
}

/// Lists the jobs of an endpoint, the oldest first.
///
/// Those that run, and for 30 days those that are over.
#[utoipa::path(
    get,
    path = "/v1/endpoints/{endpoint}/jobs",
    tag = "Deliveries",
    params(("endpoint" = String, Path, description = "The endpoint."), Part),
    security(("key" = ["endpoint"])),
    responses((status = 200, description = "A part of the list.", body = JobList))
)]
async fn list_jobs(State(app): State<Shared>, owner: EndpointOwner, Query(part): Query<Part>) -> Answer {
    let all = app.registry().await?.jobs(&owner.endpoint).await?;
    let (jobs, next) = part.of(all, |job| (job.created_ms.as_millis(), job.job.to_string()))?;
    json(&JobList { jobs: jobs.into_iter().map(JobShown::from).collect(), next })
}

/// A job, as the path names it.
fn job(text: &str) -> Result<JobId, Problem> {
    JobId::parse(text).ok_or(Problem::NotFound("job"))
}

/// Shows a job, and how far it is.
#[utoipa::path(
    get,
    path = "/v1/endpoints/{endpoint}/jobs/{job}",
    tag = "Deliveries",
    params(
        ("endpoint" = String, Path, description = "The endpoint."),
        ("job" = String, Path, description = "The job."),
    ),
    security(("key" = ["endpoint"])),
    responses((status = 200, description = "The job.", body = JobShown))
)]
async fn show_job(State(app): State<Shared>, owner: EndpointOwner, Path((_, id)): Path<(String, String)>) -> Answer {
    json(&JobShown::from(app.registry().await?.job(&owner.endpoint, &job(&id)?).await?))
}

/// Ends a job that runs.
///
/// What it sent is sent.
#[utoipa::path(
    post,
    path = "/v1/endpoints/{endpoint}/jobs/{job}/cancel",
    tag = "Deliveries",
    params(
        ("endpoint" = String, Path, description = "The endpoint."),
        ("job" = String, Path, description = "The job."),
    ),
    request_body(content = Nothing, description = "May be left out."),
    security(("key" = ["endpoint"])),
    responses((status = 200, description = "The job as it is now.", body = JobShown))
)]
async fn cancel_job(
    State(app): State<Shared>,
    owner: EndpointOwner,
    Path((_, id)): Path<(String, String)>,
    MaybeBody(Nothing {}): MaybeBody<Nothing>,
) -> Answer {
    json(&JobShown::from(app.registry().await?.cancel_job(&owner.endpoint, &job(&id)?).await?))
}

/// The words of answers, for the OpenAPI document.
mod shapes {
    #![expect(dead_code, reason = "only their shapes are used, and those by the document alone")]

    use super::ToSchema;

    #[derive(ToSchema)]
    #[schema(rename_all = "snake_case")]
    pub(super) enum JobKind {
        Recover,
        Replay,
        Cancel,
    }

    /// Whether a job goes on, has done all there was to do, or was ended before.
    #[derive(ToSchema)]
    #[schema(rename_all = "snake_case")]
    pub(super) enum JobState {
        Running,
        Done,
        Cancelled,
    }
}
