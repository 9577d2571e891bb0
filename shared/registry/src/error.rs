//! Why a wish is not fulfilled. The texts are for who asked; what a table said goes to the log.

use afferent_domain::Timestamp;
use afferent_domain::address::Forbidden;
use afferent_domain::endpoint::MOST_SECRETS;
use afferent_secrets::Unsealable;
use afferent_store::StoreError;

/// Why a wish is not fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// There is nothing of that name.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// A member of the wish is not right.
    #[error("{field} should be {expected}")]
    Invalid {
        /// Which member, as the wish's JSON has it.
        field: String,
        /// What would be right.
        expected: String,
    },
    /// The address may not be reached.
    #[error("the address is refused: {0}")]
    Refused(Forbidden),
    /// It is not an endpoint's owner who decides this. The text says what is needed, and for what.
    #[error("{0} is needed")]
    Beyond(&'static str),
    /// It does not fit how things stand. The text says how they would have to stand.
    #[error("{0}")]
    Conflict(&'static str),
    /// One more secret would be too many that sign at once.
    #[error(
        "{MOST_SECRETS} secrets sign already: wait until {until}, when the next one ends, or rotate without an overlap"
    )]
    TooManySecrets {
        /// When one of them ends.
        until: Timestamp,
    },
    /// Something that is needed is out of reach; asking again is right.
    #[error("{0}; ask again")]
    Unavailable(&'static str),
}

impl RegistryError {
    pub(crate) fn invalid(field: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), expected: expected.into() }
    }
}

impl From<StoreError> for RegistryError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a wish about an endpoint failed at a table");
        Self::Unavailable("a table is out of reach")
    }
}

impl From<Unsealable> for RegistryError {
    fn from(error: Unsealable) -> Self {
        tracing::error!(%error, "a secret of an endpoint cannot be sealed or opened");
        Self::Unavailable("the key that secrets are sealed under is out of reach")
    }
}
