use tokio::time::sleep;
use withings_simulator::{DuplicateGuard, Settings};

use crate::bench::{Bench, seconds};

#[tokio::test(start_paused = true)]
async fn the_121st_call_within_a_minute_is_refused_and_counted() {
    let bench = Bench::new(Settings::default());
    for _ in 0..119 {
        assert_eq!(bench.getmeas(&[]).await["status"], 0);
    }
    // Token calls count as well.
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", bench.tokens.refresh_token.as_str())];
    assert_eq!(bench.token(&refresh).await["status"], 0);
    sleep(seconds(17)).await;
    let answer = bench.getmeas(&[]).await;
    assert_eq!((answer["status"].as_i64(), answer["error"].as_str()), (Some(601), Some("Too Many Requests")));
    assert_eq!(answer["body"]["wait_seconds"], 43);
    let stats = bench.simulator.stats();
    assert_eq!((stats.calls, stats.refused, stats.duplicate_refused), (121, 1, 0));
    sleep(seconds(43)).await;
    assert_eq!(bench.getmeas(&[]).await["status"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_has_no_effect() {
    let bench = Bench::new(Settings { limit: 0, ..Settings::default() });
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", bench.tokens.refresh_token.as_str())];
    assert_eq!(bench.token(&refresh).await["status"], 601);
    bench.simulator.configure(|settings| settings.limit = 120);
    assert_eq!(bench.getmeas(&[]).await["status"], 0);
    assert_eq!(bench.token(&refresh).await["status"], 0);
}

#[tokio::test(start_paused = true)]
async fn arrivals_count_not_answers() {
    let bench = Bench::new(Settings { limit: 1, ..Settings::default() });
    bench.simulator.configure(|settings| settings.latency.to_client_ms = [60_000, 60_000]);
    assert_eq!(bench.getmeas(&[]).await["status"], 0);
    assert_eq!(bench.getmeas(&[]).await["status"], 0, "the first arrived a minute ago");
    bench.simulator.configure(|settings| settings.latency.to_server_ms = [5_000, 5_000]);
    let (one, other) = tokio::join!(bench.getmeas(&[]), bench.getmeas(&[]));
    let mut statuses = [one["status"].as_i64().unwrap(), other["status"].as_i64().unwrap()];
    statuses.sort_unstable();
    assert_eq!(statuses, [0, 601]);
    let arrivals: Vec<i64> = bench.simulator.calls().iter().map(|call| call.at_ms).collect();
    assert_eq!(arrivals[2], arrivals[3]);
}

#[tokio::test(start_paused = true)]
async fn equal_calls_within_ten_seconds_are_refused_if_the_guard_is_on() {
    let bench = Bench::new(Settings { duplicate_guard: DuplicateGuard::All, ..Settings::default() });
    assert_eq!(bench.getmeas(&[("lastupdate", "1")]).await["status"], 0);
    let answer = bench.getmeas(&[("lastupdate", "1")]).await;
    assert_eq!(answer["error"], "Same arguments in less than 10 seconds");
    assert_eq!(bench.getmeas(&[("lastupdate", "2")]).await["status"], 0);
    sleep(seconds(10)).await;
    assert_eq!(bench.getmeas(&[("lastupdate", "1")]).await["status"], 0);
    assert_eq!((bench.simulator.stats().refused, bench.simulator.stats().duplicate_refused), (0, 1));
}
