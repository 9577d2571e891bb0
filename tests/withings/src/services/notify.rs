//! `/notify` subscribe, get, list, revoke and update.

use serde_json::{Value, json};

use super::caller;
use super::signature::signed;
use crate::answer::{Answer, Refusal};
use crate::request::Incoming;
use crate::subscriptions::{Subscription, acceptable};
use crate::{Simulator, Userid};

/// The categories of the documents; 98 to 100 need a contract.
const APPLIS: [u16; 17] = [1, 2, 4, 16, 44, 46, 50, 51, 52, 53, 54, 55, 58, 60, 61, 62, 63];

/// As recorded lists spell "never".
const NEVER: i64 = 2_147_483_647;

/// Whose subscriptions a call is about. Category 53 is the application's own: signed, without a user.
fn owner(simulator: &Simulator, incoming: &Incoming) -> Result<(String, Option<Userid>), Refusal> {
    if incoming.arguments.text("signature").is_some() {
        return Ok((signed(simulator, incoming)?.client_id, None));
    }
    caller(simulator, incoming).map(|caller| (caller.client_id, Some(caller.userid)))
}

fn appli(simulator: &Simulator, incoming: &Incoming, name: &str) -> Result<Option<u16>, Refusal> {
    let Some(appli) = incoming.arguments.number(name)? else {
        return Ok(None);
    };
    let appli = u16::try_from(appli).map_err(|_| Refusal::invalid(name))?;
    let known = APPLIS.contains(&appli) || (simulator.settings().contracted && (98..=100).contains(&appli));
    if known { Ok(Some(appli)) } else { Err(Refusal::invalid(name)) }
}

/// 293 unless the URL keeps the rules and answers a HEAD with 2xx.
async fn check(simulator: &Simulator, callbackurl: &str) -> Result<(), Refusal> {
    let settings = simulator.settings();
    if !acceptable(callbackurl, &settings.callback) {
        return Err(Refusal::notify(293));
    }
    if !settings.callback.head {
        return Ok(());
    }
    match simulator.notifier().head(callbackurl).await {
        Some(status) if status.is_success() => Ok(()),
        Some(_) => Err(Refusal::notify(293)),
        None => Err(Refusal::notify(settings.callback.unreachable)),
    }
}

pub(super) async fn subscribe(simulator: &Simulator, incoming: &Incoming) -> Answer {
    let (client_id, userid) = owner(simulator, incoming)?;
    let callbackurl = incoming.arguments.text("callbackurl").ok_or_else(|| Refusal::notify(293))?;
    let appli = appli(simulator, incoming, "appli")?.ok_or_else(|| Refusal::invalid("appli"))?;
    if (appli == 53) != userid.is_none() {
        return Err(Refusal::invalid("appli"));
    }
    let comment = incoming.arguments.text("comment").map(str::to_owned);
    if comment.as_ref().is_some_and(|comment| comment.len() > 255) {
        return Err(Refusal::notify(304));
    }
    check(simulator, callbackurl).await?;
    let most = simulator.settings().most_subscriptions;
    let mut book = simulator.notifier().book();
    let of_owner: Vec<&Subscription> =
        book.subscriptions.iter().filter(|one| one.client_id == client_id && one.userid == userid).collect();
    let known = of_owner.iter().any(|one| one.is(&client_id, userid, appli, callbackurl));
    if !known && most.is_some_and(|most| of_owner.len() >= most) {
        return Err(Refusal::notify(305));
    }
    book.subscriptions.add(&client_id, userid, appli, callbackurl, comment);
    Ok(json!({}))
}

pub(super) fn get(simulator: &Simulator, incoming: &Incoming) -> Answer {
    let (client_id, userid) = owner(simulator, incoming)?;
    let callbackurl = incoming.arguments.text("callbackurl").ok_or_else(|| Refusal::notify(293))?;
    // Without a category, 1 is assumed.
    let appli = appli(simulator, incoming, "appli")?.unwrap_or(1);
    let book = simulator.notifier().book();
    let latest = book.subscriptions.iter().rev().find(|one| one.is(&client_id, userid, appli, callbackurl));
    let one = latest.ok_or_else(|| Refusal::notify(286))?;
    Ok(json!({ "appli": one.appli, "callbackurl": one.callbackurl, "comment": one.comment }))
}

pub(super) fn list(simulator: &Simulator, incoming: &Incoming) -> Answer {
    let (client_id, userid) = owner(simulator, incoming)?;
    let appli = appli(simulator, incoming, "appli")?;
    let expires = simulator.settings().list_has_expires;
    let book = simulator.notifier().book();
    let profiles: Vec<Value> = book
        .subscriptions
        .iter()
        .filter(|one| one.client_id == client_id && one.userid == userid)
        .filter(|one| appli.is_none_or(|appli| one.appli == appli))
        .map(|one| profile(one, expires))
        .collect();
    Ok(json!({ "profiles": profiles }))
}

fn profile(one: &Subscription, expires: bool) -> Value {
    let mut profile = json!({ "appli": one.appli, "callbackurl": one.callbackurl, "comment": one.comment });
    if expires {
        profile["expires"] = json!(NEVER);
    }
    profile
}

/// Ends the subscription of exactly this spelling. Without a category, 1 is assumed, as for `get` (UNCERTAIN).
pub(super) fn revoke(simulator: &Simulator, incoming: &Incoming) -> Answer {
    let (client_id, userid) = owner(simulator, incoming)?;
    let callbackurl = incoming.arguments.text("callbackurl").ok_or_else(|| Refusal::notify(293))?;
    let appli = appli(simulator, incoming, "appli")?.unwrap_or(1);
    let removed =
        simulator.notifier().book().subscriptions.remove(|one| one.is(&client_id, userid, appli, callbackurl));
    if removed == 0 { Err(Refusal::notify(294)) } else { Ok(json!({})) }
}

pub(super) async fn update(simulator: &Simulator, incoming: &Incoming) -> Answer {
    let (client_id, userid) = owner(simulator, incoming)?;
    let arguments = &incoming.arguments;
    let callbackurl = arguments.text("callbackurl").ok_or_else(|| Refusal::notify(293))?;
    let appli_is = appli(simulator, incoming, "appli")?.ok_or_else(|| Refusal::invalid("appli"))?;
    let (url, category) = (arguments.text("new_callbackurl"), appli(simulator, incoming, "new_appli")?);
    let comment = arguments.text("comment");
    if u8::from(url.is_some()) + u8::from(category.is_some()) + u8::from(comment.is_some()) != 1 {
        return Err(Refusal::invalid("new_callbackurl"));
    }
    if let Some(url) = url {
        check(simulator, url).await?;
    }
    let mut book = simulator.notifier().book();
    let one = book.subscriptions.find(|one| one.is(&client_id, userid, appli_is, callbackurl));
    let one = one.ok_or_else(|| Refusal::notify(286))?;
    if let Some(url) = url {
        url.clone_into(&mut one.callbackurl);
    }
    if let Some(category) = category {
        one.appli = category;
    }
    if let Some(comment) = comment {
        one.comment = Some(comment.to_owned());
    }
    Ok(json!({}))
}
