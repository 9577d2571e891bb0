//! Faults of the answers: what goes wrong with the next calls of a service.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// The next `count` calls of a service fail.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The path without its slash (`measure`, `v2/oauth2`); `None` hits every service.
    #[serde(default)]
    pub service: Option<String>,
    /// The action; `None` hits every action.
    #[serde(default)]
    pub action: Option<String>,
    /// How many calls.
    pub count: u32,
    /// Whether the call takes its effect before its answer is lost: a refresh rotates the tokens although the
    /// client never learns the new ones.
    #[serde(default)]
    pub after_effect: bool,
    /// What the caller sees.
    pub kind: FaultKind,
}

/// What the caller of a failing call sees.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// HTTP 200 with this application status.
    Status {
        /// The status, e.g. 522.
        status: i64,
        /// The text beside it.
        #[serde(default)]
        error: String,
    },
    /// This HTTP status and an HTML page.
    Http(u16),
    /// HTTP 200 and the first half of the answer.
    Truncated,
    /// HTTP 200 and an HTML page.
    NotJson,
    /// HTTP 200 and an answer of this many bytes, all of it blanks after the opening brace.
    Long(usize),
    /// No answer, ever.
    Hang,
}

#[derive(Debug, Default)]
pub(crate) struct Faults(VecDeque<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push_back(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Uses up one count of the oldest fault that fits the call.
    pub(crate) fn take(&mut self, service: &str, action: &str) -> Option<Fault> {
        let fits = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted == is);
        self.0.retain(|fault| fault.count > 0);
        let fault = self.0.iter_mut().find(|fault| fits(&fault.service, service) && fits(&fault.action, action))?;
        fault.count -= 1;
        Some(fault.clone())
    }
}
