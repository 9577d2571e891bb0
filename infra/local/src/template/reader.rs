//! Reading one resource's properties: typed, with the place named in every error.

use serde_json::{Map, Value};

use super::TemplateError;
use super::scope::{Scope, scalar};

/// The properties of one thing in the template, already resolved.
pub(super) struct Reader {
    at: String,
    map: Map<String, Value>,
}

impl Reader {
    /// Resolves the properties in `read`, passes over those in `skipped`, and refuses any other.
    pub(super) fn new(
        scope: &Scope<'_>,
        at: String,
        properties: &Value,
        read: &[&str],
        skipped: &[&str],
    ) -> Result<Self, TemplateError> {
        let mut map = Map::new();
        for (name, value) in properties.as_object().into_iter().flatten() {
            if read.contains(&name.as_str()) {
                if let Some(value) = scope.resolve(&format!("{at}.{name}"), value)? {
                    map.insert(name.clone(), value);
                }
            } else if !skipped.contains(&name.as_str()) {
                return Err(TemplateError::new(format!("{at}.{name}"), "the local stack does not know this property"));
            }
        }
        Ok(Self { at, map })
    }

    pub(super) fn error(&self, name: &str, why: &str) -> TemplateError {
        TemplateError::new(format!("{}.{name}", self.at), why)
    }

    /// The property, by a path like `ScalingConfig.MaximumConcurrency`.
    pub(super) fn get(&self, path: &str) -> Option<&Value> {
        let mut names = path.split('.');
        let first = self.map.get(names.next()?)?;
        names.try_fold(first, |value, name| value.get(name))
    }

    pub(super) fn optional_text(&self, path: &str) -> Result<Option<String>, TemplateError> {
        match self.get(path) {
            None => Ok(None),
            Some(value) => scalar(value).map(Some).ok_or_else(|| self.error(path, "should be a text")),
        }
    }

    pub(super) fn text(&self, path: &str) -> Result<String, TemplateError> {
        self.optional_text(path)?.ok_or_else(|| self.error(path, "is missing"))
    }

    /// A whole number, written as a number or (from a parameter) as a text.
    pub(super) fn number(&self, path: &str) -> Result<Option<i64>, TemplateError> {
        match self.optional_text(path)? {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| self.error(path, "should be a whole number")),
        }
    }

    /// A whole number in `low..=high`, `default` if it is not written.
    pub(super) fn number_in(&self, path: &str, low: i64, high: i64, default: i64) -> Result<i64, TemplateError> {
        let number = self.number(path)?.unwrap_or(default);
        if (low..=high).contains(&number) {
            Ok(number)
        } else {
            Err(self.error(path, &format!("should be between {low} and {high}")))
        }
    }

    pub(super) fn flag(&self, path: &str, default: bool) -> Result<bool, TemplateError> {
        match self.optional_text(path)?.as_deref() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(self.error(path, "should be true or false")),
        }
    }

    /// The entries of a list; none if it is not written.
    pub(super) fn list(&self, path: &str) -> Result<&[Value], TemplateError> {
        match self.get(path) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(self.error(path, "should be a list")),
        }
    }
}
