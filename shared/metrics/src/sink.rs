//! Where lines go.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::Metric;

/// Takes lines.
pub trait Sink: Send + Sync {
    /// Takes one line, without its end. Must not fail: a metric that is lost stops nothing.
    fn write(&self, line: &str);
}

/// The function's log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stdout;

impl Sink for Stdout {
    fn write(&self, line: &str) {
        // In one piece, so that no other line comes between.
        let _ = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
    }
}

/// How many lines are kept.
const KEPT: usize = 20_000;

/// Keeps lines in memory, and adds them up: for simulations.
#[derive(Debug, Default)]
pub struct Kept(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    lines: VecDeque<String>,
    written: u64,
    bytes: u64,
    sums: BTreeMap<String, u64>,
    values: BTreeMap<String, u64>,
    highest: BTreeMap<String, u64>,
    last: BTreeMap<String, u64>,
}

impl Kept {
    /// The last lines, oldest first; at most 20,000.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.book().lines.iter().cloned().collect()
    }

    /// How many lines there were, and their bytes, ends included.
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        let book = self.book();
        (book.written, book.bytes)
    }

    /// All values of a metric added up.
    #[must_use]
    pub fn sum(&self, metric: Metric) -> u64 {
        self.book().sums.get(&*metric.name()).copied().unwrap_or_default()
    }

    /// How many values of a metric there were.
    #[must_use]
    pub fn values(&self, metric: Metric) -> u64 {
        self.book().values.get(&*metric.name()).copied().unwrap_or_default()
    }

    /// The highest value of a metric; `None` if there was none.
    #[must_use]
    pub fn highest(&self, metric: Metric) -> Option<u64> {
        self.book().highest.get(&*metric.name()).copied()
    }

    /// The value of a metric that came last; `None` if there was none.
    #[must_use]
    pub fn last(&self, metric: Metric) -> Option<u64> {
        self.book().last.get(&*metric.name()).copied()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Kept {
    fn write(&self, line: &str) {
        let mut book = self.book();
        book.written += 1;
        book.bytes += line.len() as u64 + 1;
        let root: Value = serde_json::from_str(line).unwrap_or_default();
        let defined = root["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().map(Vec::as_slice).unwrap_or_default();
        for name in defined.iter().filter_map(|metric| metric["Name"].as_str()) {
            let values: Vec<u64> = match &root[name] {
                Value::Array(values) => values.iter().filter_map(Value::as_u64).collect(),
                value => value.as_u64().into_iter().collect(),
            };
            let Some(last) = values.last() else { continue };
            *book.sums.entry(name.to_owned()).or_default() += values.iter().sum::<u64>();
            *book.values.entry(name.to_owned()).or_default() += values.len() as u64;
            let highest = book.highest.entry(name.to_owned()).or_default();
            *highest = values.iter().copied().fold(*highest, u64::max);
            book.last.insert(name.to_owned(), *last);
        }
        if book.lines.len() == KEPT {
            book.lines.pop_front();
        }
        book.lines.push_back(line.to_owned());
    }
}
