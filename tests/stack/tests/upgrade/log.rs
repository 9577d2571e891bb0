//! What was logged as an error, by the test whose thread it was logged on.

use std::cell::RefCell;
use std::io;

use serde_json::Value;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

thread_local! {
    /// Everything in virtual time runs on the one thread of its test.
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Writes to the lines of its thread.
#[derive(Clone, Copy)]
struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

/// Keeps what this thread logs as a warning or an error, until the guard is dropped. For the thread alone: for the process
/// somebody else may keep it, whoever looks at the logs of the whole run.
#[must_use]
pub fn listen() -> DefaultGuard {
    LINES.take();
    let log = tracing_subscriber::fmt().json().without_time().with_max_level(LevelFilter::WARN);
    tracing::subscriber::set_default(log.with_writer(Lines).finish())
}

/// The errors since then that this thread logged: module and message.
pub fn errors() -> Vec<String> {
    let text = String::from_utf8(LINES.with_borrow(Clone::clone)).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["level"] == "ERROR").map(|line| format!("{} {}", line["target"], line["fields"])).collect()
}
