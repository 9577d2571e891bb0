//! Requests: a path, an action, and parameters that go into a form body.

pub mod auth;
pub mod data;
pub mod fields;
pub mod notify;
pub mod user;

use std::fmt;

pub use data::{Span, Unsupported};

/// What a request is authorised by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// A user's access token, in the header.
    Bearer,
    /// The application's secret or signature, among the parameters.
    Application,
}

/// One request. Prints its names, never its values: some are secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    path: &'static str,
    action: &'static str,
    auth: Auth,
    parameters: Vec<(&'static str, String)>,
}

impl Request {
    /// A request without parameters.
    #[must_use]
    pub const fn new(path: &'static str, action: &'static str, auth: Auth) -> Self {
        Self { path, action, auth, parameters: Vec::new() }
    }

    /// The same with a parameter set.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.parameters.retain(|(other, _)| *other != name);
        self.parameters.push((name, value.to_string()));
        self
    }

    /// The same for the page that begins at `offset`.
    #[must_use]
    pub fn page(self, offset: i64) -> Self {
        self.with("offset", offset)
    }

    /// The path under the base URL.
    #[must_use]
    pub const fn path(&self) -> &'static str {
        self.path
    }

    /// The action.
    #[must_use]
    pub const fn action(&self) -> &'static str {
        self.action
    }

    /// What it is authorised by.
    #[must_use]
    pub const fn auth(&self) -> Auth {
        self.auth
    }

    /// A parameter's value.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }

    /// The form body. May hold secrets: for the wire only.
    #[must_use]
    pub fn form(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("action", self.action)
            .extend_pairs(&self.parameters)
            .finish()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.parameters.iter().map(|(name, _)| name).collect();
        write!(f, "{} {} {names:?}", self.path, self.action)
    }
}

#[cfg(test)]
mod tests;
