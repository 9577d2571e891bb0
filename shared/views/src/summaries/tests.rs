use afferent_domain::record::{Attribution, Status};

use super::*;
use crate::sample::{compound, decimal, measured, record};

fn page(summary: Summary, records: &[Record]) -> Page {
    let mut collector = Collector::new(summary, Dates::All, None);
    records.iter().for_each(|record| collector.add(record.clone()));
    collector.finish(None, 100)
}

fn value(row: &Row, name: &str) -> String {
    row.values.get(name).unwrap_or_else(|| panic!("no {name}")).value.to_string()
}

fn day(name: &str, steps: &str, status: Status) -> Record {
    let parts = [
        ("steps_total", "", steps, "{steps}"),
        ("active_energy", "", "300.5", "kcal"),
        ("total_energy", "", "2100", "kcal"),
        ("heart_rate", "mean", "71", "/min"),
    ];
    let mut day = compound(name, "activity_day", ("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"), &parts);
    day.status = status;
    day
}

fn night(name: &str, (start, end): (&str, &str), slept: &str) -> Record {
    let parts = [
        ("sleep_duration", "", slept, "s"),
        ("sleep_score", "", "80", "{score}"),
        ("snoring_episodes", "", "3", "{count}"),
    ];
    let mut night = compound(name, "sleep_session", (start, end), &parts);
    night.local_date = Some(end[..10].to_owned());
    night
}

#[test]
fn of_the_body_the_last_value_of_the_day_is_told_with_its_record() {
    let rows = page(
        Summary::Body,
        &[
            measured("rec_1", "body_weight", "2026-11-20T07:00:00Z", "80", "kg"),
            measured("rec_2", "muscle_mass", "2026-11-20T07:00:00Z", "60", "kg"),
            measured("rec_3", "body_weight", "2026-11-20T19:00:00Z", "81", "kg"),
            measured("rec_4", "bone_mass", "2026-11-20T19:00:00Z", "3", "kg"),
            record("rec_5", "bone_mass", "2026-11-20T20:00:00Z", |fact| {
                fact.value = Some(decimal("1"));
                fact.body_site = Some("left_arm".to_owned());
            }),
        ],
    )
    .rows;
    let [row] = &rows[..] else { panic!("not one day") };
    assert_eq!((value(row, "body_weight"), value(row, "bone_mass")), ("81".to_owned(), "3".to_owned()));
    assert_eq!(row.values.get("body_weight").unwrap().records, ["rec_3"]);
    let share = row.values.get("bone_mass_percentage").unwrap();
    assert_eq!((share.value.to_string(), share.unit.as_deref()), ("3.7037".to_owned(), Some("%")));
    assert_eq!(share.records, ["rec_3", "rec_4"]);
    assert!(row.values.get("muscle_mass_percentage").is_none(), "another weighing is another whole");
    assert_eq!(row.state, State::Confirmed);
}

#[test]
fn a_day_of_activity_is_the_watchs_and_names_what_it_leaves_out() {
    let mut phone = day("rec_1", "9000", Status::Final);
    phone.source.attribution = Some(Attribution::External);
    let rows = page(Summary::Activity, &[phone, day("rec_2", "5000", Status::Preliminary)]).rows;
    assert_eq!((rows.len(), value(&rows[0], "steps_total")), (1, "5000".to_owned()));
    assert_eq!(value(&rows[0], "heart_rate_mean"), "71");
    assert_eq!(value(&rows[0], "basal_energy"), "1799.5");
    assert_eq!((&rows[0].others[..], rows[0].state), (&["rec_1".to_owned()][..], State::Tentative));
}

#[test]
fn a_night_counts_for_the_day_of_waking_and_a_nap_is_a_row_of_its_own() {
    let nights = [
        night("rec_1", ("2026-11-19T23:00:00Z", "2026-11-20T07:00:00Z"), "27000"),
        night("rec_2", ("2026-11-20T14:00:00Z", "2026-11-20T15:00:00Z"), "3000"),
    ];
    let rows = page(Summary::Sleep, &nights).rows;
    assert_eq!(rows.iter().map(|row| &*row.local_date).collect::<Vec<_>>(), ["2026-11-20", "2026-11-20"]);
    assert_eq!(rows[0].start.as_deref(), Some("2026-11-19T23:00:00+00:00"));
    assert_eq!(value(&rows[1], "snoring_episodes"), "3");
    let daily = page(Summary::Daily, &nights).rows;
    assert_eq!((daily.len(), value(&daily[0], "sleep_duration")), (1, "27000".to_owned()));
    assert_eq!(daily[0].others, ["rec_2"]);
    assert!(daily[0].values.get("snoring_episodes").is_none());
}

#[test]
fn the_whole_day_is_one_row() {
    let parts = [("systolic", "", "121", "mm[Hg]"), ("diastolic", "", "79", "mm[Hg]")];
    let rows = page(
        Summary::Daily,
        &[
            day("rec_1", "5000", Status::Final),
            compound("rec_2", "blood_pressure", ("2026-11-20T08:00:00Z", "2026-11-20T08:00:00Z"), &parts),
            measured("rec_3", "body_weight", "2026-11-20T07:00:00Z", "81", "kg"),
        ],
    )
    .rows;
    assert_eq!(rows.len(), 1);
    for (name, expected) in [("steps_total", "5000"), ("blood_pressure_systolic", "121"), ("body_weight", "81")] {
        assert_eq!(value(&rows[0], name), expected);
    }
    assert_eq!(rows[0].values.records(), ["rec_1", "rec_2", "rec_3"]);
}

#[test]
fn a_workout_is_a_row_with_its_kind() {
    let parts = [("exercise_duration", "", "1800", "s"), ("active_energy", "manual", "120", "kcal")];
    let mut run = compound("rec_1", "workout", ("2026-11-20T08:00:00Z", "2026-11-20T08:30:00Z"), &parts);
    run.value_code = Some("run".to_owned());
    let rows = page(Summary::Workouts, &[run]).rows;
    assert_eq!((rows[0].workout.as_deref(), rows[0].record.as_deref()), (Some("run"), Some("rec_1")));
    assert_eq!(value(&rows[0], "active_energy_manual"), "120");
    let csv = table(Summary::Workouts, &rows);
    let lines: Vec<&str> = csv.split("\r\n").collect();
    assert!(lines[0].starts_with("local_date,state,record,workout,start,end,tz,device_id,model,exercise_duration,"));
    assert!(lines[1].starts_with("2026-11-20,confirmed,rec_1,run,2026-11-20T08:00:00+00:00,"), "{}", lines[1]);
    assert_eq!(lines[0].split(',').count(), lines[1].split(',').count());
    assert_eq!(lines.len(), 3);
}

#[test]
fn pages_are_whole_days_and_hold_together_what_one_holds() {
    let records: Vec<Record> = (1..=28)
        .flat_map(|day| {
            let at = |hour| format!("2026-02-{day:02}T{hour:02}:00:00Z");
            let name = |n| format!("rec_{day:02}{n}");
            [
                measured(&name(1), "body_weight", &at(7), "80", "kg"),
                night(&name(2), (&at(13), &at(14)), "3000"),
                night(&name(3), (&at(15), &at(16)), "3100"),
            ]
        })
        .collect();
    for summary in [Summary::Body, Summary::Sleep, Summary::Daily] {
        let whole = page(summary, &records).rows;
        for (limit, piece) in [(1, 5), (3, 10), (10, 12), (100, 7)] {
            let (mut rows, mut from) = (Vec::new(), None);
            for _ in 0..100 {
                let mut collector = Collector::new(summary, Dates::All, from);
                let (first, _) = collector.bounds_ms();
                let due: Vec<&Record> = records.iter().filter(|record| record.effective_ms >= first).collect();
                let (mut unread, mut fed) = (None, 0);
                for chunk in due.chunks(piece) {
                    chunk.iter().for_each(|record| collector.add((*record).clone()));
                    fed += chunk.len();
                    unread = due.get(fed).map(|_| chunk[chunk.len() - 1].effective_ms);
                    if unread.is_some_and(|unread| collector.complete(unread) > 0) {
                        break;
                    }
                }
                let page = collector.finish(unread, limit);
                rows.extend(page.rows);
                from = page.next;
                if from.is_none() {
                    break;
                }
            }
            assert_eq!(from, None, "{summary} {limit} {piece}");
            assert_eq!(rows, whole, "{summary} {limit} {piece}");
        }
    }
}

#[test]
fn numbers_are_written_as_they_are() {
    let rows =
        page(Summary::Body, &[measured("rec_1", "body_weight", "2026-11-20T07:00:00Z", "81.2000000000000001", "kg")])
            .rows;
    let json = serde_json::to_string(&rows[0]).unwrap();
    assert!(
        json.contains(r#""values":{"body_weight":{"value":81.2000000000000001,"unit":"kg","records":["rec_1"]}}"#),
        "{json}"
    );
}

#[test]
fn what_may_be_another_persons_says_so_and_is_the_days_value_only_if_there_is_no_other() {
    let ambiguous = |name: &str, kind: &str, value: &str| {
        let mut record = measured(name, kind, "2026-11-20T19:00:00Z", value, "kg");
        record.source.attribution = Some(Attribution::Ambiguous);
        record
    };
    let rows = page(
        Summary::Body,
        &[
            measured("rec_1", "body_weight", "2026-11-20T07:00:00Z", "81", "kg"),
            ambiguous("rec_2", "body_weight", "62"),
            ambiguous("rec_3", "body_fat_mass", "20"),
        ],
    )
    .rows;
    assert_eq!(value(&rows[0], "body_weight"), "81");
    let attribution = |name: &str| rows[0].values.get(name).unwrap().attribution;
    assert_eq!((attribution("body_weight"), attribution("body_fat_mass")), (None, Some(Attribution::Ambiguous)));
    assert!(table(Summary::Body, &rows).trim_end().ends_with(",rec_1 rec_3,body_fat_mass"));
}

#[test]
fn what_follows_from_another_persons_weight_says_so() {
    let mut weighing = [
        measured("rec_1", "body_weight", "2026-11-20T07:00:00Z", "80", "kg"),
        measured("rec_2", "muscle_mass", "2026-11-20T07:00:00Z", "60", "kg"),
    ];
    weighing[0].source.attribution = Some(Attribution::Ambiguous);
    let rows = page(Summary::Body, &weighing).rows;
    assert_eq!(rows[0].values.ambiguous(), ["body_weight", "muscle_mass_percentage"]);
}

#[test]
fn a_page_without_rows_may_end_if_the_next_begins_behind_it() {
    let at = crate::sample::ms("2026-11-20T12:00:00Z");
    let from = |day: &str| Collector::new(Summary::Body, Dates::All, Some(day.parse().unwrap()));
    assert!(Collector::new(Summary::Body, Dates::All, None).moves_on(at) && from("2026-11-01").moves_on(at));
    assert!(!from("2026-11-20").moves_on(at), "the same page for ever");
}

/// A nap on the mat, and a night that came from another maker's app.
fn nap_and_external_night() -> [Record; 2] {
    let nap = compound(
        "rec_1",
        "sleep_session",
        ("2026-11-20T13:00:00Z", "2026-11-20T13:20:00Z"),
        &[("sleep_duration", "", "1200", "s"), ("time_in_bed", "", "1200", "s")],
    );
    let mut night = compound(
        "rec_2",
        "sleep_session",
        ("2026-11-20T00:00:00Z", "2026-11-20T07:00:00Z"),
        &[("sleep_duration", "external", "24000", "s"), ("sleep_score", "", "80", "{score}")],
    );
    night.source.device_id = None;
    night.source.attribution = Some(Attribution::External);
    [nap, night]
}

#[test]
fn a_night_from_elsewhere_does_not_lose_against_a_nap_on_the_mat() {
    let rows = page(Summary::Daily, &nap_and_external_night()).rows;
    assert_eq!(value(&rows[0], "sleep_duration_external"), "24000");
    assert_eq!(value(&rows[0], "sleep_score"), "80");
    assert!(rows[0].values.get("sleep_duration").is_none());
    assert_eq!(rows[0].others, ["rec_1"]);
    assert!(Summary::Daily.columns().contains(&"sleep_duration_external".to_owned()));
}

#[test]
fn a_whole_day_says_whose_activity_it_is_and_in_which_zone_even_if_there_is_only_a_weight() {
    let weight = measured("rec_1", "body_weight", "2026-11-20T07:00:00Z", "80", "kg");
    let row = &page(Summary::Daily, std::slice::from_ref(&weight)).rows[0];
    assert_eq!((row.tz.as_deref(), &row.device_id), (Some("Europe/Lisbon"), &None));
    let period = ("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z");
    let mut activity = compound("rec_2", "activity_day", period, &[("steps_total", "", "5000", "{steps}")]);
    activity.source.model = Some("ScanWatch".to_owned());
    let row = &page(Summary::Daily, &[activity, weight]).rows[0];
    assert_eq!((row.device_id.as_deref(), row.model.as_deref()), (Some("watch"), Some("ScanWatch")));
}
