//! How each service of a connection stands.

use std::collections::BTreeMap;

use afferent_domain::Timestamp;
use afferent_domain::notification::{Category, Effect};
use afferent_domain::service::Service;
use afferent_store::StoreError;
use afferent_store::connections::Connection;
use afferent_store::marks::Standing;
use axum::extract::State;
use futures_util::future::{try_join, try_join_all};
use serde::Serialize;
use utoipa::ToSchema;

use super::SweepTier;
use crate::door::ConnectionReader;
use crate::routes::commands::BackfillRun;
use crate::routes::put::{Routes, put};
use crate::routes::{Answer, json};
use crate::state::{App, Shared};

/// How many records are looked at for one that is not retracted: few at first, and then more.
const LOOKED_AT: [usize; 2] = [25, 2_000];

/// How many runs are shown.
const RUNS: usize = 20;

pub(super) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; list_services)
}

/// How a connection stands, service by service.
#[derive(Serialize, ToSchema)]
struct ConnectionServices {
    /// The connection.
    connection: String,
    /// Whose.
    user: String,
    /// `connected`, `reauthorise`, `unlinked` or `disconnected`.
    state: &'static str,
    /// Every service.
    services: Vec<ServiceStanding>,
    /// The newest backfill runs, at most 20.
    backfills: Vec<BackfillRun>,
}

/// How a service stands.
#[derive(Serialize, ToSchema)]
struct ServiceStanding {
    /// The service.
    service: &'static str,
    /// The scope that Withings wants for it; `null` if it wants none of the person's.
    scope: Option<&'static str>,
    /// Whether the person granted it; `null` if that is not known.
    granted: Option<bool>,
    /// The categories of notifications that announce it.
    subscriptions: Vec<ServiceSubscription>,
    /// When the latest notification came that named it.
    last_notification: Option<String>,
    /// What is to be read and is not yet; `null` if nothing is.
    unread: Option<ServiceUnread>,
    /// The last reading.
    last_reading: Option<ServiceReading>,
    /// When the last reading began that was completed.
    last_success: Option<String>,
    /// How often reading failed in a row.
    failures: u32,
    /// Up to which time of modification rows are stored.
    modified_up_to: Option<String>,
    /// The instant of the oldest record that the user has of this service.
    oldest_record: Option<String>,
    /// The instant of the newest.
    newest_record: Option<String>,
    /// How the sweeps stand, which find what no notification told.
    sweeps: Vec<SweepTier>,
    /// Records that Withings no longer shows and that wait for a second look.
    doubts: usize,
}

/// A subscription.
#[derive(Serialize, ToSchema)]
struct ServiceSubscription {
    /// The category, `appli`.
    category: u32,
    /// `on`, or what is wrong; `unknown` until it was looked at.
    standing: String,
}

/// What is to be read.
#[derive(Serialize, ToSchema)]
struct ServiceUnread {
    /// When the oldest of it came.
    since: String,
    /// How many notifications and other causes.
    causes: usize,
    /// Until when a reading that is under way may take.
    reading_until: Option<String>,
    /// When it is tried again after a failure.
    not_before: Option<String>,
}

/// A reading.
#[derive(Serialize, ToSchema)]
struct ServiceReading {
    /// When it began.
    at: String,
    /// `ok`, or the class of what went wrong, such as `retry` or `scope`.
    result: String,
    /// Its id.
    pull: String,
}

/// Shows how each service of a connection stands: granted, announced, read, and what it brought.
#[utoipa::path(
    get,
    path = "/v1/connections/{connection}/services",
    tag = "Introspection",
    params(("connection" = String, Path, description = "The connection.")),
    security(("key" = ["user"])),
    responses((status = 200, body = ConnectionServices))
)]
async fn list_services(State(app): State<Shared>, ConnectionReader { connection }: ConnectionReader) -> Answer {
    let now = app.now();
    let mut standings = app.connections.standings(&connection.id).await?;
    let known = app.connections.completeness(&connection, &app.tiers, now).await?;
    // Boxed: so many at once are too much for a stack.
    let ends = try_join_all(Service::ALL.map(|service| Box::pin(ends(&app, &connection, service)))).await?;
    let mut runs = app.connections.runs(&connection.id).await?;
    runs.sort_by_key(|run| std::cmp::Reverse(run.created.as_millis()));
    runs.truncate(RUNS);
    let mut known: BTreeMap<Service, _> = known.into_iter().map(|one| (one.completeness.service, one)).collect();
    let mut services = Vec::new();
    for (service, (oldest, newest)) in Service::ALL.into_iter().zip(ends) {
        let standing = standings.remove(&service);
        let known = known.remove(&service);
        let scope = service.scope();
        let granted = match scope {
            Some(_) if connection.scopes.is_unknown() => None,
            _ => Some(connection.scopes.allow(service)),
        };
        let of = |at: fn(&Standing) -> Option<Timestamp>| standing.as_ref().and_then(at).map(|at| at.to_string());
        services.push(ServiceStanding {
            service: service.name(),
            scope: scope.map(|scope| scope.name()),
            granted,
            subscriptions: subscriptions(&connection, service),
            last_notification: of(|standing| standing.notified),
            unread: standing.as_ref().and_then(|standing| unread(standing, now)),
            last_reading: standing.as_ref().and_then(|standing| standing.pulled.as_ref()).map(|pulled| {
                ServiceReading {
                    at: pulled.at.to_string(),
                    result: pulled.result.clone(),
                    pull: pulled.pull.to_string(),
                }
            }),
            last_success: of(|standing| standing.read),
            failures: standing.as_ref().map_or(0, |standing| standing.failures),
            modified_up_to: of(|standing| standing.cursor),
            oldest_record: oldest.map(|at| at.to_string()),
            newest_record: newest.map(|at| at.to_string()),
            sweeps: known.as_ref().map_or_else(Vec::new, |one| one.completeness.tiers.iter().map(Into::into).collect()),
            doubts: known.map_or(0, |one| one.doubts),
        });
    }
    json(&ConnectionServices {
        connection: connection.id.to_string(),
        user: connection.user.to_string(),
        state: connection.state.name(),
        services,
        backfills: runs.iter().map(BackfillRun::of).collect(),
    })
}

fn unread(standing: &Standing, now: Timestamp) -> Option<ServiceUnread> {
    let later = |at: Option<Timestamp>| at.filter(|at| *at > now).map(|at| at.to_string());
    Some(ServiceUnread {
        since: standing.since()?.to_string(),
        causes: standing.entries.len(),
        reading_until: later(standing.leased),
        not_before: later(standing.not_before),
    })
}

/// The categories that announce the service and that the person's scopes let Withings send.
fn subscriptions(connection: &Connection, service: Service) -> Vec<ServiceSubscription> {
    let announces = |category: &Category| match category.effect() {
        Effect::Pull(services) => services.contains(&service),
        Effect::Verify => matches!(service, Service::Getdevice | Service::Getgoals),
        Effect::Record => false,
    };
    let standing = |category: Category| {
        let known = u16::try_from(category.appli()).ok().and_then(|appli| connection.subscriptions.get(appli));
        ServiceSubscription { category: category.appli(), standing: known.unwrap_or("unknown").to_owned() }
    };
    let granted = |category: &Category| connection.scopes.allow_category(*category);
    Category::ALL.into_iter().filter(announces).filter(granted).map(standing).collect()
}

/// The instants of the oldest and the newest record of a service that the user has.
async fn ends(
    app: &App,
    connection: &Connection,
    service: Service,
) -> Result<(Option<Timestamp>, Option<Timestamp>), StoreError> {
    let end = async |newest_first| {
        let all = (i64::MIN / 2, i64::MAX / 2);
        for limit in LOOKED_AT {
            let known = app.records.of_service(&connection.user, service, all, newest_first, limit).await?;
            let whole = known.len() < limit;
            if let Some(standing) = known.into_iter().find(|known| !known.retracted) {
                return Ok(Some(Timestamp::from_millis(standing.effective_ms)));
            }
            if whole {
                break;
            }
        }
        Ok(None)
    };
    try_join(Box::pin(end(false)), Box::pin(end(true))).await
}
