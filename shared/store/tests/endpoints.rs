//! Endpoints and what lies beside them, against a DynamoDB: who gets whose events, and who may sign.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::endpoint::{Cause, Destination, Endpoint, EndpointUrl, Standing};
use afferent_domain::filter::{Pattern, Users};
use afferent_domain::id::{EndpointId, JobId, UserId};
use afferent_domain::job::{Job, KEPT, Kind, Progress, State};
use afferent_domain::rate::Rate;
use afferent_local::{Setup, Simulation, Ticks};
use afferent_store::endpoints::{Endpoints, Saved, SealedSecret};
use afferent_store::item::s;

async fn table(aws_latency_ms: (u64, u64)) -> (Simulation, Endpoints) {
    let setup = Setup { ticks: Ticks::Off, aws_latency_ms, ..Setup::default() };
    let simulation = Simulation::bare(setup).await.unwrap();
    let client = afferent_store::client(&simulation.rim.aws);
    (simulation, Endpoints::new(client, "afferent-endpoints".to_owned()))
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn endpoint(id: &str, users: Users, now: Timestamp) -> Endpoint {
    let url = EndpointUrl::parse("https://example.org/hook").unwrap();
    Endpoint { users, ..Endpoint::new(EndpointId::from(id), Destination::Http { url }, now) }
}

fn only(users: &[&str]) -> Users {
    Users::only(users.iter().map(|user| UserId::from(*user))).unwrap()
}

fn ids(mut found: Vec<Endpoint>) -> Vec<String> {
    found.sort_by(|one, other| one.endpoint.cmp(&other.endpoint));
    found.into_iter().map(|one| one.endpoint.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_comes_back_whole_with_what_lies_beside_it() {
    let (simulation, endpoints) = table((0, 0)).await;
    let now = simulation.clock.now();
    let mut one = endpoint("ep_1", only(&["usr_a"]), now);
    one.rate = Some(Rate::new(5, 1).unwrap());
    one.headers = vec!["authorization".to_owned()];
    one.description = Some("ours".to_owned());
    let id = one.endpoint.clone();
    assert!(endpoints.put(&one, None).await.unwrap());
    assert!(!endpoints.put(&one, None).await.unwrap(), "a new one takes nobody's place");
    let secret = SealedSecret { number: 1, sealed: "1.abc".to_owned(), created: now, until: Some(now + secs(60)) };
    assert!(endpoints.add_secret(&id, &secret).await.unwrap());
    assert!(!endpoints.add_secret(&id, &secret).await.unwrap(), "a secret is never overwritten");
    endpoints.put_headers(&id, Some("1.def")).await.unwrap();
    endpoints.count_failure(&id, now).await.unwrap();
    let place = endpoints.take_place(&id, Rate::new(5, 1).unwrap(), Timestamp::default(), now).await.unwrap();
    let whole = endpoints.whole(&id).await.unwrap().unwrap();
    assert_eq!((whole.endpoint, whole.secrets), (one.clone(), vec![secret.clone()]));
    assert_eq!((whole.headers.as_deref(), whole.line), (Some("1.def"), place.line));
    assert_eq!((whole.health.failing_since, whole.health.failures_in_a_row), (Some(now), 1));
    assert!(secret.signs(now) && !secret.signs(now + secs(60)));

    endpoints.delete(&one, &[secret]).await.unwrap();
    assert!(endpoints.whole(&id).await.unwrap().is_none());
    assert!(endpoints.of_user(&UserId::from("usr_a")).await.unwrap().is_empty());
    let left =
        afferent_store::client(&simulation.rim.aws).scan().table_name("afferent-endpoints").send().await.unwrap();
    assert_eq!(left.count, 0, "nothing is left of it");
}

#[tokio::test(start_paused = true)]
async fn endpoints_are_found_by_whose_events_they_want_and_one_that_cannot_be_read_stops_no_other() {
    let (simulation, endpoints) = table((0, 0)).await;
    let now = simulation.clock.now();
    endpoints.put(&endpoint("ep_all", Users::All, now), None).await.unwrap();
    endpoints.put(&endpoint("ep_anna", only(&["usr_a"]), now), None).await.unwrap();
    endpoints.put(&endpoint("ep_both", only(&["usr_a", "usr_b"]), now), None).await.unwrap();
    let client = afferent_store::client(&simulation.rim.aws);
    for (scope, item) in [("_all", "endpoint"), ("usr_a", "user#usr_a")] {
        let broken = client.put_item().table_name("afferent-endpoints").item("endpoint", s("ep_broken"));
        broken.item("item", s(item)).item("scope", s(scope)).send().await.unwrap();
    }
    assert_eq!(ids(endpoints.of_all_users().await.unwrap()), ["ep_all"]);
    assert_eq!(ids(endpoints.of_user(&UserId::from("usr_a")).await.unwrap()), ["ep_anna", "ep_both"]);
    assert_eq!(ids(endpoints.of_user(&UserId::from("usr_b")).await.unwrap()), ["ep_both"]);
    assert!(endpoints.of_user(&UserId::from("usr_c")).await.unwrap().is_empty());
    assert_eq!(endpoints.all().await.unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn whose_events_an_endpoint_gets_changes_with_it() {
    let (simulation, endpoints) = table((0, 0)).await;
    let now = simulation.clock.now();
    let (anna, ben) = (UserId::from("usr_a"), UserId::from("usr_b"));
    let first = endpoint("ep_1", only(&["usr_a"]), now);
    let second = Endpoint { users: only(&["usr_b"]), ..first.clone() };
    let third = Endpoint { users: Users::All, ..first.clone() };
    endpoints.put(&first, None).await.unwrap();
    assert!(endpoints.put(&second, Some(&first)).await.unwrap());
    assert!(endpoints.of_user(&anna).await.unwrap().is_empty());
    assert_eq!(ids(endpoints.of_user(&ben).await.unwrap()), ["ep_1"]);
    assert!(endpoints.put(&third, Some(&second)).await.unwrap());
    assert!(endpoints.of_user(&ben).await.unwrap().is_empty());
    assert_eq!(ids(endpoints.of_all_users().await.unwrap()), ["ep_1"]);
    assert!(endpoints.put(&first, Some(&third)).await.unwrap());
    assert!(endpoints.of_all_users().await.unwrap().is_empty());
    assert_eq!(ids(endpoints.of_user(&anna).await.unwrap()), ["ep_1"]);
    let most: Vec<String> = (0..Users::MOST).map(|number| format!("usr_{number}")).collect();
    let other: Vec<String> = (0..Users::MOST).map(|number| format!("usr_x{number}")).collect();
    let of = |list: &[String]| Users::only(list.iter().map(|user| UserId::from(user.as_str()))).unwrap();
    let (many, others) =
        (Endpoint { users: of(&most), ..first.clone() }, Endpoint { users: of(&other), ..first.clone() });
    assert!(endpoints.put(&many, Some(&first)).await.unwrap());
    assert!(endpoints.put(&others, Some(&many)).await.unwrap(), "the most that one transaction changes");
    assert_eq!(ids(endpoints.of_user(&UserId::from("usr_x7")).await.unwrap()), ["ep_1"]);
}

#[tokio::test(start_paused = true)]
async fn of_two_who_change_an_endpoint_at_once_one_must_read_again() {
    let (simulation, endpoints) = table((0, 0)).await;
    let now = simulation.clock.now();
    let was = endpoint("ep_1", Users::All, now);
    endpoints.put(&was, None).await.unwrap();
    let mine = Endpoint { description: Some("mine".to_owned()), ..was.clone() };
    let yours = Endpoint { types: vec![Pattern::parse("ecg.*").unwrap()], ..was.clone() };
    assert!(endpoints.put(&mine, Some(&was)).await.unwrap());
    assert!(!endpoints.put(&yours, Some(&was)).await.unwrap());
    assert_eq!(endpoints.get(&was.endpoint).await.unwrap(), Some(mine.clone()));

    // Whoever disables it is not overwritten by a change, and disables only what was seen.
    let gone = Standing::Disabled { cause: Cause::Gone, note: None, since_ms: now };
    assert!(endpoints.set_standing(&was.endpoint, &Standing::Enabled, &gone).await.unwrap());
    assert!(!endpoints.set_standing(&was.endpoint, &Standing::Enabled, &gone).await.unwrap());
    assert!(!endpoints.put(&yours, Some(&mine)).await.unwrap());
    assert_eq!(endpoints.get(&was.endpoint).await.unwrap().unwrap().standing, gone);
    let nobody = EndpointId::from("ep_none");
    assert!(!endpoints.set_standing(&nobody, &Standing::Enabled, &gone).await.unwrap());
    assert!(!endpoints.put(&endpoint("ep_none", Users::All, now), Some(&was)).await.unwrap());
    assert!(endpoints.get(&nobody).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_secret_never_signs_longer_than_it_would_have_and_is_sealed_anew_only_as_it_was() {
    let (simulation, endpoints) = table((0, 0)).await;
    let (id, now) = (EndpointId::from("ep_1"), simulation.clock.now());
    endpoints.put(&endpoint("ep_1", Users::All, now), None).await.unwrap();
    let secret = SealedSecret { number: 1, sealed: "1.abc".to_owned(), created: now, until: None };
    endpoints.add_secret(&id, &secret).await.unwrap();
    assert!(endpoints.end_secret(&id, 1, now + secs(60)).await.unwrap());
    assert!(!endpoints.end_secret(&id, 1, now + secs(90)).await.unwrap());
    assert!(endpoints.end_secret(&id, 1, now + secs(30)).await.unwrap());
    assert!(!endpoints.end_secret(&id, 2, now).await.unwrap(), "and none is made by ending it");
    assert!(!endpoints.reseal(&id, 1, "1.other", "2.abc").await.unwrap());
    assert!(endpoints.reseal(&id, 1, "1.abc", "2.abc").await.unwrap());
    assert!(!endpoints.reseal(&id, 2, "1.abc", "2.abc").await.unwrap());
    assert!(!endpoints.reseal_headers(&id, "1.abc", "2.abc").await.unwrap());
    let whole = endpoints.whole(&id).await.unwrap().unwrap();
    assert_eq!(whole.secrets, [SealedSecret { sealed: "2.abc".to_owned(), until: Some(now + secs(30)), ..secret }]);
}

#[tokio::test(start_paused = true)]
async fn no_two_writers_get_the_same_place_in_a_line() {
    let (simulation, endpoints) = table((1, 40)).await;
    let (id, now) = (EndpointId::from("ep_1"), simulation.clock.now());
    let rate = Rate::new(1, 1).unwrap();
    let takes = (0..8).map(|_| endpoints.take_place(&id, rate, Timestamp::default(), now));
    let places = futures_util::future::join_all(takes).await;
    let mut places: Vec<Timestamp> = places.into_iter().map(|place| place.unwrap().at).collect();
    places.sort();
    assert_eq!(places[0], now);
    assert!(places.windows(2).all(|two| two[1].since(two[0]) >= rate.interval()), "{places:?}");
    endpoints.clear_line(&id).await.unwrap();
    assert_eq!(endpoints.take_place(&id, rate, now + secs(3_600), now).await.unwrap().at, now, "nobody is before it");
}

fn job(id: &str, now: Timestamp) -> Job {
    Job {
        job: JobId::from(id),
        endpoint: EndpointId::from("ep_1"),
        kind: Kind::Recover,
        preview: false,
        since_ms: now - secs(60),
        until_ms: now,
        per_minute: 600,
        created_ms: now,
        state: State::Running,
        progress: Progress::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_is_found_while_it_runs_and_its_progress_is_kept_by_one_alone() {
    let (simulation, endpoints) = table((0, 0)).await;
    let now = simulation.clock.now();
    let (one, two) = (job("job_1", now), job("job_2", now));
    assert!(endpoints.begin_job(&one).await.unwrap() && endpoints.begin_job(&two).await.unwrap());
    assert!(!endpoints.begin_job(&one).await.unwrap());
    let step = |looked_at| Progress { looked_at, matched: 1, cursor: Some("here".to_owned()), ended_ms: None };
    assert_eq!(endpoints.save_progress(&one, &one.progress, &step(10)).await.unwrap(), Saved::Yes);
    assert_eq!(endpoints.save_progress(&one, &one.progress, &step(10)).await.unwrap(), Saved::Overtaken);
    assert_eq!(endpoints.job(&one.endpoint, &one.job).await.unwrap().unwrap().progress, step(10));
    assert_eq!(endpoints.running_jobs().await.unwrap().len(), 2);

    let end = |job: JobId, state| {
        let (endpoints, endpoint) = (endpoints.clone(), one.endpoint.clone());
        async move { endpoints.end_job(&endpoint, &job, state, now).await.unwrap() }
    };
    assert!(end(one.job.clone(), State::Cancelled).await);
    assert!(!end(one.job.clone(), State::Done).await, "it is over");
    assert!(!end(JobId::from("job_none"), State::Done).await);
    assert_eq!(endpoints.save_progress(&one, &step(10), &step(20)).await.unwrap(), Saved::Overtaken);
    let running = endpoints.running_jobs().await.unwrap();
    assert_eq!(running.iter().map(|job| job.job.as_str()).collect::<Vec<_>>(), ["job_2"]);
    let ended = endpoints.job(&one.endpoint, &one.job).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.progress.ended_ms, ended.progress.looked_at), (State::Cancelled, Some(now), 10));
    assert_eq!(endpoints.jobs(&one.endpoint).await.unwrap().len(), 2);

    tokio::time::sleep(KEPT + secs(7_200)).await;
    simulation.dynamodb.sweep().unwrap();
    assert_eq!(endpoints.jobs(&one.endpoint).await.unwrap(), [two], "what runs has no end");
}
