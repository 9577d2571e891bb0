//! The stack in real time: real programs, real sockets on loopback, data in a folder.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::Clock;
use axum::Router;
use axum::serve::ListenerExt;
use local_sqs::{Config, Sqs};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::clock::{SystemClock, SystemDice};
use crate::dynamodb::{DynamoDb, DynoxideError};
use crate::endpoint;
use crate::front::Front;
use crate::invoke::Invoke;
use crate::lambda::{Addresses, LogBook, NoProgram, Processes, Settings};
use crate::mail::Mail;
use crate::metrics::{Metrics, Watched, router, watch_queues};
use crate::secrets::{Secrets, SecretsError};
use crate::sources::Positions;
use crate::template::{Place, Template, TemplateError};
use crate::traces::calls::noting;
use crate::wiring::{Schedules, Wiring, make_queues};

/// How often expired items are swept. AWS: "within a few days".
const SWEEP: Duration = Duration::from_secs(60);

/// The ports on loopback; 0 takes any that is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// The front door: ingest and API.
    pub front: u16,
    /// DynamoDB, its streams, Secrets Manager and SES.
    pub dynamodb: u16,
    /// SQS.
    pub sqs: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self { front: 8000, dynamodb: 8001, sqs: 9324 }
    }
}

/// What a stack is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder that keeps everything; none keeps nothing.
    pub data: Option<PathBuf>,
    /// The template.
    pub template: PathBuf,
    /// Values of the template's parameters.
    pub parameters: BTreeMap<String, String>,
    /// Values of secrets by name, in place of those that the template says or that would be generated.
    pub secrets: BTreeMap<String, String>,
    /// The ports.
    pub ports: Ports,
    /// How the functions run.
    pub functions: Settings,
    /// Whether the schedules run.
    pub schedules: bool,
}

impl Options {
    /// A stack of the template in this repository, with the functions' programs in `bootstraps`, on free
    /// ports, keeping nothing.
    #[must_use]
    pub fn new(bootstraps: impl Into<PathBuf>) -> Self {
        Self {
            data: None,
            template: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml")),
            parameters: BTreeMap::new(),
            secrets: BTreeMap::new(),
            ports: Ports { front: 0, dynamodb: 0, sqs: 0 },
            functions: Settings::new(bootstraps),
            schedules: true,
        }
    }
}

/// Why a stack cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The template cannot be used.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A function's program is missing.
    #[error(transparent)]
    Program(#[from] NoProgram),
    /// A port is taken.
    #[error("port {port} on 127.0.0.1 cannot be used: {error}")]
    Port {
        /// The port.
        port: u16,
        /// What the system says.
        error: std::io::Error,
    },
    /// The data folder cannot be used.
    #[error("the data folder cannot be used: {0}")]
    Data(#[from] std::io::Error),
    /// DynamoDB cannot be opened.
    #[error("DynamoDB: {0}")]
    DynamoDb(#[from] DynoxideError),
    /// SQS cannot be opened.
    #[error("SQS: {0}")]
    Sqs(#[from] local_sqs::StoreError),
    /// A queue cannot be made.
    #[error("SQS: {0}")]
    Queue(#[from] local_sqs::Error),
    /// The secrets cannot be had.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

/// A stack. After [`Stack::start`] its services answer, and nothing but a request wakes a function; after
/// [`Stack::run`] messages, stream records and the clock do too. [`Stack::stop`] or dropping it ends it and the
/// functions' processes.
pub struct Stack {
    /// What the template says, with the real addresses in it.
    pub template: Arc<Template>,
    /// The front door's address.
    pub front: SocketAddr,
    /// Where the AWS services are.
    pub addresses: Addresses,
    /// DynamoDB, from within.
    pub dynamodb: DynamoDb,
    /// SQS, from within.
    pub sqs: Arc<Sqs>,
    /// The secrets.
    pub secrets: Secrets,
    /// The letters that were sent.
    pub mail: Mail,
    /// The functions' processes.
    pub processes: Arc<Processes>,
    /// What the functions wrote.
    pub log: LogBook,
    /// What they counted, and what AWS would have measured.
    pub metrics: Metrics,
    wiring: Wiring,
    servers: JoinSet<()>,
    sources: JoinSet<()>,
}

impl Stack {
    /// Starts the services: tables, queues, secrets, the front door. What was received and not deleted by a
    /// stack that died on the same data is visible again.
    ///
    /// # Errors
    /// See [`StackError`].
    pub async fn start(options: Options) -> Result<Self, StackError> {
        let front = listen(options.ports.front).await?;
        let dynamodb_port = listen(options.ports.dynamodb).await?;
        let sqs_port = listen(options.ports.sqs).await?;
        let url = |listener: &TcpListener| listener.local_addr().map(|address| format!("http://{address}"));
        let addresses = Addresses {
            dynamodb: url(&dynamodb_port)?,
            sqs: url(&sqs_port)?,
            secrets: url(&dynamodb_port)?,
            mail: url(&dynamodb_port)?,
        };
        let place = Place {
            sqs_url: addresses.sqs.clone(),
            functions_url: url(&front)?,
            parameters: parameters(),
            ..Place::default()
        };
        let template = Arc::new(Template::read(&options.template, &place, &options.parameters)?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let data = Data::open(options.data)?;

        let dynamodb = match data.path("dynamodb.sqlite") {
            Some(file) => DynamoDb::file(&file, Arc::clone(&clock), &place.region)?,
            None => DynamoDb::memory(Arc::clone(&clock), &place.region)?,
        };
        for table in &template.tables {
            dynamodb.make(table)?;
        }
        let config = Config { account: place.account.clone(), region: place.region.clone(), ..Config::default() };
        let sqs = Arc::new(match data.path("sqs.sqlite") {
            Some(file) => Sqs::open_configured(&file, Arc::clone(&clock), config)?,
            None => Sqs::configured(Arc::clone(&clock), config),
        });
        make_queues(&sqs, &template).await?;
        sqs.release_in_flight()?;
        let secrets_file = data.path("secrets.json");
        let dice = SystemDice::default();
        let secrets = Secrets::make(&template.secrets, secrets_file.as_deref(), &options.secrets, &dice)?;
        let mail = Mail::new(Arc::clone(&clock));
        let log = match data.path("logs") {
            Some(folder) => LogBook::folder(&folder)?,
            None => LogBook::memory(),
        };
        let positions = match data.path("positions.json") {
            Some(file) => Positions::file(&file)?,
            None => Positions::memory(),
        };
        let processes = Arc::new(Processes::new(&template, &options.functions, &addresses, &log)?);
        let metrics = log.metrics().clone();
        let invoke: Arc<dyn Invoke> =
            Arc::new(Watched { invoke: processes.clone(), metrics: metrics.clone(), clock: Arc::clone(&clock) });

        let mut servers = JoinSet::new();
        let address = front.local_addr()?;
        let door = Front::new(&template, Arc::clone(&invoke), Arc::clone(&clock)).router();
        serve(&mut servers, front, door.merge(router(&metrics, &template.alarms, &clock)));
        servers.spawn(watch_queues(Arc::clone(&sqs), metrics.clone(), Arc::clone(&clock)));
        serve(&mut servers, dynamodb_port, noting(endpoint::router(&dynamodb, Arc::clone(&sqs), &secrets, &mail)));
        serve(&mut servers, sqs_port, noting(local_sqs::router(Arc::clone(&sqs))));
        servers.spawn(dynamodb.clone().keep_sweeping(SWEEP));

        let schedules = if options.schedules { Schedules::Every { at_start: true } } else { Schedules::Off };
        let wiring = Wiring {
            template: Arc::clone(&template),
            clock,
            dynamodb: dynamodb.clone(),
            sqs: Arc::clone(&sqs),
            invoke,
            positions,
            schedules,
        };
        Ok(Self {
            template,
            front: address,
            addresses,
            dynamodb,
            sqs,
            secrets,
            mail,
            processes,
            log,
            metrics,
            wiring,
            servers,
            sources: JoinSet::new(),
        })
    }

    /// Lets messages, stream records and the clock wake the functions.
    pub fn run(&mut self) {
        for function in &self.template.functions {
            let mut tasks = self.wiring.start(function);
            self.sources.spawn(async move { while tasks.join_next().await.is_some() {} });
        }
    }

    /// Stops taking requests and messages, and ends the functions' processes. What was under way comes again
    /// when the stack is started on the same data.
    pub async fn stop(mut self) {
        self.sources.shutdown().await;
        self.servers.shutdown().await;
        self.processes.stop();
    }
}

/// What a stack on this machine is deployed with: its endpoints are here too, and it has mail.
fn parameters() -> BTreeMap<String, String> {
    [
        ("EndpointNetworks", "127.0.0.0/8,::1/128"),
        ("EndpointPorts", "1-65535"),
        ("MailFrom", "afferent@stack.example"),
        ("Contact", "operator@stack.example"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// The data folder, if there is one.
struct Data(Option<PathBuf>);

impl Data {
    fn open(folder: Option<PathBuf>) -> std::io::Result<Self> {
        if let Some(folder) = &folder {
            std::fs::create_dir_all(folder)?;
        }
        Ok(Self(folder))
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.0.as_ref().map(|folder| folder.join(name))
    }
}

async fn listen(port: u16) -> Result<TcpListener, StackError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| StackError::Port { port, error })
}

fn serve(servers: &mut JoinSet<()>, listener: TcpListener, router: Router) {
    // Small answers must not wait for the acknowledgement of earlier ones (Nagle's algorithm).
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    servers.spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "a server ended");
        }
    });
}
