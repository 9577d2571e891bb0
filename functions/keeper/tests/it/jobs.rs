//! Recover and cancel, in slices: paced, saved, repeated without harm.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{Delivery, End, FOR_GOOD, Key, LEASE, LIFE, Place, State as Standing};
use afferent_domain::endpoint::{Cause, Standing as Enabled};
use afferent_domain::id::{EndpointId, JobId, UserId};
use afferent_domain::job::{Job, Kind, MOST_PER_MINUTE, Progress, State};
use afferent_local::dynamodb::Fault;
use afferent_store::deliveries::Claim;
use afferent_store::item::{Item, n, s};
use serde_json::json;

use crate::stack::{ENDPOINT, Stack, key, pass};

/// The most that a slice looks at.
const SLICE: usize = 200;

impl Stack {
    /// Begins a job on everything up to now.
    pub async fn begin(&self, kind: Kind, preview: bool, per_minute: u32) -> Job {
        let job = Job {
            job: JobId::draw(self.now(), self.simulation.dice.as_ref()),
            endpoint: EndpointId::from(ENDPOINT),
            kind,
            preview,
            since_ms: Timestamp::default(),
            until_ms: self.now() + Duration::from_millis(1),
            per_minute,
            created_ms: self.now(),
            state: State::Running,
            progress: Progress::default(),
        };
        assert!(self.endpoints.begin_job(&job).await.unwrap());
        job
    }

    pub async fn job(&self, job: &Job) -> Job {
        self.endpoints.job(&job.endpoint, &job.job).await.unwrap().unwrap()
    }

    /// Begins a recovery of what failed since then.
    async fn begin_since(&self, since_ms: Timestamp, preview: bool) -> Job {
        let draft = self.begin(Kind::Recover, preview, 600).await;
        self.endpoints.end_job(&draft.endpoint, &draft.job, State::Cancelled, self.now()).await.unwrap();
        let job = Job { job: JobId::draw(self.now(), self.simulation.dice.as_ref()), since_ms, ..draft };
        assert!(self.endpoints.begin_job(&job).await.unwrap());
        job
    }

    /// Claims a delivery and ends it, as a dispatcher does.
    async fn end(&self, key: &Key, end: End, reason: &str) {
        let Claim::Taken(claimed) = self.deliveries.claim(key, self.now()).await.unwrap() else { panic!("it is free") };
        self.deliveries.end(&claimed, end, reason, (2, None), self.now()).await.unwrap();
    }

    async fn end_all(&self, when: &str) {
        for end in [End::Exhausted, End::Expired, End::Cancelled] {
            self.end(&key(&format!("evt_{}_{when}", end.as_str())), end, "for a test").await;
        }
    }

    async fn disable(&self) {
        let mut endpoint = self.endpoints.get(&EndpointId::from(ENDPOINT)).await.unwrap().unwrap();
        endpoint.standing = Enabled::Disabled { cause: Cause::Owner, note: None, since_ms: self.now() };
        self.put_endpoint(&endpoint).await;
    }

    async fn delete(&self) {
        let endpoint = self.endpoints.get(&EndpointId::from(ENDPOINT)).await.unwrap().unwrap();
        self.endpoints.delete(&endpoint, &[]).await.unwrap();
    }

    async fn ended(&self, key: &Key) -> (End, String) {
        match self.state(key).await {
            Standing::Ended { end, reason, .. } => (end, reason),
            Standing::Waiting(waiting) => panic!("it has ended: {waiting:?}"),
        }
    }
}

fn counts(job: &Job) -> (u64, u64) {
    (job.progress.looked_at, job.progress.matched)
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_deliveries_go_out_again_as_fast_as_the_job_may_and_the_preview_had_counted_them() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    let keys = stack.many(10_000, "exhausted").await;
    let preview = stack.begin(Kind::Recover, true, 1).await;
    stack.minute().await;
    let preview = stack.job(&preview).await;
    assert_eq!((preview.state, counts(&preview)), (State::Done, (10_000, 10_000)));
    assert_eq!((stack.messages("afferent-deliveries"), stack.ended(&keys[0]).await.0), (0, End::Exhausted));

    let job = stack.begin(Kind::Recover, false, MOST_PER_MINUTE).await;
    stack.minute().await;
    assert_eq!(stack.job(&job).await.state, State::Running);
    assert_eq!(stack.messages("afferent-deliveries"), MOST_PER_MINUTE as usize);
    for _ in 0..2 {
        pass(60).await;
        stack.minute().await;
    }
    let job = stack.job(&job).await;
    assert_eq!((job.state, counts(&job)), (State::Done, counts(&preview)));
    assert!(job.progress.ended_ms.is_some());
    assert_eq!(stack.announced().len(), keys.len());
    let waiting = stack.waiting(&keys[9_999]).await;
    assert_eq!((waiting.place, waiting.at.cycle, waiting.at.number), (Place::Queued, 1, 1), "with every try");
}

#[tokio::test(start_paused = true)]
async fn only_what_ended_undelivered_in_the_time_asked_for_goes_out_again() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    for state in ["delivered", "exhausted", "expired", "cancelled", "queued", "parked"] {
        stack.many_called(state, 10, state).await;
    }
    let mut job = stack.begin(Kind::Recover, false, 600).await;
    stack.endpoints.end_job(&job.endpoint, &job.job, State::Cancelled, stack.now()).await.unwrap();
    job.job = JobId::from("job_of_some");
    // They were made ten to one seconds ago and ended at once; this is from 5 s ago on, and before 2 s ago.
    (job.since_ms, job.until_ms) = (stack.now() - Duration::from_secs(5), stack.now() - Duration::from_secs(2));
    assert!(stack.endpoints.begin_job(&job).await.unwrap());
    stack.minute().await;
    assert_eq!(stack.job(&job).await.progress.matched, 9);
    for state in ["exhausted", "expired", "cancelled"] {
        assert_eq!(stack.waiting(&key(&format!("{state}_00005"))).await.place, Place::Queued);
        for outside in ["00004", "00008"] {
            assert_eq!(stack.ended(&key(&format!("{state}_{outside}"))).await.0.as_str(), state);
        }
    }
    assert_eq!(stack.ended(&key("delivered_00005")).await.0, End::Delivered);
    assert_eq!(stack.messages("afferent-deliveries"), 9);
}

#[tokio::test(start_paused = true)]
async fn what_failed_in_the_time_asked_for_goes_out_again_however_long_before_it_was_made() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    for end in [End::Exhausted, End::Expired, End::Cancelled] {
        for when in ["before", "after"] {
            stack.queued_for(&format!("evt_{}_{when}", end.as_str())).await;
        }
    }
    pass(3_600).await;
    stack.end_all("before").await;
    pass(3_600).await;
    let since = stack.now();
    pass(60).await;
    stack.end_all("after").await;
    let preview = stack.begin_since(since, true).await;
    stack.minute().await;
    assert_eq!(stack.job(&preview).await.progress.matched, 3);
    let job = stack.begin_since(since, false).await;
    stack.minute().await;
    assert_eq!(stack.job(&job).await.progress.matched, 3);
    let expected: Vec<String> = ["cancelled", "exhausted", "expired"].map(|end| format!("evt_{end}_after")).into();
    assert_eq!(stack.announced().into_iter().collect::<Vec<_>>(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_wants_any_more_is_not_recovered_and_what_cannot_be_read_is_passed() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    for (number, reason) in FOR_GOOD.into_iter().enumerate() {
        stack.end(&stack.queued_for(&format!("evt_{number}")).await, End::Cancelled, reason).await;
    }
    // One in the list without a state, and one with a state and nothing else, which is first seen when it is read.
    for (event, state) in [("evt_poison_1", None), ("evt_poison_2", Some("cancelled"))] {
        let texts = [("event", event), ("item", ENDPOINT), ("endpoint", ENDPOINT)];
        let texts = texts.into_iter().chain(state.map(|state| ("state", state)));
        let mut item: Item = texts.map(|(name, text)| (name.to_owned(), s(text))).collect();
        item.insert("created_ms".to_owned(), n(stack.now().as_millis()));
        stack.put_item("afferent-deliveries", item).await;
    }
    let wanted = stack.queued_for("evt_wanted").await;
    stack.end(&wanted, End::Cancelled, "the endpoint is disabled").await;
    let (preview, job) = (stack.begin(Kind::Recover, true, 60).await, stack.begin(Kind::Recover, false, 60).await);
    stack.minute().await;
    pass(61).await;
    stack.minute().await;
    for job in [preview, job] {
        let job = stack.job(&job).await;
        assert_eq!((job.state, job.progress.matched), (State::Done, 1));
    }
    assert_eq!(stack.announced().into_iter().collect::<Vec<_>>(), ["evt_wanted"]);
}

#[tokio::test(start_paused = true)]
async fn a_job_sends_no_more_in_a_minute_than_it_may_and_evenly() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    stack.many(100, "exhausted").await;
    let job = stack.begin(Kind::Recover, false, 60).await;
    stack.minute().await;
    pass(30).await;
    assert!((29..=32).contains(&stack.visible()), "{} in half a minute", stack.visible());
    pass(30).await;
    assert_eq!((stack.visible(), stack.messages("afferent-deliveries")), (60, 60));
    stack.minute().await;
    pass(60).await;
    assert_eq!((stack.visible(), stack.job(&job).await.state), (100, State::Running));
    stack.minute().await;
    assert_eq!(stack.job(&job).await.state, State::Done);
}

#[tokio::test(start_paused = true)]
async fn a_keeper_that_dies_before_it_saves_a_slice_repeats_that_slice_and_nothing_goes_out_twice() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    let keys = stack.many(3 * SLICE, "exhausted").await;
    let job = stack.begin(Kind::Recover, false, MOST_PER_MINUTE).await;
    // More often than the SDK tries by itself.
    stack.simulation.dynamodb.faults().next(Fault::Failed, "UpdateItem", "SET progress", 4);
    assert!(stack.keeper.handle(json!({"task": "minute"})).await.is_err());
    assert_eq!((counts(&stack.job(&job).await), stack.messages("afferent-deliveries")), ((0, 0), SLICE));
    stack.minute().await;
    pass(60).await;
    stack.minute().await;
    let job = stack.job(&job).await;
    assert_eq!((job.state, job.progress.looked_at), (State::Done, 3 * SLICE as u64));
    assert_eq!(stack.messages("afferent-deliveries"), 3 * SLICE);
    assert_eq!(stack.announced().len(), keys.len());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_a_dying_keeper_did_not_send_is_sent_when_it_is_missed() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    let keys = stack.many(SLICE, "exhausted").await;
    stack.begin(Kind::Recover, false, MOST_PER_MINUTE).await;
    stack.simulation.sqs.fail_next(local_sqs::Operation::SendMessageBatch, local_sqs::Failure::Refused, 4);
    assert!(stack.keeper.handle(json!({"task": "minute"})).await.is_err());
    for _ in 0..3 {
        stack.minute().await;
        pass(60).await;
    }
    assert_eq!(stack.announced().len(), keys.len());
}

#[tokio::test(start_paused = true)]
async fn two_keepers_at_once_do_a_job_once() {
    let stack = Stack::of(afferent_local::Setup { aws_latency_ms: (1, 20), ..Default::default() }).await;
    stack.endpoint().await;
    let keys = stack.many(2 * SLICE, "exhausted").await;
    let job = stack.begin(Kind::Recover, false, MOST_PER_MINUTE).await;
    tokio::join!(stack.minute(), stack.minute());
    stack.minute().await;
    pass(60).await;
    stack.minute().await;
    let job = stack.job(&job).await;
    assert_eq!((job.state, job.progress.looked_at), (State::Done, 2 * SLICE as u64));
    assert_eq!((stack.messages("afferent-deliveries"), stack.announced().len()), (2 * SLICE, keys.len()));
}

#[tokio::test(start_paused = true)]
async fn what_the_index_did_not_show_yet_is_recovered_and_nothing_is_sent_a_third_time() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    let seen = stack.many(10, "exhausted").await;
    let job = stack.begin(Kind::Recover, false, MOST_PER_MINUTE).await;
    let made = stack.now() - Duration::from_millis(1);
    pass(1).await;
    stack.minute().await;
    assert_eq!((stack.job(&job).await.state, stack.messages("afferent-deliveries")), (State::Running, 10));
    // One that went out again failed once more, and one that was made before the job appears only now.
    stack.end(&seen[9], End::Exhausted, "for a test").await;
    let late = key("evt_late");
    let delivery = Delivery::new(late.clone(), UserId::from("usr_1"), 1, "ecg.created".to_owned(), made);
    assert!(stack.deliveries.put_if_absent(&delivery).await.unwrap());
    stack.end(&late, End::Exhausted, "for a test").await;
    pass(50).await;
    stack.minute().await;
    assert_eq!((stack.job(&job).await.state, stack.messages("afferent-deliveries")), (State::Running, 10), "too early");
    pass(10).await;
    stack.minute().await;
    let job = stack.job(&job).await;
    assert_eq!((job.state, counts(&job)), (State::Done, (11, 11)));
    assert_eq!((stack.waiting(&late).await.place, stack.ended(&seen[9]).await.0), (Place::Queued, End::Exhausted));
    assert_eq!(stack.messages("afferent-deliveries"), 11);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_ended_by_its_owner_goes_no_further() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    stack.many(200, "exhausted").await;
    let job = stack.begin(Kind::Recover, false, 60).await;
    stack.minute().await;
    assert!(stack.endpoints.end_job(&job.endpoint, &job.job, State::Cancelled, stack.now()).await.unwrap());
    pass(60).await;
    assert_eq!(stack.minute().await["jobs"], 0);
    assert_eq!(stack.messages("afferent-deliveries"), 60);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_again_to_an_endpoint_that_is_disabled_or_deleted_and_the_job_ends_as_cancelled() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    stack.many(100, "exhausted").await;
    let (recover, replay) = (stack.begin(Kind::Recover, false, 60).await, stack.begin(Kind::Replay, false, 60).await);
    stack.disable().await;
    let preview = stack.begin(Kind::Recover, true, 60).await;
    stack.minute().await;
    for job in [&recover, &replay] {
        assert_eq!(stack.job(job).await.state, State::Cancelled);
    }
    let preview = stack.job(&preview).await;
    assert_eq!((preview.state, counts(&preview)), (State::Done, (100, 100)), "what it would get if it were enabled");
    stack.delete().await;
    let recover = stack.begin(Kind::Recover, true, 60).await;
    stack.minute().await;
    assert_eq!(stack.job(&recover).await.state, State::Cancelled);
    assert_eq!(stack.messages("afferent-deliveries"), 0);
}

#[tokio::test(start_paused = true)]
async fn the_deliveries_of_a_deleted_endpoint_end_as_cancelled_kept_back_ones_too() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    let keys = stack.many(2 * SLICE + 50, "parked").await;
    let kept = stack.queued_for("evt_kept").await;
    stack.keep_back(&kept, stack.now() + LIFE).await;
    let job = stack.begin(Kind::Cancel, false, 1).await;
    stack.minute().await;
    assert_eq!(stack.job(&job).await.progress, Progress::default(), "the endpoint is still there");
    stack.delete().await;
    stack.minute().await;
    for key in [&keys[0], &keys[2 * SLICE + 49], &kept] {
        assert_eq!(stack.ended(key).await, (End::Cancelled, "the endpoint was deleted".to_owned()));
    }
    pass(120).await;
    stack.minute().await;
    let job = stack.job(&job).await;
    assert_eq!((job.state, job.progress.matched), (State::Done, keys.len() as u64 + 1));
}

#[tokio::test(start_paused = true)]
async fn what_a_dispatcher_held_while_its_endpoint_was_disabled_is_cancelled_when_it_is_put_back() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    stack.queued_for("evt_held").await;
    let Claim::Taken(claimed) = stack.deliveries.claim(&key("evt_held"), stack.now()).await.unwrap() else {
        panic!("it is free");
    };
    let job = stack.begin(Kind::Cancel, false, 1).await;
    stack.disable().await;
    stack.minute().await;
    assert_eq!(stack.waiting(&key("evt_held")).await.lease_until, claimed.lease_until, "it is in somebody's hands");
    pass(LEASE.as_secs()).await;
    stack.queued_for("evt_late").await;
    stack.keep_back(&key("evt_late"), stack.now() + LIFE).await;
    pass(120).await;
    stack.minute().await;
    let reason = "the endpoint is disabled: its owner disabled it".to_owned();
    for event in ["evt_held", "evt_late"] {
        assert_eq!(stack.ended(&key(event)).await, (End::Cancelled, reason.clone()), "{event}");
    }
    let job = stack.job(&job).await;
    assert_eq!((job.state, job.progress.matched), (State::Done, 2));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_enabled_again_keeps_what_waits_for_it() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    let keys = stack.many(10, "parked").await;
    let job = stack.begin(Kind::Cancel, false, 1).await;
    for _ in 0..12 {
        stack.minute().await;
        pass(60).await;
    }
    assert_eq!(stack.job(&job).await.state, State::Cancelled);
    assert_eq!(stack.waiting(&keys[0]).await.place, Place::Parked);
}

#[tokio::test(start_paused = true)]
async fn the_preview_of_a_cancellation_counts_what_waits_and_ends_nothing() {
    let stack = Stack::start().await;
    stack.endpoint().await;
    let keys = stack.many(10, "parked").await;
    let job = stack.begin(Kind::Cancel, true, 1).await;
    stack.minute().await;
    let job = stack.job(&job).await;
    assert_eq!((job.state, counts(&job)), (State::Done, (10, 10)));
    assert_eq!(stack.waiting(&keys[0]).await.place, Place::Parked);
}
