//! Lambda on one machine: the real bootstrap binaries as child processes, each with a runtime API of its own.
//!
//! One process serves one invocation at a time and is kept for the next. A process that outlives its
//! function's timeout is killed; one that ends is replaced by the next invocation. If this program itself is
//! killed, its children see their connection to the runtime API close and end by themselves.

mod api;
mod environment;
mod log;
mod pool;
mod sandbox;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::invoke::{Invoke, InvokeError};
use crate::template::{Function, Template};

pub use environment::Addresses;
pub use log::{LogBook, LogLine};
use pool::Pool;

/// How functions are run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder of the programs: `<folder>/<binary>/bootstrap`, or else `<folder>/<binary>`.
    pub bootstraps: PathBuf,
    /// How many processes of one function may run at once, unless the template reserves fewer.
    pub max_processes: u32,
    /// How long an invocation waits for a process before it is throttled.
    pub patience: Duration,
    /// How long a process may take from its start to its first request for an event. Lambda: 10 s.
    pub init_timeout: Duration,
    /// More variables for every function's environment.
    pub environment: BTreeMap<String, String>,
    /// Whether X-Ray records every invocation; else none.
    pub sampled: bool,
}

impl Settings {
    /// The defaults, with the programs in `bootstraps`.
    #[must_use]
    pub fn new(bootstraps: impl Into<PathBuf>) -> Self {
        Self {
            bootstraps: bootstraps.into(),
            max_processes: 10,
            patience: Duration::from_secs(5),
            init_timeout: Duration::from_secs(10),
            environment: BTreeMap::new(),
            sampled: false,
        }
    }

    /// The program of a function.
    fn program(&self, function: &Function) -> PathBuf {
        let packed = self.bootstraps.join(&function.binary).join("bootstrap");
        if packed.is_file() { packed } else { self.bootstraps.join(&function.binary) }
    }
}

/// A function whose program is not there.
#[derive(Debug, thiserror::Error)]
#[error("the program of the function {function} is not there: {}", program.display())]
pub struct NoProgram {
    function: String,
    program: PathBuf,
}

/// All functions of a stack, as processes. Dropping it ends them.
pub struct Processes {
    pools: BTreeMap<String, Arc<Pool>>,
}

impl Processes {
    /// Functions at these addresses. No process is started before it is needed.
    ///
    /// # Errors
    /// A function's program is not there.
    pub fn new(
        template: &Template,
        settings: &Settings,
        addresses: &Addresses,
        log: &LogBook,
    ) -> Result<Self, NoProgram> {
        let mut pools = BTreeMap::new();
        for function in &template.functions {
            let program = settings.program(function);
            if !program.is_file() {
                return Err(NoProgram { function: function.name.clone(), program });
            }
            let environment = environment::of(function, &template.place, addresses, &settings.environment);
            let pool = Pool::new(function.clone(), program, environment, settings, log.clone());
            pools.insert(function.name.clone(), Arc::new(pool));
        }
        Ok(Self { pools })
    }

    /// Ends every process, and lets none start any more.
    pub(crate) fn stop(&self) {
        self.pools.values().for_each(|pool| pool.stop());
    }

    /// The process ids of the function's processes that run now.
    #[must_use]
    pub fn running(&self, function: &str) -> Vec<u32> {
        self.pools.get(function).map(|pool| pool.running()).unwrap_or_default()
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Invoke for Processes {
    fn invoke(&self, function: &str, payload: Bytes) -> BoxFuture<'static, Result<Bytes, InvokeError>> {
        match self.pools.get(function) {
            None => Box::pin(async { Err(InvokeError::Unknown) }),
            Some(pool) => Box::pin(Arc::clone(pool).invoke(payload)),
        }
    }
}
