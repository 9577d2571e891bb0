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
    /// It does not fit how things stand.
    #[error("{0}")]
    Conflict(Clash),
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

/// What a wish does not fit. The texts say how things would have to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Clash {
    /// The id that was chosen for an endpoint is another one's.
    #[error("there is an endpoint of this id already")]
    Taken,
    /// Too many registrations under the id that was chosen broke off.
    #[error("registering under this id broke off too often: use another one")]
    BrokeOff,
    /// Others change the endpoint.
    #[error("others change this endpoint at the same time: ask again")]
    Changing,
    /// The endpoint is disabled, and what is wished for is for one that is not.
    #[error("the endpoint is disabled, and nothing is delivered to it: enable it first")]
    Disabled,
    /// Every number that a secret may have was given.
    #[error("an endpoint has at most 65535 secrets")]
    NoMoreSecrets,
    /// It is the only secret without an end.
    #[error("it is the current secret, and nothing would be signed without it: rotate with an overlap of 0")]
    CurrentSecret,
    /// The delivery has not ended.
    #[error("the delivery has not ended: it is tried again by itself")]
    DeliveryWaits,
    /// The delivery has ended.
    #[error("the delivery has ended")]
    DeliveryOver,
    /// Somebody is delivering it.
    #[error("a try is under way: ask again in a minute")]
    TryUnderWay,
    /// As many jobs run as may.
    #[error("five jobs of this endpoint run already: wait for one, or cancel one")]
    TooManyJobs,
    /// The job is over.
    #[error("the job is over")]
    JobOver,
    /// The job cancels what waits for a disabled endpoint.
    #[error("nothing may wait for a disabled endpoint: enable it, and this job ends")]
    JobNeeded,
}

impl From<Clash> for RegistryError {
    fn from(clash: Clash) -> Self {
        Self::Conflict(clash)
    }
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
