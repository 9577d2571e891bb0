//! What the functions wrote, what they told a collector, and what callers were told when something was wrong.

use std::io::{Result, Write};
use std::sync::Once;

use http::Response;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::{append, wanted};

/// Keeps a line that a function's process wrote.
pub(crate) fn line(function: &str, text: &str) {
    if wanted() {
        append("logs", format!("{function} {text}").as_bytes());
    }
}

/// Keeps an answer of the front door that is no success.
pub(crate) fn answered(response: &Response<bytes::Bytes>) {
    if wanted() && (response.status().is_client_error() || response.status().is_server_error()) {
        append("answers", response.body());
    }
}

/// Keeps what a collector of OpenTelemetry was told.
pub(crate) fn told(document: &[u8]) {
    if wanted() {
        append("spans", document);
    }
}

/// Keeps what is logged in this process from now on, from INFO on: of functions that run in a simulation. A test that
/// keeps its log itself goes before this.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    if wanted() {
        ONCE.call_once(|| {
            let log = tracing_subscriber::fmt().without_time().with_max_level(LevelFilter::INFO).json();
            let _ = tracing::subscriber::set_global_default(log.with_writer(Lines).finish());
        });
    }
}

#[derive(Clone, Copy)]
struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> Result<usize> {
        append("logs", line.trim_ascii_end());
        Ok(line.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}
