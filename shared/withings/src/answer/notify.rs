//! notify list.

use super::{Rows, list};
use crate::envelope::Body;

/// One subscription, as Withings spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The category.
    pub appli: i64,
    /// The URL; spelt perhaps otherwise than it was sent, and to be revoked in this spelling.
    pub callback_url: String,
    /// The comment.
    pub comment: Option<String>,
    /// When it ends, epoch seconds; 2147483647 for never.
    pub expires: Option<i64>,
}

/// Reads the subscriptions of an answer.
#[must_use]
pub fn read(body: &Body) -> Rows<Profile> {
    list(body, "profiles", |row, _| {
        Ok(Profile {
            appli: row.need_int("appli")?,
            callback_url: row.need_text("callbackurl")?,
            comment: row.text("comment"),
            expires: row.int("expires"),
        })
    })
}
