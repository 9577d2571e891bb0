//! What owners of endpoints may ask for: to register one, to change it, to have its secret, to see what became of its
//! deliveries, and to have them made again.
//!
//! Whoever brings the wishes, an API or a command line, checks who is asking and nothing else: every other rule is here.
//! Nothing here sends a webhook. A test event and a delivery made again take the road of all others, so they show what
//! live ones will meet.
//!
//! | module | is |
//! |---|---|
//! | [`wish`] | what an endpoint is to be, read and checked |
//! | `register` | registering, showing, changing, deleting |
//! | `standing` | disabling, and enabling with the offer of what was missed |
//! | `secrets` | the signing secrets: shown, rotated, revoked |
//! | `again` | test events, deliveries and jobs made anew |
//! | `deliveries` | what became of the deliveries |

mod again;
mod deliveries;
mod error;
mod register;
mod secrets;
mod standing;
pub mod wish;

use std::sync::Arc;

use afferent_domain::endpoint::{Destination, Endpoint};
use afferent_domain::id::EndpointId;
use afferent_domain::{Clock, Dice};
use afferent_function::{Env, Rim, StartError};
use afferent_http::{Http, HttpError};
use afferent_outbox::Outbox;
use afferent_secrets::{Seals, SecretsError};
use afferent_store::endpoints::{Endpoints, Whole};
use http::Uri;

pub use again::{MOST_JOBS, Span, instant};
pub use deliveries::{AttemptShown, Came, DeliveryShown, ListWish, MOST_LISTED, Only, Page, Row};
pub use error::{Clash, RegistryError};
pub use register::{Fare, Shown};
pub use secrets::{Current, OVERLAP, Rotation, SecretState};
pub use standing::{Enabled, Offer};
pub use wish::{Change, New};

/// How often a change that met another one begins again before that is an error.
const TRIES: u32 = 5;

/// What the registry reads from its environment.
#[derive(Clone, Debug)]
pub struct Config {
    /// `SEAL_ENDPOINTS_SECRET_ARN`: the keys that secrets and headers are sealed under.
    pub seal_endpoints_secret_arn: String,
    /// `EVENTS_TABLE`, `DELIVERIES_TABLE`, `ENDPOINTS_TABLE`, `DELIVERIES_QUEUE_URL`.
    pub outbox: afferent_outbox::Config,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// A variable is missing.
    pub fn from_env(env: &Env) -> Result<Self, StartError> {
        Ok(Self {
            seal_endpoints_secret_arn: env.required("SEAL_ENDPOINTS_SECRET_ARN")?,
            outbox: afferent_outbox::Config::from_env(env)?,
        })
    }
}

/// Who asks for a change of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Whoever may change every endpoint.
    Operator,
    /// Whoever may change this one only: not what it may see, for that others decided, nor that an operator disabled it.
    Owner,
}

/// The registry.
#[derive(Clone)]
pub struct Registry {
    outbox: Outbox,
    seals: Seals,
    http: Arc<dyn Http>,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
}

impl Registry {
    /// Builds it, and reads the sealing keys.
    ///
    /// # Errors
    /// The keys cannot be had.
    pub async fn start(config: Config, rim: &Rim) -> Result<Self, SecretsError> {
        let seals = Seals::read(&rim.aws, &config.seal_endpoints_secret_arn, rim.clock.now()).await?;
        Ok(Self::new(Outbox::new(config.outbox, rim), seals, rim))
    }

    /// Builds it of what its function has already; calls nothing.
    #[must_use]
    pub fn new(outbox: Outbox, seals: Seals, rim: &Rim) -> Self {
        let (http, clock, dice) = (Arc::clone(&rim.endpoints), Arc::clone(&rim.clock), Arc::clone(&rim.dice));
        Self { outbox, seals, http, clock, dice }
    }

    fn endpoints(&self) -> &Endpoints {
        self.outbox.endpoints()
    }

    async fn endpoint(&self, id: &EndpointId) -> Result<Endpoint, RegistryError> {
        known(id)?;
        self.endpoints().get(id).await?.ok_or(RegistryError::NotFound("endpoint"))
    }

    async fn whole(&self, id: &EndpointId) -> Result<Whole, RegistryError> {
        known(id)?;
        self.endpoints().whole(id).await?.ok_or(RegistryError::NotFound("endpoint"))
    }

    /// An endpoint that receives something: what is refused for the others.
    async fn enabled(&self, id: &EndpointId) -> Result<Endpoint, RegistryError> {
        let endpoint = self.endpoint(id).await?;
        if endpoint.is_enabled() { Ok(endpoint) } else { Err(Clash::Disabled.into()) }
    }

    /// Whether deliveries could go there, by the rule that they themselves go by. A queue is asked when the first
    /// message is sent: its policy is its owner's.
    async fn reach(&self, destination: &Destination) -> Result<(), RegistryError> {
        let Destination::Http { url } = destination else { return Ok(()) };
        let expected =
            || RegistryError::invalid("url", "the address of a server, such as https://example.org/webhooks");
        let uri: Uri = url.as_str().parse().map_err(|_| expected())?;
        self.http.check(&uri).await.map_err(|error| match error {
            HttpError::Refused(forbidden) => RegistryError::Refused(forbidden),
            HttpError::Resolve => {
                RegistryError::invalid("url", "an address whose host has a name that can be resolved")
            }
            error => {
                tracing::warn!(%error, "the address of an endpoint could not be checked");
                RegistryError::Unavailable("the address could not be checked just now")
            }
        })
    }
}

/// A text that is no id of an endpoint is none of one that is there; a table would call it an error.
fn known(id: &EndpointId) -> Result<(), RegistryError> {
    if id.as_str().starts_with(EndpointId::PREFIX) { Ok(()) } else { Err(RegistryError::NotFound("endpoint")) }
}
