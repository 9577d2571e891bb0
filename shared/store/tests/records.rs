//! Reading a user's records by time against a DynamoDB: every record once, in order, whatever the pages are.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use afferent_domain::Timestamp;
use afferent_domain::exact::Decimal;
use afferent_domain::id::{ConnectionId, RecordId, UserId};
use afferent_domain::record::{Category, Change, Effective, Fact, Record, Source, Status, SyncKind, retract, revise};
use afferent_local::{Setup, Simulation, Ticks};
use afferent_store::records::{After, Found, LOOK_BYTES, LOOKS, PAGE_BYTES, Range, Records, escaped_len, to_item};
use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};

const KINDS: [(&str, &str); 4] = [
    ("body_weight", "getmeas"),
    ("muscle_mass", "getmeas"),
    ("activity_day", "getactivity"),
    ("connection", "afferent"),
];

async fn stack() -> (Simulation, Records) {
    let setup = Setup { ticks: Ticks::Off, ..Setup::default() };
    let simulation = Simulation::bare(setup).await.unwrap();
    let records = Records::new(afferent_store::client(&simulation.rim.aws), "afferent-records".to_owned());
    (simulation, records)
}

fn user() -> UserId {
    UserId::from("usr_1")
}

fn fact(name: &str, kind: &str, service: &str, at_ms: i64) -> Fact {
    let at = Timestamp::from_millis(at_ms);
    let (id, connection) = (RecordId::from(name), ConnectionId::from("con_1"));
    let mut fact = Fact::bare(user(), connection, id, kind, Category::VitalSigns, at, Source::withings(service));
    fact.value = Some(Decimal::from(80));
    fact
}

fn revised(fact: Fact) -> Record {
    match revise(None, fact, Timestamp::from_millis(0), SyncKind::Live) {
        Change::Write(record) => *record,
        Change::Unchanged => unreachable!("nothing is stored"),
    }
}

async fn put(records: &Records, fact: Fact) -> Record {
    let record = revised(fact);
    records.put(&record).await.unwrap();
    record
}

/// 48 records at twelve instants, four of a kind at each third of them; every fifth is retracted. In the order of time.
async fn fill(records: &Records) -> Vec<Record> {
    let mut all = Vec::new();
    for number in 0..48_i64 {
        let (kind, service) = KINDS[usize::try_from(number % 4).unwrap()];
        // Names that do not sort as the instants do.
        let name = format!("rec_{:02}{number}", number * 37 % 100);
        let mut record = put(records, fact(&name, kind, service, 1_000 * (number / 16))).await;
        if number % 5 == 0 {
            record = retract(&record, Timestamp::from_millis(1));
            records.put(&record).await.unwrap();
        }
        all.push(record);
    }
    all.sort_by(|one, other| (one.effective_ms, &one.record).cmp(&(other.effective_ms, &other.record)));
    all
}

fn ids(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.record.as_str()).collect()
}

/// All pages, one after the other.
async fn all(records: &Records, asked: &Range<'_>, keep: impl Fn(&Record) -> bool) -> Vec<Record> {
    let (mut found, mut after) = (Vec::new(), None);
    for _ in 0..200 {
        let page = records.range(&Range { after: after.as_ref(), ..asked.clone() }, &keep).await.unwrap();
        assert!(page.records.len() <= asked.limit);
        found.extend(page.records);
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
    panic!("the pages never end")
}

#[tokio::test(start_paused = true)]
async fn pages_hold_every_record_once_in_order_whatever_is_asked_for() {
    let (_simulation, records) = stack().await;
    let stored = fill(&records).await;
    let user = user();
    let every: [&[&str]; 4] = [&[], &["body_weight"], &["muscle_mass", "connection"], &["connection", "connection"]];
    for kinds in every {
        let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        for (newest_first, retracted, limit) in
            [(false, false, 1), (true, false, 7), (false, true, 16), (true, true, 100)]
        {
            let asked = Range { kinds: &kinds, newest_first, retracted, limit, ..Range::of(&user) };
            let found = all(&records, &asked, |_| true).await;
            let mut expected: Vec<Record> = stored
                .iter()
                .filter(|record| kinds.is_empty() || kinds.contains(&record.kind))
                .filter(|record| retracted || record.status != Status::EnteredInError)
                .cloned()
                .collect();
            if newest_first {
                expected.reverse();
            }
            assert_eq!(ids(&found), ids(&expected), "{kinds:?} {newest_first} {retracted} {limit}");
            assert_eq!(found, expected);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_span_has_both_its_ends_and_a_filter_fills_its_page() {
    let (_simulation, records) = stack().await;
    let stored = fill(&records).await;
    let user = user();
    let asked = Range { from_ms: 1_000, to_ms: 1_000, retracted: true, limit: 100, ..Range::of(&user) };
    let found = all(&records, &asked, |_| true).await;
    assert_eq!(found.len(), stored.iter().filter(|record| record.effective_ms == 1_000).count());
    let backwards = Range { from_ms: 2_000, to_ms: 1_000, ..Range::of(&user) };
    assert_eq!(records.range(&backwards, |_| true).await.unwrap(), Found::default());

    let wanted = |record: &Record| record.kind == "activity_day" && record.status == Status::EnteredInError;
    let asked = Range { retracted: true, limit: 2, newest_first: false, ..Range::of(&user) };
    let first = records.range(&asked, wanted).await.unwrap();
    assert_eq!(first.records.len(), 2, "what the filter leaves out takes no room");
    let expected: Vec<Record> = stored.into_iter().filter(|record| wanted(record)).collect();
    assert_eq!(ids(&all(&records, &asked, wanted).await), ids(&expected));
}

#[tokio::test(start_paused = true)]
async fn a_lean_record_has_what_views_are_made_of() {
    let (_simulation, records) = stack().await;
    let user = user();
    let mut weight = fact("rec_1", "body_weight", "getmeas", 1_000);
    weight.unit = Some("kg".to_owned());
    weight.source.device_id = Some("scales".to_owned());
    weight.source.comment = Some("after a run".to_owned());
    let whole = put(&records, weight).await;
    let kinds = ["body_weight".to_owned()];
    let found = records.range(&Range { kinds: &kinds, lean: true, ..Range::of(&user) }, |_| true).await.unwrap();
    let [lean] = &found.records[..] else { panic!("not one") };
    assert_eq!((&lean.record, lean.value, &lean.unit), (&whole.record, whole.value, &whole.unit));
    assert_eq!((&lean.effective, &lean.source.device_id), (&whole.effective, &whole.source.device_id));
    assert_eq!((lean.status, lean.effective_ms, &lean.user), (whole.status, whole.effective_ms, &whole.user));
    assert!(lean.digest.is_empty() && lean.codes.is_empty() && lean.source.comment.is_none());
    assert!(records.put(lean).await.is_err(), "it would take the place of the whole one");
    assert_eq!(records.get(&user, &whole.record).await.unwrap().unwrap(), whole);
    let otherwise = records.range(&Range { lean: true, ..Range::of(&user) }, |_| true).await.unwrap();
    assert_eq!(otherwise.records, [whole], "without kinds it is whole");
}

#[tokio::test(start_paused = true)]
async fn a_text_is_its_record_and_is_chosen_by_the_same() {
    let (_simulation, records) = stack().await;
    fill(&records).await;
    let user = user();
    for (kinds, retracted) in [(vec![], true), (vec!["body_weight".to_owned()], false)] {
        let asked = Range { kinds: &kinds, retracted, limit: 7, ..Range::of(&user) };
        let whole = records.range(&asked, |record| record.effective_ms > 0).await.unwrap();
        let told = records.texts(&asked, |text| text.effective_ms > 0).await.unwrap();
        assert!(!whole.records.is_empty());
        assert_eq!(told.next, whole.next);
        let read: Vec<Record> = told.records.iter().map(|text| serde_json::from_str(&text.json).unwrap()).collect();
        assert_eq!(read, whole.records);
        for (text, record) in told.records.iter().zip(&whole.records) {
            let Effective::At { at } = &record.effective else { unreachable!("each is at an instant") };
            assert_eq!((&text.record, text.effective_ms, &text.start), (&record.record, record.effective_ms, at));
            assert_eq!((text.status, &text.local_date), (record.status, &record.local_date));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn others_have_nothing_and_are_not_seen() {
    let (_simulation, records) = stack().await;
    fill(&records).await;
    let other = UserId::from("usr_2");
    assert_eq!(records.range(&Range::of(&other), |_| true).await.unwrap(), Found::default());
    assert_eq!(records.latest(&other, &["body_weight".to_owned()]).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn the_latest_of_a_kind_is_not_retracted_and_of_the_whole_body() {
    let (_simulation, records) = stack().await;
    for (name, at_ms) in [("rec_1", 1_000), ("rec_2", 2_000)] {
        put(&records, fact(name, "body_weight", "getmeas", at_ms)).await;
    }
    for number in 3..20 {
        let gone = put(&records, fact(&format!("rec_{number}"), "body_weight", "getmeas", number * 1_000)).await;
        records.put(&retract(&gone, Timestamp::from_millis(1))).await.unwrap();
    }
    for (name, site) in [("rec_a", Some("left_arm")), ("rec_b", None), ("rec_c", Some("torso"))] {
        let mut part = fact(name, "muscle_mass", "getmeas", 5_000);
        part.body_site = site.map(str::to_owned);
        put(&records, part).await;
    }
    let kinds = ["muscle_mass", "bone_mass", "body_weight"].map(str::to_owned);
    assert_eq!(ids(&records.latest(&user(), &kinds).await.unwrap()), ["rec_b", "rec_2"]);
}

#[tokio::test(start_paused = true)]
async fn a_page_is_no_larger_than_an_answer_may_be() {
    let (_simulation, records) = stack().await;
    let user = user();
    for number in 0..25 {
        let mut large = fact(&format!("rec_{number}"), "ecg_signal", "heart_get", number);
        large.source.comment = Some("x".repeat(300_000));
        put(&records, large).await;
    }
    for kinds in [vec!["ecg_signal".to_owned()], Vec::new()] {
        let asked = Range { kinds: &kinds, limit: 100, ..Range::of(&user) };
        let page = records.range(&asked, |_| true).await.unwrap();
        let bytes: usize = page.records.iter().map(|record| serde_json::to_string(record).unwrap().len()).sum();
        assert!(page.records.len() == PAGE_BYTES / 301_000 && bytes <= PAGE_BYTES, "{} records", page.records.len());
        assert_eq!(all(&records, &asked, |_| true).await.len(), 25);
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_not_skipped_with_the_retracted_one_behind_it() {
    let (_simulation, records) = stack().await;
    let user = user();
    // The first fifty are read at once and leave room for less than what follows.
    for number in 0..52 {
        let mut large = fact(&format!("rec_{number:02}"), "ecg_signal", "heart_get", number);
        large.source.comment = Some("x".repeat(if number < 50 { 78_000 } else { 200_000 }));
        let stored = put(&records, large).await;
        if number == 51 {
            records.put(&retract(&stored, Timestamp::from_millis(100))).await.unwrap();
        }
    }
    put(&records, fact("rec_52", "ecg_signal", "heart_get", 52)).await;
    for kinds in [vec!["ecg_signal".to_owned()], Vec::new()] {
        let asked = Range { kinds: &kinds, limit: 200, newest_first: false, ..Range::of(&user) };
        let page = records.range(&asked, |_| true).await.unwrap();
        assert_eq!(page.records.len(), 50);
        let found = all(&records, &asked, |_| true).await;
        assert_eq!(ids(&found[49..]), ["rec_49", "rec_50", "rec_52"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_looks_at_so_many_bytes_and_tells_where_it_stopped() {
    let (_simulation, records) = stack().await;
    let user = user();
    for number in 0..60 {
        let mut large = fact(&format!("rec_{number}"), "ecg_signal", "heart_get", number);
        large.source.comment = Some("\"".repeat(150_000));
        put(&records, large).await;
    }
    for kinds in [vec!["ecg_signal".to_owned()], Vec::new()] {
        let asked = Range { kinds: &kinds, newest_first: false, ..Range::of(&user) };
        let page = records.range(&asked, |record| record.effective_ms == 59).await.unwrap();
        // A wave of 25 is read whole.
        let read = LOOK_BYTES / 600_000 / 25 * 25 + 25;
        let stopped = i64::try_from(read).unwrap() - 1;
        assert_eq!((page.records.len(), page.next.unwrap().effective_ms), (0, stopped));
        assert_eq!(all(&records, &asked, |record| record.effective_ms == 59).await.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_counts_its_bytes_as_an_answer_has_them() {
    let (_simulation, records) = stack().await;
    let user = user();
    for number in 0..9 {
        let mut large = fact(&format!("rec_{number}"), "ecg_signal", "heart_get", number);
        large.source.comment = Some("\"".repeat(150_000));
        put(&records, large).await;
    }
    let page = records.range(&Range::of(&user), |_| true).await.unwrap();
    let bytes: usize = page.records.iter().map(|record| escaped_len(&serde_json::to_string(record).unwrap())).sum();
    assert!(page.next.is_some() && bytes <= PAGE_BYTES, "{} records, {bytes} bytes", page.records.len());
}

#[tokio::test(start_paused = true)]
async fn a_page_looks_at_so_many_records_and_tells_where_it_stopped() {
    let (simulation, records) = stack().await;
    let user = user();
    let last = i64::try_from(LOOKS).unwrap() + 9;
    let all_of_them: Vec<_> = (0..=last).map(|n| revised(fact(&format!("rec_{n}"), "steps", "getmeas", n))).collect();
    let client = afferent_store::client(&simulation.rim.aws);
    for some in all_of_them.chunks(25) {
        let write = |record: &Record| {
            let put = PutRequest::builder().set_item(Some(to_item(record).unwrap())).build().unwrap();
            WriteRequest::builder().put_request(put).build()
        };
        let writes = some.iter().map(write).collect();
        client.batch_write_item().request_items("afferent-records", writes).send().await.unwrap();
    }
    let kinds = ["steps".to_owned()];
    let asked = Range { kinds: &kinds, newest_first: false, ..Range::of(&user) };
    let page = records.range(&asked, |record| record.effective_ms == last).await.unwrap();
    let stopped = After { record: RecordId::from(format!("rec_{}", LOOKS - 1)), effective_ms: last - 10 };
    assert_eq!(page, Found { records: Vec::new(), next: Some(stopped) });
    assert_eq!(all(&records, &asked, |record| record.effective_ms == last).await.len(), 1);
}
