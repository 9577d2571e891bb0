//! What dynoxide's file lacks for a long life.

use std::path::Path;

use afferent_domain::Timestamp;
use rusqlite::Connection;

use super::DynoxideError;
use super::streams::RETENTION;

/// Every write to a table with a stream looks for the stream's last number, and every read of the stream for a
/// place in it; without an index each of them reads the whole stream. And a stream's records stay for ever,
/// although nobody can read them after 24 hours.
pub(super) fn tune(path: &Path, now: Timestamp) -> Result<(), DynoxideError> {
    let failed = |error: rusqlite::Error| DynoxideError::InternalServerError(error.to_string());
    let connection = Connection::open(path).map_err(failed)?;
    let index = "CREATE INDEX IF NOT EXISTS afferent_stream_order
                 ON _stream_records (table_name, CAST(sequence_number AS INTEGER))";
    connection.execute(index, ()).map_err(failed)?;
    let horizon = (now - RETENTION).as_secs();
    connection.execute("DELETE FROM _stream_records WHERE created_at < ?1", [horizon]).map_err(failed)?;
    Ok(())
}
