//! The size of the log, as CloudWatch would take it in: our JSON lines from INFO on. Lambda's own lines of each invocation
//! are not written from level WARN on, which `SystemLogLevel` is unless it is set.

use std::io::{Result, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// What CloudWatch adds to each event.
pub const EVENT: u64 = 26;

/// The bytes of our own lines so far.
#[derive(Clone, Default)]
pub struct Lines(Arc<AtomicU64>);

impl Lines {
    /// How many.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Begins to count what the functions log on this thread, which a runtime of one thread is all on; until the guard is
/// dropped.
#[must_use]
pub fn count() -> (Lines, DefaultGuard) {
    let lines = Lines::default();
    let log = tracing_subscriber::fmt().with_target(false).without_time().with_max_level(LevelFilter::INFO);
    (lines.clone(), log.json().with_writer(lines).set_default())
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> Result<usize> {
        self.0.fetch_add(line.len() as u64 + EVENT, Ordering::Relaxed);
        Ok(line.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
