//! Environment variables, read in one place per function and nowhere else.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A variable that is missing or cannot be read. Names the variable, never its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvError {
    /// The variable is not set or empty.
    #[error("the environment variable {0} is not set")]
    Missing(String),
    /// The variable is set to something that does not parse.
    #[error("the environment variable {name} should be {expected}")]
    Unusable {
        /// The variable.
        name: String,
        /// What would be right.
        expected: &'static str,
    },
}

/// The variables of one function: the process's own, or a map (in a simulation many functions share a process).
#[derive(Clone, Debug)]
pub enum Env {
    /// The variables of this process.
    Process,
    /// These variables and no others.
    Map(BTreeMap<String, String>),
}

impl Env {
    /// The variables of this process.
    #[must_use]
    pub fn process() -> Self {
        Self::Process
    }

    /// These variables and no others.
    #[must_use]
    pub fn of(variables: BTreeMap<String, String>) -> Self {
        Self::Map(variables)
    }

    /// The variable's value, if it is set and not empty.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<String> {
        match self {
            Self::Process => std::env::var(name).ok(),
            Self::Map(variables) => variables.get(name).cloned(),
        }
        .filter(|value| !value.is_empty())
    }

    /// The variable's value.
    ///
    /// # Errors
    /// [`EnvError::Missing`] if it is not set or empty.
    pub fn required(&self, name: &str) -> Result<String, EnvError> {
        self.optional(name).ok_or_else(|| EnvError::Missing(name.to_owned()))
    }

    /// The variable's value as a `T`, or `default` if it is not set.
    ///
    /// # Errors
    /// [`EnvError::Unusable`] if it is set to something that is no `T`.
    pub fn parsed<T: FromStr>(&self, name: &str, default: T, expected: &'static str) -> Result<T, EnvError> {
        match self.optional(name) {
            None => Ok(default),
            Some(value) => value.parse().map_err(|_| EnvError::Unusable { name: name.to_owned(), expected }),
        }
    }

    /// The variable's value as a whole number within `range`, or `default` if it is not set.
    ///
    /// # Errors
    /// [`EnvError::Unusable`] if it is set to something else.
    pub fn number(
        &self,
        name: &str,
        default: u64,
        range: RangeInclusive<u64>,
        expected: &'static str,
    ) -> Result<u64, EnvError> {
        let number = self.parsed(name, default, expected)?;
        if range.contains(&number) { Ok(number) } else { Err(EnvError::Unusable { name: name.to_owned(), expected }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_variable_and_what_would_be_right_but_not_the_value() {
        let env = Env::of(BTreeMap::from([("LIMIT".to_owned(), "s3cret".to_owned())]));
        let error = env.parsed("LIMIT", 1_u32, "a whole number").unwrap_err().to_string();
        assert_eq!(error, "the environment variable LIMIT should be a whole number");
    }

    #[test]
    fn a_number_out_of_its_range_is_refused() {
        let days = |value: &str| {
            let env = Env::of(BTreeMap::from([("DAYS".to_owned(), value.to_owned())]));
            env.number("DAYS", 30, 1..=365, "a whole number from 1 to 365")
        };
        assert_eq!((days(""), days("1"), days("365")), (Ok(30), Ok(1), Ok(365)));
        for wrong in ["0", "366", "-1", "ten"] {
            let error = days(wrong).unwrap_err().to_string();
            assert_eq!(error, "the environment variable DAYS should be a whole number from 1 to 365");
        }
    }

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        let env = Env::of(BTreeMap::from([("TABLE".to_owned(), String::new())]));
        assert_eq!(env.required("TABLE"), Err(EnvError::Missing("TABLE".to_owned())));
    }
}
