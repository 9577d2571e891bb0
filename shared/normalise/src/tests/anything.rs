//! What must hold for every answer.

use proptest::prelude::*;

use super::*;

/// Any JSON at all.
fn junk() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        Just(Json::Unreadable),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(|number| Json::Number(number.into())),
        "[0-9e.-]{0,6}".prop_map(Json::Text),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::List),
            prop::collection::btree_map("[a-z0-9]{1,3}", inner, 0..3).prop_map(Json::Object),
        ]
    })
}

/// A number from a few, so that rows meet and clash.
fn number() -> impl Strategy<Value = Json> {
    let number = prop_oneof![0_i64..12, (0_i64..6).prop_map(|minutes| 1_789_511_040 + 60 * minutes)];
    number.prop_map(|number| Json::Number(number.into()))
}

/// An object with most of these members, each mostly what it should be.
fn object(members: Vec<(&'static str, BoxedStrategy<Json>)>) -> BoxedStrategy<Json> {
    let members: Vec<_> = members
        .into_iter()
        .map(|(name, good)| {
            prop_oneof![28 => good.prop_map(Some), 1 => Just(None), 1 => junk().prop_map(Some)]
                .prop_map(move |member| Some((name.to_owned(), member?)))
        })
        .collect();
    members.prop_map(|members| Json::Object(members.into_iter().flatten().collect())).boxed()
}

/// A list of such objects, junk among them.
fn rows(row: BoxedStrategy<Json>) -> BoxedStrategy<Json> {
    prop::collection::vec(prop_oneof![9 => row, 1 => junk()], 0..5).prop_map(Json::List).boxed()
}

/// An object from epoch seconds to something.
fn timeline(sample: BoxedStrategy<Json>) -> BoxedStrategy<Json> {
    let at = (0_i64..90).prop_map(|minutes| (1_789_511_040 + 60 * minutes).to_string());
    prop::collection::btree_map(at, sample, 0..6).prop_map(Json::Object).boxed()
}

/// What a service might answer on a bad day.
fn body(service: Service) -> BoxedStrategy<Json> {
    let numbers = |names: &[&'static str]| names.iter().map(|name| (*name, number().boxed())).collect::<Vec<_>>();
    let device = || prop::sample::select(vec!["a", "b"]).prop_map(|id| Json::Text(id.to_owned())).boxed();
    let with = |mut members: Vec<_>, name, member| {
        members.push((name, member));
        object(members)
    };
    let (list, row) = match service {
        Service::Getmeas => {
            let kinds = prop::sample::select(vec![1_i64, 9, 10, 11, 130, 5, 777]);
            let kind = kinds.prop_map(|kind| Json::Number(kind.into())).boxed();
            let measure = with(numbers(&["value", "unit", "position", "fm"]), "type", kind);
            let group = numbers(&["grpid", "date", "category", "attrib", "modified"]);
            ("measuregrps", with(group, "measures", rows(measure)))
        }
        Service::Getactivity => {
            let date = prop::sample::select(vec!["2026-09-15", "2026-09-16", "2026-02-30"]);
            let date = date.prop_map(|date| Json::Text(date.to_owned())).boxed();
            ("activities", with(numbers(&["steps", "hr_min", "modified", "brand", "new"]), "date", date))
        }
        Service::Getintradayactivity => {
            let entry = with(numbers(&["steps", "heart_rate", "duration", "new"]), "deviceid", device());
            return object(vec![("series", timeline(entry))]);
        }
        Service::Getworkouts => {
            let data = object(numbers(&["steps", "hr_min", "new"]));
            ("series", with(numbers(&["id", "startdate", "enddate", "modified", "category"]), "data", data))
        }
        Service::SleepGet => {
            let interval = numbers(&["startdate", "enddate", "state", "model"]);
            ("series", with(interval, "hr", timeline(number().boxed())))
        }
        Service::SleepGetsummary => {
            let events = Just(Json::Text(r#"{"1":[0,5]}"#.to_owned())).boxed();
            let data = with(numbers(&["sleep_efficiency", "hr_min", "new"]), "night_events", events);
            ("series", with(numbers(&["id", "startdate", "enddate", "modified", "completed"]), "data", data))
        }
        Service::HeartList => {
            let ecg = object(numbers(&["signalid", "afib"]));
            ("series", with(numbers(&["timestamp", "heart_rate", "modified"]), "ecg", ecg))
        }
        Service::StethoList => ("series", object(numbers(&["signalid", "timestamp", "vhd"]))),
        Service::AnswersGet => {
            ("answers", with(numbers(&["surveyid", "grpid", "timestamp"]), "answers", junk().boxed()))
        }
        Service::Getgoals => {
            let weight = object(numbers(&["value", "unit", "new"]));
            return object(vec![("goals", with(numbers(&["steps", "sleep", "new"]), "weight", weight))]);
        }
        Service::HeartGet | Service::StethoGet => {
            let samples = prop::collection::vec(number(), 0..4).prop_map(Json::List).boxed();
            return with(numbers(&["sampling_frequency", "frequency", "position", "model", "new"]), "signal", samples);
        }
        Service::Getdevice => ("devices", with(numbers(&["first_session_date", "model_id"]), "deviceid", device())),
    };
    object(vec![(list, rows(row))])
}

/// Turns every list around; the order of an object's members is no order.
fn reversed(json: &Json) -> Json {
    match json {
        Json::List(items) => Json::List(items.iter().rev().cloned().collect()),
        Json::Object(members) => {
            Json::Object(members.iter().map(|(name, member)| (name.clone(), rows_reversed(name, member))).collect())
        }
        other => other.clone(),
    }
}

/// Only lists of rows: the order inside an answer to a survey is its own.
fn rows_reversed(name: &str, member: &Json) -> Json {
    match (name, member) {
        ("measuregrps", Json::List(groups)) => Json::List(groups.iter().rev().map(reversed).collect()),
        ("measures" | "activities" | "series" | "answers" | "devices", Json::List(_)) => reversed(member),
        _ => member.clone(),
    }
}

#[test]
fn the_order_of_the_rows_changes_nothing() {
    for (service, name) in [
        (Service::Getmeas, "getmeas_page1"),
        (Service::Getmeas, "getmeas_page2"),
        (Service::Getmeas, "getmeas_bp_window_desc"),
        (Service::Getactivity, "getactivity"),
        (Service::Getworkouts, "getworkouts"),
        (Service::SleepGet, "sleep_get"),
        (Service::SleepGetsummary, "sleep_getsummary"),
        (Service::HeartList, "heart_list"),
        (Service::StethoList, "stetho_list"),
        (Service::Getdevice, "user_getdevice"),
    ] {
        let turned = Body::new(reversed(&tree(name)));
        assert_eq!(normalise(&later(), service, &turned, Of::Nothing), outcome(service, name), "{name}");
    }
}

#[test]
fn a_row_twice_is_one_record_and_the_newer_counts() {
    let outcome = parsed(
        Service::Getworkouts,
        r#"{"series":[
            {"id":1,"startdate":1789511040,"enddate":1789511050,"modified":7,"data":{"steps":2}},
            {"id":1,"startdate":1789511040,"enddate":1789511050,"modified":9,"data":{"steps":1}},
            {"id":1,"startdate":1789511040,"enddate":1789511050,"modified":9,"data":{"steps":1}}
        ]}"#,
    );
    assert_eq!(outcome.facts.len(), 1);
    assert_eq!(component(&outcome.facts[0], "steps", None).value, decimal("1"));
}

#[test]
fn what_has_no_name_is_kept() {
    let outcome = parsed(
        Service::Getactivity,
        r#"{"activities":[{"date":"2026-09-15","future":1.5,"label":"x","list":[1],"steps":"oops","huge":1e999}]}"#,
    );
    let day = &outcome.facts[0];
    assert_eq!(component(day, "withings.future", None).value, decimal("1.5"));
    assert_eq!(day.source.other.keys().collect::<Vec<_>>(), ["label", "list"]);
    assert_eq!(outcome.problems.len(), 2);
}

#[test]
fn an_hour_of_samples_fits_in_an_item_many_times_over() {
    let entries: Vec<_> = (0..3600)
        .map(|s| format!(r#""{}":{{"heart_rate":{},"duration":1}}"#, 1_789_578_000 + s, 60 + s % 90))
        .collect();
    let outcome = parsed(Service::Getintradayactivity, &format!(r#"{{"series":{{{}}}}}"#, entries.join(",")));
    assert_eq!(outcome.facts.len(), 1);
    assert!(serde_json::to_string(&outcome.facts[0]).unwrap().len() < 100_000);
}

proptest! {
    #[test]
    fn no_answer_makes_normalising_panic_and_its_order_never_matters(
        (service, body) in prop::sample::select(Service::ALL.to_vec()).prop_flat_map(|s| (Just(s), body(s))),
        other in prop::sample::select(Service::ALL.to_vec()),
    ) {
        for service in [service, other] {
            let of = if service.is_signal() { Of::Recording(&recording()) } else { Of::Nothing };
            let outcome = normalise(&later(), service, &Body::new(body.clone()), of);
            let turned = normalise(&later(), service, &Body::new(reversed(&body)), of);
            prop_assert_eq!(&outcome.facts, &turned.facts, "{}", service);
            let mut records: Vec<_> = outcome.facts.iter().map(|fact| &fact.record).collect();
            records.dedup();
            prop_assert_eq!(records.len(), outcome.facts.len());
        }
    }

    #[test]
    fn a_value_is_its_pair_exactly(value in -1_000_000_000_i64..1_000_000_000, unit in -6_i32..4) {
        let text = format!(
            r#"{{"measuregrps":[{{"grpid":1,"date":1789366328,"measures":[{{"value":{value},"unit":{unit},"type":1}}]}}]}}"#
        );
        let fact = parsed(Service::Getmeas, &text).facts.remove(0);
        prop_assert_eq!(fact.value, format!("{value}e{unit}").parse().ok());
        prop_assert_eq!(fact.raw, Some(Raw { value, unit }));
    }
}

#[test]
fn null_and_absent_say_nothing_and_zero_is_a_value_except_where_it_means_no_reading() {
    let of = |fields: &str| {
        let outcome = parsed(Service::Getactivity, &format!(r#"{{"activities":{{"date":"2026-09-15"{fields}}}}}"#));
        assert_eq!((outcome.facts.len(), outcome.problems.len()), (1, 0), "{fields}");
        outcome.facts[0].clone()
    };
    let absent = of("");
    assert_eq!(of(r#","steps":null,"hr_min":null,"deviceid":null,"model":null"#), absent);
    assert_eq!(of(r#","hr_min":0"#), absent, "no heart beats 0 times a minute");
    let none = of(r#","steps":0,"distance":0.000,"calories":"0""#);
    let values: Vec<_> = none.components.iter().map(|part| (&*part.kind, part.value)).collect();
    assert_eq!(values, [("steps_total", decimal("0")), ("distance", decimal("0")), ("active_energy", decimal("0"))]);
    assert_eq!(component(&of(r#","distance":1028.5590"#), "distance", None).value, decimal("1028.559"));
}

#[test]
fn a_time_zone_that_nobody_knows_is_kept_by_its_name() {
    let of = |zone: &str| {
        let text = format!(r#"{{"activities":[{{"date":"2026-09-15","timezone":"{zone}"}}]}}"#);
        parsed(Service::Getactivity, &text).facts[0].clone()
    };
    let unknown = of("Mars/Olympus");
    assert_eq!(unknown.tz.as_deref(), Some("Europe/Lisbon"));
    assert_eq!(unknown.source.other["timezone"], Json::Text("Mars/Olympus".to_owned()));
    assert!(!of("Asia/Tokyo").source.other.contains_key("timezone"));
}

#[test]
fn what_an_equal_measure_and_a_second_pressure_say_besides_is_kept() {
    let group = |measures: &str| {
        parsed(
            Service::Getmeas,
            &format!(r#"{{"measuregrps":[{{"grpid":1,"date":1789366328,"measures":[{measures}]}}]}}"#),
        )
    };
    let kept = |outcome: &Outcome, name: &str| {
        outcome.facts[0].source.other.get(name).map(|json| serde_json::to_string(json).unwrap())
    };
    let twice = group(r#"{"value":7184,"unit":-2,"type":1,"fm":3},{"value":71840,"unit":-3,"type":1,"fm":131}"#);
    let twin = r#"[{"fm":131,"type":1,"unit":-3,"value":71840}]"#;
    assert_eq!((twice.facts.len(), kept(&twice, "twins").as_deref()), (1, Some(twin)));
    let once = r#"{"value":7184,"unit":-2,"type":1,"fm":3}"#;
    assert_eq!(group(&format!("{once},{once}")), group(once), "the same words twice say nothing more");
    let pressure = group(
        r#"{"value":120,"unit":0,"type":10,"fm":3,"algo":1},{"value":80,"unit":0,"type":9,"fm":5,"algo":1,"new":1}"#,
    );
    assert_eq!((pressure.facts.len(), pressure.facts[0].source.fm), (1, Some(3)));
    assert_eq!(kept(&pressure, "diastolic").as_deref(), Some(r#"{"fm":5,"new":1}"#));
}
