//! Series.

use lambda_http::http::StatusCode;
use serde_json::{Value, json};

use crate::stack::{DAY_MS, FIRST_MS, Stack};

#[tokio::test(start_paused = true)]
async fn a_week_of_weights_has_a_mean_that_is_exact() {
    let stack = Stack::start().await;
    stack.weigh_ten_times().await;
    let answer = stack.get("series?kind=body_weight&resolution=1w&start_date=2026-11-02&end_date=2026-11-08").await;
    // The third of ten mornings is retracted.
    let point = r#"{"start":"2026-11-02","end":"2026-11-08","count":6,"min":80.2,"max":80.8,"mean":80.5333}"#;
    assert_eq!(
        answer.text,
        format!(r#"{{"kind":"body_weight","resolution":"1w","unit":"kg","points":[{point}],"next":null}}"#)
    );
}

#[tokio::test(start_paused = true)]
async fn samples_are_told_one_by_one_or_summed_up() {
    let stack = Stack::start().await;
    stack.pulse(FIRST_MS).await;
    let raw = stack.json("series?kind=heart_rate").await;
    let points = raw["points"].as_array().unwrap();
    assert_eq!((points.len(), &raw["resolution"]), (60, &json!("raw")));
    assert_eq!((&points[1]["at"], &points[1]["value"]), (&json!("2026-11-01T07:01:00+00:00"), &json!(61)));
    let quarters = stack.json("series?kind=heart_rate&resolution=15m").await;
    let counts: Vec<&Value> = quarters["points"].as_array().unwrap().iter().map(|point| &point["count"]).collect();
    assert_eq!(counts, [&json!(15); 4]);
    assert_eq!(quarters["points"][0]["mean"], json!(60.4667));
    let csv = stack.get("series?kind=heart_rate&resolution=1h&format=csv").await.text;
    let row = "2026-11-01T07:00:00+00:00,2026-11-01T08:00:00+00:00,60,60,61,60.5,,,";
    assert_eq!(csv, format!("start,end,count,min,max,mean,sum,device_id,model\r\n{row}\r\n"));
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_compound_is_a_series_of_its_own() {
    let stack = Stack::start().await;
    for day in 0..3 {
        let at = FIRST_MS + day * DAY_MS;
        let parts = [("systolic", "", "120", "mm[Hg]"), ("diastolic", "", "80", "mm[Hg]")];
        stack.compound("blood_pressure", (at, at), &parts).await;
    }
    let systolic = stack.json("series?kind=blood_pressure.systolic&resolution=1M").await;
    assert_eq!((&systolic["points"][0]["count"], &systolic["points"][0]["max"]), (&json!(3), &json!(120)));
    for kind in ["blood_pressure", "blood_pressure.pulse", "activity_day.heart_rate", ""] {
        assert_eq!(stack.refused(&format!("series?kind={kind}")).await, "kind", "{kind}");
    }
    for (query, field) in [
        ("", "kind"),
        ("kind=body_weight&resolution=2h", "resolution"),
        ("kind=body_weight&resolution=1d&cursor=x", "cursor"),
        ("kind=body_weight&by_device=x", "by_device"),
        ("kind=body_weight&colour=red", "colour"),
    ] {
        assert_eq!(stack.refused(&format!("series?{query}")).await, field, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_year_of_weights_is_one_answer() {
    let stack = Stack::start().await;
    for day in 0..365 {
        stack.weigh(FIRST_MS + day * DAY_MS, "80").await;
    }
    let year = stack.json("series?kind=body_weight&resolution=1d").await;
    assert_eq!((year["points"].as_array().unwrap().len(), &year["next"]), (365, &Value::Null));
}

#[tokio::test(start_paused = true)]
async fn more_points_than_fit_come_page_by_page() {
    let stack = Stack::start().await;
    for hour in 0..100 {
        stack.pulse(FIRST_MS + hour * 3_600_000).await;
    }
    let mut answer = stack.get("series?kind=heart_rate&resolution=1m&format=ndjson").await;
    let mut starts: Vec<Value> = Vec::new();
    loop {
        assert_eq!(answer.status, StatusCode::OK);
        starts.extend(answer.lines().into_iter().map(|point| point["start"].clone()));
        let Some(next) = stack.follow(&answer).await else { break };
        answer = next;
    }
    assert_eq!(starts.len(), 6000);
    assert!(starts.windows(2).all(|pair| pair[0].as_str() < pair[1].as_str()));
}

/// Sixty-five hours that are so long to read that an answer takes five at a time.
async fn long_hours(stack: &Stack, kind: &str) {
    for hour in 0..65 {
        let long = |fact: &mut afferent_domain::record::Fact| fact.value_code = Some("\u{1}".repeat(110_000));
        stack.put(kind, FIRST_MS + hour * 3_600_000, long).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_nothing_matches_ends_after_so_much_and_goes_on() {
    let stack = Stack::start().await;
    stack.register().await;
    long_hours(&stack, "steps").await;
    let first = stack.json("series?kind=steps&device=typo").await;
    assert_eq!(first["points"], json!([]));
    let last = stack.json(&format!("series?kind=steps&device=typo&cursor={}", first["next"].as_str().unwrap())).await;
    assert_eq!((&last["points"], &last["next"]), (&json!([]), &Value::Null));
}

#[tokio::test(start_paused = true)]
async fn rows_of_nothing_end_after_so_much_and_go_on() {
    let stack = Stack::start().await;
    stack.register().await;
    long_hours(&stack, "body_weight").await;
    let first = stack.json("summaries/body").await;
    assert_eq!(first["summaries"], json!([]));
    let last = stack.json(&format!("summaries/body?cursor={}", first["next"].as_str().unwrap())).await;
    assert_eq!((&last["summaries"], &last["next"]), (&json!([]), &Value::Null));
}
