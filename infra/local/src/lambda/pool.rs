//! The processes of one function, and the invocations that share them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afferent_domain::Clock;
use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use super::Settings;
use super::api::Job;
use super::log::LogBook;
use super::sandbox::Sandbox;
use crate::clock::SystemClock;
use crate::invoke::{InvokeError, trace_header};
use crate::template::Function;

static REQUESTS: AtomicU64 = AtomicU64::new(1);

pub(super) struct Pool {
    function: Function,
    program: PathBuf,
    environment: BTreeMap<String, String>,
    patience: Duration,
    init_timeout: Duration,
    sampled: bool,
    log: LogBook,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Sandbox>>,
    pids: Mutex<BTreeSet<u32>>,
    running: Mutex<JoinSet<()>>,
}

impl Pool {
    pub(super) fn new(
        function: Function,
        program: PathBuf,
        environment: BTreeMap<String, String>,
        settings: &Settings,
        log: LogBook,
    ) -> Self {
        let most = settings.max_processes.min(function.reserved_concurrency.unwrap_or(u32::MAX));
        Self {
            function,
            program,
            environment,
            patience: settings.patience,
            init_timeout: settings.init_timeout,
            sampled: settings.sampled,
            log,
            permits: Arc::new(Semaphore::new(most as usize)),
            idle: Mutex::default(),
            pids: Mutex::default(),
            running: Mutex::default(),
        }
    }

    pub(super) fn running(&self) -> Vec<u32> {
        self.pids.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// Ends all processes, those at work too, and lets none start any more.
    pub(super) fn stop(&self) {
        self.permits.close();
        self.running.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// An invocation goes on when its caller goes away, as Lambda's do: a client that hangs up must not kill
    /// a process at work.
    pub(super) async fn invoke(self: Arc<Self>, payload: Bytes) -> Result<Bytes, InvokeError> {
        let (answer, answered) = oneshot::channel();
        let pool = Arc::clone(&self);
        {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            while running.try_join_next().is_some() {}
            running.spawn(async move {
                let _ = answer.send(pool.serve(payload).await);
            });
        }
        answered.await.unwrap_or(Err(InvokeError::Crashed))
    }

    async fn serve(&self, payload: Bytes) -> Result<Bytes, InvokeError> {
        let permit = tokio::time::timeout(self.patience, Arc::clone(&self.permits).acquire_owned()).await;
        let Ok(Ok(_permit)) = permit else { return Err(InvokeError::Throttled) };
        let mut sandbox = self.sandbox().await?;
        let result = self.run(&mut sandbox, payload).await;
        match &result {
            Ok(_) | Err(InvokeError::Failed(_)) if sandbox.is_alive() => {
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sandbox);
            }
            _ => self.forget(&sandbox),
        }
        result
    }

    /// An idle process, else a new one.
    async fn sandbox(&self) -> Result<Sandbox, InvokeError> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match idle {
                Some(sandbox) if sandbox.is_alive() => return Ok(sandbox),
                Some(ended) => self.forget(&ended),
                None => break,
            }
        }
        let started = Sandbox::start(&self.program, &self.function.name, &self.environment, &self.log).await;
        let sandbox = started.map_err(|error| {
            tracing::error!(function = self.function.name, %error, "a function's program could not be started");
            InvokeError::Crashed
        })?;
        self.pids.lock().unwrap_or_else(PoisonError::into_inner).insert(sandbox.pid);
        Ok(sandbox)
    }

    fn forget(&self, sandbox: &Sandbox) {
        self.pids.lock().unwrap_or_else(PoisonError::into_inner).remove(&sandbox.pid);
    }

    async fn run(&self, sandbox: &mut Sandbox, payload: Bytes) -> Result<Bytes, InvokeError> {
        sandbox.ready(self.init_timeout).await?;
        let (answer, answered) = oneshot::channel();
        let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
        let now = SystemClock.now();
        let job = Job {
            request_id: format!("00000000-0000-4000-8000-{number:012x}"),
            function_arn: self.function.arn.clone(),
            trace_id: trace_header(now, number, self.sampled),
            deadline_ms: (now + self.function.timeout).as_millis(),
            payload,
            answer,
        };
        sandbox.hand(job).await?;
        tokio::select! {
            // The answer first: a process that answers and ends at once has answered.
            biased;
            answer = answered => answer.unwrap_or(Err(InvokeError::Crashed)),
            () = sandbox.ended() => Err(InvokeError::Crashed),
            () = tokio::time::sleep(self.function.timeout) => Err(InvokeError::TimedOut),
        }
    }
}
