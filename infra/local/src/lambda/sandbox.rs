//! One process of a function.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::api::{self, Desk, Job};
use super::log::LogBook;
use crate::invoke::InvokeError;

/// A running process. Dropping it kills the process.
pub(super) struct Sandbox {
    pub(super) pid: u32,
    jobs: mpsc::Sender<Job>,
    ready: watch::Receiver<bool>,
    ended: watch::Receiver<bool>,
    life: JoinHandle<()>,
}

impl Sandbox {
    /// Starts the program; it is not ready yet.
    pub(super) async fn start(
        program: &Path,
        function: &str,
        environment: &BTreeMap<String, String>,
        log: &LogBook,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        // Without this, Nagle's algorithm and delayed acknowledgements cost 40 ms an invocation.
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let mut child = Command::new(program)
            .env_clear()
            .envs(environment)
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().unwrap_or_default();
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(log.clone().copy(function.to_owned(), stdout));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(log.clone().copy(function.to_owned(), stderr));
        }
        let (jobs, incoming) = mpsc::channel(1);
        let (ready_sender, ready) = watch::channel(false);
        let (ended_sender, ended) = watch::channel(false);
        let router = api::router(Desk::new(incoming, ready_sender));
        let life = tokio::spawn(async move {
            let serve = async {
                let _ = axum::serve(listener, router).await;
            };
            tokio::select! {
                () = serve => {}
                _ = child.wait() => {}
            }
            ended_sender.send_replace(true);
        });
        Ok(Self { pid, jobs, ready, ended, life })
    }

    pub(super) fn is_alive(&self) -> bool {
        !*self.ended.borrow()
    }

    /// Waits until the process asks for its first event.
    pub(super) async fn ready(&mut self, init_timeout: Duration) -> Result<(), InvokeError> {
        if *self.ready.borrow() {
            return Ok(());
        }
        tokio::select! {
            ready = self.ready.wait_for(|ready| *ready) => ready.map(drop).map_err(|_| InvokeError::Crashed),
            _ = self.ended.wait_for(|ended| *ended) => Err(InvokeError::Crashed),
            () = tokio::time::sleep(init_timeout) => Err(InvokeError::TimedOut),
        }
    }

    /// Hands the event over. The answer comes by the job's own channel.
    pub(super) async fn hand(&self, job: Job) -> Result<(), InvokeError> {
        self.jobs.send(job).await.map_err(|_| InvokeError::Crashed)
    }

    /// Waits until the process has ended.
    pub(super) async fn ended(&mut self) {
        let _ = self.ended.wait_for(|ended| *ended).await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // The task owns the child, which is killed when it is dropped.
        self.life.abort();
    }
}
