//! An app downstream: follows the stream of the table `records` and remembers how far it is.
//!
//! What it may rely on is in `docs/stream.md`. Two rules make it right:
//!
//! - A shard is read after its parent has been read to its end. So the changes of a record come in their order.
//! - The checkpoint moves on when a change has been *handled*. So a change that was being handled during a crash comes
//!   again, and none is missed. What was handled twice is told by the record's revision.

mod checkpoint;

use std::collections::BTreeMap;

use aws_sdk_dynamodbstreams::error::DisplayErrorContext;
use aws_sdk_dynamodbstreams::operation::get_records::GetRecordsError;
use aws_sdk_dynamodbstreams::operation::get_shard_iterator::GetShardIteratorError;
use aws_sdk_dynamodbstreams::types::{AttributeValue, OperationType, Record, Shard, ShardIteratorType};

pub use aws_sdk_dynamodbstreams::Client;
pub use checkpoint::{Checkpoint, CheckpointError};

/// Why reading ended.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The checkpoint is older than what the stream holds (24 hours): changes were missed. Read the table, and begin anew.
    #[error("the checkpoint is older than the stream: changes were missed, read the table anew")]
    Missed,
    /// There is no such stream, or it belongs to no table of this stack.
    #[error("the stack has no stream of records")]
    NoStream,
    /// The stream cannot be read.
    #[error("{0}")]
    Aws(String),
}

/// One change, without any value that was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The shard it came from.
    pub shard: String,
    /// Its number there.
    pub sequence: String,
    /// `INSERT`, `MODIFY` or `REMOVE`. The last is an erasure, and never a retraction.
    pub name: &'static str,
    /// Names and texts of the attributes that say which record this is.
    pub fields: Vec<(&'static str, String)>,
}

/// The attributes that are shown, in their order.
const SHOWN: [&str; 5] = ["user", "record", "rev", "status", "kind"];

impl Change {
    fn of(shard: &str, record: &Record) -> Option<Self> {
        let change = record.dynamodb()?;
        let image = change.new_image().or_else(|| change.old_image());
        let text = |name: &str| {
            let value = change.keys().and_then(|keys| keys.get(name)).or_else(|| image?.get(name))?;
            match value {
                AttributeValue::S(text) | AttributeValue::N(text) => Some(text.clone()),
                _ => None,
            }
        };
        Some(Self {
            shard: shard.to_owned(),
            sequence: change.sequence_number()?.to_owned(),
            name: match record.event_name()? {
                OperationType::Insert => "INSERT",
                OperationType::Modify => "MODIFY",
                OperationType::Remove => "REMOVE",
                _ => return None,
            },
            fields: SHOWN.into_iter().filter_map(|name| Some((name, text(name)?))).collect(),
        })
    }
}

/// `MODIFY user=usr_1 record=rec_9 rev=2 status=amended kind=body_weight`.
impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)?;
        self.fields.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

/// Reads one stream.
#[derive(Debug)]
pub struct Reader {
    client: Client,
    stream_arn: String,
    checkpoint: Checkpoint,
    /// Where to read on in the shards that are open.
    iterators: BTreeMap<String, String>,
}

impl Reader {
    /// Goes on from the checkpoint; from the oldest change there is, if it is empty.
    #[must_use]
    pub fn new(client: Client, stream_arn: String, checkpoint: Checkpoint) -> Self {
        Self { client, stream_arn, checkpoint, iterators: BTreeMap::new() }
    }

    /// How far this reader is.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// What the open shards have to show now, in order within each shard.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn read(&mut self) -> Result<Vec<Change>, ReadError> {
        self.open_shards().await?;
        let mut changes = Vec::new();
        for (shard, iterator) in std::mem::take(&mut self.iterators) {
            let answer = match self.client.get_records().shard_iterator(iterator).send().await {
                Ok(answer) => answer,
                Err(error) => match error.as_service_error() {
                    // An iterator lives for 15 minutes. The next look opens the shard after the last change handled.
                    Some(GetRecordsError::ExpiredIteratorException(_)) => continue,
                    Some(GetRecordsError::TrimmedDataAccessException(_)) => return Err(ReadError::Missed),
                    _ => return Err(ReadError::Aws(DisplayErrorContext(error).to_string())),
                },
            };
            let found: Vec<Change> = answer.records().iter().filter_map(|record| Change::of(&shard, record)).collect();
            match answer.next_shard_iterator() {
                Some(next) => drop(self.iterators.insert(shard, next.to_owned())),
                // Read to its end, but not handled: the shards after it are opened once the last change has been.
                None => self.checkpoint.ends(&shard, found.last().map(|change| change.sequence.as_str())),
            }
            changes.extend(found);
        }
        Ok(changes)
    }

    /// This change has been handled, and all before it of its shard.
    pub fn handled(&mut self, change: &Change) {
        self.checkpoint.moves_to(&change.shard, &change.sequence);
    }

    async fn open_shards(&mut self) -> Result<(), ReadError> {
        let shards = self.shards().await?;
        let there = |name: &str| shards.iter().any(|shard| shard.shard_id() == Some(name));
        for shard in &shards {
            let Some(name) = shard.shard_id() else { continue };
            // A parent that is no longer listed is older than the stream.
            let parent_is_read =
                shard.parent_shard_id().is_none_or(|parent| !there(parent) || self.checkpoint.is_over(parent));
            if parent_is_read && !self.iterators.contains_key(name) && !self.checkpoint.is_read(name) {
                let iterator = self.iterator(name).await?;
                self.iterators.insert(name.to_owned(), iterator);
            }
        }
        self.checkpoint.forgets_all_but(|shard| there(shard));
        Ok(())
    }

    async fn shards(&self) -> Result<Vec<Shard>, ReadError> {
        let (mut shards, mut after) = (Vec::new(), None);
        loop {
            let request = self.client.describe_stream().stream_arn(&self.stream_arn);
            let answer = request.set_exclusive_start_shard_id(after).send().await;
            let answer = answer.map_err(|error| ReadError::Aws(DisplayErrorContext(error).to_string()))?;
            let description = answer.stream_description.ok_or(ReadError::NoStream)?;
            shards.extend(description.shards.unwrap_or_default());
            after = description.last_evaluated_shard_id;
            if after.is_none() {
                return Ok(shards);
            }
        }
    }

    async fn iterator(&self, shard: &str) -> Result<String, ReadError> {
        let request = self.client.get_shard_iterator().stream_arn(&self.stream_arn).shard_id(shard);
        let request = match self.checkpoint.last(shard) {
            // Else a shard is begun at its beginning: one that appears later holds only changes after those read.
            None => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Some(last) => {
                request.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).sequence_number(last.to_owned())
            }
        };
        match request.send().await {
            Ok(answer) => answer.shard_iterator.ok_or(ReadError::NoStream),
            Err(error) => Err(match error.as_service_error() {
                Some(GetShardIteratorError::TrimmedDataAccessException(_)) => ReadError::Missed,
                _ => ReadError::Aws(DisplayErrorContext(error).to_string()),
            }),
        }
    }
}

/// The ARN of the stream of the table `table`.
///
/// # Errors
/// The table is not there or has no stream.
pub async fn stream_of(client: &Client, table: &str) -> Result<String, ReadError> {
    let answer = client.list_streams().table_name(table).send().await;
    let answer = answer.map_err(|error| ReadError::Aws(DisplayErrorContext(error).to_string()))?;
    // A table whose stream was turned off and on again has two; the later one sorts last, because it ends in its time.
    answer.streams().iter().filter_map(|stream| stream.stream_arn()).max().map(str::to_owned).ok_or(ReadError::NoStream)
}
