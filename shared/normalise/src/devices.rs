//! user getdevice: each device a record, by its hashed id.

use afferent_domain::exact::Decimal;
use afferent_domain::record::{Category, Code, Component, Fact, Source};
use afferent_domain::service::Service;
use afferent_withings::answer::devices::{Device, read};
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

fn fact(context: &Context, device: &Device) -> Result<Fact, Why> {
    let source = Source {
        device_id: Some(device.device_id.clone()),
        model: device.model.clone(),
        model_id: device.model_id,
        other: device.other.clone(),
        ..source(Service::Getdevice)
    };
    let zone = context.zone(device.timezone.as_deref());
    // Withings says no more about when; the epoch stands for unknown, so that the record never depends on today.
    let when = When::At(device.first_session.or(device.last_session).unwrap_or(0));
    let mut fact = context.fact(&[&device.device_id], "device", Category::Device, when, &zone, source)?;
    let coded = |kind: &str, code: &Option<String>| {
        code.clone().map(|code| Component { value_code: Some(code), ..component(kind) })
    };
    let instant = |kind: &str, at: Option<i64>| {
        at.map(|at| Component { value: Some(Decimal::from(at)), unit: Some("s".to_owned()), ..component(kind) })
    };
    fact.components = [
        coded("device_type", &device.device_type),
        coded("battery", &device.battery),
        instant("first_session", device.first_session),
        instant("last_session", device.last_session),
    ]
    .into_iter()
    .flatten()
    .collect();
    Ok(fact)
}

fn component(kind: &str) -> Component {
    Component { kind: kind.to_owned(), codes: vec![Code::own(kind)], ..Component::default() }
}
