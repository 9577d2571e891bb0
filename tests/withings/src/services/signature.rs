//! Signatures and nonces: `/v2/signature` getnonce.
//!
//! A signature is HMAC-SHA256 by the client secret over the *values* of `action`, `client_id` and `nonce`
//! (for getnonce: `timestamp`), joined with commas, in lower-case hex (Withings, sign your requests).

use ring::hmac;
use serde_json::json;

use crate::Simulator;
use crate::answer::{Answer, Refusal};
use crate::request::Incoming;
use crate::settings::ClientApp;

/// How far a getnonce's `timestamp` may be off, in seconds. UNCERTAIN.
const TIMESTAMP_SLACK_S: u64 = 600;

pub(crate) fn sign(secret: &str, action: &str, client_id: &str, proof: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{action},{client_id},{proof}").as_bytes());
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn client(simulator: &Simulator, incoming: &Incoming) -> Result<ClientApp, Refusal> {
    let client_id = incoming.arguments.required("client_id")?;
    let settings = simulator.settings();
    let client = settings.clients.iter().find(|client| client.client_id == client_id);
    client.cloned().ok_or_else(|| Refusal::invalid("client_id"))
}

/// 342 as the old documents have it.
fn check(client: &ClientApp, incoming: &Incoming, proof: &str) -> Result<(), Refusal> {
    let expected = sign(&client.client_secret, incoming.action(), &client.client_id, proof);
    if incoming.arguments.required("signature")? == expected {
        return Ok(());
    }
    Err(Refusal::new(342, "Invalid signature"))
}

/// The application that signed a call. Uses up the nonce.
pub(crate) fn signed(simulator: &Simulator, incoming: &Incoming) -> Result<ClientApp, Refusal> {
    let client = client(simulator, incoming)?;
    let nonce = incoming.arguments.required("nonce")?;
    check(&client, incoming, nonce)?;
    let now = simulator.now();
    if simulator.world().tokens.use_nonce(nonce, &client.client_id, now) {
        return Ok(client);
    }
    Err(Refusal::invalid("nonce"))
}

pub(super) fn getnonce(simulator: &Simulator, incoming: &Incoming) -> Answer {
    let client = client(simulator, incoming)?;
    let timestamp = incoming.arguments.required_number("timestamp")?;
    check(&client, incoming, &timestamp.to_string())?;
    let now = simulator.now();
    if timestamp.abs_diff(now.as_secs()) > TIMESTAMP_SLACK_S {
        return Err(Refusal::invalid("timestamp"));
    }
    let nonce = simulator.world().tokens.nonce(&client.client_id, now, simulator.dice.as_ref());
    Ok(json!({ "nonce": nonce }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_covers_action_client_and_proof() {
        assert_eq!(
            sign("test-secret", "getnonce", "my-client", "1700000000"),
            "c0ddb7b5ca04283d58877c5d05a24b2c5ad29e41d9e8fad09e9a9499272de736"
        );
        assert_eq!(
            sign("test-secret", "requesttoken", "my-client", "nonce-1"),
            "3b2799cf7fcad4400bc3e13bab13849dda6c05e0556dd42786dc92f0d62d49a9"
        );
    }
}
