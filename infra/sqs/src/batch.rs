//! What holds for every batch: its shape, and one result per entry.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::errors::{Error, ErrorKind, Result};

/// Most entries of a batch (AWS: "Message quotas").
const MAX_ENTRIES: usize = 10;

/// Checks the number and the ids of a batch's entries; gives the ids.
pub(crate) fn check(ids: impl Iterator<Item = Option<String>>) -> Result<Vec<String>> {
    let ids: Vec<Option<String>> = ids.collect();
    if ids.is_empty() {
        let message = "There should be at least one entry in the request.";
        return Err(Error::new(ErrorKind::EmptyBatchRequest, message));
    }
    if ids.len() > MAX_ENTRIES {
        let message = format!("Maximum number of entries per request are 10. You have sent {}.", ids.len());
        return Err(Error::new(ErrorKind::TooManyEntriesInBatchRequest, message));
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut seen = HashSet::new();
    let mut checked = Vec::new();
    for id in ids {
        let id = id.ok_or_else(|| Error::missing("Id"))?;
        if id.is_empty() || id.len() > 80 || !id.chars().all(legal) {
            let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. \
                           It can be at most 80 letters long.";
            return Err(Error::new(ErrorKind::InvalidBatchEntryId, message));
        }
        if !seen.insert(id.clone()) {
            return Err(Error::new(ErrorKind::BatchEntryIdsNotDistinct, format!("Id {id} repeated.")));
        }
        checked.push(id);
    }
    Ok(checked)
}

/// The answer of a batch: 200, whatever became of its entries.
pub(crate) fn answer(results: impl Iterator<Item = (String, Result<Value>)>) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, result) in results {
        match result {
            Ok(mut answer) => {
                answer["Id"] = id.into();
                successful.push(answer);
            }
            Err(error) => failed.push(json!({
                "Id": id,
                "Code": error.kind.code(),
                "Message": error.message,
                "SenderFault": error.kind.sender_fault(),
            })),
        }
    }
    match failed.is_empty() {
        true => json!({ "Successful": successful }),
        false => json!({ "Successful": successful, "Failed": failed }),
    }
}
