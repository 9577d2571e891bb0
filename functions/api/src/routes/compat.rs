//! The paths that Open Wearables' webhooks have, so that what was written for them finds its way. The same endpoints, in
//! other words; the key may also come as `X-Open-Wearables-API-Key`.

use afferent_domain::endpoint::{Destination, Endpoint};
use afferent_domain::filter::{Pattern, Users};
use afferent_registry::{Change, New, RegistryError};
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{Answer, json, json_with, no_content};
use crate::door::{EndpointOwner, Writer, made};
use crate::extract::{Body, MaybeBody};
use crate::problem::Problem;
use crate::routes::put::{Routes, put};
use crate::state::Shared;

/// The most endpoints that a list shows: those lists have no parts.
const MOST: usize = 1_000;

pub(crate) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; compat_register, compat_list, compat_show, compat_change, compat_delete, compat_secret, compat_test)
}

/// A new endpoint, in the words of Open Wearables.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"url": "https://example.org/hooks"}))]
struct CompatNew {
    /// The address of a server.
    url: String,
    /// Patterns of event types; none, or nothing, for all.
    filter_types: Option<Vec<String>>,
    /// The user whose events are wanted; nothing for everybody's.
    user_id: Option<String>,
    /// What its owner calls it.
    description: Option<String>,
}

/// A change, in the words of Open Wearables. What is not named stays; `null` takes away.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"filter_types": ["workout.created"]}))]
struct CompatChange {
    /// The address of a server.
    url: Option<String>,
    /// Patterns of event types; none for all.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<Vec<String>>)]
    filter_types: Option<Option<Vec<String>>>,
    /// The user whose events are wanted; `null` for everybody's.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<String>)]
    user_id: Option<Option<String>>,
    /// What its owner calls it.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
}

/// A member that is named, be it as `null`.
fn named<'de, T: Deserialize<'de>, D: Deserializer<'de>>(reader: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(reader).map(Some)
}

/// The members of a wish as the registry reads them.
fn members(
    url: Option<String>,
    types: Option<Option<Vec<String>>>,
    user: Option<Option<String>>,
    description: Option<Option<String>>,
) -> String {
    let mut members = Map::new();
    let types = types.map(|types| types.filter(|types| !types.is_empty()));
    let user = user.map(|user| user.map(|user| vec![user]));
    let given = [
        ("url", url.map(Value::from)),
        ("types", types.map(|types| json!(types))),
        ("users", user.map(|user| json!(user))),
        ("description", description.map(|text| json!(text))),
    ];
    members.extend(given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    Value::from(members).to_string()
}

/// What the registry says of a member, in the words of the caller.
fn reworded(error: RegistryError) -> Problem {
    match Problem::from(error) {
        Problem::Field { field, expected } if field.starts_with("types") => {
            Problem::Field { field: field.replacen("types", "filter_types", 1), expected }
        }
        Problem::Field { field, .. } if field == "users" => Problem::field("user_id", "the id of a user, usr_…"),
        problem => problem,
    }
}

/// An endpoint, in the words of Open Wearables.
#[derive(Serialize, ToSchema)]
struct CompatEndpoint {
    /// Its id.
    #[schema(example = "ep_5v6j1g23tk2p6eb2h2fk4dzvym")]
    id: String,
    /// Where events go.
    #[schema(example = "https://example.org/hooks")]
    url: String,
    /// What its owner calls it.
    #[schema(required)]
    description: Option<String>,
    /// Patterns of event types; `null` for all.
    #[schema(required)]
    filter_types: Option<Vec<String>>,
    /// The user whose events it gets; `null` for everybody's, or those of several users.
    #[schema(required)]
    user_id: Option<String>,
}

impl From<Endpoint> for CompatEndpoint {
    fn from(endpoint: Endpoint) -> Self {
        let types: Vec<String> = endpoint.types.iter().map(ToString::to_string).collect();
        let all = Pattern::every().to_string();
        Self {
            id: endpoint.endpoint.to_string(),
            url: match endpoint.destination {
                Destination::Http { url } => url.as_str().to_owned(),
                Destination::Sqs { queue_url } => queue_url.as_str().to_owned(),
            },
            description: endpoint.description,
            filter_types: (!types.contains(&all)).then_some(types),
            user_id: match endpoint.users {
                Users::Only(users) if users.len() == 1 => users.first().map(ToString::to_string),
                _ => None,
            },
        }
    }
}

/// Registers an endpoint.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/endpoints",
    tag = "Open Wearables",
    request_body = CompatNew,
    security(("key" = ["write"])),
    responses((status = 201, description = "The endpoint.", body = CompatEndpoint))
)]
async fn compat_register(State(app): State<Shared>, _: Writer, Body(wish): Body<CompatNew>) -> Answer {
    let members = members(Some(wish.url), Some(wish.filter_types), Some(wish.user_id), Some(wish.description));
    let new = New::from_json(&members).map_err(reworded)?;
    let (endpoint, _) = app.registry().await?.register(new).await.map_err(reworded)?;
    let shown = CompatEndpoint::from(endpoint);
    Ok(made(json_with(StatusCode::CREATED, &shown)?, [("endpoint", shown.id)]))
}

/// Lists the endpoints, the oldest first.
///
/// At most 1000: `/v1/endpoints` has parts.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/endpoints",
    tag = "Open Wearables",
    security(("key" = ["write"])),
    responses((status = 200, description = "The endpoints.", body = Vec<CompatEndpoint>))
)]
async fn compat_list(State(app): State<Shared>, _: Writer) -> Answer {
    let all = app.registry().await?.list().await?;
    json(&all.into_iter().take(MOST).map(CompatEndpoint::from).collect::<Vec<_>>())
}

/// Shows an endpoint.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/endpoints/{endpoint}",
    tag = "Open Wearables",
    params(("endpoint" = String, Path, description = "The endpoint.")),
    security(("key" = ["endpoint"])),
    responses((status = 200, description = "The endpoint.", body = CompatEndpoint))
)]
async fn compat_show(State(app): State<Shared>, owner: EndpointOwner) -> Answer {
    let shown = app.registry().await?.get(&owner.endpoint).await?;
    json(&CompatEndpoint::from(shown.endpoint))
}

/// Changes an endpoint.
///
/// `filter_types` and `user_id` say what it may see: the key to one endpoint leaves them as they are (403).
#[utoipa::path(
    patch,
    path = "/api/v1/webhooks/endpoints/{endpoint}",
    tag = "Open Wearables",
    params(("endpoint" = String, Path, description = "The endpoint.")),
    request_body = CompatChange,
    security(("key" = ["endpoint"])),
    responses((status = 200, description = "The endpoint as it is now.", body = CompatEndpoint))
)]
async fn compat_change(State(app): State<Shared>, owner: EndpointOwner, Body(wish): Body<CompatChange>) -> Answer {
    let members = members(wish.url, wish.filter_types, wish.user_id, wish.description);
    let change = Change::from_json(&members).map_err(reworded)?;
    let endpoint = app.registry().await?.change(&owner.endpoint, &change, owner.by).await.map_err(reworded)?;
    json(&CompatEndpoint::from(endpoint))
}

/// Deletes an endpoint.
#[utoipa::path(
    delete,
    path = "/api/v1/webhooks/endpoints/{endpoint}",
    tag = "Open Wearables",
    params(("endpoint" = String, Path, description = "The endpoint.")),
    security(("key" = ["endpoint"])),
    responses((status = 204, description = "It is gone."))
)]
async fn compat_delete(State(app): State<Shared>, owner: EndpointOwner) -> Answer {
    app.registry().await?.delete(&owner.endpoint).await?;
    Ok(no_content())
}

/// The secret that signs.
#[derive(Serialize, ToSchema)]
struct CompatSecret {
    /// The secret.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    key: String,
}

/// Shows the secret that signs.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/endpoints/{endpoint}/secret",
    tag = "Open Wearables",
    params(("endpoint" = String, Path, description = "The endpoint.")),
    security(("key" = ["endpoint"])),
    responses((status = 200, description = "The secret.", body = CompatSecret))
)]
async fn compat_secret(State(app): State<Shared>, owner: EndpointOwner) -> Answer {
    let current = app.registry().await?.secret(&owner.endpoint).await?;
    json(&CompatSecret { key: current.secret.reveal() })
}

/// Which event a test sends, in the words of Open Wearables.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CompatTest {
    /// The event type whose example is sent; `webhook.test` unless it is said.
    #[schema(example = "workout.created")]
    event_type: Option<String>,
}

/// A test event is on its way.
#[derive(Serialize, ToSchema)]
struct CompatSent {
    /// For people.
    message: &'static str,
    /// The event's id, which is the `webhook-id` of what is sent.
    message_id: String,
}

/// Sends an example event to this endpoint alone.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/endpoints/{endpoint}/test",
    tag = "Open Wearables",
    params(("endpoint" = String, Path, description = "The endpoint.")),
    request_body(content = Option<CompatTest>, description = "May be left out."),
    security(("key" = ["endpoint"])),
    responses((status = 200, description = "It is on its way.", body = CompatSent))
)]
async fn compat_test(
    State(app): State<Shared>,
    owner: EndpointOwner,
    MaybeBody(wish): MaybeBody<CompatTest>,
) -> Answer {
    let event_type = wish.event_type.as_deref().unwrap_or("webhook.test");
    let sent = app.registry().await?.send_test(&owner.endpoint, event_type).await;
    let event = sent.map_err(|error| match Problem::from(error) {
        Problem::Field { expected, .. } => Problem::field("event_type", expected),
        problem => problem,
    })?;
    json(&CompatSent { message: "The test event is on its way.", message_id: event.to_string() })
}
