//! Why a notification is put away.

use std::fmt;

/// Why a notification cannot be acted upon. It is kept with this reason, and can be replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quarantine {
    /// The body is no form and holds none of the fields.
    Unreadable,
    /// No category.
    NoCategory,
    /// A category that this version does not know.
    UnknownCategory,
    /// No user, in a category that needs one.
    NoUser,
    /// A Withings user whom no connection belongs to. Replayed when that person connects.
    UnknownUser,
    /// The person's link is dead. Replayed when that person connects again.
    Disconnected,
    /// Withings does not answer for its service: the scope or the plan does not allow it. Replayed when that person
    /// connects again.
    Refused,
    /// An event (50, 51, 52, 55, 98 to 100) without the instant it happened at.
    NoDate,
    /// A device event (53) without the device.
    NoDevice,
    /// It names a person who was erased and has not connected since: nothing is kept of it but that it came.
    Erased,
}

impl Quarantine {
    /// The reason as tables and metrics have it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NoCategory => "no_category",
            Self::UnknownCategory => "unknown_category",
            Self::NoUser => "no_user",
            Self::UnknownUser => "unknown_user",
            Self::Disconnected => "disconnected",
            Self::Refused => "refused",
            Self::NoDate => "no_date",
            Self::NoDevice => "no_device",
            Self::Erased => "erased",
        }
    }
}

impl fmt::Display for Quarantine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}
