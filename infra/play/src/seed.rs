//! What a customer would have set up. Works against any stack whose endpoints are given: the local one, or
//! one deployed into another emulator.

use std::sync::Arc;
use std::time::Duration;

use afferent_aws::Aws;
use afferent_domain::backfill::Depth;
use afferent_domain::connection::{Scopes, State};
use afferent_domain::endpoint::{Endpoint, EndpointUrl, Standing, UrlError};
use afferent_domain::filter::{Pattern, PatternError, Scope};
use afferent_domain::id::{ConnectionId, EndpointId};
use afferent_domain::schedule::RetryPolicy;
use afferent_domain::secret::Secret;
use afferent_domain::signature::{SecretError, SigningSecret};
use afferent_domain::{Clock, Dice};
use afferent_gate::{ConnectError, Connector, Consent as Consented};
use afferent_secrets::{Sealed, Seals, SecretsError, Unsealable, application, sealer};
use afferent_store::StoreError;
use afferent_store::connections::{AccountKey, Connection, Connections};
use afferent_store::endpoints::{Endpoints, SealedSecret};
use afferent_store::keys::{Key, Keys};
use afferent_store::records::Records;

/// Puts things into the tables of one stack.
pub struct Seeder {
    aws: Aws,
    stack: String,
    depth: Depth,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
}

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
    /// The endpoint's address is none.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The endpoint's secret is none.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// An event type is none.
    #[error(transparent)]
    Pattern(#[from] PatternError),
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
    pub fn new(aws: Aws, stack: &str, clock: Arc<dyn Clock>, dice: Arc<dyn Dice>) -> Self {
        Self { aws, stack: stack.to_owned(), depth: Depth::default(), clock, dice }
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

    /// Whether the person is connected under this reference.
    ///
    /// # Errors
    /// A table is out of reach.
    pub async fn connected(&self, reference: &str, consent: &Consent) -> Result<Option<Connection>, SeedError> {
        let connections = Connections::new(afferent_store::client(&self.aws), self.name("connections"));
        let known = connections.get(&ConnectionId::derive(&[reference, &consent.userid])).await?;
        Ok(known.filter(|known| known.state == State::Connected))
    }

    async fn ready(&self, reference: &str, consent: &Consent) -> Result<(Connector, Seals, Consented), SeedError> {
        let app = application(&self.aws, &format!("{}/withings", self.stack)).await?;
        let seals = Seals::from(sealer(&self.aws, &format!("{}/seal-tokens", self.stack)).await?);
        let client = afferent_store::client(&self.aws);
        let connector = Connector {
            connections: Connections::new(client.clone(), self.name("connections")),
            records: Records::new(client, self.name("records")),
            depth: self.depth,
            clock: self.clock.clone(),
            dice: self.dice.clone(),
        };
        let consent = Consented {
            reference: reference.to_owned(),
            account: AccountKey {
                application: app.client_id,
                region: consent.region.clone(),
                userid: consent.userid.clone(),
            },
            access_token: consent.access_token.clone(),
            refresh_token: consent.refresh_token.clone(),
            expires_in: consent.expires_in,
            scopes: Scopes::default(),
            tz: Some(consent.tz.clone()),
        };
        Ok((connector, seals, consent))
    }

    /// Registers an endpoint with a secret of its own. Doing it again under the same `reference` keeps id and
    /// secret, and moves the endpoint to `url`.
    ///
    /// # Errors
    /// [`SeedError`].
    pub async fn endpoint(&self, reference: &str, url: &str, types: &[&str]) -> Result<Registered, SeedError> {
        let now = self.clock.now();
        let id = EndpointId::derive(&[reference]);
        let endpoint = Endpoint {
            endpoint: id.clone(),
            url: EndpointUrl::parse(url)?,
            types: types.iter().map(|text| Pattern::parse(text)).collect::<Result<_, _>>()?,
            scope: Scope::All,
            policy: RetryPolicy::default(),
            description: None,
            created_ms: now,
            standing: Standing::Enabled,
        };
        let sealer = sealer(&self.aws, &format!("{}/seal-endpoints", self.stack)).await?;
        let endpoints = Endpoints::new(afferent_store::client(&self.aws), self.name("endpoints"));
        let known = endpoints.whole(&id).await?.and_then(|whole| whole.secrets.into_iter().next());
        let secret = match known {
            Some(known) => SigningSecret::parse(sealer.open(id.as_str(), &Sealed(known.sealed))?.reveal())?,
            None => {
                let secret = SigningSecret::draw(&*self.dice);
                let sealed = sealer.seal(id.as_str(), &Secret::new(secret.reveal()), &*self.dice)?.0;
                // The secret first: an endpoint that is there can be delivered to.
                endpoints.add_secret(&id, &SealedSecret { number: 1, sealed, created: now, until: None }).await?;
                secret
            }
        };
        endpoints.put(&endpoint).await?;
        Ok(Registered { endpoint: id, secret })
    }

    /// Makes an API key that may read, and connect people.
    ///
    /// # Errors
    /// [`SeedError`].
    pub async fn key(&self, label: &str) -> Result<String, SeedError> {
        let keys = Keys::new(afferent_store::client(&self.aws), self.name("keys"));
        let key = Key {
            label: label.to_owned(),
            scopes: vec!["read".to_owned(), "write".to_owned()],
            return_urls: Vec::new(),
        };
        Ok(keys.create(&key, self.clock.now(), &*self.dice).await?)
    }
}
