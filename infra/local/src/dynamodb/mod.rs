//! DynamoDB on one machine: the crate `dynoxide-rs` (SQLite), its wire protocol, and what it differs in from
//! AWS put right.

mod faults;
mod file;
mod heat;
mod http;
mod mends;
mod operations;
mod streams;
mod tables;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afferent_domain::{Clock, Timestamp};
use dynoxide::Database;
use tokio::sync::watch;

use crate::clock::Shown;
use crate::meter::Meter;

pub use dynoxide::DynoxideError;
pub use faults::{Fault, Faults};
pub use heat::{Heat, Hot};
pub use operations::Answer;
pub(crate) use streams::created;
pub use streams::{Page, Position, RETENTION};

/// The engine. Clones share it.
#[derive(Clone)]
pub struct DynamoDb {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    clock: Arc<dyn Clock>,
    region: String,
    /// A counter for each table, raised by every write to it.
    writes: Mutex<BTreeMap<String, watch::Sender<u64>>>,
    faults: Faults,
    meter: Meter,
    heat: Heat,
}

impl DynamoDb {
    /// A database in memory, on any clock.
    ///
    /// # Errors
    /// SQLite cannot be opened.
    pub fn memory(clock: Arc<dyn Clock>, region: &str) -> Result<Self, DynoxideError> {
        let database = Database::memory_with_clock(Arc::new(Shown(Arc::clone(&clock))))?;
        Ok(Self::new(database, clock, region))
    }

    /// A database in a file that outlives the process, on the system's clock.
    ///
    /// # Errors
    /// SQLite cannot open the file.
    pub fn file(path: &Path, clock: Arc<dyn Clock>, region: &str) -> Result<Self, DynoxideError> {
        let database = Database::new(&path.to_string_lossy())?;
        file::tune(path, clock.now())?;
        Ok(Self::new(database, clock, region))
    }

    fn new(database: Database, clock: Arc<dyn Clock>, region: &str) -> Self {
        let inner = Inner {
            database,
            clock,
            region: region.to_owned(),
            writes: Mutex::default(),
            faults: Faults::default(),
            meter: Meter::default(),
            heat: Heat::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The present instant, as the engine's clock shows it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// The faults to inject.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// What counts the units.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.inner.meter
    }

    /// What counts write units by partition key.
    #[must_use]
    pub fn heat(&self) -> &Heat {
        &self.inner.heat
    }

    /// Changes whenever the table is written to.
    #[must_use]
    pub fn writes(&self, table: &str) -> watch::Receiver<u64> {
        self.counter(table).subscribe()
    }

    fn counter(&self, table: &str) -> watch::Sender<u64> {
        let mut writes = self.inner.writes.lock().unwrap_or_else(PoisonError::into_inner);
        writes.entry(table.to_owned()).or_default().clone()
    }

    fn written(&self, table: &str) {
        self.counter(table).send_modify(|count| *count += 1);
    }

    fn all_written(&self) {
        let writes = self.inner.writes.lock().unwrap_or_else(PoisonError::into_inner);
        writes.values().for_each(|counter| counter.send_modify(|count| *count += 1));
    }

    /// Deletes the items that have expired, and says how many. AWS does so "within a few days".
    ///
    /// # Errors
    /// SQLite failed.
    pub fn sweep(&self) -> Result<usize, DynoxideError> {
        let deleted = self.inner.database.sweep_ttl()?;
        if deleted > 0 {
            self.all_written();
        }
        Ok(deleted)
    }

    /// Sweeps again and again, `every` so long, for ever.
    pub async fn keep_sweeping(self, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            if let Err(error) = self.sweep() {
                tracing::warn!(%error, "expired items could not be swept");
            }
        }
    }
}
