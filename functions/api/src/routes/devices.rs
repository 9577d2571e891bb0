//! Devices that were set up without an account (events of category 53), and the people that they belong to.

use std::collections::BTreeMap;

use afferent_domain::id::{ConnectionId, UserId};
use afferent_domain::link::midnight;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Answer, json, no_content};
use crate::consent::{Activation, called_at};
use crate::door::{Writer, made};
use crate::extract::{Body, Path, Query};
use crate::problem::{Details, Problem};
use crate::routes::put::{Routes, put};
use crate::state::Shared;
use crate::wish;

pub(crate) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; link_device, unlink_device)
}

/// The longest text of an activation, in bytes.
const TEXT: usize = 256;

/// A device to link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewDevice {
    /// Its MAC address, as the event has it.
    #[schema(example = "00:24:e4:01:02:03")]
    mac: String,
    /// The connection whose account is meant, where the user has several.
    connection: Option<String>,
    /// What to make a Withings account from, for a person who has none. Needs a contract with Withings.
    activate: Option<NewAccount>,
}

/// What a Withings account is made from.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAccount {
    /// The person's e-mail address.
    #[schema(example = "person@example.org")]
    email: String,
    /// Two or three letters by which devices show the person.
    #[schema(example = "PER")]
    short_name: String,
    /// 0 for a man, 1 for a woman: Withings has no third.
    #[schema(minimum = 0, maximum = 1)]
    gender: u8,
    /// The day of birth.
    #[schema(format = Date, example = "1980-05-31")]
    birthdate: String,
    /// The language and country of the account.
    #[schema(example = "en_EN")]
    language: String,
    /// The person's time zone, as IANA names it.
    #[schema(example = "Europe/Berlin")]
    timezone: String,
    /// How values are shown: Withings' own numbers, by what they are of.
    #[schema(example = json!({"weight": 1, "height": 6, "distance": 6, "temperature": 11}))]
    units: BTreeMap<String, i64>,
    /// The first measures; Withings wants height and weight.
    #[schema(max_items = 20)]
    measures: Vec<NewMeasure>,
}

/// A measure as Withings writes it: `value` × 10^`unit`.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewMeasure {
    /// Withings' type: 1 is the weight in kg, 4 the height in m.
    #[serde(rename = "type")]
    #[schema(example = 4)]
    kind: i64,
    /// Whole.
    #[schema(example = 180)]
    value: i64,
    /// The power of ten.
    #[schema(example = -2)]
    unit: i64,
}

/// A device that is linked.
#[derive(Serialize, ToSchema)]
struct Linked {
    /// Its MAC address, as it was given.
    #[schema(example = "00:24:e4:01:02:03")]
    mac: String,
    /// Whose it is now.
    #[schema(value_type = String)]
    user: UserId,
    /// The connection whose account it is in.
    #[schema(value_type = String)]
    connection: ConnectionId,
}

/// Whose device.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Whose {
    /// The connection whose account is meant, where the user has several.
    connection: Option<String>,
}

/// Links a device to the Withings account of a user.
///
/// For a device that was set up without an account, which an event of category 53 names. With `activate` an account is
/// made for a person who has none, with the device in it, and connected.
#[utoipa::path(
    post,
    path = "/v1/users/{user}/devices",
    tag = "Connecting",
    params(("user" = String, Path, description = "The user.")),
    request_body = NewDevice,
    security(("key" = ["write"])),
    responses(
        (status = 200, description = "The device is linked.", body = Linked),
        (status = 404, description = "There is no such user or connection.", body = Details, content_type = "application/problem+json"),
        (status = 409, description = "`not-connected`, `reauthorise`, `not-allowed`, `erasing`, or `device-refused`: Withings does not take it.", body = Details, content_type = "application/problem+json"),
        (status = 502, description = "Withings could not be reached.", body = Details, content_type = "application/problem+json"),
    )
)]
async fn link_device(
    State(app): State<Shared>,
    _: Writer,
    Path(user): Path<String>,
    headers: HeaderMap,
    Body(new): Body<NewDevice>,
) -> Answer {
    let user = UserId::parse(&user).ok_or(Problem::NotFound("user"))?;
    check_mac(&new.mac)?;
    let named = new.connection.as_deref().map(read_connection).transpose()?;
    let Some(account) = new.activate else {
        let connection = app.consents.living(&user, named.as_ref()).await?;
        app.consents.link_device(&connection, &new.mac).await?;
        return json(&Linked { mac: new.mac, user, connection: connection.id });
    };
    if named.is_some() {
        return Err(Problem::field("connection", "absent where an account is to be made"));
    }
    let reference = app.connections.user(&user).await?.ok_or(Problem::NotFound("user"))?.reference;
    let activation = account.checked()?;
    let connected = app.consents.activate(&reference, &new.mac, &activation, &called_at(&headers)).await?;
    let connection = connected.connection.to_string();
    let linked = Linked { mac: new.mac, user: connected.user, connection: connected.connection };
    Ok(made(json(&linked)?, [("connection", connection)]))
}

/// Takes a device out of the Withings account of a user.
#[utoipa::path(
    delete,
    path = "/v1/users/{user}/devices/{mac}",
    tag = "Connecting",
    params(
        ("user" = String, Path, description = "The user."),
        ("mac" = String, Path, description = "The device's MAC address, as it was linked."),
        Whose
    ),
    security(("key" = ["write"])),
    responses(
        (status = 204, description = "The device is unlinked."),
        (status = 404, description = "There is no such user or connection.", body = Details, content_type = "application/problem+json"),
        (status = 409, description = "`not-connected`, `reauthorise`, `not-allowed`, or `device-refused`: Withings does not take it.", body = Details, content_type = "application/problem+json"),
        (status = 502, description = "Withings could not be reached.", body = Details, content_type = "application/problem+json"),
    )
)]
async fn unlink_device(
    State(app): State<Shared>,
    _: Writer,
    Path((user, mac)): Path<(String, String)>,
    Query(whose): Query<Whose>,
) -> Answer {
    let user = UserId::parse(&user).ok_or(Problem::NotFound("user"))?;
    check_mac(&mac)?;
    let named = whose.connection.as_deref().map(read_connection).transpose()?;
    let connection = app.consents.living(&user, named.as_ref()).await?;
    app.consents.unlink_device(&connection, &mac).await?;
    Ok(no_content())
}

fn read_connection(text: &str) -> Result<ConnectionId, Problem> {
    ConnectionId::parse(text).ok_or(Problem::NotFound("connection"))
}

/// Twelve hexadecimal digits, with the usual marks between them. How Withings compares them is not documented, so they
/// go on as they came.
fn check_mac(mac: &str) -> Result<(), Problem> {
    let bytes = mac.as_bytes();
    let pairs = |apart: usize| bytes.chunks(2 + apart).all(|pair| pair.iter().take(2).all(u8::is_ascii_hexdigit));
    let marks = bytes.iter().skip(2).step_by(3);
    let fits = match bytes.len() {
        12 => pairs(0),
        17 => pairs(1) && (marks.clone().all(|mark| *mark == b':') || marks.clone().all(|mark| *mark == b'-')),
        _ => false,
    };
    if fits { Ok(()) } else { Err(Problem::field("mac", "a MAC address, such as 00:24:e4:01:02:03")) }
}

impl NewAccount {
    fn checked(self) -> Result<Activation, Problem> {
        wish::timezone(Some(&self.timezone))?;
        let short = |text: &str| (1..=TEXT).contains(&text.len()) && !text.chars().any(char::is_control);
        if !short(&self.email) || !self.email.contains('@') {
            return Err(Problem::field("activate.email", "an e-mail address"));
        }
        if !(2..=3).contains(&self.short_name.chars().count()) || !self.short_name.chars().all(char::is_alphanumeric) {
            return Err(Problem::field("activate.short_name", "two or three letters"));
        }
        if !short(&self.language) {
            return Err(Problem::field("activate.language", "a language and country, such as en_EN"));
        }
        if self.gender > 1 {
            return Err(Problem::field("activate.gender", "0 or 1"));
        }
        let birthdate = midnight(&self.birthdate);
        let birthdate = birthdate.ok_or_else(|| Problem::field("activate.birthdate", "a date, such as 1980-05-31"))?;
        if self.units.len() > 20 || !self.units.keys().all(|name| short(name)) {
            return Err(Problem::field("activate.units", "at most 20 short names with numbers"));
        }
        if self.measures.len() > 20 {
            return Err(Problem::field("activate.measures", "at most 20 measures"));
        }
        Ok(Activation {
            email: self.email,
            short_name: self.short_name,
            gender: i64::from(self.gender),
            birthdate,
            language: self.language,
            timezone: self.timezone,
            units: serde_json::to_string(&self.units)?,
            measures: serde_json::to_string(&self.measures)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_address_has_twelve_digits_and_one_kind_of_marks() {
        for mac in ["00:24:e4:01:02:03", "00-24-E4-01-02-03", "0024e4010203"] {
            assert!(check_mac(mac).is_ok(), "{mac}");
        }
        for mac in ["", "00:24:e4:01:02", "00:24-e4:01:02:03", "00:24:e4:01:02:0g", "0024e401020", "00.24.e4.01.02.03"]
        {
            assert!(check_mac(mac).is_err(), "{mac}");
        }
    }
}
