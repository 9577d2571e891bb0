//! The person's account and the devices in it, as far as it is written.

use afferent_domain::secret::App;

use super::auth::signed;
use super::{Auth, Request};

const PATH: &str = "/v2/user";

/// What a new Withings account is made from (Withings: "user - activate"). Needs a contract; the code in the answer
/// lives 10 min.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activation<'a> {
    /// The person's e-mail address.
    pub email: &'a str,
    /// Two or three letters.
    pub short_name: &'a str,
    /// 0 for a man, 1 for a woman.
    pub gender: i64,
    /// The day of birth, epoch seconds.
    pub birthdate: i64,
    /// The language and country of the account, as `en_EN`.
    pub preflang: &'a str,
    /// How values are shown, a JSON text.
    pub unit_pref: &'a str,
    /// The person's time zone (IANA).
    pub timezone: &'a str,
    /// What the customer calls the person.
    pub external_id: &'a str,
    /// The first measures (height, weight), a JSON text.
    pub measures: &'a str,
    /// The MAC addresses of the devices to link.
    pub macs: &'a [&'a str],
}

/// Makes an account for somebody who has none, with the devices linked to it.
#[must_use]
pub fn activate(app: &App, nonce: &str, activation: &Activation<'_>) -> Request {
    signed(PATH, "activate", app, nonce)
        // No mails of Withings' own.
        .with("mailingpref", 0)
        .with("email", activation.email)
        .with("shortname", activation.short_name)
        .with("gender", activation.gender)
        .with("birthdate", activation.birthdate)
        .with("preflang", activation.preflang)
        .with("unit_pref", activation.unit_pref)
        .with("timezone", activation.timezone)
        .with("external_id", activation.external_id)
        .with("measures", activation.measures)
        .with("mac_addresses", list(activation.macs))
}

/// Links devices to the person's account: those of a notification of category 53.
#[must_use]
pub fn link(macs: &[&str]) -> Request {
    Request::new(PATH, "link", Auth::Bearer).with("mac_addresses", list(macs))
}

/// Takes a device out of the person's account.
#[must_use]
pub fn unlink(mac: &str) -> Request {
    Request::new(PATH, "unlink", Auth::Bearer).with("mac_address", mac)
}

/// A JSON list. A MAC address holds nothing that JSON would escape.
fn list(macs: &[&str]) -> String {
    let quoted: Vec<String> = macs.iter().map(|mac| format!("\"{}\"", mac.replace(['"', '\\'], ""))).collect();
    format!("[{}]", quoted.join(","))
}
