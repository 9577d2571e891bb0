//! The log of this process.

use afferent_local::Log;
use serde_json::Value;
use tracing_subscriber::filter::LevelFilter;

/// Keeps what is logged from now on, from this level on.
pub fn listen(level: LevelFilter) -> Log {
    let log = Log::default();
    tracing_subscriber::fmt().json().with_writer(log.clone()).with_max_level(level).init();
    log
}

/// Where a line comes from: its level, its module and its message, without its fields.
pub fn origin(line: &str) -> String {
    let line: Value = serde_json::from_str(line).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let message: String = text(&line["fields"]["message"]).chars().take(40).collect();
    format!("{} {} {message:?}", text(&line["level"]), text(&line["target"]))
}
