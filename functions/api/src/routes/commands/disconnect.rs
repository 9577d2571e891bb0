//! Ending a connection.

use afferent_domain::connection::State as Link;
use afferent_domain::record::SyncKind;
use afferent_store::connections::Connection;
use afferent_store::erasure::Ended;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Nothing, connection};
use crate::door::Writer;
use crate::extract::{MaybeBody, Path};
use crate::problem::{Details, Kind, Problem};
use crate::routes::put::{Routes, put};
use crate::routes::{Answer, json_with};
use crate::state::Shared;

pub(super) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; disconnect_connection)
}

/// How far the end of a connection is.
#[derive(Serialize, ToSchema)]
struct Disconnection {
    /// The connection.
    connection: String,
    /// `disconnected`; `unlinked` if the person had ended it before.
    state: &'static str,
    /// Whether Withings is still to be told, or its answer to be waited for.
    under_way: bool,
    /// How the consent ended at Withings: `revoked`, `dead_before` (there was none any more), `shared` (another connection
    /// of the same account lives), `refused`; `null` until it is known.
    consent: Option<&'static str>,
}

/// Ends a connection: its subscriptions and the person's consent at Withings, then its tokens.
///
/// Its records stay. Asking again tells how far it is.
#[utoipa::path(
    post,
    path = "/v1/connections/{connection}/disconnect",
    tag = "Commands",
    params(("connection" = String, Path, description = "The connection.")),
    request_body(content = Nothing, description = "May be left out."),
    security(("key" = ["write"])),
    responses(
        (status = 202, description = "It is disconnected here, and Withings is being told.", body = Disconnection),
        (status = 200, description = "It is over.", body = Disconnection),
        (status = 409, description = "The person is connecting again at this moment.", body = Details, content_type = "application/problem+json"),
    )
)]
async fn disconnect_connection(
    State(app): State<Shared>,
    _: Writer,
    Path(text): Path<String>,
    MaybeBody(Nothing {}): MaybeBody<Nothing>,
) -> Answer {
    let connection = connection(&app, &text).await?;
    let answer = |state: Link, under_way, consent| Disconnection {
        connection: connection.id.to_string(),
        state: state.name(),
        under_way,
        consent,
    };
    if connection.state == Link::Unlinked {
        return json_with(StatusCode::OK, &answer(Link::Unlinked, false, Some("dead_before")));
    }
    let again = || Problem::conflict(Kind::ConnectedAgain, "the person is connecting again: look at it, and ask again");
    let ended = app.connections.begin_disconnect(&connection, app.now()).await?.ok_or_else(again)?;
    let gone = Connection { state: Link::Disconnected, ..connection.clone() };
    app.records.bring(gone.fact(), app.now(), SyncKind::Live).await?;
    let under_way = match ended {
        Ended::UnderWay(_) => true,
        Ended::Over => false,
    };
    let left = if under_way { None } else { app.connections.left(&connection.id).await? };
    let status = if under_way { StatusCode::ACCEPTED } else { StatusCode::OK };
    json_with(status, &answer(Link::Disconnected, under_way, left.map(|left| left.name())))
}
