//! Summaries.

use lambda_http::http::StatusCode;
use serde_json::json;

use crate::stack::{DAY_MS, FIRST_MS, Stack};

#[tokio::test(start_paused = true)]
async fn each_summary_has_its_rows() {
    let stack = Stack::start().await;
    let midnight = FIRST_MS - 7 * 3_600_000;
    for day in 0..3 {
        let begin = midnight + day * DAY_MS;
        stack.weigh(begin + 7 * 3_600_000, "80.5").await;
        let activity = [("steps_total", "", "5000", "{steps}"), ("heart_rate", "mean", "70", "/min")];
        stack.compound("activity_day", (begin, begin + DAY_MS), &activity).await;
        let night = [("sleep_duration", "", "27000", "s"), ("sleep_heart_rate", "mean", "52", "/min")];
        stack.compound("sleep_session", (begin, begin + 7 * 3_600_000), &night).await;
        stack.compound("workout", (begin, begin + 3_600_000), &[("distance", "", "5000", "m")]).await;
    }
    for (summary, name, value) in [
        ("body", "body_weight", json!(80.5)),
        ("activity", "heart_rate_mean", json!(70)),
        ("sleep", "sleep_heart_rate_mean", json!(52)),
        ("workouts", "distance", json!(5000)),
        ("daily", "sleep_duration", json!(27000)),
    ] {
        let answer = stack.json(&format!("summaries/{summary}?start_date=2026-11-02")).await;
        let rows = answer["summaries"].as_array().unwrap();
        assert_eq!(rows.len(), 2, "{summary}");
        assert_eq!((&rows[0]["local_date"], &rows[0]["state"]), (&json!("2026-11-02"), &json!("confirmed")));
        assert_eq!(rows[0]["values"][name]["value"], value, "{summary}");
        assert_eq!(rows[0]["values"][name]["records"].as_array().unwrap().len(), 1);
        let csv = stack.get(&format!("summaries/{summary}?format=csv")).await.text;
        assert_eq!(csv.trim_end().split("\r\n").count(), 4, "{summary}");
        assert!(csv.split("\r\n").next().unwrap().split(',').any(|column| column == name), "{summary}");
    }
}

#[tokio::test(start_paused = true)]
async fn rows_come_day_by_day_in_pages() {
    let stack = Stack::start().await;
    stack.weigh_ten_times().await;
    let (mut days, mut next) = (Vec::new(), String::new());
    for _ in 0..20 {
        let page = stack.json(&format!("summaries/body?limit=4{next}")).await;
        let rows = page["summaries"].as_array().unwrap();
        assert!(rows.len() <= 4);
        days.extend(rows.iter().map(|row| row["local_date"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    let expected: Vec<String> = [1, 2, 4, 5, 6, 7, 8, 9, 10].map(|day| format!("2026-11-{day:02}")).into();
    assert_eq!(days, expected, "the third day is retracted");
}

#[tokio::test(start_paused = true)]
async fn other_summaries_and_parameters_there_are_none() {
    let stack = Stack::start().await;
    assert_eq!(stack.get("summaries/mood").await.status, StatusCode::NOT_FOUND);
    for (query, field) in [("limit=367", "limit"), ("cursor=x", "cursor"), ("start_date=x", "start_date"), ("a=b", "a")]
    {
        assert_eq!(stack.refused(&format!("summaries/body?{query}")).await, field, "{query}");
    }
}
