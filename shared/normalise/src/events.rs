//! Notifications that are the data themselves: there is no service to call.

use afferent_domain::Timestamp;
use afferent_domain::exact::Json;
use afferent_domain::id::UserId;
use afferent_domain::record::{Category, Code, Component, Fact, Source};
use afferent_withings::Why;

use crate::Context;
use crate::build::When;

const NOTIFY: &str = "notify";

/// A device's event (categories 50, 51, 52, 55; 98, 99, 100 as far as they are known): `bed_in`, `bed_out`,
/// `inflate_done`, `ecg_failed`, `bed_occupied`, `bed_empty`, `bed_in_out`. `date` is epoch seconds. The same
/// content is the same record, however often and late it comes. None for any other category.
///
/// # Errors
/// [`Why::Time`] if `date` is no time.
pub fn device_event(context: &Context, appli: i64, date: i64, device_id: Option<&str>) -> Result<Option<Fact>, Why> {
    let kind = match appli {
        50 => "bed_in",
        51 => "bed_out",
        52 => "inflate_done",
        55 => "ecg_failed",
        98 => "bed_occupied",
        99 => "bed_empty",
        100 => "bed_in_out",
        _ => return Ok(None),
    };
    let source = Source { device_id: device_id.map(str::to_owned), ..Source::withings(NOTIFY) };
    let id = [&*appli.to_string(), &*date.to_string(), device_id.unwrap_or("")];
    context.fact(&id, kind, Category::Device, When::At(date), &context.zone(None), source).map(Some)
}

/// A change of the profile (category 46): what Withings said (`delete`, `unlink`, `update`) and what the call that
/// checked it showed (`unverified` before it, then `linked` or `dead`). The body has no date: repeats have the time of
/// the first receipt, `anchor`.
///
/// # Errors
/// [`Why::Time`] if `anchor` is no time.
pub fn profile(context: &Context, action: &str, link: &str, anchor: Timestamp) -> Result<Fact, Why> {
    let id = ["46", context.connection.as_str(), action, &*anchor.as_millis().to_string()];
    let when = When::At(anchor.as_secs());
    let source = Source::withings(NOTIFY);
    let mut fact = context.fact(&id, "profile", Category::Account, when, &context.zone(None), source)?;
    fact.value_code = Some(action.to_owned());
    fact.components = vec![Component {
        kind: "link".to_owned(),
        codes: vec![Code::own("link")],
        value_code: Some(link.to_owned()),
        ..Component::default()
    }];
    Ok(fact)
}

/// A device that was set up without an account (category 53). It belongs to no person: the context's user is
/// [`UserId::app`], whatever was given. Repeats have the time of the first receipt, `anchor`.
///
/// # Errors
/// [`Why::Time`] if `anchor` is no time.
pub fn device_setup(context: &Context, mac: &str, anchor: Timestamp) -> Result<Fact, Why> {
    let context = Context { user: UserId::app(), ..context.clone() };
    let mut source = Source::withings(NOTIFY);
    source.other.insert("mac".to_owned(), Json::Text(mac.to_owned()));
    let id = ["53", mac, &*anchor.as_millis().to_string()];
    let when = When::At(anchor.as_secs());
    context.fact(&id, "device_setup", Category::Device, when, &context.zone(None), source)
}
