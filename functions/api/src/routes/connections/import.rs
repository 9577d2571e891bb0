//! Bringing connections that were made elsewhere.

use std::collections::BTreeSet;
use std::time::Duration;

use afferent_domain::backfill::Depth;
use afferent_domain::connection::Scopes;
use afferent_domain::id::{ConnectionId, UserId};
use afferent_domain::secret::Secret;
use afferent_gate::History;
use afferent_store::StoreError;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::consent::{Brought, NotImported};
use crate::door::{Writer, made, not_final};
use crate::extract::Body;
use crate::problem::Problem;
use crate::routes::put::{Routes, put};
use crate::routes::{Answer, json};
use crate::state::Shared;
use crate::wish::{self, ScopeName};

pub(super) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; import_connections)
}

/// The most connections of one request.
const MOST: usize = 100;

/// What came of one that was brought now.
const IMPORTED: &str = "imported";

/// Why one was not, where the same again is right: as the problem of that kind is called.
const UNAVAILABLE: &str = "unavailable";

/// The longest token, in bytes. Withings' have 40.
const TOKEN: usize = 512;

/// Connections to import.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Imports {
    /// From 1 to 100.
    #[schema(min_items = 1, max_items = 100)]
    connections: Vec<NewConnection>,
}

/// A connection to import.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewConnection {
    /// What you call the person: 1 to 256 bytes.
    #[schema(example = "person-1")]
    reference_id: String,
    /// Withings' id of the account.
    #[schema(example = 90001001)]
    userid: u64,
    /// Withings' cloud, `eu` or `us`; this stack's unless it is said, and no other can be imported here.
    #[schema(example = "eu")]
    region: Option<String>,
    /// The access token. Without it, or without `expires_in`, the first call refreshes.
    access_token: Option<String>,
    /// The refresh token.
    refresh_token: String,
    /// How many seconds the access token lives from now on.
    #[schema(example = 7200)]
    expires_in: Option<u32>,
    /// What the person granted. Unless it is said, everything is tried.
    #[serde(default)]
    scopes: Vec<ScopeName>,
    /// The person's time zone, as IANA names it.
    #[schema(example = "Europe/Berlin")]
    timezone: Option<String>,
    /// How much of the past is read: `none`; `gap`, what the connection missed since it last lived here; a number of
    /// days; or `everything`. Unless it is said, as much as after a first consent.
    backfill: Option<Past>,
}

/// How much of the past.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(example = 90)]
enum Past {
    /// So many days.
    Days(u16),
    /// `none`, `gap` or `everything`.
    Word(String),
}

impl Past {
    fn history(&self) -> Option<History> {
        match self {
            Self::Days(days) => Some(History::Reach(Depth::Days(*days))),
            Self::Word(word) if matches!(word.as_str(), "none" | "gap" | "everything") => word.parse().ok(),
            Self::Word(_) => None,
        }
    }
}

/// What came of an import.
#[derive(Serialize, ToSchema)]
struct Imported {
    /// One for each connection, in the order of the request.
    connections: Vec<Outcome>,
}

/// What came of one.
#[derive(Serialize, ToSchema)]
struct Outcome {
    /// Of the request.
    #[schema(example = "person-1")]
    reference_id: String,
    /// `imported`; `already`, if it was connected and lives, and then nothing was changed; or `refused`.
    #[schema(example = "imported")]
    result: &'static str,
    /// The user, unless it was refused.
    #[schema(value_type = Option<String>)]
    user: Option<UserId>,
    /// The connection, unless it was refused.
    #[schema(value_type = Option<String>)]
    connection: Option<ConnectionId>,
    /// Why it was refused.
    problem: Option<Reason>,
}

/// Why one was refused.
#[derive(Serialize, ToSchema)]
struct Reason {
    /// `bad-field`, `duplicate_connection`, `too-many-connections` (a user has 100 at most), `erasing` (the person is being
    /// erased), or `unavailable` (the same again is right).
    #[serde(rename = "type")]
    #[schema(example = "bad-field")]
    kind: &'static str,
    /// The field at fault.
    field: Option<String>,
    /// What is wrong, for people.
    detail: String,
}

/// Imports connections that were made elsewhere, each with its own outcome.
///
/// The tokens are sealed and stored; nothing is called before the first refresh, and a pair that Withings does not take
/// then ends the connection as `reauthorise`. A pair is one chain: from that refresh on whoever else has it is cut off,
/// so stop the other side first. The answer never repeats a token. One request has 9 seconds: what there was no time for is
/// `unavailable`, and the same request again brings it, with the same `Idempotency-Key` too; what is there is `already`.
#[utoipa::path(
    post,
    path = "/v1/connections/import",
    tag = "Connecting",
    request_body = Imports,
    security(("key" = ["write"])),
    responses((status = 200, description = "What came of each.", body = Imported))
)]
async fn import_connections(State(app): State<Shared>, Writer(caller): Writer, Body(imports): Body<Imports>) -> Answer {
    if imports.connections.is_empty() || imports.connections.len() > MOST {
        return Err(Problem::field("connections", "a list of 1 to 100 connections"));
    }
    let mut connections = Vec::with_capacity(imports.connections.len());
    for new in imports.connections {
        let reference_id = new.reference_id.clone();
        let outcome = match new.checked() {
            Ok(brought) => match app.consents.import(brought, caller.until).await? {
                Ok(done) => {
                    let result = if done.already { "already" } else { IMPORTED };
                    let (user, connection) = (Some(done.user), Some(done.connection));
                    Outcome { reference_id, result, user, connection, problem: None }
                }
                Err(error) => refused(reference_id, why(&error)),
            },
            Err(problem) => refused(reference_id, said(&problem)),
        };
        connections.push(outcome);
    }
    let is_cut_short = connections.iter().any(|one| one.problem.as_ref().is_some_and(|why| why.kind == UNAVAILABLE));
    let ids = |id: fn(&Outcome) -> Option<String>| {
        let new = connections.iter().filter(|one| one.result == IMPORTED).filter_map(id);
        // One person may have several accounts.
        new.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
    };
    let users = ids(|one| one.user.as_ref().map(ToString::to_string));
    let made_of = ids(|one| one.connection.as_ref().map(ToString::to_string));
    let answer = made(json(&Imported { connections })?, [("users", users), ("connections", made_of)]);
    Ok(if is_cut_short { not_final(answer) } else { answer })
}

const fn refused(reference_id: String, reason: Reason) -> Outcome {
    Outcome { reference_id, result: "refused", user: None, connection: None, problem: Some(reason) }
}

fn said(problem: &Problem) -> Reason {
    let details = problem.details();
    Reason { kind: problem.kind().name(), field: details.field, detail: details.detail }
}

fn why(error: &NotImported) -> Reason {
    match error {
        NotImported::Region(region) => said(&Problem::field("region", format!("{region}: that is this stack's cloud"))),
        NotImported::Duplicate => Reason {
            kind: "duplicate_connection",
            field: None,
            detail: "the Withings account is connected for another user".to_owned(),
        },
        NotImported::TooMany => said(&Problem::too_many_connections()),
        NotImported::Erasing => said(&Problem::from(StoreError::Erasing)),
        NotImported::Unavailable => said(&Problem::Unavailable("there was no time for it, or a table is out of reach")),
    }
}

impl NewConnection {
    fn checked(self) -> Result<Brought, Problem> {
        wish::reference(&self.reference_id)?;
        wish::timezone(self.timezone.as_deref())?;
        if self.userid == 0 || i64::try_from(self.userid).is_err() {
            return Err(Problem::field("userid", "Withings' id of the account"));
        }
        if self.region.as_deref().is_some_and(|region| !matches!(region, "eu" | "us")) {
            return Err(Problem::field("region", "eu or us"));
        }
        let history = match &self.backfill {
            None => None,
            Some(past) => Some(
                past.history()
                    .ok_or_else(|| Problem::field("backfill", "none, gap, everything or a number of days"))?,
            ),
        };
        Ok(Brought {
            access_token: self.access_token.map(|token| secret(token, "access_token")).transpose()?,
            refresh_token: secret(self.refresh_token, "refresh_token")?,
            expires_in: self.expires_in.map(|seconds| Duration::from_secs(u64::from(seconds))),
            scopes: Scopes::new(self.scopes.into_iter().map(|scope| scope.scope().name())),
            reference: self.reference_id,
            userid: self.userid,
            region: self.region,
            tz: self.timezone,
            history,
        })
    }
}

/// A token, which goes into a header one day.
fn secret(text: String, field: &'static str) -> Result<Secret, Problem> {
    let fits = (1..=TOKEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(Secret::new(text)) } else { Err(Problem::field(field, "a token as Withings issued it")) }
}
