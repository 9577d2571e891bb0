//! Searches, over every record of the fixtures.

use std::collections::BTreeSet;

use afferent_domain::record::{Record, Status};
use afferent_fhir::search::{Common, Everything, MOST, Refused, Search};
use afferent_fhir::{codings, id, observation};

use crate::fixtures;

fn parameters(query: &[(&str, &str)]) -> Vec<(String, String)> {
    query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn search(query: &[(&str, &str)]) -> Result<Search, Refused> {
    Search::read(&parameters(query), false)
}

/// What a server finds: the kinds and bounds decide what is read, and each record is looked at.
fn found<'a>(records: &'a [Record], query: &[(&str, &str)]) -> Vec<&'a Record> {
    let search = search(query).unwrap();
    let (kinds, (from, to)) = (search.kinds(), search.bounds_ms());
    let read = |record: &&Record| {
        kinds.as_ref().is_none_or(|kinds| kinds.contains(&record.kind)) && (from..=to).contains(&record.effective_ms)
    };
    records.iter().filter(read).filter(|record| search.holds(record)).collect()
}

#[test]
fn every_observation_is_found_by_each_of_its_codes_its_kind_and_its_category() {
    let records = fixtures::all();
    let mut asked = BTreeSet::new();
    for record in records {
        let Some(observation) = observation(record, &BTreeSet::new()) else { continue };
        let mut queries: Vec<(&str, String)> = vec![("code", record.kind.clone())];
        for coding in codings(record) {
            queries.push(("code", format!("{}|{}", coding.system, coding.code)));
            queries.push(("code", coding.code.clone()));
            queries.push(("combo-code", coding.code));
        }
        for part in observation.component.iter().flat_map(|part| &part.code.coding) {
            queries.push(("combo-code", format!("{}|{}", part.system, part.code)));
        }
        let category = &observation.category[0].coding[0];
        queries.push(("category", format!("{}|{}", category.system, category.code)));
        queries.push(("category", category.code.clone()));
        for (name, value) in queries {
            if !asked.insert((name, value.clone(), record.kind.clone(), record.status)) {
                continue;
            }
            // With a status, retracted ones are meant too.
            let all = "preliminary,final,amended,entered-in-error";
            let found = found(std::slice::from_ref(record), &[(name, &value), ("status", all)]);
            assert_eq!(found.len(), 1, "{} by {name}={value}", record.kind);
        }
    }
    assert!(asked.len() > 400, "{}", asked.len());
}

#[test]
fn a_code_finds_nothing_that_does_not_have_it() {
    let records = fixtures::all();
    let weights = found(records, &[("code", "http://loinc.org|29463-7")]);
    assert!(!weights.is_empty() && weights.iter().all(|record| record.kind == "body_weight"));
    // A lean mass of a segment has not the code of the whole body.
    let lean = found(records, &[("code", "91557-9")]);
    assert!(!lean.is_empty() && lean.iter().all(|record| record.source.meastype == Some(5)));
    // A series of heart rates has the code in its parts only.
    let rates = found(records, &[("code", "8867-4")]);
    assert!(!rates.is_empty() && rates.iter().all(|record| record.series.is_none()));
    let parts = found(records, &[("combo-code", "8867-4")]);
    let kinds: BTreeSet<&str> = parts.iter().map(|record| &*record.kind).collect();
    assert!(kinds.is_superset(&["heart_rate", "activity_day", "sleep_session", "workout", "ecg"].into()), "{kinds:?}");
    assert!(parts.iter().any(|record| record.series.is_some()));
    for nothing in ["http://loinc.org|1", "http://snomed.info/sct|29463-7", "|29463-7", "weight"] {
        assert_eq!(found(records, &[("code", nothing)]), Vec::<&Record>::new(), "{nothing}");
    }
    assert_eq!(search(&[("code", "nothing")]).unwrap().kinds(), Some(Vec::new()));
}

#[test]
fn a_comma_is_or_and_another_parameter_is_and() {
    let records = fixtures::all();
    let kinds = |query: &[(&str, &str)]| -> BTreeSet<String> {
        found(records, query).iter().map(|record| record.kind.clone()).collect()
    };
    assert_eq!(kinds(&[("code", "29463-7,8302-2")]), ["body_height".to_owned(), "body_weight".to_owned()].into());
    assert_eq!(kinds(&[("code", "29463-7"), ("code", "8302-2")]), BTreeSet::new());
    assert_eq!(kinds(&[("code", "29463-7"), ("category", "activity")]), BTreeSet::new());
    assert!(kinds(&[("category", "laboratory")]).contains("blood_glucose"));
}

#[test]
fn retracted_records_are_found_only_by_who_asks_for_them() {
    let records = fixtures::all();
    let gone = |query: &[(&str, &str)]| {
        found(records, query).iter().filter(|record| record.status == Status::EnteredInError).count()
    };
    assert_eq!(gone(&[("code", "29463-7")]), 0);
    assert!(gone(&[("status", "entered-in-error")]) > 0);
    assert!(gone(&[("_lastUpdated", "ge2026-09-21")]) > 0);
    let status = "http://hl7.org/fhir/observation-status|amended";
    assert!(found(records, &[("status", status)]).iter().all(|record| record.status == Status::Amended));
}

/// A point at 2026-09-17T08:05:30+02:00 and a night from the 16th to the 17th.
fn at(point: bool) -> Record {
    let (start, end) = ("2026-09-16T23:10:00+02:00".to_owned(), "2026-09-17T07:00:00+02:00".to_owned());
    let first = fixtures::all().iter().find(|record| record.kind == "body_weight").unwrap().clone();
    let effective = if point {
        afferent_domain::record::Effective::At { at: "2026-09-17T08:05:30+02:00".to_owned() }
    } else {
        afferent_domain::record::Effective::Period { start, end }
    };
    let effective_ms = effective.span_secs().unwrap().0 * 1000;
    Record { effective, effective_ms, ..first }
}

#[test]
fn a_day_is_the_persons_own_and_an_instant_is_everyones() {
    let cases = [
        ("2026-09-17", true, false),
        ("2026-09-16", false, false),
        ("2026-09", true, true),
        ("2026", true, true),
        ("2025", false, false),
        ("2026-09-17T08:05:30+02:00", true, false),
        // A plus that a form took for a blank.
        ("2026-09-17T08:05:30 02:00", true, false),
        ("2026-09-17T06:05:30Z", true, false),
        ("2026-09-17T06:05Z", true, false),
        ("2026-09-17T08:05:30Z", false, false),
        ("2026-09-17T08:05:30", true, false),
        ("2026-09-17T06:05:30.000Z", true, false),
        ("gt2026-09-17", false, false),
        ("gt2026-09-16", true, true),
        ("ge2026-09-17", true, true),
        ("ge2026-09-18", false, false),
        ("lt2026-09-17", false, true),
        ("le2026-09-17", true, true),
        ("le2026-09-16", false, true),
        ("sa2026-09-16", true, false),
        ("sa2026-09-17", false, false),
        ("eb2026-09-17", false, false),
        ("eb2026-09-18", true, true),
        ("le9999-12-31", true, true),
        ("ge0001", true, true),
        ("9999", false, false),
    ];
    let (point, night) = (at(true), at(false));
    for (date, of_point, of_night) in cases {
        for (record, expected) in [(&point, of_point), (&night, of_night)] {
            let got = !found(std::slice::from_ref(record), &[("date", date)]).is_empty();
            assert_eq!(got, expected, "{date} of {:?}", record.effective);
        }
    }
    let both = found(std::slice::from_ref(&point), &[("date", "ge2026-09-17"), ("date", "lt2026-09-18")]);
    assert_eq!(both.len(), 1);
}

#[test]
fn what_is_no_date_is_refused() {
    for text in [
        "",
        "yesterday",
        "26",
        "2026-9",
        "2026-13",
        "2026-02-30",
        "2026-09-17T",
        "2026-09-17T8:00",
        "ne2026",
        "2026-09-17T08:00:00+99:00",
        "2026-09-17T08:00:00+1",
        "+2026",
        "2026-09-17T08:00:00Zz",
        "é2026",
    ] {
        let Err(refused) = search(&[("date", text)]) else { panic!("{text} is taken") };
        assert_eq!(refused.parameter, "date");
    }
}

#[test]
fn an_unknown_parameter_is_refused_by_name_or_ignored_by_wish_but_a_modifier_never_is() {
    let refused = search(&[("colour", "red")]).unwrap_err();
    assert_eq!(refused.parameter, "colour");
    assert!(refused.expected.contains("combo-code"));
    let lenient = |name: &str| Search::read(&parameters(&[(name, "x"), ("_count", "7")]), true);
    let search = lenient("colour").unwrap();
    assert_eq!(search.common.understood, parameters(&[("_count", "7")]));
    for modified in ["code:not", "patient.name", "date:missing"] {
        assert_eq!(lenient(modified).unwrap_err().parameter, modified);
    }
}

#[test]
fn limits_are_kept() {
    for (name, value) in [
        ("_count", "-1"),
        ("_count", "many"),
        ("_count", ""),
        ("_sort", "code"),
        ("_format", "xml"),
        ("code", ","),
        ("code", "|"),
    ] {
        assert_eq!(search(&[(name, value)]).unwrap_err().parameter, name, "{value}");
    }
    let many = vec![("code", "8867-4"); 51];
    assert!(search(&many).is_err());
    let long = ["8867-4"; 51].join(",");
    assert!(search(&[("code", &long)]).is_err());
    assert!(search(&[("_format", "application/fhir json"), ("_count", "200")]).is_ok());
}

#[test]
fn who_asks_for_no_resource_asks_how_many_there_are_and_everything_is_never_counted() {
    assert!(search(&[("_count", "0")]).unwrap().common.is_count());
    assert!(!search(&[("_count", "1")]).unwrap().common.is_count() && !search(&[]).unwrap().common.is_count());
    assert_eq!(Everything::read(&parameters(&[("_count", "0")]), false).unwrap_err().parameter, "_count");
}

#[test]
fn who_asks_for_more_on_a_page_than_there_may_be_gets_the_most_and_is_told_so() {
    for (asked, given) in [("200", 200), ("201", MOST), ("1000", MOST), ("99999999999999999999999", MOST), ("7", 7)] {
        let common = search(&[("_count", asked)]).unwrap().common;
        assert_eq!(common.count, Some(given), "{asked}");
        assert_eq!(common.understood, parameters(&[("_count", &given.to_string())]));
    }
}

#[test]
fn what_is_escaped_is_part_of_the_value() {
    let references =
        |text: &str| Common::patients(&parameters(&[("identifier", text)]), false).unwrap().references.unwrap();
    assert_eq!(references(r"urn:afferent:reference-id|smith\, john"), ["smith, john"]);
    assert_eq!(references(r"a\|b"), ["a|b"]);
    assert_eq!(references(r"a\\b,c"), [r"a\b", "c"]);
    assert_eq!(references("a|b"), Vec::<String>::new(), "of another system");
    let weights = found(fixtures::all(), &[("code", r"http://loinc.org|29463-7,nothing\,else")]);
    assert!(!weights.is_empty());
    assert!(found(fixtures::all(), &[("code", r"http://loinc.org\|29463-7")]).is_empty());
}

#[test]
fn only_a_search_that_leaves_the_order_open_goes_by_changes() {
    let since = |query: &[(&str, &str)]| search(query).unwrap().changed_since_ms();
    let midnight = 1_789_948_800_000;
    assert_eq!(since(&[("_lastUpdated", "ge2026-09-21")]), Some(midnight));
    assert_eq!(since(&[("_lastUpdated", "2026-09-21")]), Some(midnight));
    assert_eq!(since(&[("_lastUpdated", "gt2026-09-20")]), Some(midnight));
    assert_eq!(since(&[("_lastUpdated", "ge2026-09-20"), ("_lastUpdated", "ge2026-09-21")]), Some(midnight));
    assert_eq!(since(&[("_lastUpdated", "lt2026-09-21")]), None);
    assert_eq!(since(&[("_lastUpdated", "ge2026-09-21"), ("_sort", "-date")]), None);
    assert_eq!(since(&[("_lastUpdated", "ge2026-09-21"), ("_id", "usr-1.rec-1")]), None);
    assert_eq!(since(&[("code", "29463-7")]), None);
}

#[test]
fn everything_of_a_patient_is_narrowed_by_time_change_and_type() {
    let read = |query: &[(&str, &str)]| Everything::read(&parameters(query), false);
    let (point, night) = (at(true), at(false));
    for (query, of_point, of_night) in [
        (&[][..], true, true),
        (&[("start", "2026-09-17")], true, true),
        (&[("start", "2026-09-18")], false, false),
        (&[("end", "2026-09-16")], false, true),
        (&[("start", "2026-09-17T06:00:00Z"), ("end", "2026-09-17T07:00:00Z")], true, false),
        (&[("_since", "2027-01-01T00:00:00Z")], false, false),
        (&[("_since", "2026-09-01T00:00:00Z")], true, true),
    ] {
        let asked = read(query).unwrap();
        assert_eq!((asked.search.holds(&point), asked.search.holds(&night)), (of_point, of_night), "{query:?}");
    }
    let some = read(&[("_type", "Patient,Observation")]).unwrap();
    assert!(some.wants("Patient") && some.wants("Observation") && !some.wants("Device"));
    for (name, value) in [("_type", "Medication"), ("start", "ge2026"), ("_since", "then"), ("code", "29463-7")] {
        assert_eq!(read(&[(name, value)]).unwrap_err().parameter, name, "{value}");
    }
}

#[test]
fn one_patient_is_named_in_any_form_and_never_two() {
    let user = fixtures::context().user;
    let text = id::of_user(&user);
    let whole = format!("https://api.example.org/v1/fhir/r4/Patient/{text}");
    for (name, value) in [("patient", &text), ("subject", &format!("Patient/{text}")), ("subject:Patient", &whole)] {
        assert_eq!(search(&[(name, value)]).unwrap().common.patient.as_ref(), Some(&user));
    }
    assert!(search(&[("patient", &text), ("subject", &text)]).is_ok());
    assert!(search(&[("patient", &text), ("patient", "usr-2")]).is_err());
    assert!(search(&[("patient", "person-1")]).is_err());
    assert!(Common::patients(&parameters(&[("patient", &text)]), false).is_err());
    assert!(Common::devices(&parameters(&[("patient", &text)]), false).is_ok());
}

#[test]
fn ids_are_those_of_the_patient() {
    let record = at(true);
    let own = id::of_record(&record.user, &record.record);
    let search = search(&[("_id", &format!("{own},usr-2.rec-1,nonsense"))]).unwrap();
    assert_eq!(search.common.records(&record.user), Some(vec![record.record.clone()]));
    let twice = self::search(&[("_id", &format!("{own},usr-2.rec-1")), ("_id", &own)]).unwrap();
    assert_eq!(twice.common.ids, Some(vec![own.clone()]));
    let never = self::search(&[("_id", "usr-2.rec-1"), ("_id", &own)]).unwrap();
    assert_eq!(never.common.records(&record.user), Some(Vec::new()));
}
