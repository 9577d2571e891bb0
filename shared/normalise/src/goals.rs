//! user getgoals: what a person means to reach, one record per person; none where there is no goal.

use afferent_domain::exact::Decimal;
use afferent_domain::record::{Category, Component, Fact, Raw};
use afferent_domain::service::Service;
use afferent_withings::answer::goals::{Goals, read};
use afferent_withings::{Body, Problem, Why};

use crate::build::{When, components, source};
use crate::kinds::{GOALS, WEIGHT_GOAL};
use crate::{Context, Outcome};

pub(crate) fn facts(context: &Context, body: &Body) -> Outcome {
    let read = read(body);
    let mut problems = read.problems;
    let mut facts = Vec::new();
    for goals in &read.rows {
        match fact(context, goals, &mut problems) {
            Ok(fact) => facts.extend(fact),
            Err(why) => problems.push(Problem::at(&goals.place, why)),
        }
    }
    Outcome::settle(facts, problems)
}

fn fact(context: &Context, goals: &Goals, problems: &mut Vec<Problem>) -> Result<Option<Fact>, Why> {
    let (mut components, other) = components(&goals.place, &goals.data, GOALS, problems);
    if let Some((value, unit)) = goals.weight {
        match Decimal::scaled(value, unit) {
            Ok(weight) => components.push(Component {
                value: Some(weight),
                raw: Some(Raw { value, unit }),
                ..WEIGHT_GOAL.component()
            }),
            Err(_) => problems.push(Problem::at(&goals.place, Why::Field("weight"))),
        }
    }
    if components.is_empty() && other.is_empty() {
        return Ok(None);
    }
    let mut source = source(Service::Getgoals);
    source.other = other;
    // Withings does not say since when; the epoch stands for unknown, so that the record never depends on today.
    let zone = context.zone(None);
    let mut fact = context.fact(&["goals"], "goals", Category::Activity, When::At(0), &zone, source)?;
    fact.components = components;
    Ok(Some(fact))
}
