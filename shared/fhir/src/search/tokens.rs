//! Codes in a search: `system|code`, `code`, `system|`, `|code`.

use afferent_domain::record::{Category, Status};

use super::escape::{split_once, unescape};
use super::{Refused, listed};
use crate::model::Coding;

/// HL7's code system of an Observation's status.
const STATUSES: &str = "http://hl7.org/fhir/observation-status";

/// HL7's code system of categories, and ours.
const CATEGORIES: [&str; 2] = ["http://terminology.hl7.org/CodeSystem/observation-category", "urn:afferent:category"];

/// One code that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// `None` for a code of any system; empty for a code of none.
    pub(super) system: Option<String>,
    /// `None` for any code of the system.
    pub(super) code: Option<String>,
}

/// Reads codes between commas.
pub(super) fn tokens(name: &str, value: &str) -> Result<Vec<Token>, Refused> {
    let read = |text: &str| {
        let (system, code) = match split_once(text, '|') {
            None => (None, text),
            Some((system, code)) => (Some(unescape(system)), code),
        };
        Token { system, code: (!code.is_empty()).then(|| unescape(code)) }
    };
    let tokens: Vec<Token> = listed(name, value)?.into_iter().map(read).collect();
    if tokens.iter().any(|token| token.code.is_none() && token.system.as_deref().is_none_or(str::is_empty)) {
        return Err(Refused::new(name, "codes: system|code, or code"));
    }
    Ok(tokens)
}

impl Token {
    fn is(&self, systems: &[&str], code: &str) -> bool {
        self.system.as_deref().is_none_or(|asked| systems.contains(&asked))
            && self.code.as_deref().is_none_or(|asked| asked == code)
    }

    /// Whether it is one of these codes.
    pub(super) fn is_one_of(&self, codings: &[Coding]) -> bool {
        codings.iter().any(|coding| self.is(&[&coding.system], &coding.code))
    }

    /// Whether it is the name of this kind.
    pub(super) fn is_kind(&self, kind: &str) -> bool {
        self.system.is_none() && self.code.as_deref() == Some(kind)
    }

    pub(super) fn is_status(&self, status: Status) -> bool {
        let code = match status {
            Status::Preliminary => "preliminary",
            Status::Final => "final",
            Status::Amended => "amended",
            Status::EnteredInError => "entered-in-error",
        };
        self.is(&[STATUSES], code)
    }

    pub(super) fn is_category(&self, category: Category) -> bool {
        let (system, code) = match category {
            Category::VitalSigns => (CATEGORIES[0], "vital-signs"),
            Category::Activity => (CATEGORIES[0], "activity"),
            Category::Exam => (CATEGORIES[0], "exam"),
            Category::Laboratory => (CATEGORIES[0], "laboratory"),
            Category::Survey => (CATEGORIES[0], "survey"),
            Category::Device => (CATEGORIES[1], "device"),
            Category::Account => (CATEGORIES[1], "account"),
        };
        self.is(&[system], code)
    }
}
