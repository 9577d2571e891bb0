//! Whether anything is missing for a user, and how that is known.

use std::collections::BTreeSet;

use afferent_domain::Timestamp;
use afferent_domain::backfill::{BadRange, Range};
use afferent_domain::service::Service;
use afferent_domain::sweep::{Case, Evidence, Verdict, Why, is_swept, judge};
use afferent_store::connections::Connection;
use afferent_store::notifications::State as Notification;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{KnownSpan, SweepTier};
use crate::door::UserReader;
use crate::extract::Query;
use crate::problem::Problem;
use crate::routes::commands::zone;
use crate::routes::put::{Routes, put};
use crate::routes::{Answer, json};
use crate::state::{App, Shared};

/// How many notifications in quarantine are counted.
const COUNTED: u16 = 100;

pub(super) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; get_completeness)
}

/// Of which time.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CompletenessQuestion {
    /// Up to when: a day of the person's own or an instant; now unless it is said.
    to: Option<String>,
    /// Of what is dated from when on: a day or an instant; from when the person was first connected unless it is said.
    from: Option<String>,
    /// Of this connection alone. Of somebody who has changed accounts only the last one can be complete now.
    connection: Option<String>,
}

/// Whether anything is missing.
#[derive(Serialize, ToSchema)]
struct UserCompleteness {
    /// The user.
    user: String,
    /// Of what is dated from here on,
    from: String,
    /// up to here:
    to: String,
    /// whether every addition and every edit is here, in the services that the person granted. Never true without a proof
    /// for each of them.
    complete: bool,
    /// The same in words, and what was not granted.
    sentence: String,
    /// What speaks against it.
    why: Vec<CompletenessReason>,
    /// Up to when additions and edits of all services are known, and how far back: the latest instant first.
    edits: Vec<KnownSpan>,
    /// The same of deletions. They are noticed by reading everything again, so later than the rest.
    deletions: Vec<KnownSpan>,
    /// Each connection.
    connections: Vec<ConnectionCompleteness>,
}

/// Why something may be missing.
#[derive(Serialize, ToSchema)]
struct CompletenessReason {
    /// `no_connection`, `not_connected`, `never_read`, `behind`, `not_so_far_back`, `unread` or `quarantined`.
    reason: &'static str,
    /// In words.
    text: String,
    /// The connection that it is about.
    connection: Option<String>,
    /// The service that it is about.
    service: Option<&'static str>,
}

/// What is known of a connection.
#[derive(Serialize, ToSchema)]
struct ConnectionCompleteness {
    /// The connection.
    connection: String,
    /// `connected`, `reauthorise`, `unlinked` or `disconnected`.
    state: &'static str,
    /// Notifications that wait for the person in quarantine, up to 100.
    quarantined: usize,
    /// The services that the person granted and that are swept.
    services: Vec<ServiceCompleteness>,
    /// Those that the person did not grant: nothing is known of them, and nothing asked.
    not_granted: Vec<&'static str>,
}

/// What is known of a service.
#[derive(Serialize, ToSchema)]
struct ServiceCompleteness {
    /// The service.
    service: &'static str,
    /// Up to when its additions and edits are known, and how far back.
    edits: Vec<KnownSpan>,
    /// Up to when its deletions are.
    deletions: Vec<KnownSpan>,
    /// Deletions that were noticed and wait for a second look.
    doubts: usize,
    /// Since when something is to be read.
    unread_since: Option<String>,
    /// How the sweeps stand.
    sweeps: Vec<SweepTier>,
}

/// Says whether anything is missing for a user up to an instant, and how that is known.
#[utoipa::path(
    get,
    path = "/v1/users/{user}/completeness",
    tag = "Introspection",
    params(("user" = String, Path, description = "The user."), CompletenessQuestion),
    security(("key" = ["user"])),
    responses((status = 200, body = UserCompleteness))
)]
async fn get_completeness(
    State(app): State<Shared>,
    reader: UserReader,
    Query(question): Query<CompletenessQuestion>,
) -> Answer {
    let user = reader.user;
    let mut connections = app.connections.of_user(&user).await?;
    if connections.is_empty() && app.connections.user(&user).await?.is_none() {
        return Err(Problem::NotFound("user"));
    }
    if let Some(wanted) = &question.connection {
        connections.retain(|connection| connection.id.as_str() == wanted);
        if connections.is_empty() {
            return Err(Problem::field("connection", "a connection of this user"));
        }
    }
    let now = app.now();
    let (from, to) = span(&question, &connections, now)?;
    let (mut cases, mut shown, mut why) = (Vec::new(), Vec::new(), Vec::new());
    for connection in &connections {
        let (case, connection_shown) = look(&app, connection, now).await?;
        let verdict = judge(std::slice::from_ref(&case), from.as_secs(), to);
        why.extend(verdict.why.into_iter().map(|why| reason(why, Some(connection))));
        cases.push(case);
        shown.push(connection_shown);
    }
    let verdict = judge(&cases, from.as_secs(), to);
    if connections.is_empty() {
        why.extend(verdict.why.iter().map(|why| reason(*why, None)));
    }
    json(&UserCompleteness {
        user: user.to_string(),
        from: from.to_string(),
        to: to.to_string(),
        complete: verdict.complete,
        sentence: sentence(&verdict, &shown, from, to),
        why,
        edits: verdict.edits.iter().map(Into::into).collect(),
        deletions: verdict.deletions.iter().map(Into::into).collect(),
        connections: shown,
    })
}

/// The time that is asked about.
fn span(
    question: &CompletenessQuestion,
    connections: &[Connection],
    now: Timestamp,
) -> Result<(Timestamp, Timestamp), Problem> {
    // What was there before anybody was connected was promised to nobody.
    const FIRST: &str = "2009-01-01";
    let zone = connections.first().map_or(jiff::tz::TimeZone::UTC, zone);
    let start = question.from.as_deref().unwrap_or(FIRST);
    let range = Range::read(start, question.to.as_deref(), &zone, now).map_err(|bad| match bad {
        BadRange::Start(expected) => Problem::field("from", expected),
        BadRange::End(expected) => Problem::field("to", expected),
    })?;
    let connected = connections.iter().map(|connection| connection.first_connected).min().unwrap_or(range.to);
    let from = if question.from.is_some() { range.from } else { connected.min(range.to) };
    Ok((from, range.to))
}

/// What is known of a connection, for the judgement and for whoever asks.
async fn look(app: &App, connection: &Connection, now: Timestamp) -> Result<(Case, ConnectionCompleteness), Problem> {
    let standings = app.connections.standings(&connection.id).await?;
    let known = app.connections.completeness(connection, &app.tiers, now).await?;
    let (waiting, _) = app.notifications.awaiting(&connection.account.userid, None, COUNTED).await?;
    // They come the oldest first. The index may still name some that were let go or erased.
    let mut oldest = None;
    for id in &waiting {
        let kept = app.notifications.kept(id).await?.filter(|kept| kept.state == Notification::Quarantined);
        oldest = kept.map(|kept| kept.incoming.received);
        if oldest.is_some() {
            break;
        }
    }
    // Signals are read with the recordings that they belong to, and not swept.
    let unread = Service::ALL.into_iter().filter(|service| !is_swept(*service) && connection.scopes.allow(*service));
    let unread = unread.filter_map(|service| Some((service, standings.get(&service)?.since()?))).collect();
    let swept = || Service::ALL.into_iter().filter(|service| is_swept(*service));
    let (mut evidence, mut services) = (Vec::new(), Vec::new());
    for service in swept().filter(|service| connection.scopes.allow(*service)) {
        let known = known.iter().find(|one| one.completeness.service == service);
        let unread = standings.get(&service).and_then(|standing| standing.since());
        let proof = known.map(|one| one.completeness.clone());
        let doubts = known.map_or(0, |one| one.doubts);
        services.push(ServiceCompleteness {
            service: service.name(),
            edits: proof.iter().flat_map(|proof| proof.edits.iter().map(Into::into)).collect(),
            deletions: proof.iter().flat_map(|proof| proof.deletions.iter().map(Into::into)).collect(),
            doubts,
            unread_since: unread.map(|at| at.to_string()),
            sweeps: proof.iter().flat_map(|proof| proof.tiers.iter().map(Into::into)).collect(),
        });
        evidence.push(Evidence { service, proof, doubts, unread });
    }
    let case = Case { state: connection.state, services: evidence, unread, quarantined: oldest };
    let shown = ConnectionCompleteness {
        connection: connection.id.to_string(),
        state: connection.state.name(),
        quarantined: waiting.len(),
        services,
        not_granted: swept().filter(|service| !connection.scopes.allow(*service)).map(Service::name).collect(),
    };
    Ok((case, shown))
}

fn reason(why: Why, connection: Option<&Connection>) -> CompletenessReason {
    let service = match why {
        Why::NeverRead(service) | Why::Behind(service, _) | Why::NotBack(service, _) | Why::Unread(service, _) => {
            Some(service.name())
        }
        Why::NoConnection | Why::NotConnected(_) | Why::Quarantined(_) => None,
    };
    let connection = connection.map(|connection| connection.id.to_string());
    CompletenessReason { reason: why.name(), text: why.to_string(), connection, service }
}

fn sentence(verdict: &Verdict, connections: &[ConnectionCompleteness], from: Timestamp, to: Timestamp) -> String {
    let known = |spans: &[afferent_domain::sweep::Completed]| match spans {
        [] => "nothing is proven".to_owned(),
        spans => {
            let span = |done: &afferent_domain::sweep::Completed| {
                format!("to {} for what is dated from {} on", done.began, Timestamp::from_secs(done.back))
            };
            format!("complete {}", spans.iter().map(span).collect::<Vec<_>>().join(", "))
        }
    };
    let answer = if verdict.complete {
        format!(
            "Nothing that was added or edited up to {to} is missing of what is dated from {from} on in the services that were granted."
        )
    } else {
        format!("It is not proven that everything up to {to} is here of what is dated from {from} on.")
    };
    let (edits, deletions) = (known(&verdict.edits), known(&verdict.deletions));
    let mut sentence = format!("{answer} Additions and edits: {edits}. Deletions: {deletions}.");
    let lacking: BTreeSet<&str> = connections.iter().flat_map(|one| one.not_granted.iter().copied()).collect();
    if !lacking.is_empty() {
        let lacking = lacking.into_iter().collect::<Vec<_>>().join(", ");
        sentence.push_str(&format!(" Not granted, and so not known at all: {lacking}."));
    }
    sentence
}
