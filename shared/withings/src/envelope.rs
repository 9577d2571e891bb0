//! The envelope `{"status": .., "body": {..}, "error": ".."}`, inside HTTP 200 for failures too.

use std::time::Duration;

use afferent_domain::exact::{Decimal, Json};
use afferent_http::{Answer, HttpError};

use crate::row::Row;
use crate::status::Class;

/// Why a call brought nothing. No variant holds a value, a token or Withings' text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No answer came.
    #[error("Withings could not be reached: {0}")]
    Transport(#[from] HttpError),
    /// A status of HTTP itself, which Withings' own failures never use.
    #[error("Withings answered with HTTP status {0}")]
    Http(u16),
    /// The answer was longer than the limit.
    #[error("the answer was longer than the limit")]
    TooLong,
    /// The answer was no JSON envelope.
    #[error("the answer was no JSON envelope")]
    NotJson,
    /// A failure in Withings' own terms.
    #[error("Withings answered with status {status} ({})", class.name())]
    Status {
        /// Withings' code.
        status: i64,
        /// What it means.
        class: Class,
    },
    /// A success whose body lacks what the call is for.
    #[error("the answer lacks {0}")]
    Lacks(&'static str),
}

impl Error {
    /// What to do about it. An answer that never came, or was none, is tried again later.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::Status { class, .. } => *class,
            Self::Transport(HttpError::Request) => Class::Invalid,
            Self::Transport(_) | Self::Http(_) | Self::TooLong | Self::NotJson | Self::Lacks(_) => Class::Retry,
        }
    }
}

/// The body of a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body(Json);

/// Whether there is more, and where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Whether another page follows. The only thing to go by: a last page may name an offset, a page cut at
    /// 300 may carry one row.
    pub more: bool,
    /// What to send as `offset` for the next page.
    pub offset: i64,
}

impl Body {
    /// A body from a tree; `[]`, `null` and nothing are what PHP makes of an empty object.
    #[must_use]
    pub fn new(tree: Json) -> Self {
        match tree {
            object @ Json::Object(_) => Self(object),
            _ => Self(Json::Object(std::collections::BTreeMap::new())),
        }
    }

    /// The tree.
    #[must_use]
    pub const fn json(&self) -> &Json {
        &self.0
    }

    /// The page: `more` is 0 or 1 for getmeas, a boolean elsewhere, and missing where there is one page.
    ///
    /// # Errors
    /// [`Error::Lacks`] if there is more but no offset to go on from: to stop there would lose rows, to ask again
    /// would bring the same page for ever.
    pub fn page(&self) -> Result<Page, Error> {
        let Ok(row) = Row::of(&self.0, "") else { return Ok(Page { more: false, offset: 0 }) };
        let page = Page { more: row.flag("more").unwrap_or(false), offset: row.int("offset").unwrap_or(0) };
        if page.more && page.offset <= 0 { Err(Error::Lacks("offset")) } else { Ok(page) }
    }
}

/// Opens an HTTP answer.
///
/// # Errors
/// [`Error`], for anything but status 0 in a readable envelope.
pub fn body(answer: &Answer) -> Result<Body, Error> {
    if answer.truncated {
        return Err(Error::TooLong);
    }
    let envelope = Json::parse(&answer.body);
    let status = envelope.as_ref().ok().and_then(|tree| Row::of(tree, "").ok()?.int("status"));
    match (envelope, status) {
        // An envelope counts whatever HTTP says: a gateway may put 4xx around Withings' own words.
        (Ok(Json::Object(mut members)), Some(status)) if status != 0 || answer.status.is_success() => {
            let inner = members.remove("body").unwrap_or_default();
            if status == 0 {
                return Ok(Body::new(inner));
            }
            let text = match members.get("error") {
                Some(Json::Text(text)) => text.as_str(),
                _ => "",
            };
            Err(Error::Status { status, class: Class::of(status, text, wait(&inner)) })
        }
        _ if !answer.status.is_success() => Err(Error::Http(answer.status.as_u16())),
        _ => Err(Error::NotJson),
    }
}

/// `wait_seconds`, rounded up.
fn wait(body: &Json) -> Option<Duration> {
    let seconds: Decimal = Row::of(body, "").ok()?.decimal("wait_seconds")?;
    let seconds = seconds.get().ceil();
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
