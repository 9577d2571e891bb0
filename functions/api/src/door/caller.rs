//! Who asks, and the extractors that say what a route needs. A route takes exactly one of them, and names the same need
//! in its `security`:
//!
//! | extractor | `security` | who |
//! |---|---|---|
//! | [`Admin`] | `admin` | admin keys |
//! | [`Writer`] | `write` | those that may change everything |
//! | [`Reader`] | `read` | those that may read everything |
//! | [`UserReader`] | `user` | those, and the key of the user in the path |
//! | [`ConnectionReader`] | `user` | the same, by the connection in the path |
//! | [`EndpointOwner`] | `endpoint` | those that may change everything, and the key of the endpoint in the path |

use std::collections::HashMap;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::grant::{Grants, Sight};
use afferent_domain::id::{ConnectionId, EndpointId, KeyId, UserId};
use afferent_registry::By;
use afferent_store::connections::Connection;
use axum::RequestPartsExt as _;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use crate::problem::Problem;
use crate::state::{App, Shared};

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) key: KeyId,
    pub(crate) label: String,
    pub(crate) grants: Grants,
    /// Where people may be sent back to after consenting.
    pub(crate) return_urls: Vec<String>,
    /// Until when the request begins what it may leave out, or leave undone and say so: see [`PATIENCE`].
    pub(crate) until: Timestamp,
}

/// From when a request came in, before its key was looked at. The function has 15 s, and what was begun and the answer need
/// some of them.
pub(super) const PATIENCE: Duration = Duration::from_secs(9);

impl Caller {
    fn of(parts: &Parts) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or(Problem::Key("a key is needed: Authorization: Bearer afk_…"))
    }

    /// Whether the caller may read this user: of what is no user's own by its path.
    pub(crate) fn sees(&self, user: &UserId, noun: &'static str) -> Result<(), Problem> {
        seen(self.grants.read_user(user), "read", noun)
    }
}

fn seen(sight: Sight, need: &'static str, noun: &'static str) -> Result<(), Problem> {
    match sight {
        Sight::Allowed => Ok(()),
        Sight::Forbidden => Err(Problem::Grant(need)),
        Sight::Hidden => Err(Problem::NotFound(noun)),
    }
}

/// The part of the path of this name.
async fn segment(parts: &mut Parts, name: &str) -> Result<String, Problem> {
    let Path(mut path) = parts.extract::<Path<HashMap<String, String>>>().await.map_err(|_| Problem::NoRoute)?;
    path.remove(name).ok_or(Problem::NoRoute)
}

macro_rules! needs {
    ($($(#[$doc:meta])* $name:ident $allowed:ident $need:literal;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl<S: Send + Sync> FromRequestParts<S> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
                if Caller::of(parts)?.grants.$allowed() { Ok(Self) } else { Err(Problem::Grant($need)) }
            }
        }
    )*};
}

needs! {
    /// May do everything.
    Admin administer "admin";
    /// May read everything but secrets.
    Reader read "read";
}

/// May change everything but keys.
pub(crate) struct Writer(pub(crate) Caller);

impl<S: Send + Sync> FromRequestParts<S> for Writer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = Caller::of(parts)?;
        if caller.grants.write() { Ok(Self(caller)) } else { Err(Problem::Grant("write")) }
    }
}

/// May read the user in the path. `_app` stands in for a user where there is no person; only who reads everything sees it.
pub(crate) struct UserReader {
    pub(crate) user: UserId,
}

impl<S: Send + Sync> FromRequestParts<S> for UserReader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = Caller::of(parts)?;
        let text = segment(parts, "user").await?;
        let user = if text == UserId::app().as_str() { Some(UserId::app()) } else { UserId::parse(&text) };
        // A text that is no id is nobody's: who may see one user only is told the same as of another one.
        let user = user.ok_or(Problem::NotFound("user"));
        let known = user.as_ref().map_or_else(|_| UserId::from(""), Clone::clone);
        caller.sees(&known, "user")?;
        Ok(Self { user: user? })
    }
}

impl UserReader {
    /// Says that there is no such user, if nothing was found of theirs: what is not empty costs no look.
    pub(crate) async fn exists(&self, app: &App, nothing: bool) -> Result<(), Problem> {
        if !nothing || self.user == UserId::app() || app.connections.user(&self.user).await?.is_some() {
            return Ok(());
        }
        Err(Problem::NotFound("user"))
    }
}

/// May read the connection in the path: who may read everything, or its user.
pub(crate) struct ConnectionReader {
    pub(crate) connection: Connection,
}

impl FromRequestParts<Shared> for ConnectionReader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let caller = Caller::of(parts)?;
        let (nobody, hidden) = (UserId::from(""), Problem::NotFound("connection"));
        // Whoever has the wrong kind of key is told so before anything is looked for, and nothing of what there is.
        let Some(id) = ConnectionId::parse(&segment(parts, "connection").await?) else {
            return caller.sees(&nobody, "connection").and(Err(hidden));
        };
        if let Err(problem @ Problem::Grant(_)) = caller.sees(&nobody, "connection") {
            return Err(problem);
        }
        let found = app.connections.get(&id).await?;
        caller.sees(found.as_ref().map_or(&nobody, |connection| &connection.user), "connection")?;
        found.map(|connection| Self { connection }).ok_or(hidden)
    }
}

/// Owns the endpoint in the path.
pub(crate) struct EndpointOwner {
    pub(crate) endpoint: EndpointId,
    /// Whether this is the key of its owner, or one to everything: what the endpoint may see is not its owner's to decide.
    pub(crate) by: By,
}

impl<S: Send + Sync> FromRequestParts<S> for EndpointOwner {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = Caller::of(parts)?;
        let text = segment(parts, "endpoint").await?;
        let endpoint = EndpointId::parse(&text);
        let known = endpoint.clone().unwrap_or_else(|| EndpointId::from(""));
        seen(caller.grants.own_endpoint(&known), "write", "endpoint")?;
        let by = if caller.grants.write() { By::Operator } else { By::Owner };
        Ok(Self { endpoint: endpoint.ok_or(Problem::NotFound("endpoint"))?, by })
    }
}
