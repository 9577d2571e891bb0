//! `/v2/answers` get: signed by the application, without a bearer token.

use afferent_domain::service::Service;
use serde_json::{Value, json};

use super::Reading;
use super::paging::Selection;
use super::signature::signed;
use crate::Simulator;
use crate::answer::{Answer, Refusal};
use crate::request::Incoming;

pub(super) fn get(simulator: &Simulator, incoming: &Incoming) -> Answer {
    signed(simulator, incoming)?;
    let arguments = &incoming.arguments;
    let userid = arguments.required_number("userid")?;
    let (settings, now) = (simulator.settings(), simulator.now().as_secs());
    let world = simulator.world();
    let user = world.state.user(userid).map_err(|_| Refusal::new(247, "Invalid Params"))?;
    if world.lapses.hold(userid, Service::AnswersGet) {
        return Ok(json!({ "answers": [] }));
    }
    rows(&Reading { user, arguments, settings: &settings, now })
}

pub(super) fn rows(reading: &Reading<'_>) -> Answer {
    let Reading { user, arguments, settings, .. } = reading;
    let selection = Selection::Window(Some(arguments.required_number("startdate")?), arguments.number("enddate")?);
    let surveyid = arguments.number("surveyid")?;
    let answers: Vec<Value> = user
        .answers
        .iter()
        .filter(|answer| selection.holds(answer.timestamp, 0, settings))
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
