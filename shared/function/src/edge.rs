//! Where the invocations of a function begin and end: the sheet of their metrics, and their spans.

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::{Clock, Dice};

use crate::otlp::{Exporter, PATIENCE};
use crate::trace::{self, Book, Kind, Span};
use crate::{Env, Rim};

/// The edge of one function.
pub struct Edge {
    metrics: afferent_metrics::Edge,
    spans: Option<Spans>,
}

/// How spans are taken down and exported.
struct Spans {
    exporter: Exporter,
    function: &'static str,
    kind: Kind,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
}

impl Edge {
    pub(crate) fn new(function: &'static str, stack: String, rim: &Rim, env: &Env) -> Self {
        let kind = match function {
            "ingest" | "api" => Kind::Server,
            "keeper" => Kind::Internal,
            _ => Kind::Consumer,
        };
        let (clock, dice) = (Arc::clone(&rim.clock), Arc::clone(&rim.dice));
        let spans = Exporter::of(function, &stack, rim, env).map(|exporter| Spans {
            exporter,
            function,
            kind,
            clock: Arc::clone(&clock),
            dice,
        });
        let metrics = afferent_metrics::Edge::new(function, stack, clock, Arc::clone(&rim.metrics));
        Self { metrics, spans }
    }

    /// Does the work of one invocation on a sheet of its own. The sheet's line is written when the work ends, fails, panics
    /// or is dropped. Spans are exported when it ends: while the function is frozen, nobody would.
    pub fn invocation<'a, F: Future + 'a>(&'a self, work: F) -> impl Future<Output = F::Output> + use<'a, F> {
        let work = Box::pin(self.metrics.invocation(work));
        async move {
            let Some(spans) = &self.spans else { return work.await };
            let book = Arc::new(Book::new(Arc::clone(&spans.clock), Arc::clone(&spans.dice)));
            let span = Span::new(spans.kind, spans.function);
            let output = trace::booked(Arc::clone(&book), span.around(work)).await;
            spans.exporter.export(book.take()).await;
            output
        }
    }

    /// Does what comes before the first invocation, such as reading secrets, on a sheet of its own.
    pub fn start<'a, F: Future + 'a>(&'a self, work: F) -> impl Future<Output = F::Output> + use<'a, F> {
        self.metrics.start(work)
    }

    /// The most time that an invocation takes after its work is done.
    #[must_use]
    pub fn afterwards(&self) -> Duration {
        if self.spans.is_some() { PATIENCE } else { Duration::ZERO }
    }
}
