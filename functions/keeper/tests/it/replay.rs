//! Replay: what an endpoint would want now, and has no delivery of.

use std::collections::BTreeSet;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{Delivery, Key};
use afferent_domain::event::Draft;
use afferent_domain::filter::{Pattern, Users};
use afferent_domain::id::{EndpointId, EventId, JobId, RecordId, UserId};
use afferent_domain::job::{Job, Kind, MOST_PER_MINUTE, State};
use afferent_domain::record::SyncKind;
use afferent_store::events::Journalled;

use crate::stack::{ENDPOINT, Stack, pass};

const HOUR: u64 = 3_600;

fn draft(user: &str, record: &str, event_type: &str, now: Timestamp) -> Draft {
    Draft {
        id: EventId::derive(&[user, record]),
        user: UserId::from(user),
        event_type: event_type.to_owned(),
        source: "/withings/con_1".to_owned(),
        time: now,
        synckind: SyncKind::Live,
        run: None,
        record: RecordId::from(record),
        rev: 1,
        data: "{}".to_owned(),
        about: None,
        test: false,
        trace: None,
    }
}

impl Stack {
    async fn append(&self, drafts: Vec<Draft>) -> Vec<Journalled> {
        let user = drafts[0].user.clone();
        self.events.append(&user, drafts, self.now(), self.simulation.dice.as_ref()).await.unwrap()
    }

    /// As many events of a user, journalled now.
    async fn journal(&self, user: &str, name: &str, count: usize, event_type: &str) -> Vec<Journalled> {
        let record = |number: usize| format!("rec_{name}_{number}");
        self.append((0..count).map(|number| draft(user, &record(number), event_type, self.now())).collect()).await
    }

    /// What has a message, by event; none has two.
    fn sent(&self) -> BTreeSet<String> {
        let sent = self.announced();
        assert_eq!(sent.len(), self.messages("afferent-deliveries"), "none goes out twice");
        sent
    }
}

fn ids<'a>(events: impl IntoIterator<Item = &'a Journalled>) -> BTreeSet<String> {
    events.into_iter().map(|event| event.event.to_string()).collect()
}

fn counts(job: &Job) -> (State, u64, u64) {
    (job.state, job.progress.looked_at, job.progress.matched)
}

#[tokio::test(start_paused = true)]
async fn every_event_of_every_user_without_a_delivery_gets_one_and_the_preview_had_counted_them() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    let mut missing = BTreeSet::new();
    for user in 0..40 {
        let events = stack.journal(&format!("usr_{user}"), "a", 12, "ecg.created").await;
        // Every third has its delivery.
        for (place, event) in events.iter().enumerate() {
            if place % 3 == 0 {
                let key = Key { event: event.event.clone(), endpoint: EndpointId::from(ENDPOINT) };
                let (user, event_type) = (event.user.clone(), event.event_type.clone());
                let delivery = Delivery::new(key, user, event.sequence, event_type, stack.now());
                assert!(stack.deliveries.put_if_absent(&delivery).await.unwrap());
            } else {
                missing.insert(event.event.to_string());
            }
        }
    }
    let preview = stack.begin(Kind::Replay, true, 1).await;
    stack.minute().await;
    assert_eq!(counts(&stack.job(&preview).await), (State::Done, 480, 320));
    assert_eq!(stack.messages("afferent-deliveries"), 0);

    let job = stack.begin(Kind::Replay, false, MOST_PER_MINUTE).await;
    stack.minute().await;
    assert_eq!(counts(&stack.job(&job).await), (State::Done, 480, 320));
    assert_eq!(stack.sent(), missing);
    let again = stack.begin(Kind::Replay, true, 2).await;
    stack.minute().await;
    assert_eq!(counts(&stack.job(&again).await), (State::Done, 480, 0));
}

#[tokio::test(start_paused = true)]
async fn only_what_the_endpoint_wants_now_of_the_time_asked_for_is_replayed() {
    let stack = Stack::start().await;
    let mut endpoint = stack.endpoint().await;
    endpoint.types = vec![Pattern::parse("ecg.*").unwrap(), Pattern::parse("endpoint.*").unwrap()];
    stack.put_endpoint(&endpoint).await;
    stack.journal("usr_1", "early", 3, "ecg.created").await;
    pass(2 * HOUR).await;
    let since = stack.now();
    let right = stack.journal("usr_1", "right", 3, "ecg.created").await;
    stack.journal("usr_1", "other", 3, "workout.created").await;
    let now = stack.now();
    let test = Draft { test: true, ..draft("_app", "rec_test", "ecg.created", now) };
    let itself = Draft { about: Some(endpoint.endpoint.clone()), ..draft("_app", "rec_w", "endpoint.warning", now) };
    stack.append(vec![test, itself]).await;
    pass(2 * HOUR).await;
    let until = stack.now();
    stack.journal("usr_1", "late", 3, "ecg.created").await;

    let mut job = stack.begin(Kind::Replay, false, 600).await;
    stack.endpoints.end_job(&job.endpoint, &job.job, State::Cancelled, stack.now()).await.unwrap();
    (job.job, job.since_ms, job.until_ms) = (JobId::from("job_of_some"), since, until);
    assert!(stack.endpoints.begin_job(&job).await.unwrap());
    stack.minute().await;
    assert_eq!(stack.job(&job).await.state, State::Done);
    assert_eq!(stack.sent(), ids(&right));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_of_some_users_is_replayed_their_events_and_no_others() {
    let stack = Stack::start().await;
    let mut endpoint = stack.endpoint().await;
    endpoint.users = Users::only((0..20).map(|user| UserId::from(format!("usr_{user}")))).unwrap();
    stack.put_endpoint(&endpoint).await;
    let mut theirs = BTreeSet::new();
    for user in 0..25 {
        let events = stack.journal(&format!("usr_{user}"), "a", 2, "ecg.created").await;
        if user < 20 {
            theirs.extend(ids(&events));
        }
    }
    let job = stack.begin(Kind::Replay, false, 600).await;
    stack.minute().await;
    assert_eq!(counts(&stack.job(&job).await), (State::Done, 40, 40));
    assert_eq!(stack.sent(), theirs);
}

#[tokio::test(start_paused = true)]
async fn a_replay_goes_on_minute_by_minute_at_its_pace_whatever_the_journals_hold() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    let mut all = BTreeSet::new();
    for user in 0..30 {
        let events = stack.journal(&format!("usr_{user}"), "a", 1 + user % 7, "ecg.created").await;
        all.extend(ids(&events));
    }
    let job = stack.begin(Kind::Replay, false, 10).await;
    let mut minutes = 0;
    while stack.job(&job).await.state == State::Running {
        let before = stack.announced().len();
        stack.minute().await;
        assert!(stack.announced().len() <= before + 10);
        pass(60).await;
        minutes += 1;
    }
    // Nobody takes these messages, so the first ones are sent again in between.
    assert_eq!(stack.announced(), all);
    assert!(minutes <= all.len() / 10 + 2, "{minutes} minutes for {}", all.len());
}
