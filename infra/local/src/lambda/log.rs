//! What the functions' processes write: into one file per function, and the last lines in memory.

use std::collections::VecDeque;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use crate::metrics::Metrics;
use crate::traces::logs;

/// How many lines are kept in memory.
const TAIL: usize = 2_000;

/// One line that a function wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The function's name.
    pub function: String,
    /// The line, without its end.
    pub text: String,
}

/// All functions' logs. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct LogBook {
    folder: Option<PathBuf>,
    tail: Arc<Mutex<Tail>>,
    metrics: Metrics,
}

/// The last lines, and how many there were in all.
#[derive(Debug, Default)]
struct Tail {
    lines: VecDeque<LogLine>,
    written: usize,
}

impl LogBook {
    /// Logs in memory only.
    #[must_use]
    pub fn memory() -> Self {
        Self::default()
    }

    /// Logs in `<folder>/<function>.log` too, appended to what is there.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn folder(folder: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self { folder: Some(folder.to_owned()), ..Self::default() })
    }

    /// What the functions counted.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The last lines, oldest first.
    #[must_use]
    pub fn tail(&self) -> Vec<LogLine> {
        self.since(0).0
    }

    /// The lines after the first `number` that were ever written, as far as they are still kept, and how many
    /// were written by now.
    #[must_use]
    pub fn since(&self, number: usize) -> (Vec<LogLine>, usize) {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = tail.written - tail.lines.len();
        (tail.lines.iter().skip(number.saturating_sub(gone)).cloned().collect(), tail.written)
    }

    /// Copies `stream` line by line, until it ends.
    pub(super) async fn copy(self, function: String, stream: impl AsyncRead + Unpin) {
        let mut file = self.folder.as_ref().and_then(|folder| {
            let path = folder.join(format!("{function}.log"));
            std::fs::OpenOptions::new().create(true).append(true).open(path).ok()
        });
        let mut lines = BufReader::new(stream).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            let text = String::from_utf8_lossy(&line).into_owned();
            logs::line(&function, &text);
            self.metrics.line(&text);
            if let Some(file) = &mut file {
                // A log that cannot be written must not stop the function.
                let _ = file.write_all(format!("{text}\n").as_bytes());
            }
            let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
            if tail.lines.len() == TAIL {
                tail.lines.pop_front();
            }
            tail.lines.push_back(LogLine { function: function.clone(), text });
            tail.written += 1;
        }
    }
}
