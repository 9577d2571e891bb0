//! Erasing a person, and the receipt of it.

use std::collections::BTreeMap;

use afferent_domain::erasure::{Erasure, Link};
use afferent_domain::id::{ErasureId, UserId};
use afferent_store::connections::AccountKey;
use afferent_store::erasure::Begun;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::commands::Nothing;
use super::{Answer, json, json_with};
use crate::door::{Writer, made};
use crate::extract::{MaybeBody, Path, Query};
use crate::problem::Problem;
use crate::routes::put::{Routes, put};
use crate::state::{App, Shared};
use crate::wish;

/// The most erasures that are listed.
const LISTED: u16 = 25;

/// The most notifications that are counted.
const MOST: u16 = 100;

/// What no erasure reaches, and why that is no loss of it.
const STAYS: [&str; 8] = [
    "notifications that a pull had satisfied: no index finds them by person. They hold Withings' userid, a category and a time span, no measurement. They are deleted by notifications_until",
    "of each notification that Withings sends for the person afterwards, until the account is connected again, that it came, without its text and whom it named, deleted 90 days later; and, so that they are known, the accounts that this receipt names",
    "the ids of records and events in markers of the journal, deleted when an event of their time is (EventsRetentionDays), and the highest number of the journal, so that no number is given twice",
    "the ids of the user and of connections in the audit log and in endpoints that were made for this user; these and the reference in stored answers to repeated requests, which are sealed and deleted within 24 hours",
    "notifications as Withings sent them, in messages on the queue that nobody has read yet (4 days at most) and in its dead-letter queue (14 days)",
    "the ids of the user, of connections, records and events in logs and traces, until these are deleted (LogRetentionDays; traces after 30 days)",
    "what left the tables before: what endpoints and readers of the stream were sent, and copies in the Kinesis stream of records, if the stack has one (KinesisRetentionHours)",
    "this receipt",
];

pub(crate) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; erase_user, list_erasures, get_erasure)
}

/// An erasure: how far it is, and in the end the receipt. It outlives the person, and holds no name and no measurement.
#[derive(Serialize, ToSchema)]
struct ErasureReceipt {
    /// Its id.
    erasure: String,
    /// Who was erased.
    user: String,
    /// SHA-256 of the `reference_id` in UTF-8, in hex.
    reference_sha256: String,
    /// `running` or `done`.
    state: &'static str,
    /// When it was asked for.
    begun: String,
    /// When the last pass was over.
    ended: Option<String>,
    /// How many of the three passes are over. The last comes a day after the others, for what was still under way.
    passes: u32,
    /// The person's accounts at Withings.
    accounts: Vec<ErasedAccount>,
    /// How many items were deleted, by table: at least, because a function that dies may not have counted its last ones.
    /// Of `deliveries` attempts are items too; of `connections` marks, links and whatever else is kept about them.
    erased: BTreeMap<&'static str, u64>,
    /// How many keys were revoked that opened this user and nothing else.
    keys_revoked: u64,
    /// Until when a backup may hold what was erased: point-in-time recovery goes back 35 days. `null` until it is done.
    backups_until: Option<String>,
    /// Until when notifications may be kept that pulls had satisfied.
    notifications_until: String,
    /// What no erasure reaches.
    stays: [&'static str; 8],
    /// With `verify=true`: what is there now.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<ErasureCheck>,
}

/// An account of the person at Withings.
#[derive(Serialize, ToSchema)]
struct ErasedAccount {
    /// The connection.
    connection: String,
    /// Withings' cloud.
    region: String,
    /// Withings' userid.
    userid: String,
    /// How the consent ended: `revoked`, `dead_before` (there was none any more), `shared` (another user's connection of the
    /// same account lives), `refused`, `unreachable` (for three days; the tokens were destroyed); `null` until it is known.
    consent: Option<&'static str>,
}

/// What is there of the person, counted now. All of it is 0 after the last pass.
#[derive(Serialize, ToSchema)]
struct ErasureCheck {
    /// When it was looked.
    at: String,
    /// Whether nothing was found.
    clean: bool,
    /// Whether the person was made again since: then what is found is of the new life.
    made_again: bool,
    /// Records.
    records: u64,
    /// Events; deliveries go with theirs.
    events: u64,
    /// Notifications that wait for the person, or are about the person and name no pull; of each up to 100.
    notifications: u64,
    /// The user, the reference, links.
    user: u64,
    /// Connections and what is kept about them.
    connections: u64,
    /// Accounts with their tokens.
    accounts: u64,
}

/// The erasures of a user.
#[derive(Serialize, ToSchema)]
struct ErasureList {
    /// The newest 25, the newest first.
    erasures: Vec<ErasureReceipt>,
    /// Always null: nobody is erased more often.
    next: Option<String>,
}

/// Whose erasures. One of the two is needed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ErasureSearch {
    /// The id that the user had.
    user: Option<String>,
    /// What you called the person.
    reference_id: Option<String>,
}

/// What to do beside showing it.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ErasureQuestion {
    /// Whether to look now what is there.
    #[serde(default)]
    verify: bool,
}

/// Erases a person: records, events, deliveries, notifications, connections, tokens, the user.
///
/// The person's consents are ended at Withings. It takes about 25 hours; as long as it lasts the person can neither be
/// connected nor made again. Asking again answers with the erasure that is under way, and with the receipt of the last one
/// when it is over and nobody has made the person again.
#[utoipa::path(
    post,
    path = "/v1/users/{user}/erase",
    tag = "Commands",
    params(("user" = String, Path, description = "The user.")),
    request_body(content = Nothing, description = "May be left out."),
    security(("key" = ["write"])),
    responses(
        (status = 202, description = "It is under way.", body = ErasureReceipt),
        (status = 200, description = "The person is erased: the receipt.", body = ErasureReceipt),
    )
)]
async fn erase_user(
    State(app): State<Shared>,
    _: Writer,
    Path(text): Path<String>,
    MaybeBody(Nothing {}): MaybeBody<Nothing>,
) -> Answer {
    let user = UserId::parse(&text).ok_or(Problem::NotFound("user"))?;
    if let Some(id) = app.connections.erasing(&user).await? {
        return under_way(&app, &id).await;
    }
    let Some(known) = app.connections.user(&user).await? else {
        let last = app.connections.erasures(&user, 1).await?.into_iter().next().ok_or(Problem::NotFound("user"))?;
        return json(&receipt(&last, None));
    };
    let connections = app.connections.of_user(&user).await?;
    let link = |connection: &afferent_store::connections::Connection| Link {
        connection: connection.id.clone(),
        application: connection.account.application.clone(),
        region: connection.account.region.clone(),
        userid: connection.account.userid.clone(),
        left: None,
    };
    let id = ErasureId::draw(app.now(), &*app.rim.dice);
    let links = connections.iter().map(link).collect();
    let erasure = Erasure::begin(id.clone(), user, &known.reference, links, app.now());
    match app.connections.begin_erasure(&erasure).await? {
        Begun::Before(id) => under_way(&app, &id).await,
        Begun::Now => {
            tracing::info!(erasure = %id, connections = connections.len(), "an erasure was asked for");
            Ok(made(json_with(StatusCode::ACCEPTED, &receipt(&erasure, None))?, [("erasure", id.to_string())]))
        }
    }
}

async fn under_way(app: &App, id: &ErasureId) -> Answer {
    let erasure = app.connections.erasure(id).await?.ok_or(Problem::NotFound("erasure"))?;
    json_with(StatusCode::ACCEPTED, &receipt(&erasure, None))
}

/// Lists the erasures of a user, who need not be there any more.
#[utoipa::path(
    get,
    path = "/v1/erasures",
    tag = "Commands",
    params(ErasureSearch),
    security(("key" = ["write"])),
    responses((status = 200, body = ErasureList))
)]
async fn list_erasures(State(app): State<Shared>, _: Writer, Query(search): Query<ErasureSearch>) -> Answer {
    let user = match (&search.user, &search.reference_id) {
        (Some(user), None) => UserId::parse(user).ok_or(Problem::field("user", "the id of a user, as usr_…"))?,
        (None, Some(reference)) => {
            wish::reference(reference)?;
            UserId::derive(&[reference])
        }
        _ => return Err(Problem::field("user", "either user or reference_id")),
    };
    let erasures = app.connections.erasures(&user, LISTED).await?;
    json(&ErasureList { erasures: erasures.iter().map(|erasure| receipt(erasure, None)).collect(), next: None })
}

/// Shows how far an erasure is, or its receipt; with `verify=true` also what is there of the person now.
#[utoipa::path(
    get,
    path = "/v1/erasures/{erasure}",
    tag = "Commands",
    params(("erasure" = String, Path, description = "The erasure."), ErasureQuestion),
    security(("key" = ["write"])),
    responses((status = 200, body = ErasureReceipt))
)]
async fn get_erasure(
    State(app): State<Shared>,
    _: Writer,
    Path(text): Path<String>,
    Query(question): Query<ErasureQuestion>,
) -> Answer {
    let id = ErasureId::parse(&text).ok_or(Problem::NotFound("erasure"))?;
    let erasure = app.connections.erasure(&id).await?.ok_or(Problem::NotFound("erasure"))?;
    let found = if question.verify { Some(check(&app, &erasure).await?) } else { None };
    json(&receipt(&erasure, found))
}

fn receipt(erasure: &Erasure, found: Option<ErasureCheck>) -> ErasureReceipt {
    let account = |link: &Link| ErasedAccount {
        connection: link.connection.to_string(),
        region: link.region.clone(),
        userid: link.userid.clone(),
        consent: link.left.map(|left| left.name()),
    };
    ErasureReceipt {
        erasure: erasure.id.to_string(),
        user: erasure.user.to_string(),
        reference_sha256: erasure.reference_sha256.clone(),
        state: if erasure.is_done() { "done" } else { "running" },
        begun: erasure.begun.to_string(),
        ended: erasure.ended.map(|at| at.to_string()),
        passes: erasure.pass,
        accounts: erasure.links.iter().map(account).collect(),
        erased: erasure.counts.by_table().into(),
        keys_revoked: erasure.counts.keys,
        backups_until: erasure.backups_until().map(|at| at.to_string()),
        notifications_until: erasure.notifications_until().to_string(),
        stays: STAYS,
        found,
    }
}

async fn check(app: &App, erasure: &Erasure) -> Result<ErasureCheck, Problem> {
    let remains = app.connections.remains(erasure).await?;
    let records = app.records.count_of(&erasure.user).await?;
    let events = app.outbox.events().count_of(&erasure.user).await?;
    let mut notifications = 0;
    for link in &erasure.links {
        let account = AccountKey {
            application: link.application.clone(),
            region: link.region.clone(),
            userid: link.userid.clone(),
        };
        // Of an account that somebody else shares they are somebody else's.
        if app.connections.of_account(&account).await?.iter().all(|other| other.user == erasure.user) {
            let (waiting, _) = app.notifications.awaiting(&link.userid, None, MOST).await?;
            let (about, _) = app.notifications.about(&link.userid, None, MOST).await?;
            notifications += u64::try_from(waiting.len() + about.len()).unwrap_or(0);
        }
    }
    let user = app.connections.user(&erasure.user).await?;
    Ok(ErasureCheck {
        at: app.now().to_string(),
        clean: records + events + notifications + remains.user + remains.connections + remains.accounts == 0,
        made_again: user.is_some_and(|user| erasure.ended.is_some_and(|ended| user.created >= ended)),
        records,
        events,
        notifications,
        user: remains.user,
        connections: remains.connections,
        accounts: remains.accounts,
    })
}
