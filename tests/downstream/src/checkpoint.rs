//! How far a reader is, in a file.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Why a checkpoint cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file cannot be read or written.
    #[error("the checkpoint: {0}")]
    File(#[from] io::Error),
    /// The file holds something else.
    #[error("the checkpoint is not one: {0}")]
    Json(#[from] serde_json::Error),
}

/// How far a reader is in each shard. `{"shards": {"shardId-…": {"last": "…", "end": "…"}}}`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Checkpoint {
    shards: BTreeMap<String, Place>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
struct Place {
    /// The number of the last change that was handled.
    last: Option<String>,
    /// The number of the shard's last change, once the shard was read to its end; empty if it had none.
    end: Option<String>,
}

impl Checkpoint {
    /// Reads the file; an empty checkpoint if there is none. A shard whose last changes were read and not handled is
    /// open again.
    ///
    /// # Errors
    /// See [`CheckpointError`].
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        match std::fs::read(path) {
            Ok(text) => {
                let mut checkpoint: Self = serde_json::from_slice(&text)?;
                for place in checkpoint.shards.values_mut() {
                    place.end = place.end.take().filter(|end| *end == place.last.clone().unwrap_or_default());
                }
                Ok(checkpoint)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the file whole, so that a crash leaves the old one or the new one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        let beside = path.with_extension("new");
        std::fs::write(&beside, serde_json::to_vec(self)?)?;
        Ok(std::fs::rename(beside, path)?)
    }

    pub(crate) fn last(&self, shard: &str) -> Option<&str> {
        self.shards.get(shard)?.last.as_deref()
    }

    pub(crate) fn moves_to(&mut self, shard: &str, sequence: &str) {
        self.shards.entry(shard.to_owned()).or_default().last = Some(sequence.to_owned());
    }

    /// The shard is closed and has been read; `sequence` is the number of the last change just read, if there was one.
    pub(crate) fn ends(&mut self, shard: &str, sequence: Option<&str>) {
        let place = self.shards.entry(shard.to_owned()).or_default();
        place.end = Some(sequence.or(place.last.as_deref()).unwrap_or_default().to_owned());
    }

    /// Whether nothing more can be read of the shard.
    pub(crate) fn is_read(&self, shard: &str) -> bool {
        self.shards.get(shard).is_some_and(|place| place.end.is_some())
    }

    /// Whether all of the shard has been handled too.
    pub(crate) fn is_over(&self, shard: &str) -> bool {
        let all = |place: &Place| place.end.as_ref().is_some_and(|end| *end == place.last.clone().unwrap_or_default());
        self.shards.get(shard).is_some_and(all)
    }

    pub(crate) fn forgets_all_but(&mut self, is_there: impl Fn(&str) -> bool) {
        self.shards.retain(|shard, _| is_there(shard));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_over_once_its_last_change_was_handled_and_not_when_it_was_read() {
        let mut checkpoint = Checkpoint::default();
        checkpoint.moves_to("shard", "1");
        checkpoint.ends("shard", Some("3"));
        assert!(checkpoint.is_read("shard") && !checkpoint.is_over("shard"));
        checkpoint.moves_to("shard", "3");
        assert!(checkpoint.is_over("shard"));
    }

    #[test]
    fn a_crash_between_reading_and_handling_the_end_of_a_shard_opens_it_again() {
        let folder = std::env::temp_dir().join(format!("stream-reader-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the test");
        let file = folder.join("checkpoint.json");
        let mut checkpoint = Checkpoint::default();
        checkpoint.ends("half", Some("3"));
        checkpoint.moves_to("half", "1");
        checkpoint.moves_to("whole", "5");
        checkpoint.ends("whole", Some("5"));
        checkpoint.save(&file).expect("written");
        let loaded = Checkpoint::load(&file).expect("read");
        std::fs::remove_dir_all(&folder).expect("removed");
        assert!(!loaded.is_read("half") && loaded.is_over("whole"));
        assert_eq!(loaded.last("half"), Some("1"));
    }

    #[test]
    fn without_a_file_a_reader_begins_with_the_oldest_change() {
        let nowhere = std::env::temp_dir().join("stream-reader-that-never-was.json");
        assert_eq!(Checkpoint::load(&nowhere).expect("none"), Checkpoint::default());
    }

    #[test]
    fn a_shard_without_changes_is_over_when_it_was_read() {
        let mut checkpoint = Checkpoint::default();
        checkpoint.ends("empty", None);
        assert!(checkpoint.is_over("empty"));
        let mut checkpoint = Checkpoint::default();
        checkpoint.moves_to("later", "7");
        checkpoint.ends("later", None);
        assert!(checkpoint.is_over("later"));
    }

    #[test]
    fn a_shard_that_is_no_longer_there_is_forgotten() {
        let mut checkpoint = Checkpoint::default();
        checkpoint.moves_to("old", "1");
        checkpoint.moves_to("new", "2");
        checkpoint.forgets_all_but(|shard| shard == "new");
        assert_eq!((checkpoint.last("old"), checkpoint.last("new")), (None, Some("2")));
    }
}
