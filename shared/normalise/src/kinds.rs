//! The one table of kinds: what each Withings number is called, its unit, and its codes.
//!
//! It lives here, beside its only user: everyone else reads the codes from the record. LOINC codes are those of
//! release 2.82; where no code names the thing faithfully there is only ours, never a near miss. A code is
//! pinned with its display, kind and unit; `tests/fixtures/kinds.json` holds the same rows for other programs.

mod activity;
mod classes;
mod goals;
mod measures;
mod sleep;
mod workouts;

use afferent_domain::record::{Category, Code, Component, LOINC};

pub use activity::{ACTIVITY, INTRADAY};
pub use classes::{afib, body_site, night_event, stage};
pub use goals::{GOALS, WEIGHT_GOAL};
pub use measures::{DIASTOLIC, MEASURES, PRESSURE, SYSTOLIC, measure};
pub use sleep::{SLEEP, SUMMARY};
pub use workouts::{WORKOUT, workout};

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Withings' name for it: a field, or a measure type's number.
    pub name: &'static str,
    /// Ours.
    pub kind: &'static str,
    /// The category of a record of this kind.
    pub category: Category,
    /// UCUM; empty for a coded result.
    pub unit: &'static str,
    /// LOINC codes with their displays (empty: not given), the first the most general.
    pub loinc: &'static [(&'static str, &'static str)],
    /// Our own code, where it is not the kind in kebab-case.
    pub own: Option<&'static str>,
    /// How a statistic came about.
    pub method: Option<&'static str>,
    /// Where on the body, where the type says it.
    pub site: Option<&'static str>,
    /// Our unit is Withings' times `10^shift`.
    pub shift: i32,
    /// Whether 0 means that there was no reading.
    pub zero_is_none: bool,
}

impl Row {
    const fn new(name: &'static str, kind: &'static str, unit: &'static str) -> Self {
        Self {
            name,
            kind,
            category: Category::Activity,
            unit,
            loinc: &[],
            own: None,
            method: None,
            site: None,
            shift: 0,
            zero_is_none: false,
        }
    }

    const fn category(mut self, category: Category) -> Self {
        self.category = category;
        self
    }

    const fn loinc(mut self, loinc: &'static [(&'static str, &'static str)]) -> Self {
        self.loinc = loinc;
        self
    }

    const fn own(mut self, own: &'static str) -> Self {
        self.own = Some(own);
        self
    }

    const fn method(mut self, method: &'static str) -> Self {
        self.method = Some(method);
        self
    }

    const fn site(mut self, site: &'static str) -> Self {
        self.site = Some(site);
        self
    }

    const fn shift(mut self, shift: i32) -> Self {
        self.shift = shift;
        self
    }

    const fn zero_is_none(mut self) -> Self {
        self.zero_is_none = true;
        self
    }

    /// The codes: LOINC's, then ours.
    #[must_use]
    pub fn codes(&self) -> Vec<Code> {
        let loinc = self.loinc.iter().map(|(code, display)| Code {
            system: LOINC.to_owned(),
            code: (*code).to_owned(),
            display: (!display.is_empty()).then(|| (*display).to_owned()),
        });
        loinc.chain([Code::own(self.own.unwrap_or(self.kind))]).collect()
    }

    /// The unit, unless the result is coded.
    #[must_use]
    pub fn unit(&self) -> Option<String> {
        (!self.unit.is_empty()).then(|| self.unit.to_owned())
    }

    /// A component of this kind, without a value yet.
    #[must_use]
    pub fn component(&self) -> Component {
        Component {
            kind: self.kind.to_owned(),
            codes: self.codes(),
            unit: self.unit(),
            body_site: self.site.map(str::to_owned),
            method: self.method.map(str::to_owned),
            ..Component::default()
        }
    }
}

#[cfg(test)]
mod tests;
