//! The sheet of one invocation, and the edge that opens and closes it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afferent_domain::Clock;

use crate::line::lines;
use crate::{Consumer, Metric, Sink};

/// What was counted since the sheet was opened.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    function: &'static str,
    pub(crate) counted: BTreeMap<Metric, u64>,
    pub(crate) observed: BTreeMap<Metric, Vec<u64>>,
    pub(crate) properties: BTreeMap<&'static str, String>,
}

impl Sheet {
    fn is_empty(&self) -> bool {
        self.counted.is_empty() && self.observed.is_empty()
    }
}

tokio::task_local! {
    static SHEET: Arc<Mutex<Sheet>>;
}

/// The function whose invocation, or start, is under way in this task. For those who watch a simulation.
#[must_use]
pub fn function() -> Option<&'static str> {
    SHEET.try_with(|sheet| sheet.lock().unwrap_or_else(PoisonError::into_inner).function).ok()
}

/// Works on the sheet of the invocation that is under way; does nothing if there is none.
fn write(work: impl FnOnce(&mut Sheet)) {
    let _ = SHEET.try_with(|sheet| work(&mut sheet.lock().unwrap_or_else(PoisonError::into_inner)));
}

/// Adds to a metric that is counted. Zero is nothing.
pub fn count(metric: Metric, more: usize) {
    debug_assert!(metric.is_counted(), "{metric:?} is observed");
    if more > 0 {
        write(|sheet| *sheet.counted.entry(metric).or_default() += more as u64);
    }
}

/// Notes that something of the batch that the invocation was given could not be handled and comes again. However much
/// of it does, it is one: so it can be compared with the number of invocations. Of a function that has no batches
/// nothing is noted: it ends in an error instead.
pub fn batch_failed() {
    write(|sheet| {
        if let Some(consumer) = Consumer::of(sheet.function) {
            sheet.counted.insert(Metric::BatchesFailed(consumer), 1);
        }
    });
}

/// Notes a value of a metric that is observed.
pub fn observe(metric: Metric, value: u64) {
    debug_assert!(!metric.is_counted(), "{metric:?} is counted");
    write(|sheet| sheet.observed.entry(metric).or_default().push(value));
}

/// Notes a duration, in whole milliseconds.
pub fn observe_ms(metric: Metric, took: Duration) {
    observe(metric, u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
}

/// Notes what the invocation was about: an id, never a value of a measurement, a token or a secret. The last one of a name
/// stays. Names are in lower case, so that none is a metric's.
pub fn property(name: &'static str, value: impl ToString) {
    debug_assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
    write(|sheet| {
        sheet.properties.insert(name, value.to_string());
    });
}

/// Where the invocations of a function begin and end.
pub struct Edge {
    function: &'static str,
    stack: String,
    clock: Arc<dyn Clock>,
    sink: Arc<dyn Sink>,
    cold: AtomicBool,
}

impl Edge {
    /// The edge of `function` in `stack`.
    #[must_use]
    pub fn new(function: &'static str, stack: String, clock: Arc<dyn Clock>, sink: Arc<dyn Sink>) -> Self {
        Self { function, stack, clock, sink, cold: AtomicBool::new(true) }
    }

    /// Does the work of one invocation on a sheet of its own. The sheet's line is written when the work ends, fails, panics
    /// or is dropped.
    pub fn invocation<'a, F: Future + 'a>(&'a self, work: F) -> impl Future<Output = F::Output> + use<'a, F> {
        self.sheet(work, true)
    }

    /// Does what comes before the first invocation, such as reading secrets, on a sheet of its own.
    pub fn start<'a, F: Future + 'a>(&'a self, work: F) -> impl Future<Output = F::Output> + use<'a, F> {
        self.sheet(work, false)
    }

    fn sheet<'a, F: Future + 'a>(&'a self, work: F, counts: bool) -> impl Future<Output = F::Output> + use<'a, F> {
        // In a box: what an invocation does is large, and would be part of every future around it.
        let work = Box::pin(work);
        async move {
            let mut sheet = Sheet { function: self.function, ..Sheet::default() };
            if counts && self.cold.swap(false, Ordering::Relaxed) {
                sheet.counted.insert(Metric::ColdStarts, 1);
            }
            let sheet = Arc::new(Mutex::new(sheet));
            let _open = Open { edge: self, sheet: Arc::clone(&sheet) };
            SHEET.scope(sheet, work).await
        }
    }
}

/// A sheet that is in use; dropping it writes it.
struct Open<'a> {
    edge: &'a Edge,
    sheet: Arc<Mutex<Sheet>>,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let sheet = std::mem::take(&mut *self.sheet.lock().unwrap_or_else(PoisonError::into_inner));
        if sheet.is_empty() {
            return;
        }
        let Edge { function, stack, clock, sink, .. } = self.edge;
        for line in lines(sheet, function, stack, clock.now()) {
            sink.write(&line);
        }
    }
}
