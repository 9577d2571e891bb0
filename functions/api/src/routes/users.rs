//! The people whose data this is, by the customer's own reference.

use afferent_domain::id::{ConnectionId, UserId};
use afferent_store::users::User;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::connections::Shown as Connection;
use super::{Answer, json, json_with};
use crate::door::{Reader, UserReader, Writer, made};
use crate::extract::{Body, Cursors, Query, bad_cursor, limit, read_cursor, write_cursor};
use crate::problem::{Details, Problem};
use crate::routes::put::{Routes, put};
use crate::state::Shared;
use crate::wish;

pub(crate) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; create_user, list_users, get_user, list_user_connections)
}

/// A person whose data this is.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
struct Shown {
    /// Its id; derived from the reference, so the same reference is always the same user.
    #[schema(value_type = String, example = "usr_01hzx3v7k2m4n5p6q8r9s0t1v2")]
    user: UserId,
    /// What you call the person.
    #[schema(example = "person-1")]
    reference_id: String,
    /// The person's time zone, if you gave one.
    #[schema(example = "Europe/Berlin")]
    timezone: Option<String>,
    /// When the user was made here.
    #[schema(format = DateTime, example = "2026-11-21T14:23:11.412Z")]
    created: String,
}

impl From<User> for Shown {
    fn from(user: User) -> Self {
        Self { user: user.id, reference_id: user.reference, timezone: user.tz, created: user.created.to_string() }
    }
}

/// Some of the users.
#[derive(Serialize, ToSchema)]
struct Users {
    /// The users of this page.
    users: Vec<Shown>,
    /// The cursor of the next page; null on the last.
    next: Option<String>,
}

/// The connections of a user.
#[derive(Serialize, ToSchema)]
struct UserConnections {
    /// Those of this page, in the order of their ids.
    connections: Vec<Connection>,
    /// The cursor of the next page; null on the last.
    next: Option<String>,
}

/// Which of a user's connections.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UserConnectionsWish {
    /// How many at most, from 1 to 100; 25 unless it is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// A user to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    /// What you call the person: 1 to 256 bytes.
    #[schema(example = "person-1")]
    reference_id: String,
    /// The person's time zone, as IANA names it. Connections that are made from now on have it where Withings says none.
    #[schema(example = "Europe/Berlin")]
    timezone: Option<String>,
}

/// Which users.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wish {
    /// Only the user of this reference.
    reference_id: Option<String>,
    /// How many at most, from 1 to 100; 25 unless it is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Makes a user.
///
/// Not needed before a link or a consent, which make the user of their reference. Asking again for the same reference
/// answers 200 with the user that is there; a time zone that is given replaces the one there was.
#[utoipa::path(
    post,
    path = "/v1/users",
    tag = "Connecting",
    request_body = NewUser,
    security(("key" = ["write"])),
    responses(
        (status = 201, description = "The user is made.", body = Shown),
        (status = 200, description = "The user was there.", body = Shown),
    )
)]
async fn create_user(State(app): State<Shared>, _: Writer, Body(new): Body<NewUser>) -> Answer {
    wish::reference(&new.reference_id)?;
    wish::timezone(new.timezone.as_deref())?;
    let found = app.connections.make_user(&new.reference_id, new.timezone.as_deref(), app.now()).await?;
    let status = if found.new { StatusCode::CREATED } else { StatusCode::OK };
    let user = found.user.id.to_string();
    Ok(made(json_with(status, &Shown::from(found.user))?, [("user", user)]))
}

/// Lists users, in the order of their ids.
#[utoipa::path(
    get,
    path = "/v1/users",
    tag = "Connecting",
    params(Wish),
    security(("key" = ["read"])),
    responses((status = 200, description = "Users, and the cursor of the next page.", body = Users))
)]
async fn list_users(State(app): State<Shared>, _: Reader, Query(wish): Query<Wish>) -> Answer {
    let limit = limit(wish.limit, 25, 100)?;
    let after = wish.cursor.as_deref().map(read_after).transpose()?;
    if let Some(reference) = wish.reference_id {
        wish::reference(&reference)?;
        let user = app.connections.user(&UserId::derive(&[&reference])).await?;
        return json(&Users { users: user.into_iter().map(Shown::from).collect(), next: None });
    }
    let (users, next) = app.connections.users(after.as_ref(), limit).await?;
    let next = next.map(|next| write_cursor(next.as_str()));
    json(&Users { users: users.into_iter().map(Shown::from).collect(), next })
}

fn read_after(text: &str) -> Result<UserId, Problem> {
    UserId::parse(&read_cursor(text)?).ok_or_else(bad_cursor)
}

/// Shows a user.
#[utoipa::path(
    get,
    path = "/v1/users/{user}",
    tag = "Connecting",
    params(("user" = String, Path, description = "The user.")),
    security(("key" = ["user"])),
    responses(
        (status = 200, description = "The user.", body = Shown),
        (status = 404, description = "There is no such user.", body = Details, content_type = "application/problem+json"),
    )
)]
async fn get_user(State(app): State<Shared>, reader: UserReader) -> Answer {
    let user = app.connections.user(&reader.user).await?.ok_or(Problem::NotFound("user"))?;
    json(&Shown::from(user))
}

/// Lists the connections of a user, in the order of their ids. Somebody has 100 at most, or one more where two were made at once.
#[utoipa::path(
    get,
    path = "/v1/users/{user}/connections",
    tag = "Connecting",
    params(("user" = String, Path, description = "The user."), UserConnectionsWish),
    security(("key" = ["user"])),
    responses(
        (status = 200, description = "The connections.", body = UserConnections),
        (status = 404, description = "There is no such user.", body = Details, content_type = "application/problem+json"),
    )
)]
async fn list_user_connections(
    State(app): State<Shared>,
    reader: UserReader,
    Query(wish): Query<UserConnectionsWish>,
    uri: Uri,
) -> Answer {
    let (limit, cursors) = (limit(wish.limit, 25, 100)?, Cursors::of(&uri));
    let place = |text: &str| ConnectionId::parse(&cursors.read(text)?).ok_or_else(bad_cursor);
    let from = wish.cursor.as_deref().map(place).transpose()?;
    app.connections.user(&reader.user).await?.ok_or(Problem::NotFound("user"))?;
    let (connections, next) = app.connections.some_of_user(&reader.user, from.as_ref(), limit).await?;
    let next = next.map(|next| cursors.write(next.as_str()));
    json(&UserConnections { connections: connections.iter().map(Connection::of).collect(), next })
}
