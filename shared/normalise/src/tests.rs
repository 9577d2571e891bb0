//! What each fixture must become, in numbers that were worked out by hand.

mod anything;
mod kept;
mod mistyped;
mod nights;
mod signals;

use afferent_domain::exact::{Decimal, Json};
use afferent_domain::record::{Attribution, Category, Component, Effective, Raw};

use super::*;

/// 2026-09-16 12:00 in Lisbon: the fixtures' last days lie around it.
const NOON: Timestamp = Timestamp::from_secs(1_789_556_400);

fn context(now: Timestamp) -> Context {
    Context {
        user: "usr_1".into(),
        connection: "con_1".into(),
        timezone: Some("Europe/Lisbon".to_owned()),
        now,
        run: None,
    }
}

/// Long after the fixtures.
fn later() -> Context {
    context(Timestamp::from_secs(1_790_000_000))
}

fn tree(name: &str) -> Json {
    let path = format!("{}/../../tests/fixtures/withings/{name}.json", env!("CARGO_MANIFEST_DIR"));
    Json::parse(&std::fs::read(path).unwrap()).unwrap().get("body").cloned().unwrap()
}

fn outcome(service: Service, name: &str) -> Outcome {
    let outcome = normalise(&later(), service, &Body::new(tree(name)), Of::Nothing);
    assert_eq!(outcome.problems, [], "{name}");
    outcome
}

fn parsed(service: Service, text: &str) -> Outcome {
    normalise(&later(), service, &Body::new(Json::parse(text.as_bytes()).unwrap()), Of::Nothing)
}

/// A recording of the watch, on the last day of the fixtures.
fn recording() -> Recording {
    Recording {
        signalid: 31_000_001,
        at: Timestamp::from_secs(1_789_591_202),
        timezone: Some("Europe/Lisbon".to_owned()),
        device_id: Some("9ce51740579a96b0e3dcfb6f85aa6759fa7b1f92".to_owned()),
    }
}

fn decimal(text: &str) -> Option<Decimal> {
    Some(text.parse().unwrap())
}

/// The fact of a group and a type.
fn of(outcome: &Outcome, grpid: i64, meastype: i64) -> &Fact {
    let mut found =
        outcome.facts.iter().filter(|fact| fact.source.grpid == Some(grpid) && fact.source.meastype == Some(meastype));
    let fact = found.next().unwrap();
    assert_eq!(found.next(), None);
    fact
}

fn component<'a>(fact: &'a Fact, kind: &str, method: Option<&str>) -> &'a Component {
    fact.components.iter().find(|part| part.kind == kind && part.method.as_deref() == method).unwrap()
}

#[test]
fn a_weigh_in_keeps_its_value_its_pair_and_its_origin() {
    let outcome = outcome(Service::Getmeas, "getmeas_page1");
    // Seven of the scale, its pulse, a pressure with its pulse, a temperature, an oxygen saturation.
    assert_eq!(outcome.facts.len(), 12);
    assert_eq!(outcome.newest_modified, Some(1_789_475_200));
    let weight = of(&outcome, 7_000_000_101, 1);
    assert_eq!((&*weight.kind, weight.category), ("body_weight", Category::VitalSigns));
    assert_eq!((weight.value, weight.unit.as_deref()), (decimal("71.84"), Some("kg")));
    assert_eq!(weight.raw, Some(Raw { value: 71_840, unit: -3 }));
    assert_eq!(weight.effective, Effective::At { at: "2026-09-14T07:12:08+01:00".to_owned() });
    assert_eq!(weight.effective_ms, 1_789_366_328_000);
    assert_eq!(weight.local_date.as_deref(), Some("2026-09-14"));
    assert_eq!(weight.source.attribution, Some(Attribution::Device));
    assert_eq!((weight.source.model.as_deref(), weight.source.model_id), (Some("Body+"), Some(5)));
    assert_eq!((weight.source.algo, weight.source.fm, weight.source.category), (Some(0), Some(131), Some(1)));
    assert!(!weight.preliminary);
    for (meastype, value) in [(8, "15.3"), (76, "53.5"), (77, "39.62"), (88, "2.81"), (6, "21.297"), (5, "56.54")] {
        assert_eq!(of(&outcome, 7_000_000_101, meastype).value, decimal(value), "{meastype}");
    }
    assert_eq!(of(&outcome, 7_000_000_111, 71).value, decimal("36.742"));
    assert_eq!(of(&outcome, 7_000_000_115, 54).codes[1].code, "59408-5");
}

#[test]
fn the_two_pressures_of_a_group_are_one_record() {
    let outcome = outcome(Service::Getmeas, "getmeas_bp_window_desc");
    assert_eq!(outcome.facts.len(), 4);
    let pressures: Vec<_> = outcome.facts.iter().filter(|fact| fact.kind == "blood_pressure").collect();
    assert_eq!(pressures.len(), 2);
    let pressure = pressures.iter().find(|fact| fact.source.grpid == Some(7_000_000_152)).unwrap();
    assert_eq!(pressure.codes[0].code, "85354-9");
    assert_eq!(pressure.value, None);
    let (systolic, diastolic) = (&pressure.components[0], &pressure.components[1]);
    assert_eq!((&*systolic.kind, systolic.value, &*systolic.codes[0].code), ("systolic", decimal("129"), "8480-6"));
    assert_eq!((&*diastolic.kind, diastolic.value, &*diastolic.codes[0].code), ("diastolic", decimal("84"), "8462-4"));
    assert_eq!(diastolic.raw, Some(Raw { value: 84, unit: 0 }));
    assert_eq!(of(&outcome, 7_000_000_152, 11).value, decimal("71"));
}

#[test]
fn a_body_scan_keeps_every_segment_apart() {
    let outcome = outcome(Service::Getmeas, "getmeas_page2");
    assert_eq!(outcome.facts.len(), 33);
    let segments: Vec<_> = outcome
        .facts
        .iter()
        .filter(|fact| fact.source.meastype == Some(173))
        .map(|fact| (fact.body_site.as_deref().unwrap(), fact.value))
        .collect();
    for (site, value) in
        [("torso", "29.04"), ("left_leg", "9.11"), ("right_leg", "9.14"), ("right_arm", "3.22"), ("left_arm", "3.18")]
    {
        assert!(segments.contains(&(site, decimal(value))), "{site}");
    }
    assert_eq!(segments.len(), 5);
    let whole = of(&outcome, 7_000_000_120, 5);
    assert_eq!((whole.body_site.as_deref(), whole.value), (Some("whole_body"), decimal("53.69")));
    assert_eq!(of(&outcome, 7_000_000_120, 170).value, decimal("2.4"));
    assert_eq!(of(&outcome, 7_000_000_120, 226).value, decimal("1618"));
    assert_eq!(of(&outcome, 7_000_000_121, 91).value, decimal("7.11"));
    assert_eq!(of(&outcome, 7_000_000_121, 155).value, decimal("38"));
    assert_eq!(of(&outcome, 7_000_000_121, 155).source.attribution, Some(Attribution::Device));
}

#[test]
fn a_manual_entry_and_an_ecg_class_are_told_as_what_they_are() {
    let outcome = outcome(Service::Getmeas, "getmeas_page2");
    let manual = of(&outcome, 7_000_000_130, 1);
    assert_eq!((manual.source.attribution, manual.source.attrib), (Some(Attribution::Manual), Some(2)));
    assert_eq!((&manual.source.device_id, &manual.source.model), (&None, &None));
    assert_eq!(manual.source.other.len(), 2);
    let afib = of(&outcome, 7_000_000_126, 130);
    assert_eq!((&*afib.kind, afib.value, afib.value_code.as_deref()), ("afib_ecg", None, Some("negative")));
    assert_eq!((afib.raw, &afib.unit), (Some(Raw { value: 0, unit: 0 }), &None));
    assert_eq!(of(&outcome, 7_000_000_127, 138).value, decimal("385"));
}

#[test]
fn every_measure_type_of_the_table_and_any_other_becomes_a_record() {
    let types: Vec<i64> = kinds::MEASURES.iter().map(|row| row.name.parse().unwrap()).collect();
    for meastype in types.into_iter().chain([2, 9_999]) {
        let text = format!(
            r#"{{"measuregrps":[{{"grpid":1,"date":1789366328,"attrib":1,"measures":[{{"value":1,"unit":0,"type":{meastype}}}]}}]}}"#
        );
        let outcome = parsed(Service::Getmeas, &text);
        assert_eq!((outcome.facts.len(), outcome.problems.len()), (1, 0), "{meastype}");
        let fact = &outcome.facts[0];
        assert_eq!(fact.source.attribution, Some(Attribution::Ambiguous));
        match kinds::measure(meastype) {
            Some(row) if matches!(meastype, 9 | 10) => assert_eq!(fact.components[0].kind, row.kind),
            Some(row) => assert_eq!((&*fact.kind, fact.category), (row.kind, row.category)),
            None => assert_eq!(fact.kind, format!("withings.meastype.{meastype}")),
        }
    }
}

#[test]
fn a_height_is_in_centimetres_and_a_glucose_in_its_unit() {
    let height = parsed(
        Service::Getmeas,
        r#"{"measuregrps":[{"grpid":1,"date":1789366328,"measures":[{"value":178,"unit":-2,"type":4}]}]}"#,
    );
    assert_eq!((height.facts[0].value, height.facts[0].unit.as_deref()), (decimal("178"), Some("cm")));
    let glucose = outcome(Service::Getmeas, "getmeas_glucose");
    assert_eq!((glucose.facts[0].value, glucose.facts[0].unit.as_deref()), (decimal("104"), Some("mg/dL")));
    assert_eq!(glucose.facts[0].category, Category::Laboratory);
}

#[test]
fn a_measure_twice_in_its_group_is_one_and_two_values_are_two() {
    let group = |measures: &str| {
        parsed(
            Service::Getmeas,
            &format!(r#"{{"measuregrps":[{{"grpid":1,"date":1789366328,"measures":[{measures}]}}]}}"#),
        )
    };
    let (a, b) = (r#"{"value":7184,"unit":-2,"type":1,"fm":3}"#, r#"{"value":71840,"unit":-3,"type":1,"fm":131}"#);
    let other = r#"{"value":72,"unit":0,"type":1,"fm":131}"#;
    assert_eq!(group(&format!("{a},{b}")).facts.len(), 1);
    assert_eq!(group(&format!("{a},{b}")), group(&format!("{b},{a}")));
    assert_eq!(group(&format!("{a},{b}")).facts[0].record, group(a).facts[0].record);
    assert_eq!(group(&format!("{a},{other},{b}")).facts.len(), 2);
    assert_eq!(group(&format!("{a},{other},{b}")), group(&format!("{other},{b},{a}")));
}

#[test]
fn goals_are_left_out_and_a_bad_measure_is_told() {
    let outcome = parsed(
        Service::Getmeas,
        r#"{"measuregrps":[
            {"grpid":1,"date":1789366328,"category":2,"measures":[{"value":70,"unit":0,"type":1}]},
            {"grpid":2,"date":1789366328,"measures":[{"value":7,"unit":99,"type":1},{"value":60,"unit":0,"type":11}]},
            {"grpid":3,"date":999999999999999,"measures":[{"value":7,"unit":0,"type":1}]}
        ]}"#,
    );
    assert_eq!(outcome.facts.len(), 1);
    let told: Vec<_> = outcome.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["measuregrps[1].measures[0]: value is missing or not of its type", "measuregrps[2]: date is no time"]
    );
}

#[test]
fn a_modification_in_the_future_does_not_move_the_cursor() {
    let outcome = parsed(
        Service::Getmeas,
        r#"{"measuregrps":[
            {"grpid":1,"date":1789366328,"modified":99999999999,"measures":[{"value":7,"unit":0,"type":1}]},
            {"grpid":2,"date":1789366328,"modified":1789366400,"measures":[{"value":7,"unit":0,"type":1}]}
        ]}"#,
    );
    assert_eq!((outcome.facts.len(), outcome.newest_modified), (2, Some(1_789_366_400)));
}

#[test]
fn a_day_is_a_record_per_source_and_only_today_is_open() {
    let body = Body::new(tree("getactivity"));
    let outcome = normalise(&context(NOON), Service::Getactivity, &body, Of::Nothing);
    assert_eq!((outcome.facts.len(), &*outcome.problems), (4, &[][..]));
    let on = |date: &str, model: i64| {
        let is = |fact: &&Fact| fact.local_date.as_deref() == Some(date) && fact.source.model_id == Some(model);
        outcome.facts.iter().find(is).unwrap()
    };
    let day = on("2026-09-15", 94);
    assert_eq!((&*day.kind, day.preliminary), ("activity_day", false));
    assert_eq!(
        day.effective,
        Effective::Period {
            start: "2026-09-15T00:00:00+01:00".to_owned(),
            end: "2026-09-16T00:00:00+01:00".to_owned()
        }
    );
    assert_eq!(component(day, "steps_total", None).value, decimal("9214"));
    assert_eq!(component(day, "distance", None).value, decimal("7031.882"));
    assert_eq!(component(day, "active_energy", None).value, decimal("421.337"));
    assert_eq!(component(day, "total_energy", None).value, decimal("2284.902"));
    assert_eq!(component(day, "floors_climbed", None).value, decimal("11"));
    assert_eq!(component(day, "activity_duration", Some("intense")).value, decimal("780"));
    assert_eq!(component(day, "heart_rate", Some("maximum")).value, decimal("158"));
    assert_eq!(component(day, "heart_rate_zone_duration", Some("zone_0")).value, decimal("61200"));
    assert_eq!(day.components.len(), 16);
    assert!(on("2026-09-16", 94).preliminary);
    let phone = on("2026-09-16", 1060);
    assert_eq!((phone.source.attribution, phone.components.len()), (Some(Attribution::External), 9));
    assert_ne!(phone.record, on("2026-09-16", 94).record);
    let empty = on("2026-09-17", -1);
    assert_eq!(empty.tz.as_deref(), Some("America/New_York"));
    assert!(empty.components.iter().all(|part| part.kind != "heart_rate"), "0 beats a minute is no reading");
}

#[test]
fn samples_become_one_series_per_hour_and_kind() {
    let outcome = outcome(Service::Getintradayactivity, "getintradayactivity");
    assert_eq!(outcome.facts.len(), 14);
    let hour = |kind: &str, ms: i64| outcome.facts.iter().find(|f| f.kind == kind && f.effective_ms == ms).unwrap();
    let steps = hour("steps", 1_789_578_000_000);
    let series = steps.series.as_ref().unwrap();
    assert_eq!((&*series.unit, series.origin_ms), ("{steps}", 1_789_578_000_000));
    assert_eq!((series.values.len(), series.offsets_s[1], series.durations_s[1]), (12, 60, 60));
    assert_eq!((Some(series.values[0]), Some(series.values[1])), (decimal("119"), decimal("128")));
    assert_eq!(hour("distance", 1_789_578_000_000).series.as_ref().unwrap().values[0].to_string(), "64.575");
    assert_eq!(hour("steps", 1_789_581_600_000).series.as_ref().unwrap().values, [Decimal::from(20)]);
    let pulse = hour("heart_rate", 1_789_578_000_000).series.as_ref().unwrap();
    assert_eq!((&*pulse.offsets_s, pulse.durations_s.len()), (&[133, 433][..], 0));
    assert_eq!(hour("hrv_sdnn", 1_789_578_000_000).codes[0].code, "112429-6");
    assert_eq!(
        steps.effective,
        Effective::Period {
            start: "2026-09-16T18:00:00+01:00".to_owned(),
            end: "2026-09-16T19:00:00+01:00".to_owned()
        }
    );
    let body = Body::new(tree("getintradayactivity"));
    assert!(normalise(&context(NOON), Service::Getintradayactivity, &body, Of::Nothing).facts[0].preliminary);
}

#[test]
fn a_workout_keeps_its_kind_and_its_number() {
    let outcome = outcome(Service::Getworkouts, "getworkouts");
    assert_eq!(outcome.facts.len(), 3);
    let of = |id| outcome.facts.iter().find(|fact| fact.source.id == Some(id)).unwrap();
    let run = of(810_000_003);
    assert_eq!((run.value_code.as_deref(), run.raw), (Some("run"), Some(Raw { value: 2, unit: 0 })));
    assert_eq!(component(run, "exercise_duration", None).value, decimal("1980"));
    assert_eq!(component(run, "active_energy", None).value, decimal("301"));
    assert_eq!(component(run, "heart_rate", Some("mean")).value, decimal("141"));
    assert_eq!(run.source.model_id, Some(94));
    let swim = of(810_000_002);
    assert_eq!(swim.source.attribution, Some(Attribution::Confirmed));
    assert_eq!(component(swim, "pool_laps", None).value, decimal("44"));
    assert_eq!(component(swim, "swim_strokes", None).value, decimal("980"));
    assert_eq!(component(swim, "pause_duration", Some("algorithm")).value, decimal("180"));
    assert!(swim.components.iter().all(|part| part.kind != "heart_rate"));
    assert_eq!(of(810_000_001).source.device_id, None);
}

#[test]
fn recordings_refer_to_their_signals() {
    let ecgs = outcome(Service::HeartList, "heart_list");
    assert_eq!(ecgs.facts.len(), 3);
    let of = |id| ecgs.facts.iter().find(|fact| fact.source.id == Some(id)).unwrap();
    let core = of(31_000_002);
    assert_eq!((core.value_code.as_deref(), core.source.model_id), (Some("inconclusive"), Some(44)));
    assert_eq!(core.signal.as_ref().unwrap().signalid, 31_000_002);
    assert_eq!(component(core, "systolic", None).value, decimal("129"));
    assert_eq!(component(core, "heart_rate", None).value, decimal("71"));
    assert_eq!(component(of(31_000_000), "stethoscope_recording", None).value_code.as_deref(), Some("41000000"));
    let stethos = outcome(Service::StethoList, "stetho_list");
    assert_eq!(stethos.facts.len(), 2);
    assert!(stethos.facts.iter().all(|fact| fact.kind == "stethoscope_recording" && fact.components.len() == 1));
}

#[test]
fn a_survey_is_kept_as_it_came() {
    let outcome = outcome(Service::AnswersGet, "answers_get");
    let survey = &outcome.facts[0];
    assert_eq!((&*survey.kind, survey.source.id), ("questionnaire_response", Some(9_102)));
    assert_eq!(
        serde_json::to_string(&survey.source.other["answers"]).unwrap(),
        r#"[{"answer":2,"questionid":1},{"answer":0,"questionid":2}]"#
    );
}

#[test]
fn a_device_is_a_record_that_does_not_depend_on_today() {
    let outcome = outcome(Service::Getdevice, "user_getdevice");
    assert_eq!(outcome.facts.len(), 3);
    let mat = outcome.facts.iter().find(|fact| fact.source.model_id == Some(63)).unwrap();
    assert_eq!(component(mat, "battery", None).value_code.as_deref(), Some("high"));
    assert_eq!(mat.effective_ms, 1_735_948_800_000);
}

#[test]
fn an_event_is_the_same_record_however_late_it_comes() {
    let event = |context: &Context, appli| device_event(context, appli, 1_789_511_040, Some("c49d")).unwrap();
    let bed_in = event(&later(), 50).unwrap();
    assert_eq!(bed_in.effective, Effective::At { at: "2026-09-15T23:24:00+01:00".to_owned() });
    assert_eq!(event(&context(NOON), 50).unwrap().digest(), bed_in.digest());
    let kinds: Vec<_> = [50, 51, 52, 55].map(|appli| event(&later(), appli).unwrap().kind).into();
    assert_eq!(kinds, ["bed_in", "bed_out", "inflate_done", "ecg_failed"]);
    assert_eq!(event(&later(), 44), None);
}

#[test]
fn a_profile_event_tells_what_was_said_and_what_was_found() {
    let unlink = profile(&later(), "unlink", "linked", NOON).unwrap();
    assert_eq!((unlink.value_code.as_deref(), &*unlink.components[0].kind), (Some("unlink"), "link"));
    assert_eq!(unlink.components[0].value_code.as_deref(), Some("linked"));
    let again = profile(&later(), "unlink", "dead", NOON + std::time::Duration::from_secs(1)).unwrap();
    assert_ne!(again.record, unlink.record);
    let setup = device_setup(&later(), "00:24:e4:00:00:01", NOON).unwrap();
    assert_eq!((setup.user, &*setup.kind), (UserId::app(), "device_setup"));
}

#[test]
fn an_empty_answer_is_no_fact_and_no_problem() {
    for (service, name) in [
        (Service::Getmeas, "getmeas_empty"),
        (Service::Getactivity, "getactivity_empty"),
        (Service::Getintradayactivity, "getintradayactivity_empty"),
        (Service::Getintradayactivity, "getintradayactivity_empty_array"),
        (Service::Getworkouts, "getworkouts_empty"),
        (Service::SleepGet, "sleep_get_empty"),
        (Service::SleepGetsummary, "sleep_getsummary_empty"),
        (Service::HeartList, "heart_list_empty"),
        (Service::AnswersGet, "answers_get_empty"),
    ] {
        assert_eq!(outcome(service, name), Outcome::default(), "{name}");
    }
}
