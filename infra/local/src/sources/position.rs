//! How far each stream source has read: kept in a small file, so that a restart goes on where it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What the position of a function in a table's stream is kept as.
pub(crate) fn position_name(function: &str, table: &str) -> String {
    format!("{function}/{table}")
}

/// The positions of all stream sources, by a name each. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Positions {
    file: Option<PathBuf>,
    known: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Positions {
    /// Positions that end with the process.
    #[must_use]
    pub fn memory() -> Self {
        Self::default()
    }

    /// Positions kept in `file`, and those that it holds already.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn file(file: &Path) -> std::io::Result<Self> {
        let known = match std::fs::read(file) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { file: Some(file.to_owned()), known: Arc::new(Mutex::new(known)) })
    }

    pub(crate) fn get(&self, source: &str) -> Option<String> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(source).cloned()
    }

    /// Remembers the sequence number of the last record that is done with. A crash before this makes the
    /// records come again, as on AWS.
    pub(crate) fn set(&self, source: &str, sequence_number: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(source.to_owned(), sequence_number.to_owned());
        let Some(file) = &self.file else { return };
        let fresh = file.with_extension("new");
        let written = serde_json::to_vec(&*known)
            .map_err(std::io::Error::from)
            .and_then(|text| std::fs::write(&fresh, text))
            .and_then(|()| std::fs::rename(&fresh, file));
        if let Err(error) = written {
            tracing::warn!(%error, source, "a stream position could not be kept");
        }
    }
}
