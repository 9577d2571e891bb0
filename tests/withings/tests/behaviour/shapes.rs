//! The simulator's answers have the members and JSON types of the fixtures.

use serde_json::{Value, json};
use tokio::time::sleep;
use withings_simulator::{EmptySeries, NewUser, Notify, Settings, sample};

use crate::bench::{Bench, START, URL, seconds, sign};

macro_rules! fixture {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("../../../fixtures/withings/", $name, ".json"))).unwrap()
    };
}

/// The shape of a value: objects by member, lists by their first item, scalars by type. Members keyed by
/// epoch seconds count as one.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("bool"),
        Value::Number(number) if number.is_f64() => json!("float"),
        Value::Number(_) => json!("int"),
        Value::String(_) => json!("text"),
        Value::Array(items) => json!([items.first().map(shape)]),
        Value::Object(members) => {
            let name = |name: &str| if name.parse::<i64>().is_ok() { "epoch".to_owned() } else { name.to_owned() };
            Value::Object(members.iter().map(|(member, value)| (name(member), shape(value))).collect())
        }
    }
}

async fn sampled() -> (Bench, sample::Person) {
    let mut bench = Bench::new(Settings::default());
    let person = sample::person(&bench.simulator, Notify::No).unwrap();
    bench.tokens = bench.simulator.issue_tokens(person.userid, None, "").unwrap();
    bench.userid = person.userid;
    (bench, person)
}

#[tokio::test(start_paused = true)]
async fn rows_have_the_members_and_types_of_the_fixtures() {
    let (bench, _) = sampled().await;
    let day = [("startdateymd", "2026-09-16"), ("enddateymd", "2026-09-16")];
    let (start, end) = ((START - 43_200).to_string(), START.to_string());
    let window = [("startdate", &*start), ("enddate", &*end)];
    let call = async |path: &str, action: &str, arguments: &[(&str, &str)]| {
        bench.call(path, &[&[("action", action)], arguments].concat()).await
    };
    let signal = call("/v2/heart", "list", &window).await["body"]["series"][0]["ecg"]["signalid"].to_string();
    let sound = call("/v2/stetho", "list", &window).await["body"]["series"][0]["signalid"].to_string();
    let fields = "steps,duration,elevation,distance,calories";
    let intraday =
        call("/v2/measure", "getintradayactivity", &[&window[..], &[("data_fields", fields)]].concat()).await;
    let summary = "wakeupduration,wakeupcount,durationtosleep,remsleepduration,durationtowakeup,total_timeinbed,\
        total_sleep_time,sleep_efficiency,sleep_latency,wakeup_latency,waso,nb_rem_episodes,out_of_bed_count,\
        lightsleepduration,deepsleepduration,hr_average,hr_min,hr_max,rr_average,rr_min,rr_max,\
        breathing_disturbances_intensity,snoring,snoringepisodecount,sleep_score,night_events,\
        apnea_hypopnea_index,mvt_score_avg,mvt_active_duration,rmssd_start_avg,rmssd_end_avg";
    let summary = call("/v2/sleep", "getsummary", &[&day[..], &[("data_fields", summary)]].concat()).await;
    let mut known_summary = fixture!("sleep_getsummary");
    known_summary["body"]["series"].as_array_mut().unwrap().remove(0);
    let mut known_intraday = fixture!("getintradayactivity");
    let first = known_intraday["body"]["series"]["1789578000"].clone();
    known_intraday["body"]["series"] = json!({ "1789578000": first });
    let mut known_heart = fixture!("heart_list");
    known_heart["body"]["series"].as_array_mut().unwrap().remove(0);
    let weigh_in = call("/measure", "getmeas", &[&window[..], &[("meastypes", "1")]].concat()).await;
    for (answer, known) in [
        (weigh_in, fixture!("getmeas_single_weighin")),
        (call("/v2/measure", "getactivity", &day).await, fixture!("getactivity")),
        (call("/v2/measure", "getworkouts", &day).await, fixture!("getworkouts")),
        (intraday, known_intraday),
        (summary, known_summary),
        (call("/v2/sleep", "get", &window).await, fixture!("sleep_get_no_data_fields")),
        (call("/v2/heart", "list", &window).await, known_heart),
        (call("/v2/heart", "get", &[("signalid", &signal)]).await, fixture!("heart_get")),
        (call("/v2/stetho", "list", &window).await, fixture!("stetho_list")),
        (call("/v2/stetho", "get", &[("signalid", &sound)]).await, fixture!("stetho_get")),
        (call("/v2/user", "getdevice", &[]).await, fixture!("user_getdevice")),
        (call("/v2/user", "getgoals", &[]).await, fixture!("user_getgoals")),
    ] {
        assert_eq!(shape(&answer), shape(&known));
    }
}

#[tokio::test(start_paused = true)]
async fn empty_answers_are_exactly_the_fixtures() {
    let mut bench = Bench::new(Settings::default());
    let userid = bench.simulator.create_user(NewUser::default()).unwrap();
    bench.tokens = bench.simulator.issue_tokens(userid, None, "").unwrap();
    let day = [("startdateymd", "2026-09-16"), ("enddateymd", "2026-09-16"), ("startdate", "5"), ("enddate", "9")];
    let call = async |path: &str, action: &str| bench.call(path, &[&[("action", action)], &day[..]].concat()).await;
    let mut measures = fixture!("getmeas_empty");
    measures["body"]["updatetime"] = json!(START);
    for (answer, known) in [
        (call("/measure", "getmeas").await, measures),
        (call("/v2/measure", "getactivity").await, fixture!("getactivity_empty")),
        (call("/v2/measure", "getworkouts").await, fixture!("getworkouts_empty")),
        (call("/v2/measure", "getintradayactivity").await, fixture!("getintradayactivity_empty")),
        (call("/v2/sleep", "get").await, fixture!("sleep_get_empty")),
        (call("/v2/sleep", "getsummary").await, fixture!("sleep_getsummary_empty")),
        (call("/v2/heart", "list").await, fixture!("heart_list_empty")),
        (call("/v2/user", "getgoals").await, fixture!("user_getgoals_none")),
        (call("/notify", "list").await, fixture!("notify_list_empty")),
    ] {
        assert_eq!(answer, known);
    }
    bench.simulator.configure(|settings| settings.empty_intraday = EmptySeries::Array);
    assert_eq!(call("/v2/measure", "getintradayactivity").await, fixture!("getintradayactivity_empty_array"));
}

#[tokio::test(start_paused = true)]
async fn errors_are_exactly_the_fixtures() {
    let bench = Bench::new(Settings::default());
    let narrow = bench.simulator.issue_tokens(bench.userid, None, "user.activity").unwrap().access_token;
    let notify = |action, url| [("action", action), ("callbackurl", url), ("appli", "1")];
    for (answer, known) in [
        (bench.getmeas(&[("enddate", "x")]).await, fixture!("error_503_invalid_params_generic")),
        (bench.call("/v2/rawdata", &[("action", "get")]).await, fixture!("error_2554_unknown_action")),
        (bench.call("/v2/sleep", &[("action", "nap")]).await, fixture!("error_2554_unknown_action")),
        (bench.call("/notify", &notify("subscribe", "http://a")).await, fixture!("notify_subscribe_error_293")),
        (bench.call("/notify", &notify("revoke", URL)).await, fixture!("notify_revoke_error_294")),
        (bench.call("/notify", &notify("get", URL)).await, fixture!("notify_get_error_286")),
        (bench.token(&[("grant_type", "authorization_code"), ("code", "x")]).await, fixture!("error_503_invalid_code")),
        (
            bench.token(&[("grant_type", "refresh_token"), ("refresh_token", "x")]).await,
            fixture!("error_503_invalid_refresh_token"),
        ),
        (bench.call_as(Some("x"), "/measure", &[("action", "getmeas")]).await, fixture!("error_401_invalid_token")),
        (bench.call_as(None, "/measure", &[("action", "getmeas")]).await, fixture!("error_401_invalid_token")),
        (
            bench.call_as(Some(&narrow), "/measure", &[("action", "getmeas")]).await,
            fixture!("error_403_insufficient_scope"),
        ),
    ] {
        assert_eq!(answer, known);
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_profiles_and_surveys_have_the_shape_of_the_fixtures() {
    let (bench, person) = sampled().await;
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", bench.tokens.refresh_token.as_str())];
    assert_eq!(shape(&bench.token(&refresh).await), shape(&fixture!("oauth_token")));
    let subscribe = [("action", "subscribe"), ("callbackurl", URL), ("appli", "1"), ("comment", "fixture")];
    assert_eq!(bench.call("/notify", &subscribe).await, json!({ "status": 0, "body": {} }));
    let list = bench.call("/notify", &[("action", "list")]).await;
    assert_eq!(shape(&list), shape(&fixture!("notify_list")));
    let get = bench.call("/notify", &[("action", "get"), ("callbackurl", URL)]).await;
    assert_eq!(get, fixture!("notify_get"));

    sleep(seconds(1)).await;
    let (timestamp, userid) = (START.to_string(), person.userid.to_string());
    let signature = sign("getnonce", &timestamp);
    let arguments =
        [("action", "getnonce"), ("client_id", "sim-client"), ("timestamp", &timestamp), ("signature", &signature)];
    let nonce = bench.call_as(None, "/v2/signature", &arguments).await;
    assert_eq!(shape(&nonce), shape(&fixture!("signature_getnonce")));
    let nonce = nonce["body"]["nonce"].as_str().unwrap();
    let answers = async |nonce: &str, signature: &str, startdate: &str| {
        let arguments = [
            ("action", "get"),
            ("client_id", "sim-client"),
            ("nonce", nonce),
            ("signature", signature),
            ("userid", &userid),
            ("startdate", startdate),
        ];
        bench.call_as(None, "/v2/answers", &arguments).await
    };
    assert_eq!(shape(&answers(nonce, &sign("get", nonce), "0").await), shape(&fixture!("answers_get")));
    assert_eq!(answers(nonce, "wrong", "0").await["status"], 342);
}
