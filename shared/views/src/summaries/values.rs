//! The values of a row.

use std::collections::BTreeSet;

use afferent_domain::exact::Decimal;
use afferent_domain::record::{Attribution, Component, Record};
use rust_decimal::RoundingStrategy;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::samples::told;
use crate::series::PLACES;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SummaryValue)]
pub struct Value {
    /// The number, exact.
    #[schema(value_type = f64)]
    pub value: Decimal,
    /// Its unit (UCUM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The records that it came from.
    pub records: Vec<String>,
    /// How sure it is that it is the person's, and who entered it, as in the record's `source`; absent if a device measured
    /// it that knew the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "ambiguous")]
    pub attribution: Option<Attribution>,
}

/// Values by their names, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Values(Vec<(String, Value)>);

impl Values {
    /// The value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of those that may be another person's.
    #[must_use]
    pub fn ambiguous(&self) -> Vec<&str> {
        let all = self.0.iter().filter(|(_, value)| value.attribution == Some(Attribution::Ambiguous));
        all.map(|(name, _)| name.as_str()).collect()
    }

    /// All records that values came from, each once.
    #[must_use]
    pub fn records(&self) -> Vec<String> {
        let all: BTreeSet<&String> = self.0.iter().flat_map(|(_, value)| &value.records).collect();
        all.into_iter().cloned().collect()
    }

    /// Adds what a record measures, under this name.
    pub(super) fn put(&mut self, name: &str, value: Option<Decimal>, unit: Option<&str>, record: &Record) {
        if let Some(value) = value {
            let (unit, records) = (unit.map(str::to_owned), vec![record.record.to_string()]);
            let attribution = told(record.source.attribution);
            self.0.push((name.to_owned(), Value { value, unit, records, attribution }));
        }
    }

    /// Adds the parts of a compound that `wanted` names.
    pub(super) fn put_parts(&mut self, record: &Record, wanted: impl Fn(&str) -> bool) {
        for part in &record.components {
            let name = name(part);
            // Of parts that have a time of their own (events of a night) there are many of one name.
            if wanted(&name) && self.get(&name).is_none() {
                self.put(&name, part.value, part.unit.as_deref(), record);
            }
        }
    }

    /// Adds what follows from two values, if both are there.
    pub(super) fn derive(
        &mut self,
        name: &str,
        unit: &str,
        (one, other): (&str, &str),
        of: impl Fn(rust_decimal::Decimal, rust_decimal::Decimal) -> Option<rust_decimal::Decimal>,
    ) {
        let Some((one, other)) = self.get(one).zip(self.get(other)) else { return };
        let rounded = of(one.value.get(), other.value.get())
            .map(|value| value.round_dp_with_strategy(PLACES, RoundingStrategy::MidpointNearestEven));
        let records: BTreeSet<&String> = one.records.iter().chain(&other.records).collect();
        let records = records.into_iter().cloned().collect();
        // What follows from something ambiguous is.
        let ambiguous = |value: &&Value| value.attribution == Some(Attribution::Ambiguous);
        let attribution = [one, other].into_iter().find(ambiguous).or(Some(one)).and_then(|one| one.attribution);
        if let Some(value) = rounded.and_then(|value| value.to_string().parse().ok()) {
            self.0.push((name.to_owned(), Value { value, unit: Some(unit.to_owned()), records, attribution }));
        }
    }
}

/// What a part is called: its kind, and its method.
pub(super) fn name(part: &Component) -> String {
    match &part.method {
        None => part.kind.clone(),
        Some(method) => format!("{}_{method}", part.kind),
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
