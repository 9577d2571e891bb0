//! Who asks for which Patient. A key to one user sees that one; who it is about stands in the query or in an id, so it is
//! looked at here rather than in the path.

use std::collections::BTreeSet;

use afferent_domain::Timestamp;
use afferent_domain::grant::Grant;
use afferent_domain::id::UserId;
use afferent_fhir::id;
use afferent_fhir::search::{Refused, of_one};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::Method;
use axum::http::request::Parts;

use super::form;
use crate::door::Caller;
use crate::extract::Text;
use crate::problem::Problem;

/// A search by somebody who may read the Patient whom it names.
pub(crate) struct Searching {
    caller: Caller,
    /// The parameters as they came.
    pub(crate) parameters: Vec<(String, String)>,
    /// Whether unknown ones are ignored.
    pub(crate) lenient: bool,
    /// The users that the key is for; `None` if it is for everybody's data.
    pub(crate) own: Option<BTreeSet<UserId>>,
    /// Whom the query names.
    named: Option<UserId>,
}

/// Somebody who reads one resource; what it is about is to be shown to [`Looking::patient`] first.
pub(crate) struct Looking(Caller);

impl<S: Send + Sync> FromRequest<S> for Searching {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let caller = caller(&parts)?;
        let read = |text: &str| form_urlencoded::parse(text.as_bytes()).into_owned().collect::<Vec<_>>();
        let mut parameters: Vec<(String, String)> = read(parts.uri.query().unwrap_or_default());
        let headers = parts.headers.clone();
        let prefer = parts.headers.get("prefer").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let lenient = prefer.split([',', ';']).any(|wish| wish.trim() == "handling=lenient");
        // A search may come as a form: nothing of it stands in an address then, which others may keep.
        if parts.method == Method::POST {
            let Text(form) = Text::from_request(Request::from_parts(parts, body), state).await?;
            parameters.extend(read(&form));
        }
        form::accepted(&headers, &parameters)?;
        let names = ["patient", "subject", "subject:Patient"];
        let mut named = None;
        for (_, value) in parameters.iter().filter(|(name, _)| names.contains(&&**name)) {
            let text = value.rsplit_once("Patient/").map_or(value.as_str(), |(_, id)| id);
            let user = id::user(text);
            // What is no id is nobody's: a key to one user is told the same as of another one.
            caller.sees(user.as_ref().unwrap_or(&UserId::from("")), "patient")?;
            named = named.or(user);
        }
        let of_one = |grant: &Grant| if let Grant::User(user) = grant { Some(user.clone()) } else { None };
        let users: BTreeSet<UserId> = caller.grants.iter().filter_map(of_one).collect();
        caller.sees(named.as_ref().or(users.first()).unwrap_or(&UserId::from("")), "patient")?;
        let own = (!caller.grants.read()).then_some(users);
        Ok(Self { caller, parameters, lenient, own, named })
    }
}

impl Searching {
    /// The Patient whom the query names, or whom alone the key is for.
    pub(crate) fn one_patient(&self) -> Result<&UserId, Problem> {
        let only = self.own.as_ref().filter(|own| own.len() == 1).and_then(BTreeSet::first);
        let one = self.named.as_ref().or(only);
        one.ok_or_else(|| Problem::field("patient", "the id of one Patient, `usr-…`"))
    }

    /// The Patient of this id, if the key is for that one. The query may name only the same.
    pub(crate) fn patient(&self, user: Option<UserId>) -> Result<UserId, Problem> {
        self.caller.sees(user.as_ref().unwrap_or(&UserId::from("")), "patient")?;
        user.ok_or(Problem::NotFound("patient"))
    }

    /// Until when there is time to count.
    pub(crate) fn until(&self) -> Timestamp {
        self.caller.until
    }

    /// Whether the key is for this user.
    pub(crate) fn sees(&self, user: &UserId) -> bool {
        self.caller.sees(user, "patient").is_ok()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Looking {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        caller(parts).map(Self)
    }
}

impl Looking {
    /// The user of an id, if the caller may read it; `None` stands for an id that is none.
    pub(crate) fn patient(&self, user: Option<UserId>, noun: &'static str) -> Result<UserId, Problem> {
        self.0.sees(user.as_ref().unwrap_or(&UserId::from("")), noun)?;
        user.ok_or(Problem::NotFound(noun))
    }
}

fn caller(parts: &Parts) -> Result<Caller, Problem> {
    parts.extensions.get::<Caller>().cloned().ok_or(Problem::Key("a key is needed: Authorization: Bearer afk_…"))
}

/// A request for one thing, which says nothing more than in which form it is wanted.
pub(crate) struct Plainly;

impl<S: Send + Sync> FromRequestParts<S> for Plainly {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        form::accepted(&parts.headers, &parameters)?;
        of_one(&parameters).map(|()| Self).map_err(refused)
    }
}

/// A parameter of a search that is not right.
pub(crate) fn refused(refused: Refused) -> Problem {
    match &*refused.parameter {
        "_format" => form::none(),
        _ => Problem::field(refused.parameter, refused.expected),
    }
}

/// There was no time left to count all of it: a total is all that match or nothing.
pub(crate) const fn no_time() -> Problem {
    Problem::Unavailable("there was no time to count all of it: name fewer by date, code or id")
}

/// More is to be counted than can be.
pub(crate) fn too_many() -> Problem {
    Problem::field(
        "_count",
        "a number from 1 on: there is too much to be counted at once; name fewer by date, code or id",
    )
}

pub(crate) fn bad_cursor() -> Problem {
    Problem::field("_cursor", "that of the link `next` of an earlier page")
}
