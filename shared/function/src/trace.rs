//! Which trace the work under way belongs to, and the spans in it. Local to the invocation's task, as the sheet of its metrics
//! is, so that nothing is handed through.
//!
//! There are two of them. An invocation has a trace of its *own*: Lambda names it, and samples it by itself. And much of
//! what an invocation does is done for somebody whose trace came with a message or stood in a table: that one is *carried*,
//! and what the work writes or sends carries it on. Nothing is carried until [`carrying`] says what.
//!
//! Only what is sampled is there at all. Spans are taken down only where they are exported (see [`crate::Edge`]); else a
//! [`Span`] is nothing around its work.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use afferent_domain::trace::Trace;
use afferent_domain::{Clock, Dice, Timestamp};

tokio::task_local! {
    static CONTEXT: Context;
}

/// The most spans of one invocation. What comes after them is left out.
const MOST_SPANS: usize = 1_000;

/// What is ambient.
#[derive(Clone, Default)]
struct Context {
    own: Option<Trace>,
    carried: Option<Trace>,
    /// Takes spans down; none where they are not exported.
    book: Option<Arc<Book>>,
    /// What is told of the span that is open.
    open: Option<Arc<Mutex<Told>>>,
    /// The same of the outermost one, the invocation's.
    outermost: Option<Arc<Mutex<Told>>>,
}

/// What is told of a span while it is open.
#[derive(Debug, Default)]
struct Told {
    attributes: Vec<(&'static str, String)>,
    links: Vec<Trace>,
    failed: bool,
}

/// The spans of one invocation.
pub(crate) struct Book {
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
    finished: Mutex<Vec<Finished>>,
}

/// A span that is over.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The trace, under this span.
    pub(crate) trace: Trace,
    pub(crate) parent: u64,
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) began: Timestamp,
    pub(crate) ended: Timestamp,
    pub(crate) attributes: Vec<(&'static str, String)>,
    pub(crate) links: Vec<Trace>,
    pub(crate) failed: bool,
}

/// What a span is, in OpenTelemetry's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Work of our own.
    Internal,
    /// A request is answered.
    Server,
    /// Somebody is asked.
    Client,
    /// A message is handled.
    Consumer,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn context() -> Context {
    CONTEXT.try_with(Clone::clone).unwrap_or_default()
}

impl Book {
    pub(crate) fn new(clock: Arc<dyn Clock>, dice: Arc<dyn Dice>) -> Self {
        Self { clock, dice, finished: Mutex::default() }
    }

    pub(crate) fn take(&self) -> Vec<Finished> {
        std::mem::take(&mut *locked(&self.finished))
    }
}

/// Does the work of one invocation. `header` is its own trace, as Lambda tells it (`Lambda-Runtime-Trace-Id`).
pub fn invoked<F: Future>(header: Option<&str>, work: F) -> impl Future<Output = F::Output> + use<F> {
    CONTEXT.scope(Context { own: header.and_then(Trace::of_header), ..Context::default() }, Box::pin(work))
}

/// Does work that carries `trace`, or none.
pub fn carrying<F: Future>(trace: Option<Trace>, work: F) -> impl Future<Output = F::Output> + use<F> {
    // On the heap, as all work here: else each layer around a pull would hold another copy of its state on the stack.
    let work = Box::pin(work);
    async move { CONTEXT.scope(Context { carried: trace, ..context() }, work).await }
}

/// The invocation's own trace.
#[must_use]
pub fn own() -> Option<Trace> {
    CONTEXT.try_with(|context| context.own).ok().flatten()
}

/// The trace that is carried.
#[must_use]
pub fn carried() -> Option<Trace> {
    CONTEXT.try_with(|context| context.carried).ok().flatten()
}

/// X-Ray's name of the trace that is carried, for a line of the log.
#[must_use]
pub fn id() -> Option<String> {
    carried().map(|trace| trace.id())
}

/// The invocation was brought about by `trace` too: its span is linked with it.
pub fn link(trace: Trace) {
    let outermost = CONTEXT.try_with(|context| context.outermost.clone()).ok().flatten();
    if let Some(told) = outermost {
        locked(&told).links.push(trace);
    }
}

/// Tells something of the span that is open: an id, a number, a word of ours. Never a path, a value of a measurement, a token or
/// a secret.
pub fn tell(name: &'static str, value: impl ToString) {
    on_open(|told| told.attributes.push((name, value.to_string())));
}

/// The span that is open has failed.
pub fn failed() {
    on_open(|told| told.failed = true);
}

fn on_open(work: impl FnOnce(&mut Told)) {
    let open = CONTEXT.try_with(|context| context.open.clone()).ok().flatten();
    if let Some(told) = open {
        work(&mut locked(&told));
    }
}

/// Does work whose spans `book` takes down.
pub(crate) fn booked<F: Future>(book: Arc<Book>, work: F) -> impl Future<Output = F::Output> + use<F> {
    let work = Box::pin(work);
    async move { CONTEXT.scope(Context { book: Some(book), ..context() }, work).await }
}

/// A step that takes time.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    name: &'static str,
    kind: Kind,
}

impl Span {
    /// One that is called so.
    #[must_use]
    pub const fn new(kind: Kind, name: &'static str) -> Self {
        Self { name, kind }
    }

    /// Does the work of the span. It belongs under the trace that is carried, else under the invocation's own; if it is under
    /// the former, it is linked with the latter. What the work carries is under the span.
    pub fn around<F: Future>(self, work: F) -> impl Future<Output = F::Output> + use<F> {
        self.pinned(Box::pin(work))
    }

    async fn pinned<T>(self, work: Pin<Box<impl Future<Output = T>>>) -> T {
        let mut context = context();
        let (Some(book), Some(parent)) = (context.book.clone(), context.carried.or(context.own)) else {
            return work.await;
        };
        let trace = parent.under(book.dice.roll());
        let told = Arc::new(Mutex::new(Told::default()));
        if let Some(own) = context.own.filter(|own| own.root() != parent.root()) {
            locked(&told).links.push(own);
        }
        match &mut context.carried {
            Some(carried) => *carried = trace,
            None => context.own = Some(trace),
        }
        context.open = Some(Arc::clone(&told));
        context.outermost.get_or_insert_with(|| Arc::clone(&told));
        let began = book.clock.now();
        let output = CONTEXT.scope(context, work).await;
        let Told { attributes, links, failed } = std::mem::take(&mut *locked(&told));
        let mut finished = locked(&book.finished);
        if finished.len() < MOST_SPANS {
            let Self { name, kind } = self;
            let (parent, ended) = (parent.parent(), book.clock.now());
            finished.push(Finished { trace, parent, name, kind, began, ended, attributes, links, failed });
        }
        drop(finished);
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "Root=1-5759e988-000000000000000000000001;Parent=00000000000000aa;Sampled=1;Lineage=a:1";

    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            Timestamp::from_secs(1)
        }
    }

    /// Numbers the spans from 1.
    struct Counting(Mutex<u64>);

    impl Dice for Counting {
        fn roll(&self) -> u64 {
            let mut last = locked(&self.0);
            *last += 1;
            *last
        }
    }

    fn of(root: u128, parent: u64) -> Option<Trace> {
        Trace::new(root, parent)
    }

    fn book() -> Arc<Book> {
        Arc::new(Book::new(Arc::new(Fixed), Arc::new(Counting(Mutex::new(0)))))
    }

    #[tokio::test]
    async fn an_invocation_has_a_trace_of_its_own_and_carries_what_it_is_told() {
        invoked(Some(OWN), async {
            assert_eq!((own(), carried()), (Trace::of_header(OWN), None));
            let told = of(0x5759_e988 << 96 | 7, 1);
            assert_eq!(carrying(told, async { (carried(), id()) }).await, (told, told.map(|told| told.id())));
            assert_eq!(carrying(told, carrying(None, async { carried() })).await, None);
        })
        .await;
        assert_eq!((own(), carried()), (None, None));
        assert_eq!(invoked(Some("Root=1-5759e988-000000000000000000000001;Sampled=0"), async { own() }).await, None);
    }

    #[tokio::test]
    async fn a_span_of_carried_work_belongs_under_what_is_carried_and_is_linked_with_the_invocation() {
        let book = book();
        let work = Span::new(Kind::Consumer, "invocation").around(async {
            link(of(9, 1).unwrap());
            carrying(of(7, 70), async {
                Span::new(Kind::Internal, "pull")
                    .around(async {
                        tell("pull", "pul_1");
                        assert_eq!(carried(), of(7, 2), "what it writes is under it");
                        Span::new(Kind::Client, "call").around(async { failed() }).await;
                    })
                    .await;
            })
            .await;
        });
        invoked(Some(OWN), booked(Arc::clone(&book), work)).await;
        let spans = book.take();
        let seen: Vec<_> =
            spans.iter().map(|span| (span.name, span.trace.root(), span.trace.parent(), span.parent)).collect();
        let own = Trace::of_header(OWN).unwrap().root();
        assert_eq!(seen, [("call", 7, 3, 2), ("pull", 7, 2, 70), ("invocation", own, 1, 0xaa)]);
        assert_eq!(spans[1].attributes, [("pull", "pul_1".to_owned())]);
        assert_eq!(spans[1].links, [of(own, 1).unwrap()]);
        assert_eq!(spans[2].links, [of(9, 1).unwrap()]);
        assert_eq!(spans.iter().map(|span| span.failed).collect::<Vec<_>>(), [true, false, false]);
    }

    #[tokio::test]
    async fn work_that_carries_nothing_has_its_spans_under_the_invocation() {
        let book = book();
        let work = Span::new(Kind::Server, "invocation")
            .around(async { Span::new(Kind::Client, "call").around(async { carried() }).await });
        assert_eq!(invoked(Some(OWN), booked(Arc::clone(&book), work)).await, None, "a span makes nothing be carried");
        assert_eq!(book.take().iter().map(|span| span.parent).collect::<Vec<_>>(), [1, 0xaa]);
    }

    #[tokio::test]
    async fn nothing_is_taken_down_of_what_is_not_sampled() {
        let book = book();
        let work = Span::new(Kind::Server, "invocation").around(async { 5 });
        assert_eq!(invoked(None, booked(Arc::clone(&book), work)).await, 5);
        assert!(book.take().is_empty());
    }
}
