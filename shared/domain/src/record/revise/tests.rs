use proptest::prelude::*;

use super::super::{Category, Source};
use super::*;
use crate::exact::Decimal;
use crate::id::RecordId;

const NOW: Timestamp = Timestamp::from_millis(1_795_244_591_412);

fn weight(grams: i64, preliminary: bool) -> Fact {
    let user = UserId::from("usr_1");
    let mut fact = Fact::bare(
        user,
        "con_1".into(),
        RecordId::derive(&["usr_1", "getmeas", "7", "1"]),
        "body_weight",
        Category::VitalSigns,
        Timestamp::from_secs(1_789_366_328),
        Source::withings("getmeas"),
    );
    fact.value = Decimal::scaled(grams, -3).ok();
    fact.unit = Some("kg".to_owned());
    fact.preliminary = preliminary;
    fact
}

fn written(change: Change) -> Record {
    match change {
        Change::Write(record) => *record,
        Change::Unchanged => panic!("nothing was written"),
    }
}

fn stored(fact: Fact) -> Record {
    written(revise(None, fact, NOW, SyncKind::Live))
}

fn again(before: &Record, fact: Fact) -> Change {
    revise(Some(before), fact, NOW + std::time::Duration::from_secs(60), SyncKind::Live)
}

#[test]
fn a_new_fact_is_revision_1() {
    let record = stored(weight(71_840, false));
    assert_eq!((record.rev, record.status), (1, Status::Final));
    assert_eq!(record.user_kind, "usr_1#body_weight");
    assert_eq!(record.user_service, "usr_1#getmeas");
    assert_eq!((record.ingested_ms, record.changed_ms), (NOW.as_millis(), NOW.as_millis()));
    assert_eq!(stored(weight(71_840, true)).status, Status::Preliminary);
}

#[test]
fn the_same_fact_again_writes_nothing_even_by_another_road() {
    let record = stored(weight(71_840, false));
    let mut same = weight(71_840, false);
    same.connection = "con_2".into();
    same.run = Some("run_1".to_owned());
    same.source.modified = Some(1_789_999_999);
    assert_eq!(revise(Some(&record), same, NOW, SyncKind::Backfill), Change::Unchanged);
}

#[test]
fn a_changed_final_fact_is_amended_and_keeps_its_first_ingestion() {
    let before = stored(weight(71_840, false));
    let after = written(again(&before, weight(71_000, false)));
    assert_eq!((after.rev, after.status), (2, Status::Amended));
    assert_eq!(after.ingested_ms, before.ingested_ms);
    assert!(after.changed_ms > before.changed_ms);
    assert_eq!(written(again(&after, weight(71_840, false))).status, Status::Amended);
}

#[test]
fn a_preliminary_fact_settles_as_final_with_or_without_a_change() {
    let before = stored(weight(71_840, true));
    assert_eq!(again(&before, weight(71_840, true)), Change::Unchanged);
    assert_eq!(written(again(&before, weight(71_000, true))).status, Status::Preliminary);
    for grams in [71_840, 71_000] {
        let after = written(again(&before, weight(grams, false)));
        assert_eq!((after.rev, after.status), (2, Status::Final));
    }
}

#[test]
fn a_final_record_is_not_unsettled_by_a_fact_that_only_looks_open() {
    assert_eq!(again(&stored(weight(71_840, false)), weight(71_840, true)), Change::Unchanged);
}

#[test]
fn a_retracted_fact_that_comes_back_is_amended() {
    let gone = retract(&stored(weight(71_840, false)), NOW);
    assert_eq!((gone.rev, gone.status), (2, Status::EnteredInError));
    let back = written(again(&gone, weight(71_840, false)));
    assert_eq!((back.rev, back.status), (3, Status::Amended));
}

#[test]
fn a_record_survives_its_own_json() {
    let mut fact = weight(71_840, false);
    fact.source.other.insert("algo_params".to_owned(), crate::exact::Json::parse(br#"{"x":0.1}"#).unwrap());
    fact.components = vec![super::super::Component {
        kind: "part".to_owned(),
        value: Decimal::scaled(1, -1).ok(),
        ..Default::default()
    }];
    let record = stored(fact);
    let text = serde_json::to_string(&record).unwrap();
    assert!(text.contains(r#""value":71.84,"unit":"kg""#), "{text}");
    assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
}

#[test]
fn the_change_index_is_found_by_its_hour() {
    let bucket = change_bucket(NOW, &UserId::from("usr_1"));
    assert!(bucket.starts_with("2026-11-21T07#"), "{bucket}");
    assert!(change_buckets(NOW).contains(&bucket));
    assert_eq!(change_buckets(NOW).len(), 4);
}

proptest! {
    #[test]
    fn whatever_the_history_the_revision_rises_by_one_per_write_and_the_last_fact_stands(
        history in prop::collection::vec((0_i64..3, any::<bool>(), any::<bool>()), 1..40),
    ) {
        let mut current: Option<Record> = None;
        for (grams, preliminary, gone) in history {
            let rev = current.as_ref().map_or(0, |record| record.rev);
            if let (true, Some(record)) = (gone, &current) {
                current = Some(retract(record, NOW));
            } else if let Change::Write(record) = revise(current.as_ref(), weight(grams, preliminary), NOW, SyncKind::Live) {
                prop_assert_eq!(record.rev, rev + 1);
                current = Some(*record);
            } else {
                prop_assert_eq!(current.as_ref().map(|record| record.value), Some(weight(grams, false).value));
                continue;
            }
            let record = current.as_ref().unwrap();
            prop_assert_eq!(record.rev, rev + 1);
            prop_assert_eq!(record.status == Status::EnteredInError, gone && rev > 0);
            // The same fact once more writes nothing, whatever the history.
            if record.status != Status::EnteredInError {
                let same = weight(grams, preliminary);
                prop_assert_eq!(revise(Some(record), same, NOW, SyncKind::Live), Change::Unchanged);
            }
        }
    }
}
