//! Tokens and nonces. A refresh token is used up by its use, and an authorisation code after 30 s: neither
//! call is ever repeated blindly.

use afferent_domain::Timestamp;

use super::{Auth, Request};
use crate::sign::signature;
use afferent_domain::secret::{App, Secret};

fn token(app: &App, grant: &str) -> Request {
    Request::new("/v2/oauth2", "requesttoken", Auth::Application)
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
