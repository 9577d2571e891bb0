//! What a customer would have set up. Works against any stack whose endpoints are given: the local one, or
//! one deployed into another emulator.

use std::sync::Arc;
use std::time::Duration;

use afferent_aws::{Aws, AwsError, Service, cause};
use afferent_domain::address::{Reach, ReachError};
use afferent_domain::backfill::Depth;
use afferent_domain::connection::{Scopes, State};
use afferent_domain::filter::{Pattern, PatternError};
use afferent_domain::grant::{Grant, Grants};
use afferent_domain::id::{ConnectionId, EndpointId};
use afferent_domain::secret::Secret;
use afferent_domain::signature::SigningSecret;
use afferent_function::{Rim, Stdout};
use afferent_gate::{ConnectError, Connector, Consent as Consented};
use afferent_http::{Client, HttpError};
use afferent_local::clock::{SystemClock, SystemDice};
use afferent_registry::{By, Change, Config, New, Registry, RegistryError};
use afferent_secrets::{Seals, SecretsError, Unsealable, application, sealer};
use afferent_store::StoreError;
use afferent_store::connections::{AccountKey, Connection, Connections};
use afferent_store::keys::{Keys, NewKey};
use afferent_store::records::Records;
use futures_util::future::try_join_all;

/// Puts things into the tables of one stack.
pub struct Seeder {
    rim: Rim,
    stack: String,
    depth: Depth,
}

/// Where endpoints may be that are registered from this machine: where those of a stack on it are.
const NETWORKS: &str = "127.0.0.0/8,::1/128";
/// See above.
const PORTS: &str = "1-65535";

/// How long planting what follows from connecting may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why something could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// A table is out of reach.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A sealing key cannot be had.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] Unsealable),
    /// The person could not be connected.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The endpoint is refused.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// An event type is none.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The stack has no queue of deliveries, or SQS is out of reach.
    #[error("SQS did not say where the queue {queue} is: {cause}")]
    Queue {
        /// Its name.
        queue: String,
        /// What SQS or the network said.
        cause: String,
    },
}

/// Why there is no way from this machine.
#[derive(Debug, thiserror::Error)]
pub enum RimError {
    /// The address of the AWS services cannot be used.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// There is no HTTP client.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The rule of addresses cannot be read.
    #[error(transparent)]
    Reach(#[from] ReachError),
}

/// The rim of a program of people's own on this machine, with AWS at `aws`.
///
/// # Errors
/// [`RimError`].
pub fn rim(aws: Aws) -> Result<Rim, RimError> {
    Ok(Rim {
        clock: Arc::new(SystemClock),
        dice: Arc::new(SystemDice::default()),
        http: Arc::new(Client::new()?),
        endpoints: Arc::new(Client::guarded(Reach::parse(NETWORKS, PORTS)?)?),
        aws,
        metrics: Arc::new(Stdout),
        collector: None,
    })
}

/// A person who has consented at Withings.
#[derive(Clone, Debug)]
pub struct Consent {
    /// Withings' region: `eu` or `us`.
    pub region: String,
    /// Withings' userid.
    pub userid: String,
    /// The person's time zone.
    pub tz: String,
    /// The access token.
    pub access_token: Secret,
    /// The refresh token.
    pub refresh_token: Secret,
    /// How long the access token lives.
    pub expires_in: Duration,
}

impl Consent {
    /// From `WITHINGS_USERID`, `WITHINGS_ACCESS_TOKEN`, `WITHINGS_REFRESH_TOKEN` and, if they are set,
    /// `WITHINGS_TIMEZONE` (else UTC) and `WITHINGS_REGION` (else `eu`). `None` unless the first three are set. The access token counts as expired, so that
    /// the first call refreshes it: when it was issued is not known.
    #[must_use]
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        Some(Self {
            region: variable("WITHINGS_REGION").unwrap_or_else(|| "eu".to_owned()),
            userid: variable("WITHINGS_USERID")?,
            tz: variable("WITHINGS_TIMEZONE").unwrap_or_else(|| "UTC".to_owned()),
            access_token: Secret::new(variable("WITHINGS_ACCESS_TOKEN")?),
            refresh_token: Secret::new(variable("WITHINGS_REFRESH_TOKEN")?),
            expires_in: Duration::ZERO,
        })
    }
}

/// An endpoint and its secret, which is shown this once.
#[derive(Debug)]
pub struct Registered {
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Its secret.
    pub secret: SigningSecret,
}

impl Seeder {
    /// For the stack called `stack`.
    #[must_use]
    pub fn new(rim: &Rim, stack: &str) -> Self {
        Self { rim: rim.clone(), stack: stack.to_owned(), depth: Depth::default() }
    }

    /// The same, where connecting brings so much of the past; 90 days otherwise.
    #[must_use]
    pub fn reaching_back(self, depth: Depth) -> Self {
        Self { depth, ..self }
    }

    /// The stack's name for something: a table, a queue, a secret.
    #[must_use]
    pub fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.stack)
    }

    /// Connects a person under the customer's `reference`, as the API does after a consent: subscriptions, replay,
    /// sweeps, the first backfill and the public record follow. Doing it again for the same Withings user keeps the
    /// ids (they are derived here) and replaces the tokens.
    ///
    /// # Errors
    /// [`SeedError`].
    pub async fn connect(&self, reference: &str, consent: &Consent) -> Result<Connection, SeedError> {
        let (connector, seals, consent) = self.ready(reference, consent).await?;
        Ok(connector.connect_within(PATIENCE, &seals, &consent).await?)
    }

    /// Connects a person, and nothing follows: until a notification comes nobody calls Withings for them, and there
    /// is no record or event of the connection.
    ///
    /// # Errors
    /// [`SeedError`].
    pub async fn connect_quietly(&self, reference: &str, consent: &Consent) -> Result<Connection, SeedError> {
        let (connector, seals, consent) = self.ready(reference, consent).await?;
        Ok(connector.connect_quietly(&seals, &consent).await?)
    }

    /// The same for many people, so many of them `at_once`.
    ///
    /// # Errors
    /// [`SeedError`].
    pub async fn connect_all_quietly(&self, at_once: usize, people: &[(String, Consent)]) -> Result<(), SeedError> {
        let tools = self.tools().await?;
        for some in people.chunks(at_once.max(1)) {
            let consents: Vec<_> =
                some.iter().map(|(reference, consent)| tools.consented(reference, consent)).collect();
            try_join_all(consents.iter().map(|consent| tools.connector.connect_quietly(&tools.seals, consent))).await?;
        }
        Ok(())
    }

    /// Whether the person is connected under this reference.
    ///
    /// # Errors
    /// A table is out of reach.
    pub async fn connected(&self, reference: &str, consent: &Consent) -> Result<Option<Connection>, SeedError> {
        let connections = Connections::new(afferent_store::client(&self.rim.aws), self.name("connections"));
        let known = connections.get(&ConnectionId::derive(&[reference, &consent.userid])).await?;
        Ok(known.filter(|known| known.state == State::Connected))
    }

    async fn ready(&self, reference: &str, consent: &Consent) -> Result<(Connector, Seals, Consented), SeedError> {
        let tools = self.tools().await?;
        let consent = tools.consented(reference, consent);
        Ok((tools.connector, tools.seals, consent))
    }

    async fn tools(&self) -> Result<Tools, SeedError> {
        let app = application(&self.rim.aws, &format!("{}/withings", self.stack)).await?;
        let seals = Seals::from(sealer(&self.rim.aws, &format!("{}/seal-tokens", self.stack)).await?);
        let client = afferent_store::client(&self.rim.aws);
        let connector = Connector {
            connections: Connections::new(client.clone(), self.name("connections")),
            records: Records::new(client, self.name("records")),
            depth: self.depth,
            clock: self.rim.clock.clone(),
            dice: self.rim.dice.clone(),
        };
        Ok(Tools { connector, seals, application: app.client_id })
    }

    /// What owners of endpoints may ask this stack for.
    ///
    /// # Errors
    /// [`SeedError`].
    pub async fn registry(&self) -> Result<Registry, SeedError> {
        let config = Config {
            seal_endpoints_secret_arn: format!("{}/seal-endpoints", self.stack),
            outbox: afferent_outbox::Config {
                events_table: self.name("events"),
                events_retention: afferent_store::events::KEPT,
                deliveries_table: self.name("deliveries"),
                endpoints_table: self.name("endpoints"),
                deliveries_queue_url: self.queue_url(&self.name("deliveries")).await?,
            },
        };
        Ok(Registry::start(config, &self.rim).await?)
    }

    async fn queue_url(&self, queue: &str) -> Result<String, SeedError> {
        let nowhere = |cause: String| SeedError::Queue { queue: queue.to_owned(), cause };
        let sqs = aws_sdk_sqs::Client::new(&self.rim.aws.config(Service::Sqs));
        let answer = sqs.get_queue_url().queue_name(queue).send().await.map_err(|error| nowhere(cause(&error)))?;
        answer.queue_url.ok_or_else(|| nowhere("it names none".to_owned()))
    }

    /// Registers an endpoint for some types of events of every user. Doing it again under the same `reference` keeps id
    /// and secret, and moves the endpoint to `url`.
    ///
    /// # Errors
    /// [`SeedError`].
    pub async fn endpoint(&self, reference: &str, url: &str, types: &[&str]) -> Result<Registered, SeedError> {
        let types = types.iter().map(|text| Pattern::parse(text)).collect::<Result<_, _>>()?;
        self.register(reference, New { types, ..New::at(url)? }).await
    }

    /// Registers an endpoint, or changes the one that was registered under the same `reference` and keeps its secret.
    ///
    /// # Errors
    /// [`SeedError`].
    pub async fn register(&self, reference: &str, new: New) -> Result<Registered, SeedError> {
        let (registry, endpoint) = (self.registry().await?, EndpointId::derive(&[reference]));
        let secret = match registry.get(&endpoint).await {
            Ok(_) => {
                registry.change(&endpoint, &whole(new), By::Operator).await?;
                registry.secret(&endpoint).await?.secret
            }
            Err(RegistryError::NotFound(_)) => registry.register_as(endpoint.clone(), new).await?.1,
            Err(error) => return Err(error.into()),
        };
        Ok(Registered { endpoint, secret })
    }

    /// Makes an API key that may do everything, as often as any key may.
    ///
    /// # Errors
    /// [`SeedError`].
    pub async fn key(&self, label: &str) -> Result<String, SeedError> {
        let keys = Keys::new(afferent_store::client(&self.rim.aws), self.name("keys"));
        let key = NewKey { per_minute: 6_000, ..NewKey::new(label, Grants::new([Grant::Admin])) };
        let (_, text) = keys.create(&key, self.rim.clock.now(), &*self.rim.dice).await?;
        Ok(text.reveal().to_owned())
    }
}

/// What people are connected with.
struct Tools {
    connector: Connector,
    seals: Seals,
    application: String,
}

impl Tools {
    fn consented(&self, reference: &str, consent: &Consent) -> Consented {
        Consented {
            reference: reference.to_owned(),
            account: AccountKey {
                application: self.application.clone(),
                region: consent.region.clone(),
                userid: consent.userid.clone(),
            },
            access_token: consent.access_token.clone(),
            refresh_token: consent.refresh_token.clone(),
            expires_in: consent.expires_in,
            scopes: Scopes::default(),
            tz: Some(consent.tz.clone()),
            alone: false,
        }
    }
}

/// The change that makes an endpoint what a new one would be.
fn whole(new: New) -> Change {
    Change {
        destination: Some(new.destination),
        types: Some(new.types),
        users: Some(new.users),
        backfill: Some(new.backfill),
        payload: Some(new.payload),
        policy: Some(new.policy),
        rate: Some(new.rate),
        headers: Some(new.headers),
        contact: Some(new.contact),
        description: Some(new.description),
    }
}
