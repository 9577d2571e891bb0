//! The queues on disk, so that they survive the death of the process.
//!
//! SQLite with a write-ahead log and `synchronous=NORMAL`: a commit has reached the operating system when the
//! call returns, so that what SQS accepted survives `kill -9`. It is not flushed to the disk, so a power cut
//! may take the last moments with it; `FULL` would pay a flush per call for a machine of one developer.
//! The lock is exclusive: a second process on the same file is refused, since each believes its own memory.

use std::path::Path;
use std::time::Duration;

use afferent_domain::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;

use crate::attributes::Settings;
use crate::message::Message;
use crate::queue::{Change, Queue};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS queues (
        number INTEGER PRIMARY KEY, name TEXT NOT NULL, settings TEXT NOT NULL, tags TEXT NOT NULL,
        created INTEGER NOT NULL, modified INTEGER NOT NULL, purged INTEGER);
    CREATE TABLE IF NOT EXISTS messages (
        number INTEGER PRIMARY KEY, queue INTEGER NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
        attributes TEXT NOT NULL, tenant TEXT, trace TEXT, sent INTEGER NOT NULL, first_received INTEGER,
        received INTEGER, receives INTEGER NOT NULL, visible INTEGER NOT NULL, dead_from TEXT);";

/// Why the file could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be made.
    #[error("cannot make the folder of the queue store: {0}")]
    Folder(#[from] std::io::Error),
    /// SQLite refused; `database is locked` means that another process has the file.
    #[error("the queue store failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A row does not read as what it was written as.
    #[error("the queue store holds what it cannot read: {0}")]
    Content(String),
}

/// The counters that must never go back, or handles and message ids would repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counters {
    pub next_number: u64,
    pub seed: u64,
}

/// An open store.
#[derive(Debug)]
pub(crate) struct Store {
    db: Connection,
    counters: Counters,
}

impl Store {
    /// Opens or makes the file; gives the queues and counters in it.
    pub fn open(path: &Path, now: Timestamp, first: Counters) -> Result<(Self, Vec<Queue>, Counters), StoreError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let db = Connection::open(path)?;
        // Long enough for a predecessor that is just being killed, short enough to say who has the file.
        db.busy_timeout(Duration::from_millis(500))?;
        db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        db.execute_batch(SCHEMA)?;
        let meta = |key: &str, otherwise: u64| -> Result<u64, StoreError> {
            let read = db.query_row("SELECT value FROM meta WHERE key = ?", [key], |row| row.get::<_, i64>(0));
            Ok(read.optional()?.map_or(otherwise, i64::cast_unsigned))
        };
        let counters =
            Counters { next_number: meta("next_number", first.next_number)?, seed: meta("seed", first.seed)? };
        for (key, value) in [("next_number", counters.next_number), ("seed", counters.seed)] {
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", params![key, value.cast_signed()])?;
        }
        let queues = read_queues(&db, now)?;
        Ok((Self { db, counters }, queues, counters))
    }

    /// Writes what one call changed, all of it or nothing.
    pub fn commit<'a>(
        &mut self,
        queues: impl Iterator<Item = &'a Queue>,
        rows: &[String],
        gone: &[u64],
        counters: Counters,
    ) -> Result<(), StoreError> {
        let write = self.db.transaction()?;
        for number in gone {
            write.execute("DELETE FROM queues WHERE number = ?", [number.cast_signed()])?;
            write.execute("DELETE FROM messages WHERE queue = ?", [number.cast_signed()])?;
        }
        for queue in queues {
            if rows.contains(&queue.name) {
                write_queue(&write, queue)?;
            }
            for change in &queue.changes {
                write_change(&write, queue, *change)?;
            }
        }
        if counters != self.counters {
            let sql = "UPDATE meta SET value = ? WHERE key = 'next_number'";
            write.prepare_cached(sql)?.execute([counters.next_number.cast_signed()])?;
        }
        write.commit()?;
        self.counters = counters;
        Ok(())
    }
}

fn write_queue(db: &Connection, queue: &Queue) -> Result<(), StoreError> {
    db.execute(
        "INSERT OR REPLACE INTO queues VALUES (?, ?, ?, ?, ?, ?, ?)",
        params![
            queue.number.cast_signed(),
            queue.name,
            text(queue.settings.text()),
            text(&queue.tags),
            queue.created.as_millis(),
            queue.modified.as_millis(),
            queue.purged.map(Timestamp::as_millis),
        ],
    )?;
    Ok(())
}

/// A change says which message; what is written is the message as it is now. It may be gone again, and then a
/// later change says so.
fn write_change(db: &Connection, queue: &Queue, change: Change) -> Result<(), StoreError> {
    let home = queue.number.cast_signed();
    match change {
        Change::Purged => db.prepare_cached("DELETE FROM messages WHERE queue = ?")?.execute([home])?,
        // Named with its queue: in the same commit it may have come to another one.
        Change::Left(number) => db
            .prepare_cached("DELETE FROM messages WHERE number = ? AND queue = ?")?
            .execute([number.cast_signed(), home])?,
        Change::Moved(number) => {
            let Some(message) = queue.message(number) else { return Ok(()) };
            let sql =
                "UPDATE messages SET first_received = ?, received = ?, receives = ?, visible = ? WHERE number = ?";
            db.prepare_cached(sql)?.execute(params![
                message.first_received.map(Timestamp::as_millis),
                message.received.map(Timestamp::as_millis),
                message.receives.cast_signed(),
                message.visible.as_millis(),
                number.cast_signed(),
            ])?
        }
        Change::Came(number) => {
            let Some(message) = queue.message(number) else { return Ok(()) };
            let sql = "INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
            db.prepare_cached(sql)?.execute(params![
                number.cast_signed(),
                home,
                message.id,
                message.body,
                text(&message.attributes),
                message.group,
                message.trace.as_ref().map(text),
                message.sent.as_millis(),
                message.first_received.map(Timestamp::as_millis),
                message.received.map(Timestamp::as_millis),
                message.receives.cast_signed(),
                message.visible.as_millis(),
                message.dead_from,
            ])?
        }
    };
    Ok(())
}

fn read_queues(db: &Connection, now: Timestamp) -> Result<Vec<Queue>, StoreError> {
    let mut queues = Vec::new();
    let mut rows = db.prepare("SELECT number, name, settings, tags, created, modified, purged FROM queues")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let settings = Settings::of(&parse(&row.get::<_, String>(2)?)?);
        let settings = settings.map_err(|error| StoreError::Content(error.to_string()))?;
        let number = row.get::<_, i64>(0)?.cast_unsigned();
        let mut queue = Queue::new(number, row.get(1)?, settings, parse(&row.get::<_, String>(3)?)?, time(row, 4)?);
        queue.modified = time(row, 5)?;
        queue.purged = row.get::<_, Option<i64>>(6)?.map(Timestamp::from_millis);
        let mut messages = db.prepare_cached("SELECT * FROM messages WHERE queue = ? ORDER BY number")?;
        let mut messages = messages.query([row.get::<_, i64>(0)?])?;
        while let Some(row) = messages.next()? {
            queue.add(read_message(row)?, now);
        }
        queue.changes.clear();
        queues.push(queue);
    }
    Ok(queues)
}

fn read_message(row: &Row<'_>) -> Result<Message, StoreError> {
    let instant = |column: &str| Ok::<_, StoreError>(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis));
    Ok(Message {
        number: row.get::<_, i64>("number")?.cast_unsigned(),
        id: row.get("id")?,
        body: row.get("body")?,
        attributes: parse(&row.get::<_, String>("attributes")?)?,
        group: row.get("tenant")?,
        trace: row.get::<_, Option<String>>("trace")?.map(|trace| parse(&trace)).transpose()?,
        sent: Timestamp::from_millis(row.get("sent")?),
        first_received: instant("first_received")?,
        received: instant("received")?,
        receives: row.get::<_, i64>("receives")?.cast_unsigned(),
        visible: Timestamp::from_millis(row.get("visible")?),
        dead_from: row.get("dead_from")?,
    })
}

fn time(row: &Row<'_>, column: usize) -> Result<Timestamp, StoreError> {
    Ok(Timestamp::from_millis(row.get(column)?))
}

fn text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Content(error.to_string()))
}
