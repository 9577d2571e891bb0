//! Recording what the functions of today leave.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use tokio::runtime::Runtime;

use crate::files::{self, Release};
use crate::{history, shapes};

/// The version of the source.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The stack of such a thread, in bytes.
const STACK: usize = 64 << 20;

/// What a release may take in the repository, in bytes.
const LARGEST: usize = 2_000_000;

/// The kinds of state that must be in what a release leaves, by the names that shapes give them.
const WANTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/upgrade/wanted.txt");

/// What the functions of today leave; played once, in virtual time of its own.
pub fn today() -> &'static Release {
    static PLAYED: OnceLock<Release> = OnceLock::new();
    PLAYED.get_or_init(play)
}

fn play() -> Release {
    in_virtual_time(|runtime| runtime.block_on(history::play(VERSION)))
}

/// Does something long in a runtime under virtual time, on a thread of its own: all functions of a stack are in one future,
/// which takes more of the stack than a test's thread has.
pub fn in_virtual_time<T: Send + 'static>(what: impl FnOnce(&Runtime) -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(STACK);
    let run = thread.spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        what(&runtime)
    });
    run.unwrap().join().unwrap_or_else(|failed| std::panic::resume_unwind(failed))
}

#[test]
fn a_release_is_recorded_alike_each_time_and_is_small() {
    if let Ok(version) = std::env::var("RECORD") {
        assert_eq!(version, VERSION, "the source is of another version");
        today().write(&files::folder().join(version));
    }
    let (first, second) = (today().files(), play().files());
    let names = |files: &std::collections::BTreeMap<String, String>| files.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&first), names(&second));
    for (name, text) in &first {
        let differing = text.lines().zip(second[name].lines()).find(|(one, other)| one != other);
        assert!(differing.is_none() && text.len() == second[name].len(), "{name} differs: {differing:#?}");
    }
    let size: usize = first.values().map(String::len).sum();
    assert!(size < LARGEST, "{size} bytes");
}

#[test]
fn every_kind_of_state_is_in_what_a_release_leaves() {
    let there: BTreeSet<String> = shapes::of(today()).into_keys().collect();
    let wanted = std::fs::read_to_string(WANTED).unwrap();
    let missing: Vec<&str> = wanted.lines().filter(|wanted| !there.contains(*wanted)).collect();
    assert!(missing.is_empty(), "missing: {missing:#?}, of {there:#?}");
    assert!(!today().stream.is_empty(), "some changes are no events yet");
    let in_flight = today().queues.iter().filter(|(_, messages)| messages.iter().any(|one| one.receives > 0));
    assert_eq!(in_flight.map(|(queue, _)| queue.as_str()).collect::<Vec<_>>(), ["backfill", "deliveries", "pulls"]);
}
