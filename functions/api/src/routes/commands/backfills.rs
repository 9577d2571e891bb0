//! Reading the past.

use afferent_domain::Timestamp;
use afferent_domain::backfill::{Ask, BadRange, Estimate, Range, State as Standing};
use afferent_domain::id::{ConnectionId, RunId};
use afferent_store::connections::Connection;
use afferent_store::runs::{Ahead, Asked, MOST_RUNNING, Run};
use axum::extract::State;
use axum::http::StatusCode;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Nothing, alive, connection, refresh};
use crate::door::{Reader, Writer, made};
use crate::extract::{Body, MaybeBody, Path, Query, limit, read_pair, write_pair};
use crate::problem::{Details, Kind, Problem};
use crate::routes::put::{Routes, put};
use crate::routes::{Answer, json, json_with};
use crate::state::{App, Shared};

pub(super) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; start_backfill, list_backfills, get_backfill, cancel_backfill)
}

/// Which past is to be read.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BackfillWish {
    /// From here on: a day of the person's own (`2026-01-31`) or an instant (`2026-01-31T07:00:00Z`), from 2009 on.
    #[schema(example = "2025-01-01")]
    start_date: String,
    /// Up to here, the whole day included; up to now unless it is said.
    end_date: Option<String>,
    /// The services, such as `getmeas`; all that the person granted unless they are named.
    services: Option<Vec<String>>,
    /// Whether the series of days and nights are read too. They take a call a day.
    #[serde(default)]
    details: bool,
    /// Whether only an estimate is wanted.
    #[serde(default)]
    preview: bool,
}

/// What a run would take. Nothing is begun.
#[derive(Serialize, ToSchema)]
struct BackfillEstimate {
    /// Always true.
    preview: bool,
    /// The instant from which is read.
    start: String,
    /// The instant up to which is read.
    end: String,
    /// The services that are read.
    services: Vec<&'static str>,
    /// Whether series are.
    details: bool,
    /// How many pieces it is read in.
    slices: usize,
    /// How many calls it takes at least; pages after the first come on top.
    calls: u64,
    /// How long it takes if nothing else wants calls, in seconds.
    seconds_at_best: u64,
    /// How long it takes if everything else wants calls all the time, in seconds.
    seconds_at_worst: u64,
    /// How the budget of calls stands.
    budget: BackfillBudget,
}

/// How the budget of calls stands.
#[derive(Serialize, ToSchema)]
struct BackfillBudget {
    /// The calls that the plan allows in a minute.
    per_minute: u16,
    /// Those of them that are used at this moment.
    in_use: u32,
    /// Until when Withings wants no call at all; `null` if it takes them.
    held_until: Option<String>,
    /// Pieces of all runs that wait. Newer pieces of this run go before older ones of others.
    slices_waiting: u64,
    /// Whether more wait than were counted.
    more_waiting: bool,
}

/// A run: a past that is being read, or was.
#[derive(Serialize, ToSchema)]
pub(crate) struct BackfillRun {
    /// Its id.
    run: String,
    /// Of which connection.
    connection: String,
    /// Whose.
    user: String,
    /// `running`, `done`, `failed` (nothing could be read) or `cancelled`.
    state: &'static str,
    /// The oldest instant that is read.
    start: String,
    /// The newest.
    end: String,
    /// The services that are read.
    services: Vec<&'static str>,
    /// Whether series are.
    details: bool,
    /// When it was asked for.
    created: String,
    /// When it ended.
    ended: Option<String>,
    /// How far it is. The newest is read first.
    progress: BackfillProgress,
    /// What could not be read, and why.
    problems: Vec<BackfillProblem>,
}

/// How far a run is.
#[derive(Serialize, ToSchema)]
struct BackfillProgress {
    /// How many pieces it has.
    slices: u32,
    /// Those that are over.
    slices_done: u32,
    /// Those of them that could not be read.
    slices_failed: u32,
    /// The pieces that are over, in percent.
    percent: u32,
    /// Calls that Withings answered.
    calls: u64,
    /// Facts in the answers.
    facts: u64,
    /// Records that were new or changed.
    records: u64,
}

/// What could not be read.
#[derive(Serialize, ToSchema)]
struct BackfillProblem {
    /// The service.
    service: String,
    /// The class of Withings' refusal, or `unanswered`.
    reason: String,
}

/// Runs.
#[derive(Serialize, ToSchema)]
struct BackfillList {
    /// The runs, the newest first.
    backfills: Vec<BackfillRun>,
    /// The `cursor` of the next page.
    next: Option<String>,
}

/// Which runs.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct BackfillPage {
    /// How many at most, from 1 to 100; 25 unless it is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Reads a past of a connection, the newest of it first, or says what that would take.
///
/// What it brings is marked as backfill in records and events. How it stands is a record of kind `backfill`, and so comes
/// as events too.
#[utoipa::path(
    post,
    path = "/v1/connections/{connection}/backfills",
    tag = "Commands",
    params(("connection" = String, Path, description = "The connection.")),
    request_body = BackfillWish,
    security(("key" = ["write"])),
    responses(
        (status = 202, description = "It is begun.", body = BackfillRun),
        (status = 200, description = "With `preview`: what it would take.", body = BackfillEstimate),
        (status = 409, description = "A run that reads as much is under way (`detail` names it), too many are, the link is dead, or a service was not granted.", body = Details, content_type = "application/problem+json"),
    )
)]
async fn start_backfill(
    State(app): State<Shared>,
    _: Writer,
    Path(text): Path<String>,
    Body(wish): Body<BackfillWish>,
) -> Answer {
    let services = wish.services.as_deref().map(refresh::named).transpose()?;
    let connection = connection(&app, &text).await?;
    let now = app.now();
    let range = Range::read(&wish.start_date, wish.end_date.as_deref(), &zone(&connection), now).map_err(bad_range)?;
    alive(&connection)?;
    let mut ask = Ask::of(&connection.scopes, range.from, range.to, wish.details);
    if let Some(services) = &services {
        if let Some(missing) = services.iter().find(|service| !connection.scopes.allow(**service)) {
            return Err(Problem::conflict(
                Kind::NotGranted,
                format!("the person has not granted what {missing} needs"),
            ));
        }
        ask = ask.only(services);
    }
    if wish.preview {
        return json(&estimate(&app, &connection, &ask, now).await?);
    }
    match app.connections.ask_run(&connection, ask, now).await? {
        Asked::Begun(run) => {
            let answer = json_with(StatusCode::ACCEPTED, &BackfillRun::of(&run))?;
            Ok(made(answer, [("run", run.id.to_string())]))
        }
        Asked::UnderWay(run) => {
            Err(Problem::conflict(Kind::BackfillUnderWay, format!("{run} is under way and reads all of this")))
        }
        Asked::TooMany => {
            let detail = format!("{MOST_RUNNING} runs of this connection are under way: wait for one, or cancel it");
            Err(Problem::conflict(Kind::TooManyBackfills, detail))
        }
    }
}

async fn estimate(app: &App, connection: &Connection, ask: &Ask, now: Timestamp) -> Result<BackfillEstimate, Problem> {
    let Estimate { slices, calls, fastest, slowest } = Estimate::of(&ask.slices(), app.limit);
    let Ahead { in_use, held, slices: waiting, more } =
        app.connections.ahead(&connection.account.application, app.limit, now).await?;
    Ok(BackfillEstimate {
        preview: true,
        start: Timestamp::from_secs(ask.oldest()).to_string(),
        end: Timestamp::from_secs(ask.to).to_string(),
        services: ask.from.keys().map(|service| service.name()).collect(),
        details: ask.details,
        slices,
        calls,
        seconds_at_best: fastest.as_secs(),
        seconds_at_worst: slowest.as_secs(),
        budget: BackfillBudget {
            per_minute: app.limit.calls(),
            in_use,
            held_until: held.map(|held| held.to_string()),
            slices_waiting: waiting,
            more_waiting: more,
        },
    })
}

/// Lists the runs of a connection.
#[utoipa::path(
    get,
    path = "/v1/connections/{connection}/backfills",
    tag = "Commands",
    params(("connection" = String, Path, description = "The connection."), BackfillPage),
    security(("key" = ["read"])),
    responses((status = 200, body = BackfillList))
)]
async fn list_backfills(
    State(app): State<Shared>,
    _: Reader,
    Path(text): Path<String>,
    Query(page): Query<BackfillPage>,
) -> Answer {
    let limit = usize::from(limit(page.limit, 25, 100)?);
    let after = page.cursor.as_deref().map(|cursor| read_pair(cursor, RunId::parse)).transpose()?;
    let connection = connection(&app, &text).await?;
    let mut runs = app.connections.runs(&connection.id).await?;
    let place = |run: &Run| (std::cmp::Reverse(run.created.as_millis()), run.id.clone());
    runs.sort_by_key(place);
    if let Some((created, id)) = after {
        runs.retain(|run| place(run) > (std::cmp::Reverse(created), id.clone()));
    }
    let more = runs.len() > limit;
    runs.truncate(limit);
    let last = runs.last().filter(|_| more);
    let next = last.map(|run| write_pair(run.created.as_millis(), &run.id));
    json(&BackfillList { backfills: runs.iter().map(BackfillRun::of).collect(), next })
}

/// Shows a run.
#[utoipa::path(
    get,
    path = "/v1/connections/{connection}/backfills/{run}",
    tag = "Commands",
    params(("connection" = String, Path, description = "The connection."), ("run" = String, Path, description = "The run.")),
    security(("key" = ["read"])),
    responses((status = 200, body = BackfillRun))
)]
async fn get_backfill(State(app): State<Shared>, _: Reader, Path((text, run)): Path<(String, String)>) -> Answer {
    json(&BackfillRun::of(&found(&app, &text, &run).await?))
}

async fn found(app: &App, connection: &str, run: &str) -> Result<Run, Problem> {
    let connection = ConnectionId::parse(connection).ok_or(Problem::NotFound("connection"))?;
    let run = RunId::parse(run).ok_or(Problem::NotFound("backfill run"))?;
    app.connections.run(&connection, &run).await?.ok_or(Problem::NotFound("backfill run"))
}

/// Ends a run. What it has read stays; what is left of it is not read.
#[utoipa::path(
    post,
    path = "/v1/connections/{connection}/backfills/{run}/cancel",
    tag = "Commands",
    params(("connection" = String, Path, description = "The connection."), ("run" = String, Path, description = "The run.")),
    request_body(content = Nothing, description = "May be left out."),
    security(("key" = ["write"])),
    responses(
        (status = 200, description = "It is cancelled.", body = BackfillRun),
        (status = 409, description = "It is over.", body = Details, content_type = "application/problem+json"),
    )
)]
async fn cancel_backfill(
    State(app): State<Shared>,
    _: Writer,
    Path((text, run)): Path<(String, String)>,
    MaybeBody(Nothing {}): MaybeBody<Nothing>,
) -> Answer {
    let run = found(&app, &text, &run).await?;
    app.connections.end_run(&run.connection, &run.id, Standing::Cancelled, app.now()).await?;
    app.records.tell_run(&app.connections, &run, &*app.rim.clock).await?;
    let run = found(&app, &text, run.id.as_str()).await?;
    if run.state != Standing::Cancelled {
        return Err(Problem::conflict(Kind::BackfillOver, format!("it is over already: {}", run.state)));
    }
    json(&BackfillRun::of(&run))
}

impl BackfillRun {
    pub(crate) fn of(run: &Run) -> Self {
        let counts = run.counts;
        let problem = |problem: &String| {
            let (service, reason) = problem.split_once(' ').unwrap_or((problem, "unknown"));
            BackfillProblem { service: service.to_owned(), reason: reason.to_owned() }
        };
        Self {
            run: run.id.to_string(),
            connection: run.connection.to_string(),
            user: run.user.to_string(),
            state: run.state.name(),
            start: Timestamp::from_secs(run.ask.oldest()).to_string(),
            end: Timestamp::from_secs(run.ask.to).to_string(),
            services: run.ask.from.keys().map(|service| service.name()).collect(),
            details: run.ask.details,
            created: run.created.to_string(),
            ended: run.ended.map(|ended| ended.to_string()),
            progress: BackfillProgress {
                slices: counts.slices,
                slices_done: counts.done,
                slices_failed: counts.failed,
                percent: u32::try_from(u64::from(counts.done) * 100 / u64::from(counts.slices.max(1))).unwrap_or(100),
                calls: counts.calls,
                facts: counts.facts,
                records: counts.changed,
            },
            problems: run.problems.iter().map(problem).collect(),
        }
    }
}

/// The person's time zone as far as it is known, else UTC.
pub(crate) fn zone(connection: &Connection) -> TimeZone {
    let known = connection.tz.as_deref().and_then(|name| TimeZone::get(name).ok());
    known.unwrap_or(TimeZone::UTC)
}

fn bad_range(bad: BadRange) -> Problem {
    match bad {
        BadRange::Start(expected) => Problem::field("start_date", expected),
        BadRange::End(expected) => Problem::field("end_date", expected),
    }
}
