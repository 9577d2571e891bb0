//! The memory of a process that calls every hostile receiver at once: alone in its own process, which it measures.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::time::Duration;

use afferent_domain::address::Reach;
use afferent_http::{Call, Client, Http};
use bytes::Bytes;
use futures_util::future::join_all;
use hostile::{Hostile, Kind};
use http::Request;

/// How many calls each receiver gets at the same time.
const AT_ONCE: usize = 4;

/// The most that this process may ever hold, in KiB: the client, all receivers and their buffers. One body of 1 GiB
/// that is read whole, or one bomb that is unpacked, is many times as much.
const MOST_KIB: u64 = 40 * 1024;

/// The most memory that this process ever held, in KiB (proc(5), `VmHWM`).
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn all_hostile_receivers_at_once_need_little_memory() {
    let client = Client::guarded(Reach::parse("127.0.0.1", "1-65535").unwrap()).unwrap();
    let mut hostiles = Vec::new();
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Unresolvable) {
        hostiles.push(Hostile::start(kind).await.unwrap());
    }
    let calls = hostiles.iter().flat_map(|hostile| (0..AT_ONCE).map(move |_| hostile)).map(|hostile| {
        let request = Request::post(&hostile.url).body(Bytes::from_static(b"{}")).unwrap();
        let (deadline, body_limit) = (Duration::from_secs(3), 64 * 1024);
        client.send(Call { request, deadline, body_limit, stopwatch: None })
    });
    let answers = join_all(calls).await;
    assert!(answers.iter().flatten().all(|answer| answer.body.len() <= 64 * 1024));
    assert!(answers.iter().any(Result::is_ok) && answers.iter().any(Result::is_err));
    let peak = peak_kib();
    assert!(peak < MOST_KIB, "{peak} KiB were held");
}
