use std::time::Duration;

use tokio::time::sleep;
use withings_simulator::{
    CYCLES, Fate, Measure, MeasureGroup, Notify, Outcome, ProfileAction, Settings, TRIES_PER_CYCLE, sample,
};

use crate::bench::{Bench, Reply, START, URL, seconds};

fn bench() -> Bench {
    let bench = Bench::new(Settings::default());
    bench.simulator.subscribe(bench.userid, None, &[], URL).unwrap();
    bench
}

fn weight(date: i64) -> MeasureGroup {
    MeasureGroup { date, measures: vec![Measure::new(1, 71_655, -3)], ..MeasureGroup::default() }
}

impl Bench {
    fn weigh(&self, date: i64) -> i64 {
        self.simulator.add(self.userid, [weight(date)], Notify::Yes).unwrap()[0]
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_receiver_gets_five_cycles_of_two_tries_over_about_five_hours() {
    let bench = bench();
    bench.network.always(Reply::Status(500));
    bench.weigh(START);
    sleep(seconds(7 * 3_600)).await;
    let record = &bench.simulator.notifications()[0];
    assert_eq!((record.tries.len(), record.outcome), (10, Outcome::Failed));
    for (cycle, (fixed, low, high)) in (1..).zip(CYCLES) {
        let tries: Vec<i64> = record.tries.iter().filter(|one| one.cycle == cycle).map(|one| one.at_ms).collect();
        assert_eq!(tries.len(), TRIES_PER_CYCLE as usize);
        let before = record.tries.iter().filter(|one| one.cycle == cycle - 1).map(|one| one.at_ms).max();
        let gap = tries[0] - before.unwrap_or(record.at_ms);
        let bounds = (fixed + low) as i64 * 1000..=(fixed + high) as i64 * 1000;
        assert!(bounds.contains(&gap), "cycle {cycle} came {gap} ms after the one before");
    }
    sleep(seconds(86_400)).await;
    assert_eq!(bench.network.posts().len(), 10, "it is never sent again");
    assert_eq!(bench.simulator.stats().notifications.failed, 1);
}

#[tokio::test(start_paused = true)]
async fn anything_below_400_succeeds_and_a_second_try_follows_a_failure_at_once() {
    let bench = bench();
    bench.network.replies.lock().unwrap().extend([Reply::Status(302)]);
    bench.weigh(START);
    sleep(seconds(1)).await;
    bench.network.replies.lock().unwrap().extend([Reply::Status(404), Reply::Status(200)]);
    bench.weigh(START);
    sleep(seconds(1)).await;
    let tries: Vec<usize> = bench.simulator.notifications().iter().map(|record| record.tries.len()).collect();
    assert_eq!(tries, [1, 2]);
    assert_eq!(bench.simulator.stats().notifications.delivered, 2);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_takes_more_than_two_seconds_is_called_again() {
    let bench = bench();
    bench.network.replies.lock().unwrap().extend([Reply::Slow(Duration::from_millis(2_001))]);
    bench.weigh(START);
    sleep(seconds(3)).await;
    assert_eq!(bench.network.posts().len(), 2);
    let tries = bench.simulator.notifications()[0].tries.clone();
    assert_eq!((tries[0].status, tries[1].status, tries[1].at_ms - tries[0].at_ms), (None, Some(200), 2_000));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_fails_for_twenty_days_is_cancelled() {
    let bench = bench();
    let subscriptions = || bench.simulator.notifier().subscriptions().iter().filter(|one| one.appli == 1).count();
    bench.network.always(Reply::Unreachable);
    for _ in 0..20 {
        bench.weigh(START);
        sleep(seconds(86_400)).await;
        assert_eq!(subscriptions(), 1);
    }
    bench.weigh(START);
    sleep(seconds(86_400)).await;
    assert_eq!((subscriptions(), bench.simulator.stats().notifications.cancelled), (0, 1));
    bench.weigh(START);
    sleep(seconds(1)).await;
    assert_eq!(bench.simulator.stats().notifications.sent, 21);
}

#[tokio::test(start_paused = true)]
async fn a_success_ends_the_count_of_days() {
    let bench = bench();
    for day in 0..30 {
        bench.network.always(if day == 15 { Reply::Status(200) } else { Reply::Status(503) });
        bench.weigh(START);
        sleep(seconds(86_400)).await;
    }
    assert_eq!(bench.simulator.stats().notifications.cancelled, 0);
}

#[tokio::test(start_paused = true)]
async fn edits_and_deletions_are_announced_like_new_data() {
    let bench = bench();
    let key = bench.weigh(START - 60);
    bench.simulator.edit(bench.userid, &key, Notify::Yes, |group: &mut MeasureGroup| group.attrib = 2).unwrap();
    bench.simulator.delete::<MeasureGroup>(bench.userid, &key, Notify::Yes).unwrap();
    bench.simulator.add(bench.userid, [weight(START)], Notify::No).unwrap();
    sleep(seconds(1)).await;
    let body = format!("userid={}&startdate={}&enddate={}&appli=1", bench.userid, START - 61, START - 60);
    assert_eq!(bench.network.posts(), [body.clone(), body.clone(), body]);
}

#[tokio::test(start_paused = true)]
async fn every_category_is_played_with_a_body_in_the_known_order_of_fields() {
    let known = include_str!("../../../fixtures/withings/notification_bodies.txt");
    let fields = |body: &str| -> Vec<String> {
        form_urlencoded::parse(body.as_bytes()).map(|(name, _)| name.into_owned()).collect()
    };
    let appli = |body: &str| body.split('&').find_map(|pair| pair.strip_prefix("appli=")).unwrap().parse().unwrap();
    let bench = Bench::new(Settings::default());
    let person = sample::person(&bench.simulator, Notify::No).unwrap();
    bench.simulator.subscribe(person.userid, None, &[], URL).unwrap();
    sample::play_all(&bench.simulator, &person, seconds(60)).await.unwrap();
    let posts = bench.network.posts();
    let mut applis: Vec<u16> = posts.iter().map(|body| appli(body)).collect();
    applis.dedup();
    assert_eq!(applis, sample::CATEGORIES);
    for body in &posts {
        let alike = known.lines().filter(|line| !line.starts_with(['#', 'f']) && appli(line) == appli(body));
        assert!(alike.map(fields).any(|known| known == fields(body)), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_scope_a_subscription_stays_silent() {
    let bench = Bench::new(Settings::default());
    bench.simulator.issue_tokens(bench.userid, None, "user.activity").unwrap();
    bench.simulator.subscribe(bench.userid, None, &[1, 50], URL).unwrap();
    bench.simulator.bed_event(bench.userid, withings_simulator::BedEvent::In, "mat", 0);
    bench.weigh(START);
    sleep(seconds(1)).await;
    assert!(bench.network.posts().is_empty());
}

#[tokio::test(start_paused = true)]
async fn notifications_are_dropped_doubled_reordered_and_late() {
    let bench = bench();
    bench.simulator.notifier().next_fates([Fate::Drop, Fate::Double, Fate::Reorder, Fate::Send, Fate::Late(90_000)]);
    for date in [START + 1, START + 2, START + 3, START + 4, START + 5] {
        bench.weigh(date);
    }
    sleep(seconds(60)).await;
    let dates = || -> Vec<i64> {
        let end = |body: String| body.split(['=', '&']).nth(5).unwrap().parse::<i64>().unwrap() - START;
        bench.network.posts().into_iter().map(end).collect()
    };
    assert_eq!(dates()[..2], [2, 2]);
    assert_eq!(dates()[2..], [4, 3]);
    sleep(seconds(31)).await;
    assert_eq!(dates().last(), Some(&5));
    assert_eq!(bench.simulator.stats().notifications.dropped, 1);
}

#[tokio::test(start_paused = true)]
async fn unlinking_is_announced_and_ends_tokens_and_subscriptions() {
    let bench = bench();
    bench.simulator.profile(bench.userid, ProfileAction::Unlink, Notify::Yes).unwrap();
    sleep(seconds(1)).await;
    assert_eq!(bench.network.posts(), [format!("userid={}&action=unlink&appli=46", bench.userid)]);
    assert_eq!(bench.getmeas(&[]).await["status"], 401);
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", bench.tokens.refresh_token.as_str())];
    assert_eq!(bench.token(&refresh).await["error"], "Invalid Params: invalid refresh_token");
    bench.weigh(START);
    sleep(seconds(1)).await;
    assert_eq!(bench.network.posts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_user_is_gone_and_its_id_is_not_given_again() {
    let bench = bench();
    bench.simulator.profile(bench.userid, ProfileAction::Delete, Notify::Yes).unwrap();
    sleep(seconds(1)).await;
    assert_eq!(bench.network.posts(), [format!("userid={}&action=delete&appli=46", bench.userid)]);
    assert!(bench.simulator.state().users.is_empty());
    let next = bench.simulator.create_user(withings_simulator::NewUser::default()).unwrap();
    assert_eq!(next, bench.userid + 1);
}

#[tokio::test(start_paused = true)]
async fn one_weigh_in_of_several_groups_is_announced_once_per_category() {
    let bench = bench();
    let person = sample::Person::of(bench.userid);
    bench.simulator.add(bench.userid, person.weigh_in(START, 71_840), Notify::Yes).unwrap();
    sleep(seconds(1)).await;
    assert_eq!(bench.network.posts().len(), 2, "body composition, and the pulse");
    let answer = bench.getmeas(&[("startdate", &(START - 1).to_string()), ("enddate", &START.to_string())]).await;
    assert_eq!(crate::bench::ids(&answer, "measuregrps", "date"), [START; 3]);
}
