//! `/v2/oauth2` requesttoken and revoke.

use serde_json::{Value, json};

use super::signature::{client, signed};
use crate::Simulator;
use crate::answer::{Answer, Refusal};
use crate::request::Incoming;
use crate::tokens::TokenPair;

pub(super) fn requesttoken(simulator: &Simulator, incoming: &Incoming) -> Answer {
    let arguments = &incoming.arguments;
    let client = match arguments.text("signature") {
        Some(_) => signed(simulator, incoming)?,
        None => client(simulator, incoming)?,
    };
    if arguments.text("signature").is_none() && arguments.required("client_secret")? != client.client_secret {
        return Err(Refusal::invalid("client_secret"));
    }
    let (now, dice) = (simulator.now(), simulator.dice.as_ref());
    let tokens = &mut simulator.world().tokens;
    let pair = match arguments.required("grant_type")? {
        "authorization_code" => {
            let redirect_uri = arguments.text("redirect_uri");
            let pair = tokens.redeem(arguments.required("code")?, &client.client_id, redirect_uri, now, dice);
            pair.ok_or_else(|| Refusal::invalid("code"))?
        }
        "refresh_token" => {
            let pair = tokens.refresh(arguments.required("refresh_token")?, &client.client_id, now, dice);
            pair.ok_or_else(|| Refusal::invalid("refresh_token"))?
        }
        _ => return Err(Refusal::invalid("grant_type")),
    };
    Ok(token_body(&pair, simulator.settings().userid_as_string))
}

fn token_body(pair: &TokenPair, userid_as_string: bool) -> Value {
    let userid = if userid_as_string { json!(pair.userid.to_string()) } else { json!(pair.userid) };
    json!({
        "userid": userid,
        "access_token": pair.access_token,
        "refresh_token": pair.refresh_token,
        "scope": pair.scope,
        "expires_in": pair.expires_in,
        "csrf_token": "SimulatorCsrfTokenSimulatorCsrfT",
        "token_type": "Bearer",
    })
}

/// Kills the tokens of a user and ends their subscriptions.
pub(super) fn revoke(simulator: &Simulator, incoming: &Incoming) -> Answer {
    let client = signed(simulator, incoming)?;
    let userid = incoming.arguments.required_number("userid")?;
    simulator.world().tokens.revoke(userid, Some(&client.client_id));
    let gone = |one: &crate::Subscription| one.client_id == client.client_id && one.userid == Some(userid);
    simulator.notifier().book().subscriptions.remove(gone);
    Ok(json!({}))
}
