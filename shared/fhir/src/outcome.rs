//! `OperationOutcome`: what went wrong.

use serde::Serialize;

use crate::SPACE;
use crate::model::{CodeableConcept, Coding};

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    resource_type: &'static str,
    /// One by one.
    pub issue: Vec<Issue>,
}

/// One thing that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Issue {
    severity: &'static str,
    code: &'static str,
    details: CodeableConcept,
    #[serde(skip_serializing_if = "Option::is_none")]
    diagnostics: Option<String>,
}

impl Outcome {
    /// A problem: its HTTP status, the last part of its `type`, and its words.
    #[must_use]
    pub fn of(status: u16, kind: &str, text: &str) -> Self {
        let details = CodeableConcept {
            coding: vec![Coding::new(format!("{SPACE}:problem"), kind)],
            text: Some(text.to_owned()),
        };
        let issue = Issue { severity: "error", code: code(status), details, diagnostics: Some(text.to_owned()) };
        Self { resource_type: "OperationOutcome", issue: vec![issue] }
    }
}

/// The code of the value set `issue-type` for a status of HTTP.
const fn code(status: u16) -> &'static str {
    match status {
        401 => "login",
        403 => "forbidden",
        404 => "not-found",
        405 | 406 => "not-supported",
        409 => "conflict",
        410 => "deleted",
        413 => "too-long",
        429 => "throttled",
        502..=504 => "transient",
        500.. => "exception",
        _ => "invalid",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_says_what_is_wrong_and_of_what_kind_it_is() {
        let outcome = serde_json::to_value(Outcome::of(400, "bad-field", "date should be a date")).unwrap();
        assert_eq!(outcome["resourceType"], "OperationOutcome");
        assert_eq!(outcome["issue"][0]["severity"], "error");
        assert_eq!(outcome["issue"][0]["code"], "invalid");
        assert_eq!(outcome["issue"][0]["details"]["coding"][0]["code"], "bad-field");
        assert_eq!((code(404), code(500), code(503)), ("not-found", "exception", "transient"));
    }
}
