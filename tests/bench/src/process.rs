//! A function's program under a Lambda runtime API that does nothing but measure.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Error;

/// Longer than any start or answer takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// The runtime API: hands out events, notes when a program asked for the first one and when it answered.
pub(crate) struct RuntimeApi {
    address: SocketAddr,
    events: mpsc::Sender<String>,
    asked: mpsc::Receiver<Instant>,
    answered: mpsc::Receiver<(Instant, u16)>,
    _server: JoinSet<()>,
}

#[derive(Clone)]
struct Shared {
    events: Arc<Mutex<mpsc::Receiver<String>>>,
    asked: mpsc::Sender<Instant>,
    answered: mpsc::Sender<(Instant, u16)>,
}

impl RuntimeApi {
    pub(crate) async fn start() -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (events, inbox) = mpsc::channel(16);
        let (asked, asked_inbox) = mpsc::channel(100_000);
        let (answered, answered_inbox) = mpsc::channel(16);
        let shared = Shared { events: Arc::new(Mutex::new(inbox)), asked, answered };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(error))
            .with_state(shared);
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let mut server = JoinSet::new();
        server.spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, events, asked: asked_inbox, answered: answered_inbox, _server: server })
    }

    /// Starts a program; it is killed when the child is dropped.
    pub(crate) fn spawn(&self, program: &Path, environment: &BTreeMap<String, String>) -> Result<Child, Error> {
        let mut command = Command::new(program);
        command.env_clear().envs(environment).env("AWS_LAMBDA_RUNTIME_API", self.address.to_string());
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).kill_on_drop(true);
        Ok(command.spawn()?)
    }

    /// When the program first asked for an event.
    pub(crate) async fn ready(&mut self) -> Result<Instant, Error> {
        timeout(PATIENCE, self.asked.recv()).await?.ok_or_else(|| "the runtime API is gone".into())
    }

    /// Hands out one event; when and with what its answer came (202: a response, 500: an error).
    pub(crate) async fn invoke(&mut self, event: &str) -> Result<(Instant, u16), Error> {
        self.events.send(event.to_owned()).await?;
        timeout(PATIENCE, self.answered.recv()).await?.ok_or_else(|| "the runtime API is gone".into())
    }
}

async fn next(State(shared): State<Shared>) -> impl IntoResponse {
    let _ = shared.asked.try_send(Instant::now());
    let event = shared.events.lock().await.recv().await.unwrap_or_default();
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:bench"),
        ("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0"),
        ("content-type", "application/json"),
    ];
    (headers, event)
}

async fn response(State(shared): State<Shared>, _body: axum::body::Bytes) -> StatusCode {
    let _ = shared.answered.send((Instant::now(), 202)).await;
    StatusCode::ACCEPTED
}

async fn error(State(shared): State<Shared>, _body: axum::body::Bytes) -> StatusCode {
    let _ = shared.answered.send((Instant::now(), 500)).await;
    StatusCode::ACCEPTED
}

/// What a process used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// CPU time of all its threads.
    pub(crate) cpu: Duration,
    /// The most memory that it ever had resident, in MB.
    pub(crate) peak_mb: f64,
}

/// From `/proc`: Linux only, as the benchmarks are.
pub(crate) fn usage(child: &Child) -> Result<Usage, Error> {
    let id = child.id().ok_or("the process is gone")?;
    let mut nanoseconds = 0;
    for thread in std::fs::read_dir(format!("/proc/{id}/task"))? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
    }
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kilobytes: f64 = peak.trim().trim_end_matches(" kB").parse()?;
    Ok(Usage { cpu: Duration::from_nanos(nanoseconds), peak_mb: kilobytes / 1024.0 })
}
