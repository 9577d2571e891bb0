//! Subscriptions, per user and per category (`appli`).

use super::{Auth, Request};
use crate::sign::signature;
use afferent_domain::secret::App;

const PATH: &str = "/notify";

/// Asks for the notifications of a category. Withings sends HEAD to the URL first; subscribing twice is no
/// error.
#[must_use]
pub fn subscribe(callback_url: &str, appli: i64) -> Request {
    Request::new(PATH, "subscribe", Auth::Bearer).with("callbackurl", callback_url).with("appli", appli)
}

/// Category 53, which has no user: once per application, signed.
#[must_use]
pub fn subscribe_application(app: &App, nonce: &str, callback_url: &str) -> Request {
    Request::new(PATH, "subscribe", Auth::Application)
        .with("client_id", &app.client_id)
        .with("nonce", nonce)
        .with("signature", signature(&app.client_secret, "subscribe", &app.client_id, nonce))
        .with("callbackurl", callback_url)
        .with("appli", 53)
}

/// All subscriptions of the user, of every category and URL.
#[must_use]
pub fn list() -> Request {
    Request::new(PATH, "list", Auth::Bearer)
}

/// Ends a subscription. The URL must be spelt as [`list`] spells it.
#[must_use]
pub fn revoke(callback_url: &str, appli: i64) -> Request {
    Request::new(PATH, "revoke", Auth::Bearer).with("callbackurl", callback_url).with("appli", appli)
}
