//! Hosted links: a page that leads a person to Withings and back.

use afferent_domain::id::UserId;
use afferent_domain::link::Language;
use afferent_domain::secret::Secret;
use axum::body::Body as Bytes;
use axum::extract::{RawQuery, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Answer, json_with};
use crate::consent::{Arrival, Browser, Look, Onward, Visitor, Wish, called_at};
use crate::door::{Writer, made};
use crate::extract::{Body, Path, Text};
use crate::page::{self, Reader};
use crate::problem::{Details, Problem};
use crate::routes::put::{Routes, put};
use crate::state::{App, Shared};
use crate::wish::{self, ScopeName};

/// What needs no key: a link's token, or a state, is the authority.
pub(crate) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; open_link, answer_link, visit_callback)
}

/// What needs one.
pub(crate) fn routes_with_key<R: Routes>(routes: R) -> R {
    put!(routes; create_link)
}

/// Whom a link is for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewLink {
    /// What you call the person: 1 to 256 bytes. This or `user`.
    #[schema(example = "person-1")]
    reference_id: Option<String>,
    /// A user that is there already. This or `reference_id`.
    #[schema(example = "usr_01hzx3v7k2m4n5p6q8r9s0t1v2")]
    user: Option<String>,
    /// The permissions to ask for; all of them unless it is said.
    scopes: Option<Vec<ScopeName>>,
    /// Those without which the person is not to be connected.
    #[serde(default)]
    required_scopes: Vec<ScopeName>,
    /// Where the person goes afterwards: one of the key's return addresses, with a query if you like. Without it the
    /// person is told the result on a page of ours.
    #[schema(example = "https://app.example.org/back?session=7")]
    return_url: Option<String>,
    /// The language of the page: `en`, `de`, `fr`, `es`, `it`, `nl`, `pt` or `ja`; the browser's unless it is said.
    #[schema(value_type = Option<String>, example = "de")]
    language: Option<Language>,
    /// Whether one of Withings' demonstration people consents.
    #[serde(default)]
    demo: bool,
}

/// A link that was made.
#[derive(Serialize, ToSchema)]
struct Link {
    /// Its name, which opens nothing.
    #[schema(example = "lnk_9f86d081884c7d659a2feaa0c55ad015")]
    link: String,
    /// Its address, shown this once: for the one person, because whoever opens it connects as that person.
    #[schema(example = "https://api.example.org/v1/link/lnk_…")]
    link_url: String,
    /// Until when it may be opened: 60 minutes.
    #[schema(format = DateTime)]
    expires: String,
}

/// Makes a hosted link for one person.
///
/// It is good for 60 minutes and for one consent. Opening it uses nothing up, because programs that check mail open
/// links; coming back from Withings, or Cancel, does. With a `return_url` the person goes there, with `result`
/// (`connected`, `denied`, `required_scopes_missing`, `duplicate_connection`, `token_expired`, `token_consumed`,
/// `other_browser` or `provider_error`), `reference_id`, and after `connected` also `user` and `connection` in its query.
#[utoipa::path(
    post,
    path = "/v1/link",
    tag = "Connecting",
    request_body = NewLink,
    security(("key" = ["write"])),
    responses(
        (status = 201, description = "The link.", body = Link),
        (status = 404, description = "There is no such user.", body = Details, content_type = "application/problem+json"),
    )
)]
async fn create_link(
    State(app): State<Shared>,
    Writer(caller): Writer,
    headers: HeaderMap,
    Body(new): Body<NewLink>,
) -> Answer {
    let (scopes, required) = wish::scopes(new.scopes, new.required_scopes)?;
    if let Some(url) = &new.return_url {
        wish::return_url(url, &caller.return_urls)?;
    }
    let reference = match (new.reference_id, new.user) {
        (Some(reference), None) => {
            wish::reference(&reference)?;
            reference
        }
        (None, Some(user)) => reference_of(&app, &user).await?,
        (Some(_), Some(_)) => return Err(Problem::field("user", "absent where there is a reference_id")),
        (None, None) => return Err(Problem::field("reference_id", "there, or else user")),
    };
    let (return_url, language, demo) = (new.return_url, new.language, new.demo);
    let user = UserId::derive(&[&reference]).to_string();
    let wish = Wish { reference, scopes, required, return_url, language, demo };
    let link = app.consents.make_link(&wish, &called_at(&headers)).await?;
    let link = Link { link: link.id, link_url: link.url, expires: link.expires.to_string() };
    Ok(made(json_with(StatusCode::CREATED, &link)?, [("link", link.link), ("user", user)]))
}

async fn reference_of(app: &App, user: &str) -> Result<String, Problem> {
    let id = UserId::parse(user).ok_or(Problem::NotFound("user"))?;
    Ok(app.connections.user(&id).await?.ok_or(Problem::NotFound("user"))?.reference)
}

/// The page of a link, for the person. It says who asks for what, and gives the browser a cookie by which it is known again
/// when it goes on and when it comes back.
#[utoipa::path(
    get,
    path = "/v1/link/{token}",
    tag = "Connecting",
    params(("token" = String, Path, description = "The link's token.")),
    security(()),
    responses(
        (status = 200, description = "The page that asks.", body = String, content_type = "text/html"),
        (status = 409, description = "The link was used; a page, or a problem for who accepts JSON only.",
            content((String = "text/html"), (Details = "application/problem+json"))),
        (status = 410, description = "The link is too old or unknown.",
            content((String = "text/html"), (Details = "application/problem+json"))),
        (status = 502, description = "Afferent itself fails: a page. A problem, of its own status, for who accepts JSON only.",
            content((String = "text/html"), (Details = "application/problem+json"))),
    )
)]
async fn open_link(State(app): State<Shared>, Path(token): Path<String>, headers: HeaderMap) -> Answer {
    let (token, reader) = (Secret::new(token), reader(&app, &headers));
    Ok(match app.consents.look(&token).await {
        Ok(Look::Ask(link)) => {
            let mut page = page::ask(&link, app.consents.app_name(), app.consents.account_url(), &reader);
            let cookie = Browser::of(&headers, &called_at(&headers)).cookie(&token, &*app.rim.dice);
            if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::try_from(cookie).ok()) {
                page.headers_mut().insert(SET_COOKIE, cookie);
            }
            page
        }
        Ok(Look::Over(outcome)) => page::over(&outcome, &reader),
        Err(error) => page::failed(error.into(), None, &reader),
    })
}

/// What the person chose on the page: a form with `choice`, `continue` or `cancel`.
#[utoipa::path(
    post,
    path = "/v1/link/{token}",
    tag = "Connecting",
    params(("token" = String, Path, description = "The link's token.")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded", description = "`choice`: `continue` or `cancel`."),
    security(()),
    responses(
        (status = 303, description = "On to Withings; or back to the customer, with the result in the query."),
        (status = 403, description = "The page was not opened in this browser (`other_browser`); or the person chose Cancel and there is no way back: a page, or a problem for who accepts JSON only.",
            content((String = "text/html"), (Details = "application/problem+json"))),
        (status = 409, description = "The link was used.",
            content((String = "text/html"), (Details = "application/problem+json"))),
        (status = 410, description = "The link is too old or unknown.",
            content((String = "text/html"), (Details = "application/problem+json"))),
        (status = 502, description = "Afferent itself fails: a page. A problem, of its own status, for who accepts JSON only.",
            content((String = "text/html"), (Details = "application/problem+json"))),
    )
)]
async fn answer_link(
    State(app): State<Shared>,
    Path(token): Path<String>,
    headers: HeaderMap,
    Text(form): Text,
) -> Answer {
    let (token, reader) = (Secret::new(token), reader(&app, &headers));
    let mut choices = form_urlencoded::parse(form.as_bytes()).filter(|(name, _)| name == "choice");
    match choices.next().as_ref().map(|(_, choice)| &**choice) {
        Some("continue") => {
            let called_at = called_at(&headers);
            let browser = Browser::of(&headers, &called_at);
            Ok(match app.consents.proceed(&token, &browser, &called_at).await {
                Onward::To(invitation) => page::onward(&invitation.url),
                Onward::Over(outcome) => page::over(&outcome, &reader),
                Onward::Failed(problem, whom) => page::failed(problem, whom, &reader),
            })
        }
        Some("cancel") => Ok(match app.consents.decline(&token).await {
            Ok(outcome) => page::outcome(&outcome, &reader),
            Err(error) => page::failed(error.into(), None, &reader),
        }),
        _ => Err(Problem::field("choice", "continue or cancel")),
    }
}

/// Where Withings sends people after consenting. The state is the authority; whatever else the query holds is left alone.
///
/// The first visit counts. The same browser is answered the same again for a day; where a visit is under way it waits for
/// that one.
#[utoipa::path(
    get,
    path = "/v1/oauth/callback",
    tag = "Connecting",
    security(()),
    responses(
        (status = 200, description = "The person is connected; a page, or JSON for who accepts JSON only.",
            content((String = "text/html"), (Connected = "application/json"))),
        (status = 202, description = "A visit with this state is under way: a page that loads itself again.", body = String, content_type = "text/html"),
        (status = 303, description = "The way on to the customer, with the result in the query."),
        (status = 403, description = "`denied`, `required_scopes_missing` or `other_browser`.",
            content((String = "text/html"), (Details = "application/problem+json"))),
        (status = 409, description = "`token_consumed` or `duplicate_connection`; to who accepts JSON only also `visit-under-way`.",
            content((String = "text/html"), (Details = "application/problem+json"))),
        (status = 410, description = "`token_expired`.",
            content((String = "text/html"), (Details = "application/problem+json"))),
        (status = 502, description = "`provider_error`.",
            content((String = "text/html"), (Details = "application/problem+json"))),
    )
)]
async fn visit_callback(
    State(app): State<Shared>,
    method: Method,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    if method == Method::HEAD {
        // Withings' dashboard looks whether somebody is there. That must use nothing up.
        return Ok(Response::new(Bytes::empty()));
    }
    let mut visitor = Visitor::default();
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match &*name {
            "state" => visitor.state = Some(Secret::new(value)),
            "code" => visitor.code = Some(Secret::new(value)),
            "error" => visitor.error = Some(value.into_owned()),
            _ => {}
        }
    }
    let reader = reader(&app, &headers);
    Ok(match app.consents.visit(visitor, &Browser::of(&headers, &called_at(&headers))).await {
        Ok(Arrival::Over(outcome)) => page::outcome(&outcome, &reader),
        Ok(Arrival::UnderWay(language)) => page::moment(language, &reader),
        Err(error) => page::failed(error.into(), None, &reader),
    })
}

/// Who was connected.
#[derive(Serialize, ToSchema)]
struct Connected {
    /// `connected`.
    result: String,
    /// The user.
    user: String,
    /// The connection.
    connection: String,
}

fn reader(app: &App, headers: &HeaderMap) -> Reader {
    let dice = &app.rim.dice;
    Reader::of(headers, format!("{:016x}{:016x}", dice.roll(), dice.roll()))
}
