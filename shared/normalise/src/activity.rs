//! getactivity: each row, one local day of one device or source, is a record.

use afferent_domain::record::{Attribution, Category, Fact, Source};
use afferent_domain::service::Service;
use afferent_withings::answer::activity::{Day, read};
use afferent_withings::{Body, Problem, Why};

use crate::build::{When, components, source};
use crate::kinds::ACTIVITY;
use crate::{Context, Outcome};

/// Withings' brand number of everyone else: Apple Health, Health Connect.
const EXTERNAL: i64 = 18;

pub(crate) fn facts(context: &Context, body: &Body) -> Outcome {
    let read = read(body);
    let mut problems = read.problems;
    let mut facts = Vec::new();
    for day in &read.rows {
        match fact(context, day, &mut problems) {
            Ok(fact) => facts.push(fact),
            Err(why) => problems.push(Problem::at(&day.place, why)),
        }
    }
    Outcome::settle(facts, problems)
}

fn fact(context: &Context, day: &Day, problems: &mut Vec<Problem>) -> Result<Fact, Why> {
    let zone = context.zone(day.timezone.as_deref());
    let (start, end) = zone.day(&day.date).ok_or(Why::Time("date"))?;
    let (components, mut other) = components(&day.place, &day.data, ACTIVITY, problems);
    if let Some(brand) = day.brand {
        other.insert("brand".to_owned(), number(brand));
    }
    if let Some(is_tracker) = day.is_tracker {
        other.insert("is_tracker".to_owned(), afferent_domain::exact::Json::Bool(is_tracker));
    }
    let attribution = match (day.brand, &day.device_id) {
        (Some(EXTERNAL), _) => Some(Attribution::External),
        (_, Some(_)) => Some(Attribution::Device),
        _ => None,
    };
    let source = Source {
        device_id: day.device_id.clone(),
        model: day.model.clone(),
        model_id: day.model_id,
        attribution,
        modified: day.modified,
        other,
        ..source(Service::Getactivity)
    };
    let whose = match &day.device_id {
        Some(device) => format!("device:{device}"),
        None => format!("source:{}/{}", day.brand.unwrap_or(-1), day.model_id.unwrap_or(-1)),
    };
    let id = [&*day.date, &*whose];
    let mut fact = context.fact(&id, "activity_day", Category::Activity, When::Period(start, end), &zone, source)?;
    fact.components = components;
    fact.preliminary = context.now.as_secs() < end;
    Ok(fact)
}

fn number(value: i64) -> afferent_domain::exact::Json {
    afferent_domain::exact::Json::Number(value.into())
}
