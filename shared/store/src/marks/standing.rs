//! How the services of a connection stand, for somebody who asks.

use std::collections::BTreeMap;

use afferent_domain::Timestamp;
use afferent_domain::id::{ConnectionId, PullId};
use afferent_domain::mark::Entry;
use afferent_domain::service::Service;

use super::TABLE;
use crate::StoreError;
use crate::connections::Connections;
use crate::item::Reading;

/// The result of a reading that was completed.
const OK: &str = "ok";

/// How a reading ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// When it began.
    pub at: Timestamp,
    /// `ok`, or the class of what went wrong.
    pub result: String,
    /// Which it was.
    pub pull: PullId,
}

impl Pulled {
    /// One that began at `at`, and what went wrong with it.
    #[must_use]
    pub fn new(at: Timestamp, pull: PullId, wrong: Option<&str>) -> Self {
        Self { at, result: wrong.unwrap_or(OK).to_owned(), pull }
    }

    /// Whether it was completed.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.result == OK
    }
}

/// How a service stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What is to be read.
    pub entries: Vec<Entry>,
    /// When the mark is looked at again.
    pub due: Option<Timestamp>,
    /// Until when a pull that is under way holds the lease.
    pub leased: Option<Timestamp>,
    /// Until when it is left alone after a failure.
    pub not_before: Option<Timestamp>,
    /// How often it failed in a row.
    pub failures: u32,
    /// The greatest `modified` whose rows are stored.
    pub cursor: Option<Timestamp>,
    /// When the latest notification came that names the service.
    pub notified: Option<Timestamp>,
    /// The last reading.
    pub pulled: Option<Pulled>,
    /// When the last reading began that was completed.
    pub read: Option<Timestamp>,
}

impl Standing {
    /// When the oldest of what is to be read came.
    #[must_use]
    pub fn since(&self) -> Option<Timestamp> {
        self.entries.iter().map(|entry| entry.received).min()
    }
}

impl Connections {
    /// How the services of a connection stand that were ever marked.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn standings(&self, connection: &ConnectionId) -> Result<BTreeMap<Service, Standing>, StoreError> {
        let mut standings = BTreeMap::new();
        for item in self.items_of(connection, "service#").await? {
            let reading = Reading::new(TABLE, &item);
            let Some(Ok(service)) = reading.text("item")?.strip_prefix("service#").map(str::parse) else { continue };
            let at = |name: &str| reading.maybe_number(name).map(Timestamp::from_millis);
            let pulled = at("pulled_ms").zip(reading.maybe_text("pulled_as")).map(|(at, result)| Pulled {
                at,
                result: result.to_owned(),
                pull: PullId::from(reading.maybe_text("pulled_by").unwrap_or_default()),
            });
            let standing = Standing {
                entries: reading.set("entries").iter().filter_map(|text| Entry::from_text(text)).collect(),
                due: at("due_ms"),
                leased: at("lease_ms"),
                not_before: at("not_before_ms"),
                failures: reading.maybe_number("failures").unwrap_or(0),
                cursor: reading.maybe_number("cursor_s").map(Timestamp::from_secs),
                notified: at("notified_ms"),
                pulled,
                read: at("read_ms"),
            };
            standings.insert(service, standing);
        }
        Ok(standings)
    }
}
