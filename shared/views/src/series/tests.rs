use super::*;
use crate::sample::{compound, decimal, hour, measured, ms, record};

fn wish(quantity: &str, resolution: &str) -> Wish {
    Wish {
        quantity: quantity.parse().unwrap(),
        dates: Dates::All,
        resolution: resolution.parse().unwrap(),
        from: None,
        device: None,
        by_device: false,
        body_site: None,
    }
}

fn series(wish: &Wish, records: &[afferent_domain::record::Record]) -> Series {
    let mut collector = Collector::new(wish);
    records.iter().for_each(|record| collector.add(record));
    collector.finish(None)
}

fn buckets(series: &Series) -> Vec<Bucket> {
    let bucket = |point: &Point| match point {
        Point::Bucket(bucket) => bucket.clone(),
        Point::Raw(_) => panic!("raw"),
    };
    series.points.iter().map(bucket).collect()
}

fn sums(series: &Series) -> Vec<(String, String)> {
    buckets(series).into_iter().map(|bucket| (bucket.start, bucket.sum.unwrap().to_string())).collect()
}

#[test]
fn a_day_of_weights_has_exact_statistics_and_no_sum() {
    let weights = [
        measured("rec_1", "body_weight", "2026-11-20T07:00:00Z", "81.2", "kg"),
        measured("rec_2", "body_weight", "2026-11-20T08:00:00Z", "81.3", "kg"),
        measured("rec_3", "body_weight", "2026-11-20T23:59:00Z", "81.1", "kg"),
        measured("rec_4", "body_weight", "2026-11-21T00:00:00Z", "80", "kg"),
    ];
    let found = series(&wish("body_weight", "1d"), &weights);
    let [first, second] = &buckets(&found)[..] else { panic!("not two days") };
    assert_eq!((&*first.start, &*first.end, first.count), ("2026-11-20", "2026-11-20", 3));
    assert_eq!((first.min, first.max, first.mean), (decimal("81.1"), decimal("81.3"), Some(decimal("81.2"))));
    assert_eq!((first.sum, second.count, found.next), (None, 1, None));
    assert_eq!(found.unit.as_deref(), Some("kg"));
}

#[test]
fn a_mean_is_rounded_half_to_even_to_four_places() {
    let mean = |values: &[&str]| {
        let weights: Vec<_> = (0..)
            .zip(values)
            .map(|(n, value)| {
                measured(&format!("rec_{n}"), "body_weight", &format!("2026-11-20T07:00:{n:02}Z"), value, "kg")
            })
            .collect();
        buckets(&series(&wish("body_weight", "1M"), &weights))[0].mean.unwrap().to_string()
    };
    assert_eq!(mean(&["1", "1", "2"]), "1.3333");
    assert_eq!(mean(&["0.0001", "0.0002"]), "0.0002");
    assert_eq!(mean(&["0.0002", "0.0003"]), "0.0002");
    assert_eq!(mean(&["1", "3"]), "2");
}

#[test]
fn days_weeks_and_months_are_the_persons_own() {
    // In Lisbon it is an hour later in summer.
    let steps = [hour("rec_1", "steps", "{steps}", "2026-06-30T23:00:00Z", "watch", &[(0, "10", 60)])];
    let start = |resolution| buckets(&series(&wish("steps", resolution), &steps))[0].clone();
    assert_eq!(start("1d").start, "2026-07-01");
    assert_eq!((&*start("1w").start, &*start("1w").end), ("2026-06-29", "2026-07-05"));
    assert_eq!((&*start("1M").start, &*start("1M").end), ("2026-07-01", "2026-07-31"));
    assert_eq!(start("1h").start, "2026-07-01T00:00:00+01:00");
    assert_eq!(start("15m").end, "2026-07-01T00:15:00+01:00");
}

#[test]
fn a_phone_and_a_watch_do_not_count_the_same_steps_twice() {
    let walk = [
        hour("rec_1", "steps", "{steps}", "2026-11-20T07:00:00Z", "phone", &[(0, "100", 60), (600, "120", 60)]),
        hour("rec_2", "steps", "{steps}", "2026-11-20T07:00:00Z", "watch", &[(0, "90", 300), (1200, "95", 300)]),
        hour("rec_3", "steps", "{steps}", "2026-11-20T08:00:00Z", "phone", &[(0, "7", 60)]),
    ];
    let hours = series(&wish("steps", "1h"), &walk);
    let expected = [("2026-11-20T07:00:00+00:00", "185"), ("2026-11-20T08:00:00+00:00", "7")];
    assert_eq!(sums(&hours), expected.map(|(start, sum)| (start.to_owned(), sum.to_owned())));
    // The quarters are those of the device that has the hour.
    let quarters: Vec<String> = sums(&series(&wish("steps", "15m"), &walk)).into_iter().map(|(_, sum)| sum).collect();
    assert_eq!(quarters, ["90", "95", "7"]);
    let day = series(&wish("steps", "1d"), &walk);
    assert_eq!(sums(&day)[0].1, "192");
    let phone = series(&Wish { device: Some("phone".to_owned()), ..wish("steps", "1d") }, &walk);
    assert_eq!(sums(&phone)[0].1, "227");
    let each = series(&Wish { by_device: true, ..wish("steps", "1d") }, &walk);
    let each: Vec<_> =
        buckets(&each).into_iter().map(|one| (one.device_id.unwrap(), one.sum.unwrap().to_string())).collect();
    assert_eq!(each, [("phone".to_owned(), "227".to_owned()), ("watch".to_owned(), "185".to_owned())]);
}

#[test]
fn every_pulse_counts_but_of_one_device_and_second_only_one() {
    let night = [
        hour("rec_1", "heart_rate", "/min", "2026-11-20T02:00:00Z", "watch", &[(0, "50", 0), (60, "52", 0)]),
        hour("rec_2", "heart_rate", "/min", "2026-11-20T02:00:00Z", "watch", &[(0, "50", 0), (120, "54", 0)]),
        hour("rec_3", "heart_rate", "/min", "2026-11-20T02:00:00Z", "mat", &[(0, "56", 0)]),
        measured("rec_4", "heart_rate", "2026-11-20T02:30:00Z", "60", "/min"),
    ];
    let found = buckets(&series(&wish("heart_rate", "1h"), &night));
    assert_eq!((found[0].count, found[0].min, found[0].max), (5, decimal("50"), decimal("60")));
    assert_eq!((found[0].mean, found[0].sum), (Some(decimal("54.4")), None));
}

#[test]
fn a_day_that_two_devices_summed_up_counts_once() {
    let day = |name: &str, device: &str, steps: &str| {
        let mut day = compound(
            name,
            "activity_day",
            ("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"),
            &[("steps_total", "", steps, "{steps}"), ("heart_rate", "mean", "70", "/min")],
        );
        day.source.device_id = Some(device.to_owned());
        day
    };
    let days = [day("rec_1", "phone", "4000"), day("rec_2", "watch", "5000")];
    assert_eq!(sums(&series(&wish("activity_day.steps_total", "1w"), &days))[0].1, "5000");
    let pulse = buckets(&series(&wish("activity_day.heart_rate.mean", "1d"), &days));
    assert_eq!((pulse[0].count, pulse[0].mean), (2, Some(decimal("70"))));
}

#[test]
fn a_segment_of_the_body_is_not_the_body() {
    let muscle = |name: &str, site: Option<&str>, value: &str| {
        record(name, "muscle_mass", "2026-11-20T07:00:00Z", |fact| {
            fact.value = Some(decimal(value));
            fact.body_site = site.map(str::to_owned);
        })
    };
    let all = [
        muscle("rec_1", None, "60"),
        muscle("rec_2", Some("left_arm"), "4"),
        muscle("rec_3", Some("whole_body"), "61"),
    ];
    assert_eq!(buckets(&series(&wish("muscle_mass", "1d"), &all))[0].count, 2);
    let arm = Wish { body_site: Some("left_arm".to_owned()), ..wish("muscle_mass", "raw") };
    let found = series(&arm, &all);
    let Point::Raw(point) = &found.points[0] else { panic!("a bucket") };
    assert_eq!((found.points.len(), point.value, &*point.record), (1, decimal("4"), "rec_2"));
}

#[test]
fn only_what_lies_within_the_dates_counts_sample_by_sample() {
    let pulse =
        [hour("rec_1", "heart_rate", "/min", "2026-11-20T23:00:00Z", "watch", &[(0, "50", 0), (1800, "60", 0)])];
    let dates = Dates::read(Some("2026-11-20T23:30:00Z"), None).unwrap();
    let cut = Wish { dates, ..wish("heart_rate", "raw") };
    assert_eq!(series(&cut, &pulse).points.len(), 1);
    let (from, _) = cut.bounds_ms();
    assert!(from <= ms("2026-11-20T23:00:00Z"), "the hour that the instant lies in is read");
}

/// What all pages hold together, fed in pieces of `piece` records.
fn in_pages(wish: &Wish, records: &[afferent_domain::record::Record], piece: usize) -> Vec<Point> {
    let mut wish = wish.clone();
    let mut points = Vec::new();
    for _ in 0..1000 {
        let (from, to) = wish.bounds_ms();
        let due: Vec<_> = records.iter().filter(|one| (from..=to).contains(&one.effective_ms)).collect();
        let mut collector = Collector::new(&wish);
        let (mut unread, mut fed) = (None, 0);
        for chunk in due.chunks(piece) {
            chunk.iter().for_each(|record| collector.add(record));
            fed += chunk.len();
            unread = due.get(fed).map(|_| chunk[chunk.len() - 1].effective_ms);
            if unread.is_some_and(|unread| collector.complete(unread) > 0) {
                break;
            }
        }
        let page = collector.finish(unread);
        points.extend(page.points);
        let Some(next) = page.next else { return points };
        assert_eq!(From::from_text(&next.to_text()), Some(next));
        wish.from = Some(next);
    }
    panic!("the pages never end")
}

#[test]
fn pages_hold_together_what_one_answer_holds() {
    let mut records = Vec::new();
    for day in 1..=9 {
        for clock in [0, 6, 7, 22, 23] {
            for device in ["phone", "watch"] {
                let samples = [(0, "10", 60), (if device == "phone" { 900 } else { 1200 }, "5", 300), (3599, "1", 1)];
                let at = format!("2026-06-{day:02}T{clock:02}:00:00Z");
                records.push(hour(&format!("rec_{day}_{clock}_{device}"), "steps", "{steps}", &at, device, &samples));
            }
        }
    }
    for resolution in ["raw", "1m", "15m", "1h", "1d", "1w", "1M"] {
        for dates in [Dates::All, Dates::read(Some("2026-06-02"), Some("2026-06-08")).unwrap()] {
            let wish = Wish { dates, ..wish("steps", resolution) };
            let whole = series(&wish, &records);
            assert!(whole.next.is_none() && !whole.points.is_empty());
            for piece in [1, 2, 7, 1000] {
                assert_eq!(in_pages(&wish, &records, piece), whole.points, "{resolution} {piece}");
            }
        }
    }
}

#[test]
fn an_answer_has_no_more_points_than_it_may_and_goes_on_with_the_next() {
    let samples: Vec<_> = (0..3600).map(|second| (second, "60", 0)).collect();
    let hours: Vec<_> = (0..2)
        .map(|n| {
            hour(&format!("rec_{n}"), "heart_rate", "/min", &format!("2026-11-20T{n:02}:00:00Z"), "watch", &samples)
        })
        .collect();
    let mut wish = wish("heart_rate", "raw");
    let first = series(&wish, &hours);
    assert_eq!(first.points.len(), POINTS);
    wish.from = first.next;
    assert_eq!(series(&wish, &hours).points.len(), 2 * 3600 - POINTS);
}

#[test]
fn what_has_no_device_id_is_told_apart_by_its_model_and_by_where_it_came_from() {
    let day = |name: &str, steps: &str, set: fn(&mut afferent_domain::record::Source)| {
        let parts = [("steps_total", "", steps, "{steps}")];
        let mut day = compound(name, "activity_day", ("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"), &parts);
        day.source.device_id = None;
        set(&mut day.source);
        day
    };
    let days = [
        day("rec_1", "8000", |source| source.model = Some("Android step tracker".to_owned())),
        day("rec_2", "7900", |source| source.model_id = Some(1056)),
        day("rec_3", "7000", |source| source.attribution = Some(Attribution::External)),
        day("rec_4", "6000", |_| {}),
    ];
    let steps = wish("activity_day.steps_total", "1d");
    assert_eq!(sums(&series(&steps, &days))[0].1, "8000");
    let each = buckets(&series(&Wish { by_device: true, ..steps }, &days));
    let each: Vec<_> = each.into_iter().map(|one| (one.model, one.sum.unwrap().to_string())).collect();
    let model = |name: &str| Some(name.to_owned());
    for expected in [(model("Android step tracker"), "8000"), (model("1056"), "7900"), (None, "7000"), (None, "6000")] {
        assert!(each.contains(&(expected.0.clone(), expected.1.to_owned())), "{expected:?} of {each:?}");
    }
    let hours = ["phone", "watch"].map(|model| {
        let mut hour = hour(&format!("rec_{model}"), "steps", "{steps}", "2026-11-20T07:00:00Z", "", &[(0, "100", 60)]);
        hour.source.device_id = None;
        hour.source.model = Some(model.to_owned());
        hour.series.as_mut().unwrap().offsets_s = vec![if model == "phone" { 0 } else { 60 }];
        hour
    });
    assert_eq!(sums(&series(&wish("steps", "1h"), &hours))[0].1, "100");
}

#[test]
fn a_raw_point_says_if_it_may_be_another_persons() {
    let mut weight = measured("rec_1", "body_weight", "2026-11-20T07:00:00Z", "62", "kg");
    weight.source.attribution = Some(Attribution::Ambiguous);
    let sure = measured("rec_2", "body_weight", "2026-11-20T08:00:00Z", "81", "kg");
    let found = series(&wish("body_weight", "raw"), &[weight, sure]);
    let json: Vec<String> = found.points.iter().map(|point| serde_json::to_string(point).unwrap()).collect();
    assert!(json[0].contains(r#""attribution":"ambiguous""#) && !json[1].contains("attribution"), "{json:?}");
}

#[test]
fn a_page_without_points_may_end_if_the_next_begins_behind_it() {
    let nothing = |resolution, from: Option<&str>| {
        let from = from.map(|from| From::from_text(from).unwrap());
        let wish = Wish { device: Some("typo".to_owned()), from, ..wish("heart_rate", resolution) };
        let mut collector = Collector::new(&wish);
        collector.add(&hour("rec_1", "heart_rate", "/min", "2026-11-20T02:00:00Z", "watch", &[(0, "50", 0)]));
        let unread = ms("2026-11-20T02:00:00Z");
        let moves_on = collector.moves_on(unread);
        let page = collector.finish(Some(unread));
        assert!(page.points.is_empty() && page.next.is_some());
        assert_eq!(moves_on, from.is_none_or(|from| page.next > Some(from)));
        moves_on
    };
    assert!(nothing("raw", None) && nothing("1M", None));
    assert!(nothing("raw", Some("0")) && nothing("1M", Some("2026-10-01")));
    assert!(!nothing("1M", Some("2026-11-01")), "the same page for ever");
}

#[test]
fn a_page_is_full_as_soon_as_more_is_complete_than_it_has() {
    let samples: Vec<_> = (0..3600).map(|second| (second, "60", 0)).collect();
    let wish = wish("heart_rate", "raw");
    let mut collector = Collector::new(&wish);
    for (n, full) in [(0, false), (1, false), (2, true)] {
        let at = format!("2026-11-20T{n:02}:00:00Z");
        // The hour that was added last is not complete while one of the same instant may follow.
        collector.add(&hour(&format!("rec_{n}"), "heart_rate", "/min", &at, "watch", &samples));
        assert_eq!(collector.is_full(ms(&at)), full, "{n}");
    }
}

#[test]
fn a_day_is_the_same_devices_in_a_series_as_in_a_summary() {
    let day = |name: &str, device: &str, steps: &str, distance: &str| {
        let parts = [("steps_total", "", steps, "{steps}"), ("distance", "", distance, "m")];
        let mut day = compound(name, "activity_day", ("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"), &parts);
        day.source.device_id = Some(device.to_owned());
        day
    };
    let mut phone = day("rec_1", "phone", "9000", "7000");
    phone.source.attribution = Some(Attribution::External);
    let days = [phone, day("rec_2", "watch", "5000", "4000"), day("rec_3", "second watch", "4500", "4900")];
    let mut summary = crate::summaries::Collector::new(crate::summaries::Summary::Activity, Dates::All, None);
    days.iter().for_each(|day| summary.add(day.clone()));
    let row = summary.finish(None, 1).rows.remove(0);
    for (part, expected) in [("steps_total", "5000"), ("distance", "4000")] {
        assert_eq!(row.values.get(part).unwrap().value.to_string(), expected);
        assert_eq!(sums(&series(&wish(&format!("activity_day.{part}"), "1d"), &days))[0].1, expected, "{part}");
    }
}

#[test]
fn a_night_is_the_same_devices_in_a_series_as_in_a_summary() {
    // Longer in bed, and less asleep.
    let night = |name: &str, device: &str, end: &str, asleep: &str, deep: &str| {
        let parts = [("sleep_duration", "", asleep, "s"), ("sleep_deep", "", deep, "s")];
        let mut night = compound(name, "sleep_session", ("2026-11-20T00:00:00Z", end), &parts);
        night.source.device_id = Some(device.to_owned());
        night
    };
    let nights = [
        night("rec_1", "watch", "2026-11-20T08:00:00Z", "21600", "5400"),
        night("rec_2", "mat", "2026-11-20T07:30:00Z", "25200", "3600"),
    ];
    let mut summary = crate::summaries::Collector::new(crate::summaries::Summary::Daily, Dates::All, None);
    nights.iter().for_each(|night| summary.add(night.clone()));
    let row = summary.finish(None, 1).rows.remove(0);
    for (part, expected) in [("sleep_duration", "25200"), ("sleep_deep", "3600")] {
        assert_eq!(row.values.get(part).unwrap().value.to_string(), expected);
        assert_eq!(sums(&series(&wish(&format!("sleep_session.{part}"), "1d"), &nights))[0].1, expected, "{part}");
    }
}
