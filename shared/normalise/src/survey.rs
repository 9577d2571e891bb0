//! answers get: each answered survey a record. What an answer holds is not specified: it is kept as it came.

use afferent_domain::record::{Category, Fact, Source};
use afferent_domain::service::Service;
use afferent_withings::answer::survey::{Survey, read};
use afferent_withings::{Body, Problem, Why};

use crate::build::{When, source};
use crate::{Context, Outcome};

pub(crate) fn facts(context: &Context, body: &Body) -> Outcome {
    let read = read(body);
    let mut problems = read.problems;
    let facts = read
        .rows
        .iter()
        .filter_map(|row| fact(context, row).map_err(|why| problems.push(Problem::at(&row.place, why))).ok())
        .collect();
    Outcome::settle(facts, problems)
}

fn fact(context: &Context, survey: &Survey) -> Result<Fact, Why> {
    let mut other = survey.other.clone();
    other.insert("answers".to_owned(), survey.answers.clone());
    let source = Source { id: Some(survey.surveyid), grpid: survey.grpid, other, ..source(Service::AnswersGet) };
    let group = survey.grpid.unwrap_or(survey.timestamp).to_string();
    let id = [&*survey.surveyid.to_string(), &*group];
    let when = When::At(survey.timestamp);
    context.fact(&id, "questionnaire_response", Category::Survey, when, &context.zone(None), source)
}
