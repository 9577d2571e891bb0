//! getworkouts: each row a record, by Withings' id.

use afferent_domain::exact::Decimal;
use afferent_domain::record::{Attribution, Category, Code, Component, Fact, Raw, Source};
use afferent_domain::service::Service;
use afferent_withings::answer::workouts::{Workout, read};
use afferent_withings::{Body, Problem, Why};

use crate::build::{When, components, source};
use crate::kinds::{self, WORKOUT};
use crate::time::is_date;
use crate::{Context, Outcome};

pub(crate) fn facts(context: &Context, body: &Body) -> Outcome {
    let read = read(body);
    let mut problems = read.problems;
    let mut facts = Vec::new();
    for workout in &read.rows {
        match fact(context, workout, &mut problems) {
            Ok(fact) => facts.push(fact),
            Err(why) => problems.push(Problem::at(&workout.place, why)),
        }
    }
    Outcome::settle(facts, problems)
}

fn fact(context: &Context, workout: &Workout, problems: &mut Vec<Problem>) -> Result<Fact, Why> {
    let (components, mut other) = components(&workout.place, &workout.data, WORKOUT, problems);
    other.extend(workout.other.clone());
    let source = Source {
        id: Some(workout.id),
        device_id: workout.device_id.clone(),
        model: workout.model.clone(),
        model_id: workout.model_id,
        attribution: workout.attrib.map(Attribution::from_attrib),
        attrib: workout.attrib,
        modified: workout.modified,
        category: workout.category,
        other,
        ..source(Service::Getworkouts)
    };
    let zone = context.zone(workout.timezone.as_deref());
    let when = When::Period(workout.start, workout.end);
    let id = workout.id.to_string();
    let mut fact = context.fact(&[&id], "workout", Category::Activity, when, &zone, source)?;
    fact.codes = vec![Code::loinc("73985-4", "Exercise activity"), Code::own("workout")];
    if let Some(category) = workout.category {
        fact.value_code = Some(kinds::workout(category));
        fact.raw = Some(Raw { value: category, unit: 0 });
    }
    fact.local_date = workout.date.clone().filter(|date| is_date(date)).or(fact.local_date);
    fact.components = vec![Component {
        kind: "exercise_duration".to_owned(),
        codes: vec![Code::loinc("55411-3", "Exercise duration"), Code::own("exercise_duration")],
        value: Some(Decimal::from(workout.end.saturating_sub(workout.start))),
        unit: Some("s".to_owned()),
        ..Component::default()
    }];
    fact.components.extend(components);
    Ok(fact)
}
