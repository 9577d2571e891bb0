//! Everything started together: the stack, the simulated Withings, the receiver, and what connects them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use afferent_aws::{Aws, AwsError};
use afferent_domain::endpoint::Destination;
use afferent_domain::id::UserId;
use afferent_domain::secret::Secret;
use afferent_domain::signature::SigningSecret;
use afferent_domain::{Clock, Dice, Timestamp};
use afferent_http::Client;
use afferent_local::clock::{SystemClock, SystemDice};
use afferent_local::{Invoke, InvokeError, Options, Ports, Stack, StackError};
use afferent_registry::{Registry, RegistryError};
use afferent_store::StoreError;
use afferent_store::connections::Connection;
use afferent_store::deliveries::Deliveries;
use afferent_store::events::Events;
use afferent_store::notifications::Notifications;
use afferent_store::records::Records;
use bytes::Bytes;
use withings_simulator::ControlError;

use crate::receiver::{Keyring, Receiver};
use crate::seed::{Consent, Registered, RimError, SeedError, Seeder, rim};
use crate::tally::{Tables, Tally};
use crate::world::{TIMEZONE, World, WorldError};

/// What the customer calls the sample person.
const REFERENCE: &str = "sample-person";

/// Withings' access tokens live three hours.
const TOKEN_LIFE: Duration = Duration::from_secs(3 * 3600);

/// What a scene is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The folder of the functions' programs.
    pub bootstraps: PathBuf,
    /// The folder that keeps everything; none keeps nothing.
    pub data: Option<PathBuf>,
    /// The stack's ports.
    pub ports: Ports,
    /// The simulated Withings' port.
    pub withings_port: u16,
    /// The receiver's port.
    pub receiver_port: u16,
    /// Another Withings to call instead of the simulated one, which is then not started. The application and a
    /// person who has consented come from the environment: see [`Consent::from_env`].
    pub withings_url: Option<String>,
    /// Whether the person is connected and nothing follows: no backfill, no sweeps, no record of the connection.
    pub bare: bool,
}

/// Everything, running.
pub struct Scene {
    /// The stack.
    pub stack: Stack,
    /// The simulated Withings, unless another one is called.
    pub world: Option<World>,
    /// The customer's endpoint.
    pub receiver: Receiver,
    /// The endpoint's id.
    pub registered: Registered,
    /// The connection of the sample person, or of the person that the environment names.
    pub connection: Option<Connection>,
    /// Where notifications go.
    pub callback: String,
    /// A key to the API that may do everything.
    pub key: String,
    /// What owners of endpoints may ask for.
    pub registry: Arc<Registry>,
    /// The tables.
    pub tables: Tables,
    /// The way to AWS.
    pub aws: Aws,
    started: Timestamp,
}

/// Why there is no scene.
#[derive(Debug, thiserror::Error)]
pub enum SceneError {
    /// The stack cannot start.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The simulated Withings cannot start.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The simulated Withings refused something.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// Something could not be set up.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The stack's address cannot be used.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// A table is out of reach.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A port is taken or a file cannot be used.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// There is no way from this machine.
    #[error(transparent)]
    Rim(#[from] RimError),
    /// A function failed.
    #[error(transparent)]
    Invoke(#[from] InvokeError),
    /// Somebody's wish about an endpoint was refused.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl Scene {
    /// Starts everything and connects the sample person.
    ///
    /// # Errors
    /// [`SceneError`].
    pub async fn start(plan: Plan) -> Result<Self, SceneError> {
        let (clock, dice): (Arc<dyn Clock>, Arc<dyn Dice>) = (Arc::new(SystemClock), Arc::new(SystemDice::default()));
        if let Some(folder) = &plan.data {
            std::fs::create_dir_all(folder)?;
        }
        let kept = |name: &str| plan.data.as_ref().map(|folder| folder.join(name));
        let http = Arc::new(Client::new().map_err(RimError::from)?);
        let world = match plan.withings_url {
            None => Some(World::start(plan.withings_port, http, dice.clone(), kept("withings-diary.jsonl")).await?),
            Some(_) => None,
        };
        let callback_secret = callback_secret(kept("callback-secret"), &*dice)?;
        let mut stack = Stack::start(options(&plan, world.as_ref(), &callback_secret)).await?;

        let aws = aws(&stack)?;
        let seeder = Seeder::new(&rim(aws.clone())?, &stack.template.place.stack);
        let consent = match &world {
            Some(world) => Some(sample_consent(world)?),
            None => Consent::from_env(variable),
        };
        let connection = match consent {
            // The pair that was given was used up in an earlier run; the stored one is its successor.
            Some(consent) if world.is_none() && seeder.connected(REFERENCE, &consent).await?.is_some() => {
                seeder.connected(REFERENCE, &consent).await?
            }
            // On a restart nothing has ended that would have to be caught up with; only the tokens are new ones.
            Some(consent) if plan.bare || seeder.connected(REFERENCE, &consent).await?.is_some() => {
                Some(seeder.connect_quietly(REFERENCE, &consent).await?)
            }
            Some(consent) => Some(seeder.connect(REFERENCE, &consent).await?),
            None => None,
        };
        let receiver = Receiver::start(plan.receiver_port, clock.clone()).await?;
        let registered = seeder.endpoint(REFERENCE, &receiver.url(), &["*"]).await?;
        receiver.trust(registered.secret.clone());
        let key = seeder.key("afferent-local").await?;
        let callback = format!("http://{}/withings/{callback_secret}", stack.front);
        if let Some(world) = &world {
            world.simulator.subscribe(world.person.userid, None, &[], &callback)?;
        }

        let registry = Arc::new(seeder.registry().await?);
        receiver.ask(Arc::new(Secrets(Arc::clone(&registry))));
        let client = afferent_store::client(&aws);
        let tables = Tables {
            notifications: Notifications::new(client.clone(), seeder.name("notifications")),
            records: Records::new(client.clone(), seeder.name("records")),
            events: Events::new(client.clone(), seeder.name("events")),
            deliveries: Deliveries::new(client, seeder.name("deliveries")),
        };
        // Not before: a pull with the tokens of an earlier simulated Withings would find them dead.
        stack.run();
        // A day back: on a restart the notifications of before count too.
        let started = clock.now() - Duration::from_secs(24 * 3600);
        Ok(Self { stack, world, receiver, registered, connection, callback, key, registry, tables, aws, started })
    }

    /// Counts everything that there is since the start.
    ///
    /// # Errors
    /// A table is out of reach.
    pub async fn tally(&self) -> Result<Tally, StoreError> {
        let (mut days, now) = (vec![self.started], SystemClock.now());
        while let Some(next) = days.last().map(|last| *last + Duration::from_secs(24 * 3600)).filter(|next| *next < now)
        {
            days.push(next);
        }
        days.push(now);
        self.tables.tally(&days, &self.users(), &self.registered.endpoint).await
    }

    /// How many records of each kind there are.
    ///
    /// # Errors
    /// A table is out of reach.
    pub async fn kinds(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        self.tables.kinds(&self.users()).await
    }

    /// Lets the keeper do now what it does every minute.
    ///
    /// # Errors
    /// The keeper failed.
    pub async fn minute(&self) -> Result<(), InvokeError> {
        let keeper = self.stack.template.function("keeper").map(|keeper| keeper.name.clone()).unwrap_or_default();
        self.stack.processes.invoke(&keeper, Bytes::from_static(br#"{"task":"minute"}"#)).await.map(drop)
    }

    /// Whose events there are.
    #[must_use]
    pub fn users(&self) -> Vec<UserId> {
        self.connection.iter().map(|connection| connection.user.clone()).chain([UserId::app()]).collect()
    }
}

/// The receiver stands for the server of whoever tries the API, so it knows the secret of each endpoint at its address.
struct Secrets(Arc<Registry>);

impl Keyring for Secrets {
    fn secrets<'a>(&'a self, url: &'a str) -> Pin<Box<dyn Future<Output = Vec<SigningSecret>> + Send + 'a>> {
        let is_here =
            move |destination: &Destination| matches!(destination, Destination::Http { url: at } if at.as_str() == url);
        Box::pin(async move {
            let mut secrets = Vec::new();
            for endpoint in self.0.list().await.unwrap_or_default() {
                if is_here(&endpoint.destination) {
                    secrets.extend(self.0.secret(&endpoint.endpoint).await.ok().map(|current| current.secret));
                }
            }
            secrets
        })
    }
}

/// The SDK against the stack's addresses, with credentials that are good for nothing.
fn aws(stack: &Stack) -> Result<Aws, AwsError> {
    let variables = BTreeMap::from([
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_ENDPOINT_URL_DYNAMODB", &*stack.addresses.dynamodb),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &*stack.addresses.secrets),
        ("AWS_ENDPOINT_URL_SESV2", &*stack.addresses.mail),
        ("AWS_ENDPOINT_URL_SQS", &*stack.addresses.sqs),
    ]);
    Aws::from_env(|name| variables.get(name).map(|value| (*value).to_owned()))
}

fn sample_consent(world: &World) -> Result<Consent, ControlError> {
    let tokens = world.simulator.issue_tokens(world.person.userid, None, "")?;
    Ok(Consent {
        region: "eu".to_owned(),
        userid: world.person.userid.to_string(),
        tz: TIMEZONE.to_owned(),
        access_token: Secret::new(tokens.access_token),
        refresh_token: Secret::new(tokens.refresh_token),
        expires_in: TOKEN_LIFE,
    })
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn options(plan: &Plan, world: Option<&World>, callback_secret: &str) -> Options {
    let app = withings_simulator::ClientApp::default();
    let digest = ring::digest::digest(&ring::digest::SHA256, callback_secret.as_bytes());
    // The simulated Withings knows one application, in one region.
    let elsewhere = |name: &str| variable(name).filter(|_| world.is_none());
    let url = world.map(World::url).or_else(|| plan.withings_url.clone()).unwrap_or_default();
    // A port that is not known yet is in no URL, and a Withings elsewhere does not reach this machine.
    let ours = (plan.ports.front != 0 && world.is_some())
        .then(|| format!("http://127.0.0.1:{}/withings/{callback_secret}", plan.ports.front));
    let parameters = [
        ("CallbackUrl", ours.or_else(|| elsewhere("WITHINGS_CALLBACK_URL")).unwrap_or_default()),
        ("CallbackSecretSha256", digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()),
        // The simulated Withings is all of Withings, its consent page too.
        ("WithingsAccountUrl", world.map(World::url).or_else(|| elsewhere("WITHINGS_ACCOUNT_URL")).unwrap_or_default()),
        ("WithingsApiUrl", url),
        ("WithingsClientId", elsewhere("WITHINGS_CLIENT_ID").unwrap_or(app.client_id)),
        ("WithingsClientSecret", elsewhere("WITHINGS_CLIENT_SECRET").unwrap_or(app.client_secret)),
        ("WithingsRegion", elsewhere("WITHINGS_REGION").unwrap_or_else(|| "eu".to_owned())),
        ("WithingsLimit", elsewhere("WITHINGS_LIMIT").unwrap_or_else(|| "120".to_owned())),
    ];
    let mut options = Options::new(&plan.bootstraps);
    options.data = plan.data.clone();
    options.ports = plan.ports;
    options.parameters = parameters.map(|(name, value)| (name.to_owned(), value)).into();
    options
}

/// The secret in the callback URL: kept in `file`, so that a restart keeps the URL.
fn callback_secret(file: Option<PathBuf>, dice: &dyn Dice) -> std::io::Result<String> {
    if let Some(secret) = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok()) {
        return Ok(secret);
    }
    let secret = format!("{:016x}{:016x}", dice.roll(), dice.roll());
    if let Some(file) = file {
        // Whole or not at all: an empty secret would be kept for ever.
        let written = file.with_extension("new");
        std::fs::write(&written, &secret)?;
        std::fs::rename(written, file)?;
    }
    Ok(secret)
}
