//! `/v2/rawdata`: for contracted partners only.

use serde_json::json;

use super::caller;
use crate::Simulator;
use crate::answer::{Answer, Refusal};
use crate::request::Incoming;

/// 2554 without a contract. With one there is the service, but the simulator records no raw data.
pub(super) fn answer(simulator: &Simulator, incoming: &Incoming) -> Answer {
    caller(simulator, incoming)?;
    match incoming.action() {
        _ if !simulator.settings().contracted => Err(Refusal::not_implemented()),
        "get" => Ok(json!({ "rawdata": [], "more": false, "offset": 0 })),
        _ => Ok(json!({})),
    }
}
