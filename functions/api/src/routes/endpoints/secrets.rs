//! The signing secrets of an endpoint.

use std::time::Duration;

use afferent_domain::signature::SigningSecret;
use afferent_registry::{Rotation, SecretState};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::shapes;
use crate::door::EndpointOwner;
use crate::extract::{MaybeBody, Path};
use crate::problem::Problem;
use crate::routes::put::{Routes, put};
use crate::routes::{Answer, json, no_content};
use crate::state::Shared;

pub(super) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; show_secret, rotate_secret, list_secrets, revoke_secret)
}

/// Shows the secret that signs.
#[utoipa::path(
    get,
    path = "/v1/endpoints/{endpoint}/secret",
    tag = "Endpoints",
    params(("endpoint" = String, Path, description = "The endpoint.")),
    security(("key" = ["endpoint"])),
    responses((status = 200, description = "The current secret.", body = shapes::EndpointSecret))
)]
async fn show_secret(State(app): State<Shared>, owner: EndpointOwner) -> Answer {
    json(&app.registry().await?.secret(&owner.endpoint).await?)
}

#[derive(Serialize)]
struct Listed {
    secrets: Vec<SecretState>,
    next: Option<String>,
}

/// Lists the secrets, without what they are.
///
/// At most ten sign at once, so the list is never cut.
#[utoipa::path(
    get,
    path = "/v1/endpoints/{endpoint}/secrets",
    tag = "Endpoints",
    params(("endpoint" = String, Path, description = "The endpoint.")),
    security(("key" = ["endpoint"])),
    responses((status = 200, description = "The secrets by their numbers.", body = shapes::EndpointSecretList))
)]
async fn list_secrets(State(app): State<Shared>, owner: EndpointOwner) -> Answer {
    json(&Listed { secrets: app.registry().await?.secrets(&owner.endpoint).await?, next: None })
}

/// How a secret is replaced.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RotateWish {
    /// How many seconds the older secrets go on signing: 0 to 604800 (7 days); 86400 (a day) unless it is said.
    #[schema(example = 86400, minimum = 0, maximum = 604_800)]
    overlap_s: Option<u32>,
    /// A secret of one's own: `whsec_` and 24 to 64 bytes in base64. Drawn unless it is given.
    secret: Option<String>,
}

/// Replaces the secret.
///
/// The new one signs at once. The older ones sign too until the overlap ends, so that a receiver may change over at any
/// time in between.
#[utoipa::path(
    post,
    path = "/v1/endpoints/{endpoint}/secret/rotate",
    tag = "Endpoints",
    params(("endpoint" = String, Path, description = "The endpoint.")),
    request_body(content = Option<RotateWish>, description = "May be left out."),
    security(("key" = ["endpoint"])),
    responses((status = 200, description = "The new secret.", body = shapes::EndpointSecret))
)]
async fn rotate_secret(
    State(app): State<Shared>,
    owner: EndpointOwner,
    MaybeBody(wish): MaybeBody<RotateWish>,
) -> Answer {
    let given = wish.secret.as_deref().map(SigningSecret::parse).transpose();
    let rotation = Rotation {
        overlap: wish.overlap_s.map(u64::from).map(Duration::from_secs),
        secret: given.map_err(|error| Problem::field("secret", error.to_string()))?,
    };
    json(&app.registry().await?.rotate(&owner.endpoint, &rotation).await?)
}

/// Ends a secret at once.
///
/// Not the current one: that is replaced, with an overlap of 0.
#[utoipa::path(
    delete,
    path = "/v1/endpoints/{endpoint}/secrets/{number}",
    tag = "Endpoints",
    params(
        ("endpoint" = String, Path, description = "The endpoint."),
        ("number" = u16, Path, description = "Which of its secrets."),
    ),
    security(("key" = ["endpoint"])),
    responses((status = 204, description = "It signs no more."))
)]
async fn revoke_secret(
    State(app): State<Shared>,
    owner: EndpointOwner,
    Path((_, number)): Path<(String, String)>,
) -> Answer {
    let number = number.parse().map_err(|_| Problem::NotFound("secret"))?;
    app.registry().await?.revoke(&owner.endpoint, number).await?;
    Ok(no_content())
}
