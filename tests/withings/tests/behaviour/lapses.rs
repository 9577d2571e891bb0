//! A plan that lapses hides rows without a word, and what a deletion takes with it.

use afferent_domain::service::Service;
use http::Method;
use serde_json::{Value, json};
use withings_simulator::{ActivityDay, Lapse, Night, Notify, Settings, sample};

use crate::bench::{Bench, START};

async fn sampled() -> (Bench, sample::Person) {
    let mut bench = Bench::new(Settings::default());
    let person = sample::person(&bench.simulator, Notify::No).unwrap();
    bench.tokens = bench.simulator.issue_tokens(person.userid, None, "").unwrap();
    bench.userid = person.userid;
    (bench, person)
}

fn count(body: &Value, list: &str) -> usize {
    body[list].as_array().map_or_else(|| body[list].as_object().unwrap().len(), Vec::len)
}

#[tokio::test(start_paused = true)]
async fn a_lapsed_plan_hides_the_rows_of_a_service_until_it_is_restored() {
    let (bench, _) = sampled().await;
    let groups = async || {
        let answer = bench.getmeas(&[]).await;
        assert_eq!(answer["status"], 0);
        count(&answer["body"], "measuregrps")
    };
    let devices = async || count(&bench.call("/v2/user", &[("action", "getdevice")]).await["body"], "devices");
    let all = groups().await;
    let lapse = Lapse { userid: Some(bench.userid), service: Some(Service::Getmeas) };
    bench.simulator.lapse(lapse);
    assert_eq!((groups().await, devices().await), (0, 7));
    let truth = bench.simulator.truth(bench.userid, Service::Getmeas, &[]).unwrap();
    assert_eq!(count(&truth, "measuregrps"), all, "they are still there");
    bench.simulator.restore(lapse);
    assert_eq!(groups().await, all);
    bench.control(Method::POST, "/lapses", json!({})).await;
    assert_eq!((groups().await, devices().await), (0, 0));
    bench.control(Method::DELETE, "/lapses", json!({})).await;
    bench.control(Method::POST, "/lapses", json!({ "userid": 1, "service": "getmeas" })).await;
    assert_eq!(groups().await, all, "it is somebody else's plan");
}

#[tokio::test(start_paused = true)]
async fn a_lapsed_plan_leaves_signals_empty_and_surveys_out() {
    let (bench, _) = sampled().await;
    let list = bench.call("/v2/heart", &[("action", "list")]).await;
    let signalid = list["body"]["series"][0]["ecg"]["signalid"].to_string();
    let userid = bench.userid.to_string();
    let lapse = Lapse { userid: None, service: None };
    bench.simulator.lapse(lapse);
    let signal = bench.call("/v2/heart", &[("action", "get"), ("signalid", &signalid)]).await;
    assert_eq!(signal, json!({ "status": 0, "body": { "signal": [] } }));
    let answers = [("userid", &*userid), ("startdate", "0")];
    assert_eq!(bench.signed("/v2/answers", "get", &answers).await["body"], json!({ "answers": [] }));
    bench.simulator.restore(lapse);
    assert_eq!(count(&bench.signed("/v2/answers", "get", &answers).await["body"], "answers"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_night_takes_its_minutes_along() {
    let (bench, person) = sampled().await;
    let night = |bench: &Bench| bench.simulator.state().users[&bench.userid].nights.iter().next().unwrap().id;
    let (start, end) = ((START - 43_200).to_string(), START.to_string());
    let get = [("action", "get"), ("startdate", &*start), ("enddate", &*end), ("data_fields", "hr")];
    assert!(count(&bench.call("/v2/sleep", &get).await["body"], "series") > 0);
    bench.simulator.delete::<Night>(person.userid, &night(&bench), Notify::No).unwrap();
    assert_eq!(bench.call("/v2/sleep", &get).await["body"]["series"], json!([]));
    let summary = [("action", "getsummary"), ("lastupdate", "0")];
    assert_eq!(bench.call("/v2/sleep", &summary).await["body"]["series"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_day_takes_the_samples_of_its_device_along_and_no_others() {
    let (bench, person) = sampled().await;
    let phone = ActivityDay { date: "2026-09-16".to_owned(), modelid: 1060, ..ActivityDay::default() };
    let other = withings_simulator::IntradaySample { at: START - 61, model_id: 1060, ..Default::default() };
    let other =
        withings_simulator::IntradaySample { fields: [("steps".to_owned(), json!(5))].into_iter().collect(), ..other };
    bench.simulator.add(person.userid, [phone], Notify::No).unwrap();
    bench.simulator.add(person.userid, [other], Notify::No).unwrap();
    bench.simulator.add(person.userid, person.intraday(START - 86_400, START - 86_300), Notify::No).unwrap();
    let samples = || bench.simulator.truth(bench.userid, Service::Getintradayactivity, &[]).unwrap()["series"].clone();
    assert!(samples().as_object().unwrap().len() > 100);
    let key = format!("2026-09-16@{}", person.watch.deviceid);
    bench.simulator.delete::<ActivityDay>(person.userid, &key, Notify::No).unwrap();
    let left = samples();
    let left: Vec<i64> = left.as_object().unwrap().keys().map(|at| at.parse().unwrap()).collect();
    assert!(left.contains(&(START - 61)), "the phone's");
    assert!(left.iter().all(|at| *at == START - 61 || *at < START - 43_200), "yesterday's: {left:?}");
}

#[tokio::test(start_paused = true)]
async fn goals_are_set_and_taken_back() {
    let (bench, _) = sampled().await;
    let goals = async || bench.call("/v2/user", &[("action", "getgoals")]).await["body"]["goals"].clone();
    let path = format!("/users/{}/goals", bench.userid);
    let wanted = json!({ "steps": 12_000, "sleep": 28_800, "weight": { "value": 68, "unit": 0 } });
    bench.control(Method::PUT, &path, wanted.clone()).await;
    assert_eq!(goals().await, wanted);
    bench.control(Method::PUT, &path, Value::Null).await;
    assert_eq!(goals().await, json!([]));
}
