//! Sleep: sums, events, stages, samples.

use super::*;

#[test]
fn a_night_is_a_record_with_its_sums_in_our_units() {
    let outcome = outcome(Service::SleepGetsummary, "sleep_getsummary");
    assert_eq!(outcome.facts.len(), 2);
    assert_eq!(outcome.newest_modified, Some(1_789_589_140));
    let night = outcome.facts.iter().find(|fact| fact.source.id == Some(5_900_001_001)).unwrap();
    assert_eq!((&*night.kind, night.preliminary), ("sleep_session", false));
    assert_eq!(
        night.effective,
        Effective::Period {
            start: "2026-09-15T23:24:00+01:00".to_owned(),
            end: "2026-09-16T06:39:00+01:00".to_owned()
        }
    );
    assert_eq!(night.local_date.as_deref(), Some("2026-09-16"));
    assert_eq!((night.source.created, night.source.model_id), (Some(1_789_526_124), Some(63)));
    for (kind, method, value) in [
        ("sleep_duration", None, "23520"),
        ("sleep_deep", None, "5640"),
        ("sleep_rem", None, "6120"),
        ("time_in_bed", None, "25800"),
        ("sleep_efficiency", None, "91"),
        ("awakenings", None, "1"),
        ("sleep_score", None, "81"),
        ("sleep_heart_rate", Some("mean"), "56"),
        ("respiratory_rate", Some("maximum"), "17"),
        ("apnea_hypopnea_index", None, "4"),
        ("snoring_duration", None, "0"),
        ("hrv_rmssd", Some("mean_at_end"), "36"),
        ("withings.durationtosleep", None, "1200"),
    ] {
        assert_eq!(component(night, kind, method).value, decimal(value), "{kind}");
    }
    let nap = outcome.facts.iter().find(|fact| fact.source.id == Some(5_900_001_002)).unwrap();
    assert!(nap.components.iter().all(|part| part.kind != "sleep_rem" && part.kind != "sleep_score"));
}

#[test]
fn night_events_are_offsets_from_the_start_in_order() {
    let outcome = outcome(Service::SleepGetsummary, "sleep_getsummary_page1");
    let events: Vec<_> = outcome.facts[0]
        .components
        .iter()
        .filter(|part| part.kind == "night_event")
        .map(|part| (part.value.unwrap().as_integer().unwrap(), part.value_code.as_deref().unwrap()))
        .collect();
    // {"1":[0,15300],"2":[1200,14340],"3":[14640,10980],"4":[15000,11100]}
    assert_eq!(
        events,
        [
            (0, "in_bed"),
            (1_200, "asleep"),
            (14_640, "awake"),
            (15_000, "out_of_bed"),
            (15_300, "in_bed"),
            (15_540, "asleep"),
            (25_620, "awake"),
            (26_100, "out_of_bed"),
        ]
    );
}

#[test]
fn unreadable_night_events_cost_only_themselves() {
    let night = |events: &str| {
        let text = format!(
            r#"{{"series":[{{"id":1,"startdate":1789511040,"enddate":1789537140,"data":{{"night_events":{events}}}}}]}}"#
        );
        let outcome = parsed(Service::SleepGetsummary, &text);
        assert_eq!(outcome.facts.len(), 1, "{events}");
        (outcome.facts[0].components.len(), outcome.problems.len())
    };
    assert_eq!(night(r#""{\"1\":[0]}""#), (1, 0));
    assert_eq!(night(r#"{"1":[0, 5]}"#), (2, 0));
    assert_eq!(night("[]"), (0, 0));
    for broken in [r#""{\"1\":""#, r#""5""#, "7", r#"{"1":["x"]}"#, r#"{"1":[9223372036854775807, 1]}"#] {
        assert_eq!(night(broken), (0, 1), "{broken}");
    }
}

#[test]
fn a_night_that_is_not_completed_is_preliminary() {
    let night = |completed: &str, now| {
        let text = format!(r#"{{"series":[{{"id":1,"startdate":1789511040,"enddate":1789537140{completed}}}]}}"#);
        let body = Body::new(Json::parse(text.as_bytes()).unwrap());
        normalise(&context(now), Service::SleepGetsummary, &body, Of::Nothing).facts[0].preliminary
    };
    assert!(night(r#","completed":false"#, NOON));
    assert!(!night(r#","completed":true"#, NOON));
    assert!(!night("", NOON));
    assert!(night("", Timestamp::from_secs(1_789_537_000)));
}

#[test]
fn stages_are_sorted_merged_and_add_up_to_the_summary() {
    let outcome = outcome(Service::SleepGet, "sleep_get");
    let nights: Vec<_> = outcome.facts.iter().filter(|fact| fact.kind == "sleep_stage").collect();
    assert_eq!(nights.len(), 1);
    let stages = &nights[0].stages;
    assert_eq!(stages.len(), 18);
    assert!(stages.windows(2).all(|pair| pair[0].end_ms == pair[1].start_ms && pair[0].stage != pair[1].stage));
    let total = |name: &str| {
        let of_name = stages.iter().filter(|stage| stage.stage == name);
        of_name.map(|stage| (stage.end_ms - stage.start_ms) / 1000).sum::<i64>()
    };
    assert_eq!((total("light"), total("rem"), total("deep")), (11_760, 6_120, 5_640));
    assert_eq!((total("awake"), total("out_of_bed")), (2_280, 300));
    assert_eq!((stages[0].start_ms, stages[17].end_ms), (1_789_511_040_000, 1_789_537_140_000));
}

#[test]
fn without_data_fields_there_are_stages_and_no_series() {
    let outcome = outcome(Service::SleepGet, "sleep_get_no_data_fields");
    assert!(outcome.facts.iter().all(|fact| fact.kind == "sleep_stage" && fact.series.is_none()));
}

#[test]
fn the_samples_of_a_night_are_series_by_the_hour_without_the_zeros_of_no_reading() {
    let outcome = outcome(Service::SleepGet, "sleep_get");
    let count = |kind: &str| {
        let of_kind = outcome.facts.iter().filter(|fact| fact.kind == kind);
        of_kind.map(|fact| fact.series.as_ref().unwrap().values.len()).sum::<usize>()
    };
    assert_eq!((count("heart_rate"), count("respiratory_rate"), count("snoring_duration")), (430, 430, 430));
    assert_eq!((count("hrv_sdnn"), count("hrv_rmssd"), count("movement_score")), (392, 392, 430));
    // Six kinds in eight hours, and the stages.
    assert_eq!(outcome.facts.len(), 49);
    let is_first = |fact: &&Fact| fact.kind == "heart_rate" && fact.effective_ms == 1_789_509_600_000;
    let first = outcome.facts.iter().find(is_first).unwrap().series.clone().unwrap();
    assert_eq!((first.values.len(), first.offsets_s[0]), (36, 1_440));
    assert_eq!(first.values[..3], [69, 66, 63].map(Decimal::from));
}

#[test]
fn stages_go_to_the_night_that_they_were_read_for() {
    let at = Timestamp::from_secs;
    let night = |id, start, end, open| Night { id, start: at(start), end: at(end), open, device_id: None };
    let body = Body::new(tree("sleep_get_no_data_fields"));
    let whole = night(5_900_001_001, 1_789_511_040, 1_789_537_140, true);
    let outcome = normalise(&later(), Service::SleepGet, &body, Of::Nights(std::slice::from_ref(&whole)));
    assert_eq!(outcome.facts.len(), 1);
    assert!(outcome.facts[0].preliminary);
    let grown = Night { end: at(1_789_540_000), open: false, ..whole };
    let again = normalise(&later(), Service::SleepGet, &body, Of::Nights(&[grown]));
    assert_eq!(again.facts[0].record, outcome.facts[0].record);
    assert!(!again.facts[0].preliminary);
    let elsewhere = night(1, 1_789_600_000, 1_789_610_000, false);
    assert_eq!(normalise(&later(), Service::SleepGet, &body, Of::Nights(&[elsewhere])).facts, []);
}

#[test]
fn overlapping_intervals_are_not_counted_twice() {
    let outcome = parsed(
        Service::SleepGet,
        r#"{"series":[
            {"startdate":1789511600,"enddate":1789511700,"state":1},
            {"startdate":1789511000,"enddate":1789511500,"state":1},
            {"startdate":1789511400,"enddate":1789511600,"state":2},
            {"startdate":1789511450,"enddate":1789511480,"state":3},
            {"startdate":1789511800,"enddate":1789511800,"state":0},
            {"startdate":1789520000,"enddate":1789520060,"state":99}
        ]}"#,
    );
    assert_eq!(outcome.problems.len(), 1);
    let mut nights: Vec<Vec<_>> = outcome
        .facts
        .iter()
        .map(|fact| fact.stages.iter().map(|s| (&*s.stage, (s.end_ms - s.start_ms) / 1000)).collect())
        .collect();
    nights.sort();
    assert_eq!(nights, [vec![("light", 500), ("deep", 100), ("light", 100)], vec![("withings.state.99", 60)]]);
}
