//! Brings a call's stopwatch to where connections are made: the client below knows nothing of calls, but runs in the
//! task that makes one.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use crate::stopwatch::{Mark, Stopwatch};

tokio::task_local! {
    static STOPWATCH: Arc<Stopwatch>;
}

/// Runs a call with its stopwatch, if it has one.
pub(crate) async fn timed<F: Future>(stopwatch: Option<Arc<Stopwatch>>, call: F) -> F::Output {
    match stopwatch {
        Some(stopwatch) => STOPWATCH.scope(stopwatch, call).await,
        None => call.await,
    }
}

/// Takes something down for the call that runs here.
pub(crate) fn mark(mark: Mark) {
    let _ = STOPWATCH.try_with(|stopwatch| stopwatch.mark(mark));
}

/// Takes down how long connecting lasts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Laps;

impl<S> Layer<S> for Laps {
    type Service = Lapped<S>;

    fn layer(&self, inner: S) -> Lapped<S> {
        Lapped(inner)
    }
}

/// A connector whose connections are timed.
#[derive(Clone, Debug)]
pub(crate) struct Lapped<S>(S);

impl<S, R> Service<R> for Lapped<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, destination: R) -> Self::Future {
        let stopwatch = STOPWATCH.try_with(Arc::clone).ok();
        mark(Mark::Connecting);
        let connecting = self.0.call(destination);
        // When another connection becomes free first, the client goes on with this one in a task of its own.
        Box::pin(timed(stopwatch, async move {
            let connected = connecting.await;
            if connected.is_ok() {
                mark(Mark::Connected);
            }
            connected
        }))
    }
}
