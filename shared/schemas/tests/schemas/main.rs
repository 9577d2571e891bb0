//! The schemas are those of the code's own tables, and hold what the code makes: `UPDATE=1` writes them anew.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

mod answers;
mod common;
mod compounds;
mod examples;
mod files;
mod fixtures;
mod forms;
mod holds;
mod notices;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// What is in the folder of the schemas.
fn present() -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join("schema")).unwrap();
    entries.map(|entry| format!("schema/{}", entry.unwrap().file_name().to_str().unwrap())).collect()
}

#[test]
fn the_files_are_those_that_the_tables_make() {
    let files = files::files();
    let surplus: Vec<String> = present().into_iter().filter(|path| !files.contains_key(path)).collect();
    if std::env::var_os("UPDATE").is_some() {
        for path in surplus {
            std::fs::remove_file(root().join(path)).unwrap();
        }
        for (path, text) in files {
            // An unchanged file keeps its time, or everything that holds it would be built again.
            if std::fs::read_to_string(root().join(&path)).ok().as_ref() != Some(&text) {
                std::fs::write(root().join(path), text).unwrap();
            }
        }
        return;
    }
    let other: Vec<&String> = files
        .iter()
        .filter(|(path, text)| std::fs::read_to_string(root().join(path)).ok().as_ref() != Some(*text))
        .map(|(path, _)| path)
        .collect();
    assert!(
        other.is_empty() && surplus.is_empty(),
        "not as the tables say: {other:?}, and too much: {surplus:?}. If the change of shape is meant, \
         `UPDATE=1 cargo test -p afferent-schemas` writes it; receivers must be told of it"
    );
}
