//! Why a command did not do what it was asked.

use afferent_http::HttpError;
use serde_json::{Value, json};

/// Why a command did not do what it was asked: what is wrong, and what would be right.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    text: String,
    /// What was answered, as a problem (RFC 9457).
    problem: Option<Box<Value>>,
}

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), problem: None }
    }

    /// What the API refused: its problem, and a text for people.
    pub(crate) fn of(problem: Value, text: impl Into<String>) -> Self {
        Self { text: text.into(), problem: Some(Box::new(problem)) }
    }

    /// What somebody on the way to the API answered: the status, and a text for people.
    pub(crate) fn answered(status: u16, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { problem: Some(Box::new(untyped(Some(status), &text))), text }
    }

    /// What kind of problem the API said it is: the last part of its type.
    pub(crate) fn kind(&self) -> Option<&str> {
        self.said("type")?.strip_prefix("urn:afferent:problem:")
    }

    /// A member of the API's problem: `field`, or `expected`.
    pub(crate) fn said(&self, member: &str) -> Option<&str> {
        self.problem.as_deref()?[member].as_str()
    }

    /// The same for programs: `type`, `title`, `status`, `detail`, and of the API's problem `field` and `expected` too. What
    /// is not the API's has the type `about:blank`, and no status if nothing was answered.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.problem.as_deref().map_or_else(|| untyped(None, &self.text).to_string(), Value::to_string)
    }
}

/// A problem without a type of its own.
fn untyped(status: Option<u16>, text: &str) -> Value {
    json!({"type": "about:blank", "title": "Not done", "status": status, "detail": text})
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_gets_the_problem_as_the_api_said_it_or_one_without_a_type() {
        let problem =
            json!({"type": "urn:afferent:problem:not-found", "title": "Not Found", "status": 404, "detail": "d"});
        let failure = Failure::of(problem.clone(), "d (404)");
        assert_eq!((failure.to_string().as_str(), failure.kind()), ("d (404)", Some("not-found")));
        assert_eq!(serde_json::from_str::<Value>(&failure.to_json()).unwrap(), problem);
        assert_eq!((failure.said("detail"), failure.said("field")), (Some("d"), None));
        let failure = Failure::answered(502, "Bad Gateway (502)");
        let said = json!({"type": "about:blank", "title": "Not done", "status": 502, "detail": "Bad Gateway (502)"});
        assert_eq!((serde_json::from_str::<Value>(&failure.to_json()).unwrap(), failure.kind()), (said, None));
        let told = HttpError::Tls.to_string();
        for (failure, detail) in [(Failure::new("no key"), "no key"), (Failure::from(HttpError::Tls), &*told)] {
            let said: Value = serde_json::from_str(&failure.to_json()).unwrap();
            assert_eq!(said, json!({"type": "about:blank", "title": "Not done", "status": null, "detail": detail}));
        }
    }
}
