//! The functions in this process: JSON in, JSON out, as Lambda would call them.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afferent_domain::{Clock, Dice};
use afferent_function::{Env, Rim, StartError, trace};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::crash::Crashes;
use crate::front::gateway;
use crate::invoke::{Invoke, InvokeError, trace_header};
use crate::meter::Meter;
use crate::template::{Function, Template};

/// One function's handler.
pub type Handler = Arc<dyn Fn(Bytes) -> BoxFuture<'static, Result<Bytes, InvokeError>> + Send + Sync>;

/// Handlers by the function's name, each with its timeout.
#[derive(Default)]
pub struct Functions {
    handlers: Mutex<BTreeMap<String, (Duration, Handler)>>,
    crashes: Mutex<Option<Crashes>>,
    meter: Meter,
    lambda: Option<Lambda>,
}

/// What gives invocations their traces.
struct Lambda {
    clock: Arc<dyn Clock>,
    sampled: bool,
    invocations: AtomicU64,
}

impl Functions {
    /// No functions yet; their invocations are counted, and X-Ray records all of them or none.
    pub(crate) fn metered(meter: Meter, clock: Arc<dyn Clock>, sampled: bool) -> Self {
        let lambda = Some(Lambda { clock, sampled, invocations: AtomicU64::new(0) });
        Self { meter, lambda, ..Self::default() }
    }

    /// Starts every function of the template whose program is one of ours.
    ///
    /// # Errors
    /// A function cannot start.
    pub async fn start(template: &Template, rim: &Rim) -> Result<Self, StartError> {
        let functions = Self::default();
        for function in &template.functions {
            let env = Env::of(function.environment.clone());
            if let Some(handler) = start(&function.binary, &env, rim).await? {
                functions.set(function, handler);
            }
        }
        Ok(functions)
    }

    /// Puts a handler in a function's place.
    pub fn set(&self, function: &Function, handler: Handler) {
        let entry = (function.timeout, handler);
        self.handlers.lock().unwrap_or_else(PoisonError::into_inner).insert(function.name.clone(), entry);
    }

    /// From now on `per_mille` of 1,000 invocations crash at some await point; 0 ends it. What an invocation
    /// can be caught between is AWS calls that take time: give the simulation an AWS latency.
    pub fn crash_sometimes(&self, per_mille: u64, dice: Arc<dyn Dice>) {
        let crashes = (per_mille > 0).then_some(Crashes { per_mille, dice });
        *self.crashes.lock().unwrap_or_else(PoisonError::into_inner) = crashes;
    }

    /// The handler of the function of that name.
    #[must_use]
    pub fn handler(&self, function: &str) -> Option<Handler> {
        let handlers = self.handlers.lock().unwrap_or_else(PoisonError::into_inner);
        handlers.get(function).map(|(_, handler)| Arc::clone(handler))
    }
}

impl Lambda {
    fn trace(&self) -> String {
        trace_header(self.clock.now(), self.invocations.fetch_add(1, Ordering::Relaxed), self.sampled)
    }
}

impl Invoke for Functions {
    /// A panic is an error of the function, and at its timeout it is dropped where it stands.
    fn invoke(&self, function: &str, payload: Bytes) -> BoxFuture<'static, Result<Bytes, InvokeError>> {
        let handlers = self.handlers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((timeout, handler)) = handlers.get(function).cloned() else {
            return Box::pin(async { Err(InvokeError::Unknown) });
        };
        let crashes = self.crashes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (meter, name, began) = (self.meter.clone(), function.to_owned(), Instant::now());
        let own = self.lambda.as_ref().map(Lambda::trace);
        Box::pin(async move {
            let sent = payload.clone();
            let work: BoxFuture<'static, _> =
                Box::pin(async move { trace::invoked(own.as_deref(), handler(payload)).await });
            let work = match crashes {
                Some(crashes) => crashes.strike(work),
                None => work,
            };
            let work = AssertUnwindSafe(work).catch_unwind();
            let ended = tokio::time::timeout(timeout, work).await;
            meter.invocation(&name, &sent, began.elapsed());
            match ended {
                Err(_) => Err(InvokeError::TimedOut),
                Ok(Err(_)) => Err(InvokeError::Failed("panic".to_owned())),
                Ok(Ok(answer)) => answer,
            }
        })
    }
}

/// The six functions. A binary of another name has no handler here.
async fn start(binary: &str, env: &Env, rim: &Rim) -> Result<Option<Handler>, StartError> {
    Ok(Some(match binary {
        "ingest" => {
            let function = Arc::new(ingest::Ingest::start(env, rim).await?);
            web(move |request| {
                let function = Arc::clone(&function);
                async move { function.handle(request).await.map_err(|_| failed()) }
            })
        }
        "api" => {
            let function = Arc::new(api::Api::start(env, rim).await?);
            web(move |request| {
                let function = Arc::clone(&function);
                async move { function.handle(request).await.map_err(|_| failed()) }
            })
        }
        "fetcher" => {
            let function = Arc::new(fetcher::Fetcher::start(env, rim).await?);
            typed(move |event| {
                let function = Arc::clone(&function);
                async move { function.handle(event).await.map_err(|_| failed()) }
            })
        }
        "fanout" => {
            let function = Arc::new(fanout::Fanout::start(env, rim).await?);
            typed(move |event| {
                let function = Arc::clone(&function);
                async move { function.handle(event).await.map_err(|_| failed()) }
            })
        }
        "dispatcher" => {
            let function = Arc::new(dispatcher::Dispatcher::start(env, rim).await?);
            typed(move |event| {
                let function = Arc::clone(&function);
                async move { function.handle(event).await.map_err(|_| failed()) }
            })
        }
        "keeper" => {
            let function = Arc::new(keeper::Keeper::start(env, rim).await?);
            typed(move |event| {
                let function = Arc::clone(&function);
                async move { function.handle(event).await.map_err(|_| failed()) }
            })
        }
        _ => return Ok(None),
    }))
}

fn failed() -> InvokeError {
    InvokeError::Failed("Error".to_owned())
}

/// A handler of HTTP requests, behind a function URL.
fn web<F>(handle: impl Fn(lambda_http::Request) -> F + Send + Sync + 'static) -> Handler
where
    F: Future<Output = Result<lambda_http::Response<lambda_http::Body>, InvokeError>> + Send + 'static,
{
    Arc::new(move |payload| {
        let request = lambda_http::request::from_reader(&*payload);
        match request {
            Err(_) => Box::pin(async { Err(failed()) }),
            Ok(request) => {
                let answer = handle(request);
                Box::pin(async move { answer.await.map(gateway) })
            }
        }
    })
}

/// A handler of one typed event.
fn typed<E, A, F>(handle: impl Fn(E) -> F + Send + Sync + 'static) -> Handler
where
    E: DeserializeOwned,
    A: Serialize,
    F: Future<Output = Result<A, InvokeError>> + Send + 'static,
{
    Arc::new(move |payload| {
        let event = serde_json::from_slice::<E>(&payload).map(&handle);
        Box::pin(async move {
            let answer = event.map_err(|_| failed())?.await?;
            serde_json::to_vec(&answer).map(Bytes::from).map_err(|_| failed())
        })
    })
}
