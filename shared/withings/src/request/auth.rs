//! Consent, tokens and nonces. A refresh token is used up by its use, and an authorisation code after 30 s: neither
//! call is ever repeated blindly.

use afferent_domain::Timestamp;
use afferent_domain::secret::{App, Secret};

use super::{Auth, Request};
use crate::sign::signature;

const PATH: &str = "/v2/oauth2";

/// The page on which a person consents; a browser goes there. Withings sends it on to `redirect_uri` with `code` and
/// `state`, or with `error=access_denied` and `state`.
///
/// `redirect_uri` is compared byte for byte with the registered ones. With `demo` a demonstration person consents,
/// who has data and needs no account.
#[must_use]
pub fn authorize_url(
    account_url: &str,
    client_id: &str,
    scopes: &[&str],
    redirect_uri: &str,
    state: &Secret,
    demo: bool,
) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", client_id)
        // With commas: Withings reads a list with blanks, as OAuth has it, as one unknown scope.
        .append_pair("scope", &scopes.join(","))
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("state", state.reveal());
    if demo {
        query.append_pair("mode", "demo");
    }
    format!("{}/oauth2_user/authorize2?{}", account_url.trim_end_matches('/'), query.finish())
}

fn token(app: &App, grant: &str) -> Request {
    Request::new(PATH, "requesttoken", Auth::Application)
        .with("client_id", &app.client_id)
        .with("client_secret", app.client_secret.reveal())
        .with("grant_type", grant)
}

/// A new pair for a refresh token. The old refresh token dies 8 h later, or when the new access token is first
/// used: store the pair before that.
#[must_use]
pub fn token_by_refresh(app: &App, refresh_token: &Secret) -> Request {
    token(app, "refresh_token").with("refresh_token", refresh_token.reveal())
}

/// The first pair for an authorisation code. `redirect_uri` is compared byte for byte.
#[must_use]
pub fn token_by_code(app: &App, code: &Secret, redirect_uri: &str) -> Request {
    token(app, "authorization_code").with("code", code.reveal()).with("redirect_uri", redirect_uri)
}

/// A nonce for one signed call; it lives 30 min.
#[must_use]
pub fn nonce(app: &App, now: Timestamp) -> Request {
    let timestamp = now.as_secs().to_string();
    Request::new("/v2/signature", "getnonce", Auth::Application)
        .with("client_id", &app.client_id)
        .with("signature", signature(&app.client_secret, "getnonce", &app.client_id, &timestamp))
        .with("timestamp", timestamp)
}

/// A request that the application signs instead of showing its secret or a token; `nonce` is good for it alone.
pub(super) fn signed(path: &'static str, action: &'static str, app: &App, nonce: &str) -> Request {
    Request::new(path, action, Auth::Application)
        .with("client_id", &app.client_id)
        .with("nonce", nonce)
        .with("signature", signature(&app.client_secret, action, &app.client_id, nonce))
}

/// Kills every token of the person at this application, and ends the person's subscriptions. Of *all* users here that
/// share the Withings account.
#[must_use]
pub fn revoke(app: &App, nonce: &str, userid: impl ToString) -> Request {
    signed(PATH, "revoke", app, nonce).with("userid", userid)
}
