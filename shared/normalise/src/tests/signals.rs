//! Goals, signals, what belongs to stored records, and what is too large.

use afferent_domain::record::{Change, Record, Signal, SyncKind, revise};
use proptest::prelude::*;

use super::*;

fn of_recording(service: Service, name: &str) -> Outcome {
    let outcome = normalise(&later(), service, &Body::new(tree(name)), Of::Recording(&recording()));
    assert_eq!(outcome.problems, [], "{name}");
    outcome
}

fn stored(fact: Fact) -> Record {
    match revise(None, fact, NOON, SyncKind::Live) {
        Change::Write(record) => *record,
        Change::Unchanged => panic!("a first revision"),
    }
}

/// The size of an attribute's value in an item (Amazon DynamoDB developer guide, item sizes and formats).
fn item_size(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Null | serde_json::Value::Bool(_) => 1,
        serde_json::Value::Number(number) => {
            let text = number.to_string();
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            digits.div_ceil(2) + 1 + usize::from(text.starts_with('-'))
        }
        serde_json::Value::String(text) => text.len(),
        serde_json::Value::Array(items) => 3 + items.iter().map(|item| 1 + item_size(item)).sum::<usize>(),
        serde_json::Value::Object(members) => {
            3 + members.iter().map(|(name, member)| 1 + name.len() + item_size(member)).sum::<usize>()
        }
    }
}

/// How long a record is as JSON and as an item.
fn sizes(record: &Record) -> (usize, usize) {
    let json = serde_json::to_string(record).unwrap();
    (json.len(), item_size(&serde_json::from_str(&json).unwrap()))
}

#[test]
fn goals_are_one_record_and_none_where_there_is_no_goal() {
    let outcome = outcome(Service::Getgoals, "user_getgoals");
    assert_eq!(outcome.facts.len(), 1);
    let goals = &outcome.facts[0];
    assert_eq!((&*goals.kind, goals.category, &*goals.source.service), ("goals", Category::Activity, "getgoals"));
    assert_eq!(component(goals, "step_goal", None).value, decimal("9000"));
    let sleep = component(goals, "sleep_goal", None);
    assert_eq!((sleep.value, sleep.unit.as_deref()), (decimal("27000"), Some("s")));
    let weight = component(goals, "weight_goal", None);
    assert_eq!((weight.value, weight.unit.as_deref()), (decimal("70"), Some("kg")));
    assert_eq!(weight.raw, Some(Raw { value: 70_000, unit: -3 }));
    let at_noon = normalise(&context(NOON), Service::Getgoals, &Body::new(tree("user_getgoals")), Of::Nothing);
    assert_eq!(at_noon.facts[0].digest(), goals.digest(), "it does not depend on today");
    for none in [r#"{"goals":[]}"#, r#"{"goals":{"steps":null,"weight":null}}"#, "{}"] {
        assert_eq!(parsed(Service::Getgoals, none), Outcome::default(), "{none}");
    }
    let changed = parsed(Service::Getgoals, r#"{"goals":{"steps":8000}}"#);
    assert_eq!(changed.facts[0].record, goals.record);
    assert_eq!(changed.facts[0].components.len(), 1);
}

#[test]
fn an_ecg_signal_is_a_record_of_its_recording_with_all_that_was_said_of_it() {
    let outcome = of_recording(Service::HeartGet, "heart_get");
    assert_eq!((outcome.facts.len(), outcome.later), (1, false));
    let part = &outcome.facts[0];
    assert_eq!((&*part.kind, part.category, &*part.source.service), ("ecg_signal", Category::Exam, "heart_get"));
    assert_eq!(part.effective, Effective::At { at: "2026-09-16T21:40:02+01:00".to_owned() });
    assert_eq!((part.effective_ms, part.tz.as_deref()), (1_789_591_202_000, Some("Europe/Lisbon")));
    assert_eq!((part.source.id, part.source.model_id), (Some(31_000_001), Some(94)));
    assert_eq!((part.source.position, part.body_site.as_deref()), (Some(1), Some("left_wrist")));
    assert_eq!(part.source.device_id, recording().device_id);
    assert_eq!(part.source.other.keys().collect::<Vec<_>>(), ["heart_rate"]);
    let signal = part.signal.as_ref().unwrap();
    assert_eq!((signal.signalid, signal.sampling_hz, signal.unit.as_deref()), (31_000_001, decimal("300"), Some("uV")));
    assert_eq!((signal.part, signal.parts, &signal.samples[..3]), (Some(1), Some(1), &[103, 143, 310][..]));
    assert_eq!(signal.digest.as_deref(), Some(&*Signal::digest_of(&signal.samples)));
    let again = of_recording(Service::HeartGet, "heart_get_hr_object");
    assert_eq!(again.facts[0].record, part.record);
    assert!(matches!(again.facts[0].source.other["heart_rate"], Json::Object(_)));
}

#[test]
fn a_digest_is_that_of_the_samples_as_a_json_list() {
    // printf '[1,-2,3]' | sha256sum
    assert_eq!(Signal::digest_of(&[1, -2, 3]), "291bbc895d1412460556618bc33cfcc323cac88cbfae4a2062ccfbd2afb51ec7");
    assert_eq!(Signal::digest_of(&[]), "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945");
}

#[test]
fn a_sound_is_kept_in_its_code_words_with_where_it_was_taken() {
    let outcome = of_recording(Service::StethoGet, "stetho_get");
    let part = &outcome.facts[0];
    assert_eq!((&*part.kind, &*part.source.service), ("stethoscope_signal", "stetho_get"));
    assert_eq!((part.source.position, part.body_site.as_deref()), (Some(15), Some("aortic_area")));
    assert_eq!(part.signal.as_ref().unwrap().unit.as_deref(), Some("{a-law}"));
    let said: Vec<_> = part.source.other.keys().collect();
    assert_eq!(said, ["channel", "duration", "format", "resolution", "size", "vhd"]);
    assert_ne!(part.record, of_recording(Service::HeartGet, "heart_get").facts[0].record);
}

#[test]
fn a_signal_that_is_not_synced_yet_is_asked_for_later() {
    let later_than = |text: &str| {
        let body = Body::new(Json::parse(text.as_bytes()).unwrap());
        normalise(&later(), Service::HeartGet, &body, Of::Recording(&recording()))
    };
    let empty = of_recording(Service::HeartGet, "heart_get_empty_signal");
    assert_eq!((empty.later, empty.facts.len()), (true, 0));
    assert!(later_than("{}").later);
    let wrong = later_than(r#"{"signal":[1,"x"]}"#);
    assert_eq!((wrong.later, wrong.facts.len(), wrong.problems.len()), (false, 0, 1));
    let unknown = normalise(&later(), Service::HeartGet, &Body::new(tree("heart_get")), Of::Nothing);
    assert_eq!((unknown.later, unknown.facts.len(), unknown.problems.len()), (false, 0, 1));
}

fn long(samples: &[i64]) -> Outcome {
    let text = format!(r#"{{"signal":{},"frequency":4000}}"#, serde_json::to_string(samples).unwrap());
    let body = Body::new(Json::parse(text.as_bytes()).unwrap());
    normalise(&later(), Service::StethoGet, &body, Of::Recording(&recording()))
}

#[test]
fn a_long_signal_comes_in_parts_that_fit_an_item_and_can_be_retracted_by_their_ids() {
    let samples: Vec<i64> = (0..80_000).map(|index| index * 73 % 251).collect();
    let outcome = long(&samples);
    assert_eq!(outcome.problems, []);
    let mut parts: Vec<_> = outcome.facts.clone();
    parts.sort_by_key(|fact| fact.signal.as_ref().unwrap().part);
    assert_eq!(parts.len(), 2);
    let whole: Vec<i64> = parts.iter().flat_map(|fact| fact.signal.as_ref().unwrap().samples.clone()).collect();
    assert_eq!(whole, samples);
    let digests: Vec<_> = parts.iter().map(|fact| fact.signal.as_ref().unwrap().digest.clone().unwrap()).collect();
    assert_eq!(digests, [Signal::digest_of(&samples), Signal::digest_of(&samples)]);
    let ids: Vec<_> = parts.iter().map(|fact| fact.record.clone()).collect();
    assert_eq!(ids, signal_parts(&later().user, Service::StethoGet, 31_000_001, 2));
    assert_ne!(ids, signal_parts(&later().user, Service::HeartGet, 31_000_001, 2));
    assert_ne!(ids, signal_parts(&"usr_2".into(), Service::StethoGet, 31_000_001, 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn no_part_of_a_signal_is_longer_than_256_kb_in_any_form(
        pattern in prop::collection::vec(prop_oneof![-9_i64..10, -5_000_i64..5_000, any::<i64>()], 1..9),
        length in 1_usize..150_000,
    ) {
        let samples: Vec<i64> = pattern.iter().copied().cycle().take(length).collect();
        let outcome = long(&samples);
        prop_assert_eq!(outcome.problems.len(), 0);
        let count: usize = outcome.facts.iter().map(|fact| fact.signal.as_ref().unwrap().samples.len()).sum();
        prop_assert_eq!(count, length);
        for fact in outcome.facts {
            let (json, item) = sizes(&stored(fact));
            prop_assert!(json <= PART_BYTES && item <= PART_BYTES, "{json} {item}");
        }
    }
}

#[test]
fn what_no_item_could_hold_is_a_problem_and_costs_no_other() {
    let night: Vec<_> = (0..100_000)
        .map(|n| format!(r#"{{"startdate":{},"enddate":{},"state":{}}}"#, 1_789_000_000 + n, 1_789_000_001 + n, n % 4))
        .collect();
    let huge = "x".repeat(400_000);
    let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    let zeros = vec!["0"; 120_000].join(",");
    let group = |extra: &str| {
        let measures = r#""measures":[{"value":7,"unit":0,"type":1}]"#;
        format!(
            r#"{{"measuregrps":[{{"grpid":1,"date":1789366328,{measures}}},{{"grpid":2,"date":1789366328,{measures},{extra}}}]}}"#
        )
    };
    let name = "n".repeat(300);
    for (service, text, kept) in [
        (Service::SleepGet, format!(r#"{{"series":[{}]}}"#, night.join(",")), 0),
        (Service::Getmeas, group(&format!(r#""comment":"{huge}""#)), 1),
        (Service::Getmeas, group(&format!(r#""new":{deep}"#)), 1),
        // As JSON it would fit; as an item each number takes a byte more.
        (Service::Getmeas, group(&format!(r#""new":[{zeros}]"#)), 1),
        (Service::Getintradayactivity, format!(r#"{{"series":{{"1789578000":{{"steps":1,"{name}":1}}}}}}"#), 1),
    ] {
        let outcome = parsed(service, &text);
        assert_eq!((outcome.facts.len(), outcome.problems.len()), (kept, 1), "{service}");
        assert_eq!(outcome.problems[0].to_string(), format!("{service}: it is too large to be kept"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn what_normalise_lets_through_fits_an_item(
        numbers in prop::collection::vec(prop_oneof![0_i64..10, 0_i64..10, any::<i64>()], 1..6),
        length in 1_usize..140_000,
        text in "[a-zäß\"\\\\]{0,40}",
    ) {
        let list: Vec<i64> = numbers.iter().copied().cycle().take(length).collect();
        let (list, text) = (serde_json::to_string(&list).unwrap(), serde_json::to_string(&text).unwrap());
        let outcome = parsed(Service::Getmeas, &format!(
            r#"{{"measuregrps":[{{"grpid":1,"date":1789366328,"new":{list},"comment":{text},
                "measures":[{{"value":7,"unit":0,"type":1}}]}}]}}"#
        ));
        prop_assert_eq!(outcome.facts.len() + outcome.problems.len(), 1);
        for fact in outcome.facts {
            let (json, item) = sizes(&stored(fact));
            prop_assert!(json < 380 * 1024 && item < 380 * 1024, "{json} {item}");
        }
    }
}

#[test]
fn stored_nights_and_recordings_tell_what_their_details_are_read_by() {
    let summary = outcome(Service::SleepGetsummary, "sleep_getsummary");
    let mut records: Vec<Record> = summary.facts.into_iter().map(stored).collect();
    records.extend(outcome(Service::HeartList, "heart_list").facts.into_iter().map(stored));
    records.extend(outcome(Service::StethoList, "stetho_list").facts.into_iter().map(stored));
    let nights = nights(&records);
    assert_eq!(nights.len(), 2);
    let night = nights.iter().find(|night| night.id == 5_900_001_001).unwrap();
    assert_eq!((night.start.as_secs(), night.end.as_secs()), (1_789_511_040, 1_789_537_140));
    assert_eq!((night.open, night.device_id.as_deref()), (false, Some("c49dc1e0e9d0d2e48a5b8c77e2e9d96c2b6622c2")));
    let recordings = recordings(&records);
    let ids: Vec<_> = recordings.iter().map(|(service, recording)| (*service, recording.signalid)).collect();
    assert_eq!(
        ids,
        [
            (Service::HeartGet, 31_000_000),
            (Service::StethoGet, 41_000_000),
            (Service::StethoGet, 41_000_001),
            (Service::HeartGet, 31_000_001),
            (Service::HeartGet, 31_000_002),
        ]
    );
    assert_eq!(recordings[3].1, recording());
    for record in &mut records {
        *record = afferent_domain::record::retract(record, NOON);
    }
    assert_eq!((super::nights(&records).len(), super::recordings(&records).len()), (0, 0));
}
