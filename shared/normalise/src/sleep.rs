//! sleep getsummary: each night (or nap) a record, by Withings' id.

use afferent_domain::exact::{Decimal, Json};
use afferent_domain::record::{Category, Code, Component, Fact, SNOMED, Source};
use afferent_domain::service::Service;
use afferent_withings::answer::sleep::{Night, read_summary};
use afferent_withings::{Body, Problem, Why, number};

use crate::build::{When, components, source};
use crate::kinds::{SUMMARY, night_event};
use crate::time::is_date;
use crate::{Context, Outcome};

pub(crate) fn facts(context: &Context, body: &Body) -> Outcome {
    let read = read_summary(body);
    let mut problems = read.problems;
    let mut facts = Vec::new();
    for night in &read.rows {
        match fact(context, night, &mut problems) {
            Ok(fact) => facts.push(fact),
            Err(why) => problems.push(Problem::at(&night.place, why)),
        }
    }
    Outcome::settle(facts, problems)
}

fn fact(context: &Context, night: &Night, problems: &mut Vec<Problem>) -> Result<Fact, Why> {
    let mut data = night.data.clone();
    let events = data.remove("night_events");
    let (components, mut other) = components(&night.place, &data, SUMMARY, problems);
    other.extend(night.other.clone());
    if let Some(kind) = night.device_kind {
        other.insert("model".to_owned(), Json::Number(kind.into()));
    }
    let source = Source {
        id: night.id,
        device_id: night.device_id.clone(),
        model_id: night.model_id,
        created: night.created,
        modified: night.modified,
        other,
        ..source(Service::SleepGetsummary)
    };
    let zone = context.zone(night.timezone.as_deref());
    let id = match night.id {
        Some(id) => id.to_string(),
        None => format!("{}/{}", night.start, night.device_id.as_deref().unwrap_or("")),
    };
    let when = When::Period(night.start, night.end);
    let mut fact = context.fact(&[&id], "sleep_session", Category::Activity, when, &zone, source)?;
    fact.codes = vec![
        Code { system: SNOMED.to_owned(), code: "258158006".to_owned(), display: Some("Sleep, function".to_owned()) },
        Code::own("sleep_session"),
    ];
    // The day of waking, which is how Withings counts nights.
    fact.local_date = night.date.clone().filter(|date| is_date(date)).or_else(|| zone.date(night.end));
    fact.preliminary = night.completed == Some(false) || night.end > context.now.as_secs();
    fact.components = components;
    match events.as_ref().map(night_events) {
        None => {}
        Some(Some(events)) => fact.components.extend(events),
        Some(None) => problems.push(Problem::at(&night.place, Why::Field("night_events"))),
    }
    Ok(fact)
}

/// Decodes `night_events`: JSON, mostly inside a string, from a kind of event to a list: the first offset from the
/// night's start, then the gaps to the event before of the same kind. The specification calls them relative
/// timestamps; recordings show this. Each event becomes a component with its offset in seconds.
fn night_events(json: &Json) -> Option<Vec<Component>> {
    let parsed = match json {
        Json::Text(text) => Json::parse(text.as_bytes()).ok()?,
        other => other.clone(),
    };
    let kinds = match parsed {
        Json::Object(kinds) => kinds,
        Json::List(items) if items.is_empty() => return Some(Vec::new()),
        _ => return None,
    };
    let mut events = Vec::new();
    for (key, gaps) in &kinds {
        let Json::List(gaps) = gaps else { return None };
        let mut offset = 0_i64;
        for gap in gaps {
            offset = offset.checked_add(number(gap)?.as_integer()?)?;
            events.push((offset, night_event(key)));
        }
    }
    events.sort();
    let component = |(offset, event)| Component {
        kind: "night_event".to_owned(),
        codes: vec![Code::own("night_event")],
        value: Some(Decimal::from(offset)),
        unit: Some("s".to_owned()),
        value_code: Some(event),
        ..Component::default()
    };
    Some(events.into_iter().map(component).collect())
}
