//! Whether the function runs.

use serde::Serialize;
use utoipa::ToSchema;

use crate::routes::put::{Routes, put};

pub(crate) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; health)
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
