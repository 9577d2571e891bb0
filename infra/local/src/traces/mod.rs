//! What a test run leaves behind for the checks that come after it: what each function asked of AWS (for the check of
//! the roles), what the functions wrote, what they told a collector of OpenTelemetry, and what callers were told when
//! something was wrong (for the search for secrets), and which secrets there were to be found.
//!
//! Nothing is written unless the variable `AFFERENT_TRACES` names a folder, as `make test` does. In it there is a
//! folder for each kind, and in that a file for each process that ran a stack or a simulation.

pub(crate) mod calls;
mod expression;
pub(crate) mod logs;
pub(crate) mod planted;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Names the folder.
const VARIABLE: &str = "AFFERENT_TRACES";

/// Whether traces are kept.
pub(crate) fn wanted() -> bool {
    folder().is_some()
}

fn folder() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOLDER.get_or_init(|| std::env::var_os(VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from)).as_deref()
}

/// Adds a line to this process's file of a kind. A line that cannot be written must not fail the test that is traced;
/// the checks fail when they find nothing.
fn append(kind: &'static str, line: &[u8]) {
    static FILES: Mutex<BTreeMap<&'static str, File>> = Mutex::new(BTreeMap::new());
    let Some(folder) = folder() else { return };
    let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    if !files.contains_key(kind) {
        let Ok(file) = open(&folder.join(kind)) else { return };
        files.insert(kind, file);
    }
    let Some(file) = files.get_mut(kind) else { return };
    let _ = file.write_all(&[line, b"\n"].concat());
}

fn open(folder: &Path) -> std::io::Result<File> {
    std::fs::create_dir_all(folder)?;
    // Process ids come again within one run.
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let path = folder.join(format!("{started}-{}.txt", std::process::id()));
    OpenOptions::new().create(true).append(true).open(path)
}
