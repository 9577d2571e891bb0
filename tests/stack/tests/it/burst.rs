//! A burst of notifications costs as many calls as there is to read, not as many as there are notifications.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use afferent_domain::Dice;
use afferent_domain::mark::SETTLE;
use afferent_domain::notification::{Effect, Notification, Window};
use afferent_domain::service::Service;
use afferent_local::clock::SeededDice;
use afferent_local::{Setup, Ticks};
use afferent_store::notifications::State;
use stack_tests::town::Town;
use withings_simulator::sample::Person;
use withings_simulator::{CallRecord, Measure, MeasureGroup, Notify, Settings, Stage};

const PEOPLE: usize = 50;
const HOUR: i64 = 3600;

/// What one person's calls of one service were, and what they could have been.
#[derive(Default)]
struct Use {
    /// When each notification that names the service arrived, and the window that it names.
    named: Vec<(i64, Option<Window>)>,
    /// Calls for what was changed since the last pull.
    pulls: Vec<i64>,
    /// Calls for a window.
    windows: Vec<i64>,
}

impl Use {
    /// One call for the page; one more for each pull that a notification made necessary which arrived after the pull
    /// before it had begun (or too shortly before it for a pull that brings nothing to count).
    fn pulls_allowed(&self) -> usize {
        let settle = i64::try_from(SETTLE.as_millis()).unwrap();
        let necessary = |pair: &&[i64]| {
            let (before, this) = (pair[0], pair[1]);
            self.named.iter().any(|(at, _)| *at > before - settle && *at <= this)
        };
        1 + self.pulls.windows(2).filter(necessary).count()
    }

    /// One call for each distinct window that was named and showed no change: nothing happened in it, or what
    /// happened was read before the notification arrived. One more for a window that was named again after the
    /// reading of windows had begun.
    fn windows_allowed(&self, nothing_in: impl Fn(&Window) -> bool) -> usize {
        let settle = i64::try_from(SETTLE.as_millis()).unwrap();
        let first_of = |calls: &[i64]| calls.first().map_or(i64::MAX, |first| first - settle);
        let (pulled, read) = (first_of(&self.pulls), first_of(&self.windows));
        let named = || self.named.iter().filter_map(|(at, window)| Some((*at, (*window)?)));
        let unchanged: BTreeSet<Window> =
            named().filter(|(at, window)| nothing_in(window) || *at > pulled).map(|(_, window)| window).collect();
        let again: BTreeSet<Window> = named().filter(|(at, _)| *at > read).map(|(_, window)| window).collect();
        unchanged.len() + again.len()
    }
}

/// Twenty notifications about one person: eight things that happened, each told twice or more often, and two windows
/// of yesterday in which nothing did.
fn bodies(person: &Person, now: i64, day: &str) -> Vec<String> {
    let userid = person.userid;
    let at = |appli: u16, date: i64| format!("userid={userid}&startdate={}&enddate={date}&appli={appli}", date - 1);
    let moved = format!("userid={userid}&date={day}&appli=16");
    let slept = format!("userid={userid}&startdate={}&enddate={}&appli=44", now - 9 * HOUR, now - 2 * HOUR);
    let weighed = [1, 2, 3].map(|hours| at(1, now - hours * HOUR));
    let pressed = [1, 2].map(|hours| at(4, now - hours * HOUR - 600));
    let warm = at(2, now - HOUR - 900);
    let nothing = [26, 27].map(|hours| at(1, now - hours * HOUR));
    let mut all: Vec<String> = Vec::new();
    all.extend(weighed.iter().chain(&weighed).cloned());
    all.extend(pressed.iter().chain(&pressed).cloned());
    all.extend([warm.clone(), warm, moved.clone(), moved.clone(), moved, slept.clone(), slept]);
    all.extend([nothing[0].clone(), nothing[0].clone(), nothing[1].clone()]);
    all
}

/// The facts behind them.
fn happen(town: &Town, person: &Person, now: i64, day: &str) {
    let (withings, userid) = (&town.withings, person.userid);
    let weight = |hours: i64| {
        let measures = vec![Measure::new(1, 70_000 + hours, -3)];
        MeasureGroup::taken(&person.scale, now - hours * HOUR, measures)
    };
    withings.add(userid, [1, 2, 3].map(weight), Notify::No).unwrap();
    let pressure = |hours: i64| person.blood_pressure(now - hours * HOUR - 600, 80, 120, 60);
    withings.add(userid, [1, 2].map(pressure), Notify::No).unwrap();
    let warm = MeasureGroup::taken(&person.thermometer, now - HOUR - 900, vec![Measure::new(71, 36_600, -3)]);
    withings.add(userid, [warm], Notify::No).unwrap();
    withings.add(userid, [person.activity_day(day, 4_000)], Notify::No).unwrap();
    withings.add(userid, [person.run(now - 4 * HOUR)], Notify::No).unwrap();
    let stages = vec![Stage { startdate: now - 9 * HOUR, enddate: now - 2 * HOUR, state: 1 }];
    let night = withings_simulator::Night::seen(&person.mat, stages);
    withings.add(userid, [night], Notify::No).unwrap();
}

/// The calls that the details of one thing of the burst take: a day with its margins is longer than the 24 hours of
/// one call.
fn pages(details: Service) -> usize {
    if details == Service::Getintradayactivity { 2 } else { 1 }
}

fn is_pull(call: &CallRecord) -> bool {
    call.parameters.contains_key("lastupdate")
}

fn service_of(call: &CallRecord) -> Option<Service> {
    let name = match (call.service.as_str(), call.action.as_str()) {
        ("v2/sleep", "get") => "sleep_get",
        ("v2/sleep", "getsummary") => "sleep_getsummary",
        (_, action) => action,
    };
    name.parse().ok()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_notifications_for_fifty_people_cost_a_call_per_page_and_person_and_what_came_too_late() {
    // No sweep and no backfill in the middle of it.
    let off = [("SweepUpdates", "off"), ("SweepRecent", "off"), ("SweepMonth", "off"), ("BackfillDays", "0")];
    let parameters = off.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let setup = Setup { seed: 21, ticks: Ticks::WhenDue, parameters, ..Setup::default() };
    let mut town = Town::found(setup, Settings::default()).await;
    let mut people = Vec::new();
    for _ in 0..PEOPLE {
        people.push(Person::of(town.welcome("UTC").await));
    }
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    town.withings.clear_calls();
    let now = town.stack.clock.now();
    let day = now.to_string()[..10].to_owned();
    let mut burst = Vec::new();
    for person in &people {
        happen(&town, person, now.as_secs(), &day);
        burst.extend(bodies(person, now.as_secs(), &day));
    }
    assert_eq!(burst.len(), 1_000);
    let dice = SeededDice::new(5);
    for index in (1..burst.len()).rev() {
        burst.swap(index, usize::try_from(dice.between(0, index as u64)).unwrap());
    }
    let mut used: BTreeMap<(i64, Service), Use> = BTreeMap::new();
    let mut naive = 0;
    for body in &burst {
        tokio::time::sleep(Duration::from_millis(dice.between(0, 20))).await;
        let read = Notification::read(body).unwrap();
        let userid = read.userid.as_ref().unwrap().parse().unwrap();
        let window = read.named_window(&jiff::tz::TimeZone::UTC);
        let at = town.stack.clock.now().as_millis();
        town.withings.notify_url(&stack_tests::callback(), body);
        let Effect::Pull(services) = read.category().unwrap().effect() else { panic!("{body} is to be pulled") };
        for service in services {
            used.entry((userid, *service)).or_default().named.push((at, window));
            naive += 1 + service.details().map_or(0, pages);
        }
    }
    tokio::time::sleep(Duration::from_secs(1800)).await;
    assert_eq!(town.count(State::Waiting).await, 0);
    assert_eq!(town.count(State::Satisfied).await, 1_000);
    let calls = town.withings.calls();
    let (mut by_service, mut details) = (BTreeMap::<String, usize>::new(), 0);
    for call in &calls {
        *by_service.entry(call.action.clone()).or_default() += 1;
        let Some((userid, service)) = call.userid.zip(service_of(call)) else { continue };
        match used.get_mut(&(userid, service)) {
            Some(of) if is_pull(call) => of.pulls.push(call.at_ms),
            Some(of) => of.windows.push(call.at_ms),
            // What a changed day and a changed night consist of.
            None => details += 1,
        }
    }
    let nothing_in = |window: &Window| window.end < now.as_secs() - 25 * HOUR;
    let (mut pulls, mut again, mut windows) = (0, 0, 0);
    for ((userid, service), of) in &used {
        let (may_pull, may_read) = (of.pulls_allowed(), of.windows_allowed(nothing_in));
        assert!(!of.pulls.is_empty(), "{service} of {userid} was not pulled");
        assert!(of.pulls.len() <= may_pull, "{service} of {userid}: {} pulls for {may_pull}", of.pulls.len());
        assert!(of.windows.len() <= may_read, "{service} of {userid}: {} windows for {may_read}", of.windows.len());
        pulls += 1;
        again += of.pulls.len() - 1;
        windows += of.windows.len();
    }
    let stats = town.withings.stats();
    println!(
        "1,000 notifications for {PEOPLE} people: {} calls (one fetch for each would be {naive}): {pulls} first pages, \
         {again} for what came after a pull began, {windows} windows that showed no change, {details} details; {by_service:?}",
        calls.len()
    );
    assert_eq!((stats.refused, stats.duplicate_refused, town.dead()), (0, 0, 0));
    assert!(details <= 3 * PEOPLE, "one read of a day and of a night each");
    assert!(calls.len() < naive);
}
