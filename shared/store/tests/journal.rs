//! The journal against a DynamoDB: no gaps, no repeats, whoever writes at once and whatever fails.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use afferent_domain::event::Draft;
use afferent_domain::id::{EndpointId, UserId};
use afferent_domain::record::SyncKind;
use afferent_local::dynamodb::Fault;
use afferent_local::{Setup, Simulation, Ticks};
use afferent_store::StoreError;
use afferent_store::events::{After, Changed, DIRECTORY, Events, Failure, Journalled, KEPT};
use afferent_store::item::{n, s};
use aws_sdk_dynamodb::types::AttributeValue;

const TABLE: &str = "afferent-events";

async fn simulation(aws_latency_ms: (u64, u64)) -> (Simulation, Events) {
    let setup = Setup { ticks: Ticks::Off, aws_latency_ms, ..Setup::default() };
    let simulation = Simulation::bare(setup).await.unwrap();
    let events = Events::new(afferent_store::client(&simulation.rim.aws), TABLE.to_owned());
    (simulation, events)
}

fn user() -> UserId {
    UserId::from("usr_1")
}

fn draft(record: &str, rev: u32) -> Draft {
    Draft::of_record(&format!(
        r#"{{"user":"usr_1","record":"{record}","rev":{rev},"status":"final","kind":"body_weight",
            "connection":"con_1","synckind":"live","changed_ms":1795244591412,"value":81.25}}"#
    ))
    .unwrap()
}

async fn append(simulation: &Simulation, events: &Events, drafts: Vec<Draft>) -> Result<Vec<Journalled>, StoreError> {
    events.append(&user(), drafts, simulation.clock.now(), simulation.dice.as_ref()).await
}

fn of(user: &str, record: &str) -> Draft {
    let draft = draft(record, 1);
    Draft { user: UserId::from(user), ..draft }
}

fn sequences(journalled: &[Journalled]) -> Vec<u64> {
    journalled.iter().map(|one| one.sequence).collect()
}

#[tokio::test(start_paused = true)]
async fn changes_get_numbers_in_their_order_and_their_exact_text_can_be_read_again() {
    let (simulation, events) = simulation((0, 0)).await;
    let drafts: Vec<Draft> = (0..70).map(|record| draft(&format!("rec_{record}"), 1)).collect();
    let journalled = append(&simulation, &events, drafts).await.unwrap();
    assert_eq!(sequences(&journalled), (1..=70).collect::<Vec<_>>());
    assert_eq!(events.head(&user()).await.unwrap().unwrap().last, 70);
    let event = events.get(&user(), 70).await.unwrap().unwrap();
    assert_eq!((event.record.as_str(), event.event_type.as_str()), ("rec_69", "body_weight.created"));
    assert!(event.body.contains(r#""sequence":"00000000000000000070""#) && event.body.contains(r#""value":81.25"#));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_has_its_event_is_found_and_not_written_again() {
    let (simulation, events) = simulation((0, 0)).await;
    let first = append(&simulation, &events, vec![draft("rec_1", 1), draft("rec_2", 1)]).await.unwrap();
    let again =
        append(&simulation, &events, vec![draft("rec_2", 1), draft("rec_1", 1), draft("rec_1", 2)]).await.unwrap();
    assert_eq!(sequences(&again), [1, 2, 3]);
    assert_eq!(again.iter().map(|one| one.fresh).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(first[1].event, again[1].event);
}

#[tokio::test(start_paused = true)]
async fn a_change_older_than_the_journal_is_skipped_and_the_same_change_twice_in_a_batch_is_one() {
    let (simulation, events) = simulation((0, 0)).await;
    append(&simulation, &events, vec![draft("rec_1", 3)]).await.unwrap();
    assert_eq!(append(&simulation, &events, vec![draft("rec_1", 2)]).await.unwrap(), []);
    let twice = append(&simulation, &events, vec![draft("rec_2", 1), draft("rec_2", 1), draft("rec_2", 2)]).await;
    assert_eq!(sequences(&twice.unwrap()), [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn writers_at_once_leave_no_gap_and_no_repeat_and_a_change_that_two_bring_is_one_event() {
    let (simulation, events) = simulation((1, 30)).await;
    let writers = (0..6).map(|writer| {
        // Each brings changes of its own and one that all bring.
        let own = (0..4).map(move |record| draft(&format!("rec_{writer}_{record}"), 1));
        append(&simulation, &events, own.chain([draft("rec_shared", 1)]).collect())
    });
    let results = futures_join(writers).await;
    let mut shared = BTreeSet::new();
    let mut numbers = HashMap::new();
    for journalled in results.into_iter().map(Result::unwrap) {
        assert_eq!(journalled.len(), 5);
        for one in journalled {
            if one.event == draft("rec_shared", 1).id {
                shared.insert(one.sequence);
            }
            numbers.insert(one.sequence, one.event);
        }
    }
    assert_eq!(shared.len(), 1);
    let numbers: BTreeSet<u64> = numbers.into_keys().collect();
    assert_eq!(numbers, (1..=25).collect());
    assert_eq!(events.head(&user()).await.unwrap().unwrap().last, 25);
}

async fn futures_join<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    futures_util::future::join_all(futures).await
}

#[tokio::test(start_paused = true)]
async fn a_journal_whose_beginning_meets_another_writer_is_begun_again() {
    let (simulation, events) = simulation((0, 0)).await;
    simulation.dynamodb.faults().next(Fault::Conflict, "TransactWriteItems", TABLE, 3);
    assert_eq!(sequences(&append(&simulation, &events, vec![draft("rec_1", 1)]).await.unwrap()), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_beginning_whose_answer_was_lost_is_found_done() {
    let (simulation, events) = simulation((0, 0)).await;
    simulation.dynamodb.faults().next(Fault::AnswerLost, "TransactWriteItems", TABLE, 1);
    let journalled = append(&simulation, &events, vec![draft("rec_1", 1)]).await.unwrap();
    assert_eq!(sequences(&journalled), [1]);
    assert_eq!(events.head(&user()).await.unwrap().unwrap().last, 1);
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_never_gets_through_is_told_so() {
    let (simulation, events) = simulation((0, 0)).await;
    simulation.dynamodb.faults().next(Fault::Conflict, "TransactWriteItems", TABLE, 1_000);
    let refused = append(&simulation, &events, vec![draft("rec_1", 1)]).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
}

/// The SDK tries four times before it gives up.
const GIVES_UP: u32 = 4;

/// What a writer's first put, its marker and its move of the head have in their requests.
const STEPS: [(&str, &str); 3] =
    [("PutItem", "packed"), ("PutItem", "event_sequence"), ("UpdateItem", "afferent-events")];

async fn told(events: &Events) -> Vec<(u64, String, u32)> {
    let After::Events(all) = events.after(&user(), 0, 100).await.unwrap() else { panic!("nothing is missing") };
    all.into_iter().map(|event| (event.sequence, event.record.to_string(), event.rev)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_dies_at_any_step_leaves_what_the_same_change_finishes() {
    for (operation, about) in STEPS {
        let (simulation, events) = simulation((0, 0)).await;
        append(&simulation, &events, vec![draft("rec_1", 1)]).await.unwrap();
        // Two markers are written at once.
        simulation.dynamodb.faults().next(Fault::Failed, operation, about, 2 * GIVES_UP);
        let two = || vec![draft("rec_2", 1), draft("rec_3", 1)];
        assert!(append(&simulation, &events, two()).await.is_err(), "{operation} {about}");
        simulation.dynamodb.faults().clear();
        let again = append(&simulation, &events, two()).await.unwrap();
        assert_eq!(sequences(&again), [2, 3], "{operation} {about}");
        let all = [(1, "rec_1"), (2, "rec_2"), (3, "rec_3")].map(|(number, record)| (number, record.to_owned(), 1));
        assert_eq!(told(&events).await, all, "{operation} {about}");
        assert_eq!(events.head(&user()).await.unwrap().unwrap().last, 3);
        for (record, number) in [("rec_2", 2), ("rec_3", 3)] {
            let found = events.of_revision(&user(), &record.into(), 1).await.unwrap().unwrap();
            assert_eq!(found.sequence, number, "{operation} {about}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_dies_at_any_step_leaves_what_another_change_finishes() {
    for (operation, about) in STEPS {
        let (simulation, events) = simulation((0, 0)).await;
        append(&simulation, &events, vec![draft("rec_1", 1)]).await.unwrap();
        simulation.dynamodb.faults().next(Fault::Failed, operation, about, GIVES_UP);
        append(&simulation, &events, vec![draft("rec_2", 1)]).await.unwrap_err();
        simulation.dynamodb.faults().clear();
        let there = told(&events).await.len() as u64;
        assert_eq!(there, if about == "packed" { 1 } else { 2 }, "the text is put first");
        // A later revision of the same record, and then the change itself, late.
        let other = append(&simulation, &events, vec![draft("rec_2", 2)]).await.unwrap();
        assert_eq!(sequences(&other), [there + 1], "{operation} {about}");
        assert_eq!(events.head(&user()).await.unwrap().unwrap().last, there + 1);
        let late = append(&simulation, &events, vec![draft("rec_2", 1)]).await.unwrap();
        let expected: &[u64] = if there == 2 { &[2] } else { &[] };
        assert_eq!(sequences(&late), expected, "{operation} {about}: found, or older than the journal");
        assert_eq!(told(&events).await.len() as u64, there + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_put_whose_answer_was_lost_is_the_writers_own() {
    for (operation, about) in STEPS {
        let (simulation, events) = simulation((0, 0)).await;
        append(&simulation, &events, vec![draft("rec_1", 1)]).await.unwrap();
        simulation.dynamodb.faults().next(Fault::AnswerLost, operation, about, 1);
        let journalled = append(&simulation, &events, vec![draft("rec_2", 1), draft("rec_3", 1)]).await.unwrap();
        assert_eq!(sequences(&journalled), [2, 3]);
        assert!(journalled.iter().all(|one| one.fresh), "{operation} {about}");
        assert_eq!(events.head(&user()).await.unwrap().unwrap().last, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn many_writers_of_a_journal_with_faults_of_every_kind_leave_one_event_of_each_change_in_a_row() {
    let (simulation, events) = simulation((1, 30)).await;
    append(&simulation, &events, vec![draft("rec_first", 1)]).await.unwrap();
    let dice = || simulation.dice.clone();
    for (fault, operation) in [
        (Fault::AnswerLost, "PutItem"),
        (Fault::Failed, "PutItem"),
        (Fault::Conflict, "PutItem"),
        (Fault::AnswerLost, "UpdateItem"),
        (Fault::Failed, "UpdateItem"),
    ] {
        simulation.dynamodb.faults().sometimes(fault, operation, TABLE, 120, dice());
    }
    let writers = (0..8).map(|writer| {
        let (simulation, events) = (&simulation, &events);
        async move {
            // Two writers bring each change, and come again until it is journalled.
            for round in 0..6 {
                let drafts = [0, 1].map(|part| draft(&format!("rec_{}_{round}_{part}", writer / 2), 1));
                while append(simulation, events, drafts.to_vec()).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    });
    futures_join(writers).await;
    simulation.dynamodb.faults().clear();
    append(&simulation, &events, vec![draft("rec_last", 1)]).await.unwrap();
    let all = told(&events).await;
    let numbers: Vec<u64> = all.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, (1..=50).collect::<Vec<_>>(), "four pairs, six rounds, two changes, the first and the last");
    let records: BTreeSet<&String> = all.iter().map(|(_, record, _)| record).collect();
    assert_eq!(records.len(), 50);
    assert_eq!(events.head(&user()).await.unwrap().unwrap().last, 50);
    for (number, record, rev) in &all {
        let marker = events.of_revision(&user(), &record.as_str().into(), *rev).await.unwrap().unwrap();
        assert_eq!((marker.sequence, marker.rev), (*number, *rev));
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_gets_all_after_a_number_or_is_told_the_oldest_that_is_kept() {
    let (simulation, events) = simulation((0, 0)).await;
    append(&simulation, &events, (0..5).map(|record| draft(&format!("rec_{record}"), 1)).collect()).await.unwrap();
    let After::Events(after) = events.after(&user(), 2, 2).await.unwrap() else { panic!("all are kept") };
    assert_eq!(after.iter().map(|event| event.sequence).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(events.after(&user(), 5, 10).await.unwrap(), After::Events(Vec::new()));

    tokio::time::sleep(KEPT - Duration::from_secs(60)).await;
    append(&simulation, &events, vec![draft("rec_late", 1)]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(120)).await;
    simulation.dynamodb.sweep().unwrap();
    assert_eq!(events.after(&user(), 2, 10).await.unwrap(), After::Gone { oldest: 6 });
    assert_eq!(events.head(&user()).await.unwrap().unwrap().last, 6, "the head has no TTL");
}

#[tokio::test(start_paused = true)]
async fn a_consumer_at_the_end_of_a_journal_is_never_told_that_what_is_being_appended_is_gone() {
    let (simulation, events) = simulation((1, 30)).await;
    let writer = async {
        for record in 0..60 {
            append(&simulation, &events, vec![draft(&format!("rec_{record}"), 1)]).await.unwrap();
        }
    };
    let consumer = async {
        let mut last = 0;
        while last < 60 {
            match events.after(&user(), last, 100).await.unwrap() {
                After::Events(found) => last = found.last().map_or(last, |event| event.sequence),
                After::Gone { oldest } => panic!("{oldest} is said to be the oldest, after {last}"),
            }
        }
    };
    tokio::join!(writer, consumer);
}

#[tokio::test(start_paused = true)]
async fn events_are_kept_for_as_long_as_the_table_was_told() {
    let (simulation, events) = simulation((0, 0)).await;
    let week = Duration::from_secs(7 * 24 * 60 * 60);
    let events = events.keeping(week);
    append(&simulation, &events, vec![draft("rec_1", 1)]).await.unwrap();
    tokio::time::sleep(week - Duration::from_secs(60)).await;
    simulation.dynamodb.sweep().unwrap();
    assert!(events.get(&user(), 1).await.unwrap().is_some());
    tokio::time::sleep(Duration::from_secs(120)).await;
    simulation.dynamodb.sweep().unwrap();
    assert!(events.get(&user(), 1).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_change_that_cannot_become_an_event_is_noted_once_however_often_it_comes() {
    let (simulation, events) = simulation((0, 0)).await;
    let failure = Failure {
        change: "e1".to_owned(),
        user: Some("usr_1".to_owned()),
        record: None,
        reason: "no".to_owned(),
        at: simulation.clock.now(),
    };
    events.put_failure(&failure).await.unwrap();
    events.put_failure(&failure).await.unwrap();
    assert_eq!(events.failures(10).await.unwrap(), [failure]);
}

#[tokio::test(start_paused = true)]
async fn a_journal_is_gone_through_from_its_newest_event_to_its_first_without_texts() {
    let (simulation, events) = simulation((0, 0)).await;
    let notice = Draft { about: Some(EndpointId::from("ep_1")), ..draft("rec_notice", 1) };
    let test = Draft { test: true, synckind: SyncKind::Backfill, ..draft("rec_test", 1) };
    let drafts = (0..5).map(|record| draft(&format!("rec_{record}"), 1)).chain([notice, test]);
    append(&simulation, &events, drafts.collect()).await.unwrap();
    let newest = events.entries(&user(), u64::MAX, 3).await.unwrap();
    assert_eq!(sequences(&newest), [7, 6, 5]);
    assert_eq!((newest[0].test, newest[0].synckind, newest[0].fresh), (true, SyncKind::Backfill, false));
    assert_eq!(newest[1].about, Some(EndpointId::from("ep_1")));
    assert_eq!((newest[2].event_type.as_str(), newest[2].at), ("body_weight.created", simulation.clock.now()));
    assert_eq!(newest[2].event, draft("rec_4", 1).id);
    assert_eq!(sequences(&events.entries(&user(), 5, 10).await.unwrap()), [4, 3, 2, 1], "the head is no event");
    assert!(events.entries(&user(), 1, 10).await.unwrap().is_empty());
    assert!(events.entries(&UserId::from("usr_none"), u64::MAX, 10).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_of_a_journal_or_of_the_directory_hides_nothing_else() {
    let (simulation, events) = simulation((0, 0)).await;
    let client = afferent_store::client(&simulation.rim.aws);
    let lose = async |journal: &str, sequence: AttributeValue, what: &str| {
        let update = client.update_item().table_name(TABLE).key("journal", s(journal)).key("sequence", sequence);
        update.update_expression("REMOVE #what").expression_attribute_names("#what", what).send().await.unwrap();
    };
    append(&simulation, &events, (0..10).map(|record| draft(&format!("rec_{record}"), 1)).collect()).await.unwrap();
    for sequence in [1, 4, 5, 6, 7, 10] {
        lose("usr_1", n(sequence), "event").await;
    }
    for limit in 1..=11 {
        let (mut found, mut before) = (Vec::new(), u64::MAX);
        loop {
            let page = events.entries(&user(), before, limit).await.unwrap();
            let Some(last) = page.last() else { break };
            before = last.sequence;
            found.extend(sequences(&page));
        }
        assert_eq!(found, [9, 8, 3, 2], "{limit}");
    }

    for number in 2..=9 {
        let user = format!("usr_{number}");
        events
            .append(&UserId::from(user.as_str()), vec![of(&user, "rec")], simulation.clock.now(), &*simulation.dice)
            .await
            .unwrap();
    }
    let order = events.journals(None, 20).await.unwrap();
    let query = client.query().table_name(TABLE).key_condition_expression("journal = :journal");
    let entries = query.expression_attribute_values(":journal", s(DIRECTORY)).send().await.unwrap().items.unwrap();
    assert_eq!((order.len(), entries.len()), (9, 9));
    for place in [0, 2, 3, 4, 8] {
        lose(DIRECTORY, entries[place]["sequence"].clone(), "user").await;
    }
    for limit in 1..=10 {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = events.journals(after.as_ref(), limit).await.unwrap();
            let Some(last) = page.last().cloned() else { break };
            found.extend(page);
            after = Some(last);
        }
        assert_eq!(found, [1, 5, 6, 7].map(|place| order[place].clone()), "{limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_journal_is_in_the_directory_once_from_its_first_event_on() {
    let (simulation, events) = simulation((1, 20)).await;
    assert!(events.journals(None, 10).await.unwrap().is_empty());
    let users: Vec<String> = (0..40).map(|number| format!("usr_{number}")).collect();
    for record in ["rec_1", "rec_2"] {
        // Two writers of each journal at once.
        let (events, simulation) = (&events, &simulation);
        let writers = users.iter().flat_map(|user| [(user, "a"), (user, "b")]).map(|(user, writer)| async move {
            let (user, drafts) = (UserId::from(user.as_str()), vec![of(user, &format!("{record}{writer}"))]);
            events.append(&user, drafts, simulation.clock.now(), simulation.dice.as_ref()).await
        });
        for written in futures_join(writers).await {
            written.unwrap();
        }
    }
    let (mut found, mut after) = (Vec::<String>::new(), None);
    loop {
        let page = events.journals(after.as_ref(), 7).await.unwrap();
        let Some(last) = page.last().cloned() else { break };
        found.extend(page.iter().map(|user| user.as_str().to_owned()));
        after = Some(last);
    }
    assert_eq!(found.len(), 40);
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), users.into_iter().collect());
}

#[tokio::test(start_paused = true)]
async fn what_changed_since_an_instant_is_found_wherever_it_lies_in_the_journal() {
    let (simulation, events) = simulation((0, 0)).await;
    let now = || simulation.clock.now();
    assert_eq!(events.number_before(&user(), now(), now()).await.unwrap(), Some(0), "nobody has changes yet");
    let mut written = Vec::new();
    for record in 0..20_u32 {
        written.push((now(), u64::from(record) * 2));
        let two = ["a", "b"].map(|part| draft(&format!("rec_{record}{part}"), record + 1));
        append(&simulation, &events, two.into()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    for (at, number) in written {
        assert_eq!(events.number_before(&user(), at, now()).await.unwrap(), Some(number));
        assert_eq!(events.number_before(&user(), at + Duration::from_secs(1), now()).await.unwrap(), Some(number + 2));
    }
    let (changes, more) = events.changes(&user(), 37, 2).await.unwrap();
    let told = |one: &Changed| (one.sequence, one.record.to_string(), one.kind.clone(), one.rev);
    let expected = [(38, "rec_18b", 19), (39, "rec_19a", 20)];
    let expected = expected.map(|(number, record, rev)| (number, record.to_owned(), "body_weight".to_owned(), rev));
    assert_eq!(changes.iter().map(told).collect::<Vec<_>>(), expected);
    assert!(more);
    assert_eq!(events.changes(&user(), 40, 2).await.unwrap(), (Vec::new(), false));
    // What is older than events are kept may have lost some.
    let long_ago = now();
    tokio::time::sleep(KEPT).await;
    assert_eq!(events.number_before(&user(), long_ago, now()).await.unwrap(), None);
}
