//! Connections: shown and listed, and the older way to a consent page. Importing them is in [`import`].

mod import;

use afferent_domain::connection::Scope;
use afferent_domain::id::{ConnectionId, UserId};
use afferent_store::connections::Connection;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Answer, json};
use crate::consent::{Wish as Consent, called_at};
use crate::door::{ConnectionReader, Reader, Writer, made};
use crate::extract::{Body, Query, bad_cursor, limit, read_cursor, write_cursor};
use crate::problem::Details;
use crate::routes::put::{Routes, put};
use crate::state::Shared;
use crate::wish::{self, ScopeName};

pub(crate) fn routes<R: Routes>(routes: R) -> R {
    // A key makes links; opening them needs none.
    put!(super::link::routes_with_key(import::routes(routes)); list_connections, get_connection, authorize_connection)
}

/// A user's link to a Withings account. It holds no token.
#[derive(Serialize, ToSchema)]
#[schema(as = Connection)]
pub(crate) struct Shown {
    /// Its id; the same after every re-authorisation.
    #[schema(value_type = String, example = "con_01hzx3v7k2m4n5p6q8r9s0t1v2")]
    connection: ConnectionId,
    /// Whose it is.
    #[schema(value_type = String, example = "usr_01hzx3v7k2m4n5p6q8r9s0t1v2")]
    user: UserId,
    /// Withings' id of the account.
    #[schema(example = "90001001")]
    userid: String,
    /// Withings' cloud: `eu` or `us`.
    #[schema(example = "eu")]
    region: String,
    /// `connected`; `reauthorise` (the tokens are dead: send the person a link); `unlinked` (the person ended it at
    /// Withings); `disconnected` (you ended it).
    #[schema(example = "connected")]
    state: &'static str,
    /// What the person granted.
    scopes: Granted,
    /// How the subscription to each category of notifications stands, as far as it was looked at.
    subscriptions: Vec<Subscription>,
    /// The person's time zone, as far as it is known.
    timezone: Option<String>,
    /// When it was first made.
    #[schema(format = DateTime)]
    first_connected: String,
    /// When it was last made: by a consent or an import.
    #[schema(format = DateTime)]
    connected: String,
}

/// What the person granted.
#[derive(Serialize, ToSchema)]
struct Granted {
    /// The scopes that were granted; null if that is not known, as of a connection that was imported without them. Then
    /// everything is tried.
    granted: Option<Vec<String>>,
    /// Those of Withings' scopes that were not.
    missing: Vec<&'static str>,
}

/// How a subscription stands.
#[derive(Serialize, ToSchema)]
struct Subscription {
    /// Withings' category (`appli`).
    #[schema(example = 1)]
    category: u16,
    /// `on`, or what is wrong with it.
    #[schema(example = "on")]
    standing: String,
}

impl Shown {
    pub(crate) fn of(connection: &Connection) -> Self {
        let scopes = &connection.scopes;
        let missing = Scope::ALL.into_iter().filter(|scope| !scopes.grant(Some(*scope)));
        let subscriptions = connection.subscriptions.iter();
        Self {
            connection: connection.id.clone(),
            user: connection.user.clone(),
            userid: connection.account.userid.clone(),
            region: connection.account.region.clone(),
            state: connection.state.name(),
            scopes: Granted {
                granted: (!scopes.is_unknown()).then(|| scopes.names().map(str::to_owned).collect()),
                missing: missing.map(Scope::name).collect(),
            },
            subscriptions: subscriptions
                .map(|(category, standing)| Subscription { category, standing: standing.to_owned() })
                .collect(),
            timezone: connection.tz.clone(),
            first_connected: connection.first_connected.to_string(),
            connected: connection.connected.to_string(),
        }
    }
}

/// Some of the connections.
#[derive(Serialize, ToSchema)]
struct Connections {
    /// The connections of this page.
    connections: Vec<Shown>,
    /// The cursor of the next page; null on the last.
    next: Option<String>,
}

/// Which connections.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wish {
    /// How many at most, from 1 to 100; 25 unless it is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Lists the connections of all users, in the order of their ids.
#[utoipa::path(
    get,
    path = "/v1/connections",
    tag = "Connecting",
    params(Wish),
    security(("key" = ["read"])),
    responses((status = 200, description = "Connections, and the cursor of the next page.", body = Connections))
)]
async fn list_connections(State(app): State<Shared>, _: Reader, Query(wish): Query<Wish>) -> Answer {
    let limit = limit(wish.limit, 25, 100)?;
    let after = |text: &str| ConnectionId::parse(&read_cursor(text)?).ok_or_else(bad_cursor);
    let after = wish.cursor.as_deref().map(after).transpose()?;
    let (connections, next) = app.connections.all(after.as_ref(), limit).await?;
    let next = next.map(|next| write_cursor(next.as_str()));
    json(&Connections { connections: connections.iter().map(Shown::of).collect(), next })
}

/// Shows a connection.
#[utoipa::path(
    get,
    path = "/v1/connections/{connection}",
    tag = "Connecting",
    params(("connection" = String, Path, description = "The connection.")),
    security(("key" = ["user"])),
    responses(
        (status = 200, description = "The connection.", body = Shown),
        (status = 404, description = "There is no such connection.", body = Details, content_type = "application/problem+json"),
    )
)]
async fn get_connection(reader: ConnectionReader) -> Answer {
    json(&Shown::of(&reader.connection))
}

/// Whom to send to Withings.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewConsent {
    /// What you call the person: 1 to 256 bytes.
    #[schema(example = "person-1")]
    reference_id: String,
    /// The permissions to ask for; all of them unless it is said.
    scopes: Option<Vec<ScopeName>>,
    /// Those without which the person is not to be connected.
    #[serde(default)]
    required_scopes: Vec<ScopeName>,
    /// Where the person goes afterwards: one of the key's return addresses, with a query if you like.
    #[schema(example = "https://app.example.org/back?session=7")]
    return_url: Option<String>,
    /// Whether one of Withings' demonstration people consents.
    #[serde(default)]
    demo: bool,
}

/// Where a person is to be sent.
#[derive(Serialize, ToSchema)]
struct Invitation {
    /// Withings' consent page.
    authorize_url: String,
    /// Until when the address is good.
    #[schema(format = DateTime)]
    expires: String,
}

/// Gives the address of Withings' consent page for a person.
///
/// For an app that has a page of its own before it; `POST /v1/link` gives one that has ours. The address is for one
/// visit, and the person comes back with the same results.
#[utoipa::path(
    post,
    path = "/v1/connections/authorize",
    tag = "Connecting",
    request_body = NewConsent,
    security(("key" = ["write"])),
    responses((status = 200, description = "Where to send the person.", body = Invitation))
)]
async fn authorize_connection(
    State(app): State<Shared>,
    Writer(caller): Writer,
    headers: HeaderMap,
    Body(new): Body<NewConsent>,
) -> Answer {
    wish::reference(&new.reference_id)?;
    let (scopes, required) = wish::scopes(new.scopes, new.required_scopes)?;
    if let Some(url) = &new.return_url {
        wish::return_url(url, &caller.return_urls)?;
    }
    let user = UserId::derive(&[&new.reference_id]).to_string();
    let wish = Consent {
        reference: new.reference_id,
        scopes,
        required,
        return_url: new.return_url,
        language: None,
        demo: new.demo,
    };
    let invitation = app.consents.invite(&wish, &called_at(&headers)).await?;
    let shown = Invitation { authorize_url: invitation.url, expires: invitation.expires.to_string() };
    Ok(made(json(&shown)?, [("user", user)]))
}
