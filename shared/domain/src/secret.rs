//! Values that must not be seen: tokens, codes, secrets.

use std::fmt;

/// A token, code or client secret. It prints as `[redacted]`; [`Secret::reveal`] is the one way to the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the request that needs it and for sealing.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The application that Withings knows us as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// The public id.
    pub client_id: String,
    /// The secret beside it.
    pub client_secret: Secret,
    /// Where Withings is to send notifications, our own secret included; without it no subscription is managed.
    pub callback_url: Option<Secret>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let app = App { client_id: "id".to_owned(), client_secret: Secret::new("hunter2"), callback_url: None };
        assert_eq!(format!("{app:?}"), r#"App { client_id: "id", client_secret: [redacted], callback_url: None }"#);
    }
}
