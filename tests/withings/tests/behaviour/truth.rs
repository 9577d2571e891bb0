//! The truth is what a service would answer if nothing stood between.

use afferent_domain::service::Service;
use serde_json::json;
use withings_simulator::{ControlError, Notify, Pages, Settings, sample};

use crate::bench::{Bench, START};

#[tokio::test(start_paused = true)]
async fn the_truth_has_no_token_no_limit_no_page_and_no_reach() {
    let one = Pages { measures: 1, activity: 1, workouts: 1, sleep: 1, heart: 1, stetho: 1 };
    let bench = Bench::new(Settings { limit: 0, pages: one, ..Settings::default() });
    let person = sample::person(&bench.simulator, Notify::No).unwrap();
    let userid = person.userid;
    bench.simulator.add(userid, [person.night(START - 12 * 86_400)], Notify::No).unwrap();
    bench.simulator.add(userid, person.intraday(START - 9 * 86_400, START - 9 * 86_400 + 600), Notify::No).unwrap();
    bench.simulator.kill_tokens(userid);
    let count = |service, list: &str| {
        let body = bench.simulator.truth(userid, service, &[]).unwrap();
        body[list].as_array().map_or_else(|| body[list].as_object().unwrap().len(), Vec::len)
    };
    let state = bench.simulator.state();
    let user = &state.users[&userid];
    for (service, list, expected) in [
        (Service::Getmeas, "measuregrps", user.measures.len()),
        (Service::Getactivity, "activities", user.activity.len()),
        (Service::Getintradayactivity, "series", user.intraday.len()),
        (Service::Getworkouts, "series", user.workouts.len()),
        (Service::SleepGetsummary, "series", 2),
        (Service::SleepGet, "series", user.nights.iter().map(|night| night.stages.len()).sum()),
        (Service::HeartList, "series", user.ecgs.len()),
        (Service::StethoList, "series", user.stethos.len()),
        (Service::AnswersGet, "answers", user.answers.len()),
        (Service::Getdevice, "devices", user.devices.len()),
        (Service::Getgoals, "goals", 3),
    ] {
        assert_eq!(count(service, list), expected, "{service}");
    }
    assert!(bench.simulator.calls().is_empty());
    let signalid = user.ecgs.iter().next().unwrap().signalid.to_string();
    let signal = bench.simulator.truth(userid, Service::HeartGet, &[("signalid", &signalid)]).unwrap();
    assert_eq!(signal["signal"].as_array().unwrap().len(), 9_000);
    let unknown = bench.simulator.truth(userid, Service::StethoGet, &[("signalid", "1")]);
    assert!(matches!(unknown, Err(ControlError::Invalid(_))));
}

#[tokio::test(start_paused = true)]
async fn the_truth_takes_the_arguments_of_a_call() {
    let bench = Bench::new(Settings::default());
    let person = sample::person(&bench.simulator, Notify::No).unwrap();
    let truth = |service, arguments: &[(&str, &str)]| bench.simulator.truth(person.userid, service, arguments).unwrap();
    assert_eq!(truth(Service::Getmeas, &[("startdate", "1"), ("enddate", "2")])["measuregrps"], json!([]));
    let day = [("startdateymd", "2026-09-16"), ("enddateymd", "2026-09-16"), ("data_fields", "hr_average")];
    let night = truth(Service::SleepGetsummary, &day);
    assert_eq!(night["series"][0]["data"].as_object().unwrap().len(), 1);
    let (first, last) = ((START - 600).to_string(), (START - 300).to_string());
    let samples = truth(Service::Getintradayactivity, &[("startdate", &*first), ("enddate", &*last)]);
    assert_eq!(samples["series"].as_object().unwrap().len(), 7);
}
