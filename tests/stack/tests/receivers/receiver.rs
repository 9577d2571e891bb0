use std::collections::{HashMap, HashSet};

use http::{HeaderMap, StatusCode};
use serde_json::Value;
use standardwebhooks::{Webhook, WebhookError};

/// Takes each event once, and of each record the newest revision. Maps stand here for two tables and a transaction.
pub struct Inbox {
    webhook: Webhook,
    pub seen: HashSet<String>,
    pub records: HashMap<String, (u64, Value)>,
}

impl Inbox {
    pub fn new(secret: &str) -> Result<Self, WebhookError> {
        Ok(Self { webhook: Webhook::new(secret)?, seen: HashSet::new(), records: HashMap::new() })
    }

    /// The status to answer. `body` is the raw body.
    pub fn receive(&mut self, headers: &HeaderMap, body: &[u8]) -> StatusCode {
        if self.webhook.verify(body, headers).is_err() {
            return StatusCode::UNAUTHORIZED;
        }
        let Ok(event) = serde_json::from_slice(body) else { return StatusCode::BAD_REQUEST };
        self.take(event);
        StatusCode::NO_CONTENT
    }

    pub fn take(&mut self, mut event: Value) {
        let new = self.seen.insert(event["id"].as_str().unwrap_or_default().to_owned());
        let record = event["data"]["record"].take();
        let (Some(id), Some(rev)) = (record["record"].as_str(), record["rev"].as_u64()) else { return };
        if !new || event["test"] == true {
            return;
        }
        let known = self.records.get(id).map_or(0, |(known, _)| *known);
        if rev > known {
            self.records.insert(id.to_owned(), (rev, record));
        }
    }
}
