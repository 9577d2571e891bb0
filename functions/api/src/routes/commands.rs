//! What connections are told to do: read now, read the past, end.

mod backfills;
mod disconnect;
mod refresh;

use afferent_domain::connection::State;
use afferent_domain::id::ConnectionId;
use afferent_store::connections::Connection;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::problem::{Kind, Problem};
use crate::routes::put::Routes;
use crate::state::App;

pub(crate) use backfills::{BackfillRun, zone};

pub(crate) fn routes<R: Routes>(routes: R) -> R {
    disconnect::routes(backfills::routes(refresh::routes(routes)))
}

/// A body that says nothing.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// The connection of the path.
pub(crate) async fn connection(app: &App, text: &str) -> Result<Connection, Problem> {
    const NONE: Problem = Problem::NotFound("connection");
    let id = ConnectionId::parse(text).ok_or(NONE)?;
    app.connections.get(&id).await?.ok_or(NONE)
}

/// Refuses what needs a living link.
fn alive(connection: &Connection) -> Result<(), Problem> {
    match connection.state {
        State::Connected => Ok(()),
        state => {
            let detail = format!("the connection is {}: the person has to connect again first", state.name());
            Err(Problem::conflict(Kind::NotConnected, detail))
        }
    }
}
