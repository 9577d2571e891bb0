use serde_json::json;
use tokio::time::sleep;
use withings_simulator::{
    ActivityDay, EmptySeries, IntradaySample, LastUpdate, Measure, MeasureGroup, MissingScope, Night, Notify, Pages,
    Settings, Stage,
};

use crate::bench::{Bench, START, ids, seconds};

fn weight(date: i64) -> MeasureGroup {
    MeasureGroup { date, measures: vec![Measure::new(1, 71_655, -3)], ..MeasureGroup::default() }
}

fn night(start: i64) -> Night {
    Night { stages: vec![Stage { startdate: start, enddate: start + 3_600, state: 1 }], ..Night::default() }
}

#[tokio::test(start_paused = true)]
async fn the_window_of_a_notification_holds_its_measurement() {
    let bench = Bench::new(Settings::default());
    bench.simulator.add(bench.userid, [weight(START - 100)], Notify::No).unwrap();
    let window = async |start: i64, end: i64| {
        let answer = bench.getmeas(&[("startdate", &start.to_string()), ("enddate", &end.to_string())]).await;
        ids(&answer, "measuregrps", "date").len()
    };
    assert_eq!(window(START - 101, START - 100).await, 1, "enddate is inclusive");
    assert_eq!(window(START - 200, START - 101).await, 0);
    assert_eq!(window(START - 100, START).await, 1);
    bench.simulator.configure(|settings| settings.startdate_inclusive = false);
    assert_eq!(window(START - 100, START).await, 0);
}

#[tokio::test(start_paused = true)]
async fn lastupdate_shows_edits_and_never_deletions() {
    let bench = Bench::new(Settings::default());
    let keys = bench.simulator.add(bench.userid, [weight(START - 9), weight(START - 5)], Notify::No).unwrap();
    let since = async |lastupdate: i64| {
        let answer = bench.getmeas(&[("lastupdate", &lastupdate.to_string())]).await;
        ids(&answer, "measuregrps", "grpid")
    };
    assert_eq!(since(START).await, [0_i64; 0], "strictly after");
    bench.simulator.configure(|settings| settings.lastupdate = LastUpdate::AtOrAfter);
    assert_eq!(since(START).await, keys);
    sleep(seconds(60)).await;
    let change = |group: &mut MeasureGroup| group.measures[0].value = 70_000;
    bench.simulator.edit(bench.userid, &keys[0], Notify::No, change).unwrap();
    assert_eq!(since(START).await, [keys[1], keys[0]], "ascending by modified");
    sleep(seconds(60)).await;
    bench.simulator.delete::<MeasureGroup>(bench.userid, &keys[1], Notify::No).unwrap();
    assert_eq!(since(START + 61).await, [0_i64; 0]);
    assert_eq!(since(0).await, [keys[0]], "there is no tombstone");
}

#[tokio::test(start_paused = true)]
async fn getmeas_pages_carry_more_and_offset_only_while_there_is_more() {
    let pages = Pages { measures: 2, ..Pages::default() };
    let bench = Bench::new(Settings { pages, ..Settings::default() });
    bench.simulator.add(bench.userid, (1..=5).map(|ago| weight(START - ago)), Notify::No).unwrap();
    let mut offset = "0".to_owned();
    let mut dates = Vec::new();
    for page in 1..=3 {
        let answer = bench.getmeas(&[("startdate", "0"), ("offset", &offset)]).await;
        dates.extend(ids(&answer, "measuregrps", "date"));
        let body = answer["body"].as_object().unwrap();
        if page < 3 {
            assert_eq!((&body["more"], &body["offset"]), (&json!(1), &json!(2 * page)));
            offset = body["offset"].to_string();
        } else {
            assert!(!body.contains_key("more") && !body.contains_key("offset"));
        }
    }
    assert_eq!(dates, [START - 1, START - 2, START - 3, START - 4, START - 5], "newest first");
}

#[tokio::test(start_paused = true)]
async fn only_the_asked_for_types_are_returned() {
    let bench = Bench::new(Settings::default());
    let measures = vec![Measure::new(9, 80, 0), Measure::new(10, 120, 0)];
    bench.simulator.add(bench.userid, [weight(5), MeasureGroup { measures, ..weight(6) }], Notify::No).unwrap();
    let answer = bench.getmeas(&[("meastypes", "10,11")]).await;
    assert_eq!(answer["body"]["measuregrps"][0]["measures"], json!([{"value":120,"type":10,"unit":0,"algo":0,"fm":3}]));
    assert_eq!(ids(&answer, "measuregrps", "date"), [6]);
    assert_eq!(bench.getmeas(&[("enddate", "x")]).await["error"], "Invalid Params: invalid enddate");
}

#[tokio::test(start_paused = true)]
async fn sleep_pages_are_cut_before_deleted_nights_are_filtered() {
    let bench = Bench::new(Settings::default());
    let keys = bench.simulator.add(bench.userid, (0..305).map(|n| night(START - n * 86_400)), Notify::No).unwrap();
    for key in &keys[..2] {
        bench.simulator.delete::<Night>(bench.userid, key, Notify::No).unwrap();
    }
    let page = async |offset: &str| {
        let window = [("action", "getsummary"), ("startdateymd", "2000-01-01"), ("enddateymd", "2030-01-01")];
        bench.call("/v2/sleep", &[&window[..], &[("offset", offset)]].concat()).await["body"].clone()
    };
    let first = page("0").await;
    assert_eq!(first["series"].as_array().unwrap().len(), 298);
    assert_eq!((&first["more"], &first["offset"]), (&json!(true), &json!(300)));
    let second = page("300").await;
    assert_eq!(second["series"].as_array().unwrap().len(), 5);
    assert_eq!((&second["more"], &second["offset"]), (&json!(false), &json!(0)));
    assert_eq!(bench.simulator.state().users[&bench.userid].nights.len(), 303);
}

#[tokio::test(start_paused = true)]
async fn intervals_of_a_night_come_unsorted_with_a_value_per_minute() {
    let bench = Bench::new(Settings::default());
    let stages: Vec<Stage> =
        (0..20).map(|n| Stage { startdate: START + n * 300, enddate: START + n * 300 + 300, state: n % 4 }).collect();
    let mut night = Night { stages, model_name: "Aura Sensor V2".to_owned(), ..Night::default() };
    night.fill_minutes("hr", |at| 50 + at / 60 % 10);
    bench.simulator.add(bench.userid, [night], Notify::No).unwrap();
    let (start, end) = (START.to_string(), (START + 6_000).to_string());
    let arguments = [("action", "get"), ("startdate", &*start), ("enddate", &*end), ("data_fields", "hr,rr")];
    let answer = bench.call("/v2/sleep", &arguments).await;
    let starts = ids(&answer, "series", "startdate");
    let mut sorted = starts.clone();
    sorted.sort_unstable();
    assert_eq!(sorted.len(), 20);
    assert_ne!(starts, sorted);
    let minutes = answer["body"]["series"][0]["hr"].as_object().unwrap();
    let first = starts[0].to_string();
    assert_eq!((minutes.len(), minutes.keys().next().unwrap()), (5, &first));
    assert!(answer["body"]["series"][0].get("rr").is_none());
}

#[tokio::test(start_paused = true)]
async fn sleep_get_and_intraday_are_cut_after_24_hours_without_a_word() {
    let bench = Bench::new(Settings::default());
    let nights = [0, 2, 25, 30].map(|hour| night(START + hour * 3_600));
    bench.simulator.add(bench.userid, nights, Notify::No).unwrap();
    let (start, end) = (START.to_string(), (START + 7 * 86_400).to_string());
    let answer = bench.call("/v2/sleep", &[("action", "get"), ("startdate", &start), ("enddate", &end)]).await;
    assert_eq!(ids(&answer, "series", "startdate").len(), 2);

    let fields = json!({ "steps": 10 }).as_object().unwrap().clone();
    let samples = (0..50).map(|hour| IntradaySample {
        at: START + hour * 3_600,
        fields: fields.clone(),
        ..IntradaySample::default()
    });
    bench.simulator.add(bench.userid, samples, Notify::No).unwrap();
    let intraday = async |arguments: &[(&str, &str)]| {
        let action = [("action", "getintradayactivity")];
        bench.call("/v2/measure", &[&action[..], arguments].concat()).await["body"]["series"].clone()
    };
    assert_eq!(intraday(&[("startdate", &start), ("enddate", &end)]).await.as_object().unwrap().len(), 24);
    let latest = intraday(&[]).await;
    assert!(latest.get((START + 49 * 3_600).to_string()).is_some());
    assert_eq!(latest.as_object().unwrap().len(), 24);
    let none = [("startdate", "1000"), ("enddate", "2000")];
    assert_eq!(intraday(&none).await, json!({}));
    bench.simulator.configure(|settings| settings.empty_intraday = EmptySeries::Array);
    assert_eq!(intraday(&none).await, json!([]));
}

#[tokio::test(start_paused = true)]
async fn activity_is_paged_by_local_days_and_source() {
    let bench = Bench::new(Settings { pages: Pages { activity: 2, ..Pages::default() }, ..Settings::default() });
    let day = |date: &str, modelid: i64| ActivityDay { date: date.to_owned(), modelid, ..ActivityDay::default() };
    let days = [day("2026-09-14", 1), day("2026-09-15", 1), day("2026-09-15", 2), day("2026-09-16", 1)];
    bench.simulator.add(bench.userid, days, Notify::No).unwrap();
    let window = [("action", "getactivity"), ("startdateymd", "2026-09-14"), ("enddateymd", "2026-09-15")];
    let first = bench.call("/v2/measure", &window).await;
    assert_eq!((&first["body"]["more"], &first["body"]["offset"]), (&json!(true), &json!(2)));
    let last = bench.call("/v2/measure", &[&window[..], &[("offset", "2")]].concat()).await;
    assert_eq!((&last["body"]["more"], &last["body"]["offset"]), (&json!(false), &json!(3)), "an offset without more");
    assert_eq!(last["body"]["activities"].as_array().unwrap().len(), 1);
    let open = bench.call("/v2/measure", &[("action", "getactivity")]).await;
    assert_eq!(open["status"], 503, "a window is required");
}

#[tokio::test(start_paused = true)]
async fn a_missing_scope_is_refused_or_silent() {
    let bench = Bench::new(Settings::default());
    bench.simulator.add(bench.userid, [weight(5)], Notify::No).unwrap();
    let tokens = bench.simulator.issue_tokens(bench.userid, None, "user.activity").unwrap();
    let call = async || bench.call_as(Some(&tokens.access_token), "/measure", &[("action", "getmeas")]).await;
    assert_eq!(call().await["error"], "Insufficient_scope");
    bench.simulator.configure(|settings| settings.missing_scope = MissingScope::Empty);
    assert_eq!(call().await["body"]["measuregrps"], json!([]));
}
