//! Reading now.

use std::time::Duration;

use afferent_domain::backfill::is_detail;
use afferent_domain::service::Service;
use afferent_queue::{Pull, Sending, Wake};
use afferent_store::marks::{Refreshing, TooSoon};
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{alive, connection};
use crate::door::Writer;
use crate::extract::{MaybeBody, Path};
use crate::problem::{Details, Problem};
use crate::routes::put::{Routes, put};
use crate::routes::{Answer, json_with};
use crate::state::Shared;

/// When `keeper` wakes a mark whose message was lost.
const LOST: Duration = Duration::from_secs(30);

pub(super) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; refresh_connection)
}

/// What is to be read.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefreshWish {
    /// The services, such as `getmeas`; all that the person granted unless they are named. Series are read with the days
    /// and nights that they belong to.
    services: Option<Vec<String>>,
}

/// What comes of it.
#[derive(Serialize, ToSchema)]
struct Refresh {
    /// The connection.
    connection: String,
    /// Each service.
    services: Vec<RefreshedService>,
}

/// What comes of a service.
#[derive(Serialize, ToSchema)]
struct RefreshedService {
    /// The service.
    service: &'static str,
    /// `queued`; `already_under_way` (it is being read, and read again after that); `not_granted`.
    outcome: &'static str,
}

/// Reads a connection's services now.
///
/// What is new comes as events, like all that is new. At most once a minute for a connection.
#[utoipa::path(
    post,
    path = "/v1/connections/{connection}/refresh",
    tag = "Commands",
    params(("connection" = String, Path, description = "The connection.")),
    request_body(content = RefreshWish, description = "May be left out."),
    security(("key" = ["write"])),
    responses(
        (status = 202, description = "Services are being read.", body = Refresh),
        (status = 200, description = "There is nothing that could be read.", body = Refresh),
        (status = 409, description = "The connection does not live.", body = Details, content_type = "application/problem+json"),
        (status = 429, description = "It was refreshed less than a minute ago.", body = Details, content_type = "application/problem+json"),
    )
)]
async fn refresh_connection(
    State(app): State<Shared>,
    _: Writer,
    Path(text): Path<String>,
    MaybeBody(wish): MaybeBody<RefreshWish>,
) -> Answer {
    let services = match &wish.services {
        None => readable().collect(),
        Some(names) => named(names)?,
    };
    let connection = connection(&app, &text).await?;
    alive(&connection)?;
    let allowed = |service: &Service| connection.scopes.allow(*service);
    let now = app.now();
    if services.iter().any(allowed)
        && let Err(TooSoon(at)) = app.connections.begin_refresh(&connection.id, now).await?
    {
        let seconds = at.since(now).as_millis().div_ceil(1000).max(1);
        let seconds = u64::try_from(seconds).unwrap_or(60);
        return Err(Problem::Limited { what: " for this connection", seconds });
    }
    let (mut outcomes, mut wakes) = (Vec::new(), Vec::new());
    for service in services {
        let outcome = if !allowed(&service) {
            "not_granted"
        } else {
            let refreshing = match app.connections.refresh(&connection.id, service, now, now + LOST).await {
                Ok(refreshing) => refreshing,
                Err(error) => {
                    // What was not marked must not wait for a minute that brought nothing. That this fails too is no news.
                    let _ = app.connections.give_back_minute(&connection.id, now).await;
                    return Err(error.into());
                }
            };
            let wake = Wake { connection: connection.id.clone(), service: service.name().to_owned() };
            wakes.push(Sending { body: Pull::Wake(wake).to_body(), ..Sending::default() });
            match refreshing {
                Refreshing::Queued => "queued",
                Refreshing::UnderWay => "already_under_way",
            }
        };
        outcomes.push(RefreshedService { service: service.name(), outcome });
    }
    let status = if wakes.is_empty() { StatusCode::OK } else { StatusCode::ACCEPTED };
    // The marks are due, so without the messages it only takes a minute longer.
    if let Err(error) = app.pulls.send_all(wakes).await {
        tracing::warn!(%error, connection = %connection.id, "a refresh waits for the next look at what is due");
    }
    json_with(status, &Refresh { connection: connection.id.to_string(), services: outcomes })
}

/// What can be asked for: details are read with their rows.
fn readable() -> impl Iterator<Item = Service> {
    Service::ALL.into_iter().filter(|service| !is_detail(*service))
}

/// The services of these names.
pub(super) fn named(names: &[String]) -> Result<Vec<Service>, Problem> {
    let all = || readable().map(Service::name).collect::<Vec<_>>().join(", ");
    let expected = || format!("one or more of {}, each once", all());
    let mut services = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let service = readable().find(|service| service.name() == name).filter(|known| !services.contains(known));
        services.push(service.ok_or_else(|| Problem::field(format!("services[{place}]"), expected()))?);
    }
    if services.is_empty() { Err(Problem::field("services", expected())) } else { Ok(services) }
}
