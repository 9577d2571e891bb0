//! Whether the function runs.

use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::Shared;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(health))
}

/// The function runs.
#[derive(Serialize, ToSchema)]
struct Health {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Says that the function runs.
#[utoipa::path(get, path = "/v1/health", tag = "About", security(()), responses((status = 200, body = Health)))]
async fn health() -> super::Answer {
    super::json(&Health { status: "ok" })
}
