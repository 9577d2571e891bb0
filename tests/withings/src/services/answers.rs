//! `/v2/answers` get: signed by the application, without a bearer token.

use serde_json::{Value, json};

use super::paging::Selection;
use super::signature::signed;
use crate::Simulator;
use crate::answer::{Answer, Refusal};
use crate::request::Incoming;

pub(super) fn get(simulator: &Simulator, incoming: &Incoming) -> Answer {
    signed(simulator, incoming)?;
    let arguments = &incoming.arguments;
    let userid = arguments.required_number("userid")?;
    let selection = Selection::Window(Some(arguments.required_number("startdate")?), arguments.number("enddate")?);
    let surveyid = arguments.number("surveyid")?;
    let settings = simulator.settings();
    let world = simulator.world();
    let user = world.state.user(userid).map_err(|_| Refusal::new(247, "Invalid Params"))?;
    let answers: Vec<Value> = user
        .answers
        .iter()
        .filter(|answer| selection.holds(answer.timestamp, 0, &settings))
        .filter(|answer| surveyid.is_none_or(|surveyid| answer.surveyid == surveyid))
        .map(|answer| {
            json!({
                "surveyid": answer.surveyid,
                "grpid": answer.grpid,
                "answers": answer.answers,
                "timestamp": answer.timestamp,
            })
        })
        .collect();
    Ok(json!({ "answers": answers }))
}
