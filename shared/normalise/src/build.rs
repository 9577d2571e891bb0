//! What every service's facts are built with.

use std::collections::BTreeMap;

use afferent_domain::Timestamp;
use afferent_domain::exact::Json;
use afferent_domain::id::{RecordId, UserId};
use afferent_domain::record::{Category, Component, Effective, Fact, Source};
use afferent_domain::service::Service;
use afferent_withings::{Problem, Why, number};

use crate::Context;
use crate::kinds::Row;
use crate::time::Zone;

/// When a fact was, in epoch seconds.
#[derive(Clone, Copy)]
pub(crate) enum When {
    At(i64),
    Period(i64, i64),
}

impl Context {
    /// The zone of a row, or of the person. A row's zone that the database does not know is kept by its name.
    pub(crate) fn zone(&self, row: Option<&str>) -> Zone {
        let mut zone = Zone::first(&[row, self.timezone.as_deref()]);
        zone.unknown = row.filter(|row| *row != zone.name).map(str::to_owned);
        zone
    }

    /// A fact whose identity is the user, the service and `id`.
    pub(crate) fn fact(
        &self,
        id: &[&str],
        kind: &str,
        category: Category,
        when: When,
        zone: &Zone,
        source: Source,
    ) -> Result<Fact, Why> {
        let text = |secs, name| zone.text(secs).ok_or(Why::Time(name));
        let (start, effective) = match when {
            When::At(at) => (at, Effective::At { at: text(at, "date")? }),
            When::Period(start, end) => {
                (start, Effective::Period { start: text(start, "startdate")?, end: text(end, "enddate")? })
            }
        };
        let record = record(&self.user, &source.service, id);
        let mut source = source;
        if let Some(name) = &zone.unknown {
            source.other.insert("timezone".to_owned(), Json::Text(name.clone()));
        }
        let at = Timestamp::from_secs(start);
        let mut fact = Fact::bare(self.user.clone(), self.connection.clone(), record, kind, category, at, source);
        fact.effective = effective;
        fact.tz = Some(zone.name.clone());
        fact.local_date = zone.date(start);
        fact.run.clone_from(&self.run);
        Ok(fact)
    }
}

/// The record of what Withings calls `id` in a service.
pub(crate) fn record(user: &UserId, service: &str, id: &[&str]) -> RecordId {
    let mut parts = vec![user.as_str(), service];
    parts.extend(id);
    RecordId::derive(&parts)
}

/// A source of a service.
pub(crate) fn source(service: Service) -> Source {
    Source::withings(service.name())
}

/// Reads the numbers of a row by a table: each field a component, in the table's order. A number that is not in
/// the table becomes `withings.<name>`; what is no number comes back to be kept as it is.
pub(crate) fn components(
    place: &str,
    data: &BTreeMap<String, Json>,
    table: &'static [Row],
    problems: &mut Vec<Problem>,
) -> (Vec<Component>, BTreeMap<String, Json>) {
    let mut components = Vec::new();
    for row in table {
        let Some(json) = data.get(row.name) else { continue };
        match number(json).map(|value| value.shifted(row.shift)) {
            Some(Ok(value)) if row.zero_is_none && value.is_zero() => {}
            Some(Ok(value)) => components.push(Component { value: Some(value), ..row.component() }),
            _ => problems.push(Problem::at(place, Why::Field(row.name))),
        }
    }
    let mut other = BTreeMap::new();
    for (name, json) in data {
        if table.iter().any(|row| row.name == name) {
            continue;
        }
        match (json, number(json)) {
            (Json::Unreadable, _) => problems.push(Problem::at(place, Why::Number)),
            (_, Some(value)) => components.push(Component {
                kind: format!("withings.{name}"),
                value: Some(value),
                ..Component::default()
            }),
            _ => {
                other.insert(name.clone(), json.clone());
            }
        }
    }
    (components, other)
}
