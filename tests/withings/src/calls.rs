//! The log of calls, and the counters.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use crate::Userid;
use crate::notifier::NotifierStats;

/// One call, as it arrived and as it was answered. It holds no token, secret, code or health value.
#[derive(Clone, Debug, Serialize)]
pub struct CallRecord {
    /// When it arrived, in epoch milliseconds.
    pub at_ms: i64,
    /// The path without its slash, e.g. `v2/sleep`.
    pub service: String,
    /// The parameter `action`.
    pub action: String,
    /// The application that called, if known.
    pub client_id: Option<String>,
    /// The user whose token it carried.
    pub userid: Option<Userid>,
    /// The parameters that say what was asked for (windows, offsets, categories).
    pub parameters: BTreeMap<String, String>,
    /// The application status of the answer; `None` if a fault kept it from being one.
    pub status: Option<i64>,
}

/// What happened so far.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stats {
    /// Calls that arrived, refused ones included.
    pub calls: u64,
    /// Calls over the limit, answered 601 "Too Many Requests".
    pub refused: u64,
    /// Equal calls, answered 601 "Same arguments in less than 10 seconds".
    pub duplicate_refused: u64,
    /// Notifications.
    pub notifications: NotifierStats,
}

#[derive(Debug, Default)]
pub(crate) struct CallLog {
    records: VecDeque<CallRecord>,
    pub(crate) calls: u64,
    pub(crate) refused: u64,
    pub(crate) duplicate_refused: u64,
}

impl CallLog {
    pub(crate) fn push(&mut self, record: CallRecord, keep: usize) {
        self.calls += 1;
        self.records.push_back(record);
        while self.records.len() > keep {
            self.records.pop_front();
        }
    }

    pub(crate) fn records(&self) -> Vec<CallRecord> {
        self.records.iter().cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.records.clear();
    }
}
