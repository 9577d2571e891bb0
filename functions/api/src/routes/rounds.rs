//! Rounds of all accounts: after the callback secret was changed, and after tables were restored from a backup.

use afferent_domain::Timestamp;
use afferent_domain::id::RoundId;
use afferent_domain::round::{Cause, Progress, Round, State as Standing};
use afferent_registry::instant;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::commands::Nothing;
use super::{Answer, json, json_with};
use crate::door::{Admin, made};
use crate::extract::{Body, MaybeBody, Path};
use crate::problem::{Kind, Problem};
use crate::routes::put::{Routes, put};
use crate::state::{App, Shared};

pub(crate) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; list_rounds, begin_round, get_round, cancel_round)
}

/// Why a round is begun.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"cause": "callback"}))]
struct RoundWish {
    /// `callback`: the callback URL has another secret. `restored`: the tables are those of a backup.
    #[schema(value_type = shapes::RoundCause)]
    cause: Why,
    /// Of `restored`: the instant whose state the tables have (RFC 3339).
    #[schema(format = DateTime)]
    since: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Why {
    Callback,
    Restored,
}

impl RoundWish {
    fn cause(&self, now: Timestamp) -> Result<Cause, Problem> {
        match (self.cause, self.since.as_deref()) {
            (Why::Callback, None) => Ok(Cause::Callback),
            (Why::Callback, Some(_)) => Err(Problem::field("since", "nothing: it belongs to `restored`")),
            (Why::Restored, None) => Err(Problem::field("since", "the instant whose state the tables have")),
            (Why::Restored, Some(since)) => {
                let since_ms = instant("since", since)?;
                if since_ms > now {
                    return Err(Problem::field("since", "an instant that is past"));
                }
                Ok(Cause::Restored { since_ms })
            }
        }
    }
}

/// A round, and how far it is.
#[derive(Serialize, ToSchema)]
#[schema(as = Round)]
struct Shown {
    /// Its id.
    #[schema(example = "rnd_5v6j1g23tk2p6eb2h2fk4dzvym")]
    round: String,
    /// Why it was begun.
    #[schema(value_type = shapes::RoundCause)]
    cause: &'static str,
    /// Of `restored`: the instant whose state the tables have.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    since: Option<String>,
    /// When it was begun.
    created: String,
    #[schema(value_type = shapes::RoundState)]
    state: Standing,
    /// When it ended; `null` while it runs.
    #[schema(required)]
    ended: Option<String>,
    /// Journals whose epoch was raised.
    journals: u64,
    /// Connections that were looked at.
    connections: u64,
    /// Accounts that were cared for.
    accounts: u64,
    /// Accounts that turned out to need a new consent.
    lost: u64,
    /// Accounts whose care failed three times in a row, or took a day; their own care goes on.
    left: u64,
}

impl From<Round> for Shown {
    fn from(round: Round) -> Self {
        let (cause, since) = match round.cause {
            Cause::Callback => ("callback", None),
            Cause::Restored { since_ms } => ("restored", Some(since_ms.to_string())),
        };
        let Progress { journals, connections, accounts, lost, left, ended_ms, .. } = round.progress;
        Self {
            round: round.round.to_string(),
            cause,
            since,
            created: round.created_ms.to_string(),
            state: round.state,
            ended: ended_ms.map(|ended| ended.to_string()),
            journals,
            connections,
            accounts,
            lost,
            left,
        }
    }
}

/// The rounds.
#[derive(Serialize, ToSchema)]
struct RoundList {
    /// The one that is under way and those of the last 400 days, the newest 100, the newest first.
    rounds: Vec<Shown>,
    /// Always null.
    next: Option<String>,
}

/// Begins a round of all accounts.
///
/// Each account is cared for, some at a time and in the lowest lane: its subscriptions are compared with the callback URL as it
/// is now. After a restore also every journal's epoch is raised, every token pair is renewed (one that was used up since
/// shows itself, and its person must consent again), and what came after the backup is read again.
#[utoipa::path(
    post,
    path = "/v1/rounds",
    tag = "Operating",
    request_body = RoundWish,
    security(("key" = ["admin"])),
    responses((status = 202, description = "The round, which runs.", body = Shown))
)]
async fn begin_round(State(app): State<Shared>, _: Admin, Body(wish): Body<RoundWish>) -> Answer {
    let now = app.now();
    let round = Round::begin(RoundId::draw(now, &*app.rim.dice), wish.cause(now)?, now);
    match app.connections.begin_round(&round).await? {
        None => {
            let id = round.round.to_string();
            Ok(made(json_with(StatusCode::ACCEPTED, &Shown::from(round))?, [("round", id)]))
        }
        Some(other) => {
            let detail = format!("the round {} is under way: wait for it, or cancel it", other.round);
            Err(Problem::conflict(Kind::RoundUnderWay, detail))
        }
    }
}

/// Lists the rounds, the newest first.
#[utoipa::path(
    get,
    path = "/v1/rounds",
    tag = "Operating",
    security(("key" = ["admin"])),
    responses((status = 200, description = "The rounds.", body = RoundList))
)]
async fn list_rounds(State(app): State<Shared>, _: Admin) -> Answer {
    let rounds = app.connections.rounds().await?;
    json(&RoundList { rounds: rounds.into_iter().map(Shown::from).collect(), next: None })
}

/// Shows a round, and how far it is.
#[utoipa::path(
    get,
    path = "/v1/rounds/{round}",
    tag = "Operating",
    params(("round" = String, Path, description = "The round.")),
    security(("key" = ["admin"])),
    responses((status = 200, description = "The round.", body = Shown))
)]
async fn get_round(State(app): State<Shared>, _: Admin, Path(text): Path<String>) -> Answer {
    json(&Shown::from(found(&app, &text).await?))
}

async fn found(app: &App, text: &str) -> Result<Round, Problem> {
    let id = RoundId::parse(text).ok_or(Problem::NotFound("round"))?;
    app.connections.round(&id).await?.ok_or(Problem::NotFound("round"))
}

/// Ends a round that runs. What it did is done.
#[utoipa::path(
    post,
    path = "/v1/rounds/{round}/cancel",
    tag = "Operating",
    params(("round" = String, Path, description = "The round.")),
    request_body(content = Nothing, description = "May be left out."),
    security(("key" = ["admin"])),
    responses((status = 200, description = "The round as it is now.", body = Shown))
)]
async fn cancel_round(
    State(app): State<Shared>,
    _: Admin,
    Path(text): Path<String>,
    MaybeBody(Nothing {}): MaybeBody<Nothing>,
) -> Answer {
    // The keeper may have gone on with it between reading and ending.
    for _ in 0..5 {
        let round = found(&app, &text).await?;
        if round.state != Standing::Running || app.connections.end_round(&round, Standing::Cancelled, app.now()).await?
        {
            break;
        }
    }
    json(&Shown::from(found(&app, &text).await?))
}

/// The words of answers, for the OpenAPI document.
mod shapes {
    #![expect(dead_code, reason = "only their shapes are used, and those by the document alone")]

    use super::ToSchema;

    #[derive(ToSchema)]
    #[schema(rename_all = "snake_case")]
    pub(super) enum RoundCause {
        Callback,
        Restored,
    }

    /// Whether a round goes on, has come to every account, or was ended before.
    #[derive(ToSchema)]
    #[schema(rename_all = "snake_case")]
    pub(super) enum RoundState {
        Running,
        Done,
        Cancelled,
    }
}
