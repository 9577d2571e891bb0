//! The consent page, `/oauth2_user/authorize2`: a redirect with a code (or `error=access_denied`), at once or after a
//! click.

use bytes::Bytes;
use http::{Response, StatusCode, header};

use crate::answer::respond;
use crate::request::{Arguments, Incoming};
use crate::settings::AutoConsent;
use crate::tokens::{CODE_LIFE, Caller};
use crate::{Simulator, Userid};

pub(crate) fn page(simulator: &Simulator, incoming: &Incoming) -> Response<Bytes> {
    match consent(simulator, &incoming.arguments) {
        Ok(Some(location)) => {
            let mut response = respond(StatusCode::FOUND, "text/html", "");
            if let Ok(location) = location.parse() {
                response.headers_mut().insert(header::LOCATION, location);
            }
            response
        }
        Ok(None) => respond(StatusCode::OK, "text/html; charset=utf-8", choice(simulator, &incoming.arguments)),
        Err(reason) => respond(StatusCode::BAD_REQUEST, "text/plain", reason),
    }
}

/// Where to redirect; `None` if nobody has consented yet.
fn consent(simulator: &Simulator, arguments: &Arguments) -> Result<Option<String>, &'static str> {
    let settings = simulator.settings();
    let text = |name| arguments.text(name);
    let client_id = text("client_id").ok_or("client_id is missing")?;
    let client = settings.clients.iter().find(|client| client.client_id == client_id).ok_or("unknown client_id")?;
    let redirect_uri = text("redirect_uri").ok_or("redirect_uri is missing")?;
    // Byte for byte, a trailing slash included.
    if !client.redirect_uris.is_empty() && !client.redirect_uris.iter().any(|uri| uri == redirect_uri) {
        return Err("redirect_uri is not registered");
    }
    if text("response_type") != Some("code") {
        return Err("response_type must be code");
    }
    let (scope, state) = (text("scope").ok_or("scope is missing")?, text("state").ok_or("state is missing")?);
    let redirect = |name: &str, value: &str| {
        let joint = if redirect_uri.contains('?') { '&' } else { '?' };
        let pairs = [(name, value), ("state", state)];
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        Ok(Some(format!("{redirect_uri}{joint}{query}")))
    };
    let mut world = simulator.world();
    let chosen: Option<Userid> = match (text("userid"), settings.auto_consent) {
        (Some("none"), _) | (None, AutoConsent::Deny) => return redirect("error", "access_denied"),
        (Some(userid), _) => Some(userid.parse().map_err(|_| "userid is no number")?),
        (None, AutoConsent::Off) => None,
        (None, AutoConsent::FirstUser) => world.state.users.keys().next().copied(),
        (None, AutoConsent::User(userid)) => Some(userid),
    };
    let Some(userid) = chosen else {
        return Ok(None);
    };
    world.state.user(userid).map_err(|_| "unknown user")?;
    let granted = |scope: &&str| settings.granted_scopes.as_ref().is_none_or(|granted| granted.contains(*scope));
    let scope: Vec<&str> = scope.split(',').map(str::trim).filter(granted).collect();
    let caller = Caller { client_id: client_id.to_owned(), userid, scope: scope.join(",") };
    let (now, dice) = (simulator.now(), simulator.dice.as_ref());
    let code = world.tokens.code(caller, Some(redirect_uri.to_owned()), CODE_LIFE, now, dice);
    redirect("code", &code)
}

/// A page that lists the users.
fn choice(simulator: &Simulator, arguments: &Arguments) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in ["response_type", "client_id", "scope", "redirect_uri", "state"] {
        if let Some(value) = arguments.text(name) {
            query.append_pair(name, value);
        }
    }
    let query = query.finish().replace('&', "&amp;");
    let users: String = simulator
        .world()
        .state
        .users
        .keys()
        .map(ToString::to_string)
        .chain(["none".to_owned()])
        .map(|userid| format!("<li><a href=\"?{query}&amp;userid={userid}\">{userid}</a></li>"))
        .collect();
    format!("<!doctype html><title>Simulated Withings</title><h1>Share the data of which user?</h1><ul>{users}</ul>")
}
