//! Whatever happens on the way, the records come to say what Withings says: random histories by seed, in virtual time.
//!
//! `SEEDS=n` runs the seeds 1 to n, `FROM=m` begins at m; `SEED=n` runs that one and prints what happened in it, with
//! `LOG=info` what the functions logged too. The people and their troubles are a seed's; which of two tasks goes first
//! may still differ between runs, so a seed that fails may take some runs to fail again.

mod play;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use play::Verdict;

/// As many as fit beside the other tests; `make soak` asks for 1,000.
const SEEDS: u64 = 40;

/// Two are as many as this is worth: a seed keeps one core busy.
const THREADS: usize = 2;

fn run(seed: u64) -> Verdict {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime can be made").block_on(play::play(seed))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn the_records_come_to_say_what_withings_says_whatever_happens_on_the_way() {
    if let Some(seed) = number("SEED") {
        if let Some(level) =
            std::env::var("LOG").ok().and_then(|level| level.parse::<tracing_subscriber::filter::LevelFilter>().ok())
        {
            tracing_subscriber::fmt().without_time().with_ansi(false).with_max_level(level).init();
        }
        let verdict = run(seed);
        println!("{verdict}");
        assert!(verdict.violations.is_empty(), "seed {seed}: {} violations", verdict.violations.len());
        return;
    }
    let seeds = number("SEEDS").unwrap_or(SEEDS);
    let (began, next) = (Instant::now(), AtomicU64::new(number("FROM").unwrap_or(1)));
    let work = || {
        let mut verdicts = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > seeds {
                return verdicts;
            }
            let verdict = run(seed);
            if !verdict.violations.is_empty() {
                let violations = verdict.violations.iter().take(12).map(|violation| format!("\n    {violation}"));
                println!("seed {seed}:{}", violations.collect::<String>());
            }
            verdicts.push((seed, verdict));
        }
    };
    let mut verdicts: BTreeMap<u64, Verdict> = BTreeMap::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            verdicts.extend(thread.join().expect("no seed panics"));
        }
    });
    let (took, total) = (began.elapsed(), verdicts.values().fold(play::Counts::default(), |sum, one| sum + one.counts));
    let failed: Vec<(&u64, &Verdict)> = verdicts.iter().filter(|(_, verdict)| !verdict.violations.is_empty()).collect();
    println!("{seeds} seeds in {:.1} s: {total}; {} failed", took.as_secs_f64(), failed.len());
    let rerun = failed
        .first()
        .map(|(seed, _)| format!("SEED={seed} cargo test -p stack-tests --test convergence -- --nocapture"));
    assert!(failed.is_empty(), "{} of {seeds} seeds failed; to see one: {}", failed.len(), rerun.unwrap_or_default());
}
