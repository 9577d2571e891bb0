//! Which secrets there were to be found, so that the search knows what it searches for.

use serde_json::Value;

use super::{append, wanted};

/// Notes a value that must not be found in any log or problem of this run: `kind` says what it is, and is shown where
/// it is found.
pub fn plant(kind: &str, value: &str) {
    if wanted() {
        note(kind, value);
    }
}

/// Shorter values are too likely to be found by accident.
const SHORTEST: usize = 8;

/// Notes the value of a secret: each text in it, but for the client id, which is public.
pub(crate) fn secret(name: &str, value: &str) {
    if !wanted() {
        return;
    }
    match serde_json::from_str(value) {
        Ok(Value::Object(parts)) => {
            for (part, value) in parts.iter().filter(|(part, _)| *part != "client_id") {
                note(&format!("{name} {part}"), value.as_str().unwrap_or_default());
            }
        }
        _ => note(name, value),
    }
}

fn note(kind: &str, value: &str) {
    // What is secret of the callback URL is its last part.
    let value = value.rsplit('/').next().unwrap_or_default();
    if value.len() >= SHORTEST {
        append("planted", format!("{kind}\t{value}").as_bytes());
    }
}
