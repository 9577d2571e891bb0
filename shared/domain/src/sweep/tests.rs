use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_795_244_400);
const DAY: i64 = 86_400;

fn sweep(service: Service) -> Sweep {
    Sweep { service, phase: phase("con_1"), since: NOW, horizon: NOW.as_secs() - 90 * DAY, tiers: BTreeMap::new() }
}

fn after(days: i64) -> Timestamp {
    Timestamp::from_secs(NOW.as_secs() + days * DAY)
}

#[test]
fn a_pace_reads_as_spans_of_time() {
    let pace = |back: Option<u64>, every| {
        Ok(Pace(Some(Rhythm { back: back.map(Duration::from_secs), every: Duration::from_secs(every) })))
    };
    assert_eq!("3d/1d".parse(), pace(Some(259_200), 86_400));
    assert_eq!("90s".parse(), pace(None, 90));
    assert_eq!("2h/5m".parse(), pace(Some(7_200), 300));
    assert_eq!("99999d".parse(), pace(None, 99_999 * 86_400), "the longest that the template takes");
    assert_eq!("off".parse(), Ok(Pace(None)));
    for text in ["", "d", "0d", "3", "3d/", "/1d", "-1d", "1w", "100001d", "1d/1d/1d", "é"] {
        assert_eq!(text.parse::<Pace>(), Err(BadPace), "{text}");
    }
}

#[test]
fn every_service_has_the_tiers_that_can_show_something() {
    let tiers = Tiers::default();
    let of = |service| Tier::ALL.into_iter().filter(|tier| tiers.of(*tier, service).is_some()).collect::<Vec<_>>();
    assert_eq!(of(Service::Getmeas), Tier::ALL);
    assert_eq!(of(Service::HeartList), [Tier::Recent, Tier::Month, Tier::Everything]);
    assert_eq!(of(Service::Getdevice), [Tier::Recent]);
    assert_eq!(of(Service::HeartGet), []);
    assert_eq!(of(Service::SleepGet), [Tier::Recent, Tier::Month, Tier::Everything]);
    let without = Tiers { details: false, ..tiers };
    assert!(Tier::ALL.into_iter().all(|tier| without.of(tier, Service::SleepGet).is_none()));
}

#[test]
fn a_quick_tier_goes_before_a_slow_pass_that_is_under_way() {
    let mut sweep = sweep(Service::HeartList);
    let pass = Pass { began: NOW, next: 0, back: -DAY, progress: None };
    sweep.tiers.insert(Tier::Everything, Standing { pass: Some(pass), done: None });
    assert_eq!(sweep.next(&Tiers::default(), NOW), Next::Now(Tier::Everything, NOW));
    let Next::Now(tier, due) = sweep.next(&Tiers::default(), after(1)) else { panic!("two are due") };
    assert_eq!(tier, Tier::Recent);
    assert!(due > NOW && due <= after(1));
}

#[test]
fn a_pass_that_is_late_does_not_move_the_next_turn() {
    let mut sweep = sweep(Service::HeartList);
    let first = sweep.due(Tier::Recent, &Tiers::default()).unwrap();
    let late = Completed { began: first + Duration::from_secs(5 * 3600), back: 0 };
    sweep.tiers.insert(Tier::Recent, Standing { pass: None, done: Some(late) });
    assert_eq!(sweep.due(Tier::Recent, &Tiers::default()), Some(first + Duration::from_secs(86_400)));
}

#[test]
fn connections_have_their_turns_all_over_the_day() {
    let hours = |id: u32| {
        let sweep = Sweep { phase: phase(&format!("con_{id}#getmeas")), ..sweep(Service::Getmeas) };
        sweep.due(Tier::Recent, &Tiers::default()).unwrap().since(NOW).as_secs() / 3600
    };
    let mut counts = [0_u32; 24];
    (0..2_400).for_each(|id| counts[usize::try_from(hours(id)).unwrap()] += 1);
    assert!(counts.iter().all(|count| (50..150).contains(count)), "{counts:?}");
}

#[test]
fn a_tier_that_never_ran_is_complete_to_nothing() {
    let known = sweep(Service::Getmeas).completeness(&Tiers::default(), Some(0), after(3));
    assert_eq!((known.edits.as_slice(), known.deletions.as_slice()), (&[][..], &[][..]));
    assert_eq!(known.deletions_from(NOW.as_secs()), None);
    let recent = known.tiers.iter().find(|report| report.tier == Tier::Recent).unwrap();
    assert!(recent.late > Duration::from_secs(86_400), "two days overdue");
}

#[test]
fn a_pass_that_is_under_way_proves_nothing() {
    let mut sweep = sweep(Service::Getmeas);
    let rhythm = Tiers::default().of(Tier::Month, Service::Getmeas).unwrap();
    let pass = Pass::begin(Service::Getmeas, rhythm, 0, after(7));
    let done = Completed { began: NOW, back: 5 };
    sweep.tiers.insert(Tier::Month, Standing { pass: Some(pass), done: Some(done) });
    let known = sweep.completeness(&Tiers::default(), None, after(8));
    assert_eq!(known.deletions, [done]);
    assert_eq!(known.deletions_from(4), None);
}

#[test]
fn updates_say_nothing_of_deletions_and_reach_back_as_far_as_the_backfill() {
    let mut sweep = sweep(Service::Getmeas);
    let done = Completed { began: after(1), back: 0 };
    sweep.tiers.insert(Tier::Updates, Standing { pass: None, done: Some(done) });
    let from = NOW.as_secs() - 90 * DAY;
    let known = sweep.completeness(&Tiers::default(), Some(from), after(2));
    assert_eq!(known.edits, [Completed { began: after(1), back: from }]);
    assert_eq!(known.deletions, []);
    let known = sweep.completeness(&Tiers::default(), None, after(2));
    assert_eq!(known.edits_from(NOW.as_secs()), Some(after(1)), "without a run: since the connection was made");
    assert_eq!(known.edits_from(from), None);
}

proptest! {
    #[test]
    fn the_pieces_of_a_pass_cover_its_window_from_the_newest_to_the_oldest(
        back_days in 1_i64..3_000, floor_days in 0_i64..3_000, whole in any::<bool>()
    ) {
        let service = if whole { Service::Getdevice } else { Service::Getactivity };
        let back = Some(Duration::from_secs((back_days * DAY).unsigned_abs()));
        let rhythm = Rhythm { back, every: Duration::from_secs(1) };
        let floor = NOW.as_secs() - floor_days * DAY;
        let mut pass = Pass::begin(service, rhythm, floor, NOW);
        prop_assert!(whole || pass.back == floor.max(NOW.as_secs() - back_days * DAY));
        let (mut next, oldest) = (pass.next, pass.back);
        while let Some(piece) = pass.piece(service) {
            prop_assert_eq!(piece.end, next);
            prop_assert!(piece.start <= piece.end && piece.start >= oldest);
            next = piece.start - 1;
            pass.advance(piece);
        }
        prop_assert_eq!(next, oldest - 1);
    }

    #[test]
    fn a_turn_comes_after_the_last_one_and_within_one_period(
        phase in any::<u64>(), every_s in 1_u64..100_000_000, last_ms in 0_i64..1 << 45
    ) {
        let every = Duration::from_secs(every_s);
        let pace = Pace(Some(Rhythm { back: None, every }));
        let tiers = Tiers { everything: pace, ..Tiers::default() };
        let last = Timestamp::from_millis(last_ms);
        let sweep = Sweep { phase, since: last, ..sweep(Service::Getmeas) };
        let due = sweep.due(Tier::Everything, &tiers).unwrap();
        prop_assert!(due > last && due <= last + every);
    }

    #[test]
    fn completeness_claims_what_some_finished_pass_proves_and_nothing_less(
        dones in prop::collection::vec(prop::option::of((0_i64..1_000, 0_i64..1_000)), 4), at in 0_i64..1_000
    ) {
        let mut sweep = sweep(Service::Getmeas);
        let mut windows = Vec::new();
        for (tier, done) in Tier::ALL.into_iter().zip(dones) {
            let done = done.map(|(began, back)| Completed { began: Timestamp::from_secs(began), back });
            windows.extend(done.filter(|_| tier != Tier::Updates));
            sweep.tiers.insert(tier, Standing { pass: None, done });
        }
        let known = sweep.completeness(&Tiers::default(), None, NOW);
        let proven = windows.iter().filter(|done| done.back <= at).map(|done| done.began).max();
        prop_assert_eq!(known.deletions_from(at), proven);
        prop_assert!(known.edits_from(at) >= proven);
        prop_assert!(known.deletions.is_sorted_by(|newer, older| newer.began > older.began && newer.back > older.back));
    }
}
