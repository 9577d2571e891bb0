//! The log of this process, in memory.

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Everything that was logged so far.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

/// Keeps what is logged from now on, from this level on.
pub fn listen(level: LevelFilter) -> Lines {
    let lines = Lines::default();
    tracing_subscriber::fmt().json().with_writer(lines.clone()).with_max_level(level).init();
    lines
}

/// Where a line comes from: its level, its module and its message, without its fields.
pub fn origin(line: &str) -> String {
    let line: Value = serde_json::from_str(line).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let message: String = text(&line["fields"]["message"]).chars().take(40).collect();
    format!("{} {} {message:?}", text(&line["level"]), text(&line["target"]))
}

impl Lines {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
