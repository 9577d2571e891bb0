//! Whether anything is missing: what the sweeps of all services prove together, and what speaks against it.
//!
//! The answer is never better than the proof. "Complete" is said of additions and edits, of everything dated from one
//! instant up to another; what was deleted is known up to an earlier instant, and said beside it. What was announced and
//! not read yet, or waits in quarantine, makes it incomplete, whatever the sweeps say.

use crate::Timestamp;
use crate::connection::State;
use crate::service::Service;

use super::{Completed, Completeness, frontier, known};

/// What is known of one service of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Which service.
    pub service: Service,
    /// What its sweeps and runs prove; `None` if it was never swept.
    pub proof: Option<Completeness>,
    /// Deletions that were noticed and are not applied yet.
    pub doubts: usize,
    /// When the oldest of what is to be read came, and is not read yet.
    pub unread: Option<Timestamp>,
}

/// What is known of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Whether it lives.
    pub state: State,
    /// The services that the person granted and that are swept.
    pub services: Vec<Evidence>,
    /// Granted services that no sweep reads, with something to read: when the oldest of it came.
    pub unread: Vec<(Service, Timestamp)>,
    /// When the oldest notification came that waits for the person in quarantine.
    pub quarantined: Option<Timestamp>,
}

/// Why something may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is no connection, and so nothing that could be complete.
    NoConnection,
    /// The link is not alive, and nothing is read since.
    NotConnected(State),
    /// Nobody has looked yet whether anything of the service is missing.
    NeverRead(Service),
    /// The service is known up to this instant only.
    Behind(Service, Timestamp),
    /// The service is known up to the end, but not back to the beginning; the furthest back that it is (epoch seconds).
    NotBack(Service, i64),
    /// Something of the service was announced, or asked for, then, and is not read yet.
    Unread(Service, Timestamp),
    /// Notifications wait in quarantine, the oldest since then.
    Quarantined(Timestamp),
}

impl Why {
    /// A word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoConnection => "no_connection",
            Self::NotConnected(_) => "not_connected",
            Self::NeverRead(_) => "never_read",
            Self::Behind(..) => "behind",
            Self::NotBack(..) => "not_so_far_back",
            Self::Unread(..) => "unread",
            Self::Quarantined(_) => "quarantined",
        }
    }
}

/// In words.
impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoConnection => f.write_str("the user has no connection"),
            Self::NotConnected(state) => write!(f, "the connection is {}, and nothing is read since", state.name()),
            Self::NeverRead(service) => write!(f, "nobody has looked yet whether anything of {service} is missing"),
            Self::Behind(service, at) => write!(f, "{service} is known up to {at}"),
            Self::NotBack(service, back) => {
                write!(f, "{service} is known that late for what is dated from {} on", Timestamp::from_secs(*back))
            }
            Self::Unread(service, at) => write!(f, "{service} has something to read since {at} that is not read yet"),
            Self::Quarantined(at) => write!(f, "notifications wait in quarantine, the oldest since {at}"),
        }
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether every addition and edit up to the end is here, of all that is dated from the beginning on.
    pub complete: bool,
    /// What speaks against it.
    pub why: Vec<Why>,
    /// Up to when additions and edits of all services are known, and how far back: from the latest instant with the
    /// shortest past to the earliest with the longest.
    pub edits: Vec<Completed>,
    /// The same of deletions.
    pub deletions: Vec<Completed>,
}

/// Judges whether everything dated from `from` on (epoch seconds) is known as of `to`.
#[must_use]
pub fn judge(cases: &[Case], from: i64, to: Timestamp) -> Verdict {
    let mut why = Vec::new();
    if cases.is_empty() {
        why.push(Why::NoConnection);
    }
    for case in cases {
        let before = why.len();
        why.extend(case.services.iter().filter_map(|evidence| lacking(evidence, from, to)));
        if case.services.is_empty() || (case.state != State::Connected && why.len() > before) {
            why.push(Why::NotConnected(case.state));
        }
        let unread = |evidence: &Evidence| Some(Why::Unread(evidence.service, evidence.unread.filter(|at| *at <= to)?));
        why.extend(case.services.iter().filter_map(unread));
        why.extend(case.unread.iter().filter(|(_, at)| *at <= to).map(|(service, at)| Why::Unread(*service, *at)));
        why.extend(case.quarantined.filter(|at| *at <= to).map(Why::Quarantined));
    }
    let of = |list: fn(&Completeness) -> &[Completed]| {
        let all: Vec<&[Completed]> =
            cases.iter().flat_map(|case| &case.services).map(|one| one.proof.as_ref().map_or(&[][..], list)).collect();
        together(&all)
    };
    Verdict { complete: why.is_empty(), why, edits: of(|proof| &proof.edits), deletions: of(|proof| &proof.deletions) }
}

fn lacking(evidence: &Evidence, from: i64, to: Timestamp) -> Option<Why> {
    let service = evidence.service;
    let edits = evidence.proof.as_ref().map(|proof| &proof.edits[..]).unwrap_or_default();
    if known(edits, from).is_some_and(|at| at >= to) {
        return None;
    }
    // The latest that is known of anything comes first.
    let Some(latest) = edits.first() else { return Some(Why::NeverRead(service)) };
    if latest.began < to {
        return Some(Why::Behind(service, latest.began));
    }
    let back = edits.iter().filter(|done| done.began >= to).map(|done| done.back).min();
    Some(Why::NotBack(service, back.unwrap_or(latest.back)))
}

/// What is known of all of them: for each past that one of them is known for, the earliest instant of any.
fn together(all: &[&[Completed]]) -> Vec<Completed> {
    let backs = all.iter().flat_map(|frontier| frontier.iter().map(|done| done.back));
    let at = |back: i64| all.iter().map(|frontier| known(frontier, back)).min().flatten();
    frontier(backs.filter_map(|back| Some(Completed { began: at(back)?, back })))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const END: Timestamp = Timestamp::from_secs(1_000);

    fn done(began: i64, back: i64) -> Completed {
        Completed { began: Timestamp::from_secs(began), back }
    }

    fn evidence(service: Service, edits: Vec<Completed>) -> Evidence {
        let proof = Completeness { service, edits, deletions: Vec::new(), tiers: Vec::new() };
        Evidence { service, proof: Some(proof), doubts: 0, unread: None }
    }

    fn case(services: Vec<Evidence>) -> Case {
        Case { state: State::Connected, services, unread: Vec::new(), quarantined: None }
    }

    #[test]
    fn a_user_without_a_connection_is_not_complete() {
        assert_eq!(judge(&[], 0, END).why, [Why::NoConnection]);
        assert_eq!(judge(&[case(Vec::new())], 0, END).why, [Why::NotConnected(State::Connected)]);
    }

    #[test]
    fn every_service_must_be_known_up_to_the_end_and_back_to_the_beginning() {
        let weight = evidence(Service::Getmeas, vec![done(1_100, 900), done(1_050, 0)]);
        assert!(judge(&[case(vec![weight.clone()])], 0, END).complete);
        let hearts = |edits| judge(&[case(vec![weight.clone(), evidence(Service::HeartList, edits)])], 0, END).why;
        assert_eq!(hearts(vec![done(1_100, 0)]), []);
        assert_eq!(hearts(vec![done(999, 0)]), [Why::Behind(Service::HeartList, Timestamp::from_secs(999))]);
        assert_eq!(hearts(vec![done(1_100, 700), done(900, 0)]), [Why::NotBack(Service::HeartList, 700)]);
        assert_eq!(hearts(Vec::new()), [Why::NeverRead(Service::HeartList)]);
        let never = Evidence { proof: None, ..evidence(Service::HeartList, Vec::new()) };
        assert!(!judge(&[case(vec![weight, never])], 0, END).complete);
    }

    #[test]
    fn what_was_announced_by_then_and_not_read_speaks_against_it() {
        let whole = || evidence(Service::Getmeas, vec![done(1_100, 0)]);
        let unread = |at| Evidence { unread: Some(Timestamp::from_secs(at)), ..whole() };
        assert!(!judge(&[case(vec![unread(1_000)])], 0, END).complete);
        assert!(judge(&[case(vec![unread(1_001)])], 0, END).complete);
        let signals = |at| Case { unread: vec![(Service::HeartGet, Timestamp::from_secs(at))], ..case(vec![whole()]) };
        assert_eq!(judge(&[signals(1_000)], 0, END).why, [Why::Unread(Service::HeartGet, END)]);
        assert!(judge(&[signals(1_001)], 0, END).complete);
        let quarantined = |at| Case { quarantined: Some(Timestamp::from_secs(at)), ..case(vec![whole()]) };
        assert_eq!(judge(&[quarantined(1_000)], 0, END).why, [Why::Quarantined(END)]);
        assert!(judge(&[quarantined(1_001)], 0, END).complete);
    }

    #[test]
    fn a_dead_link_does_not_undo_what_was_proven_before_and_is_named_where_proof_ends() {
        let dead = |edits| Case { state: State::Reauthorise, ..case(vec![evidence(Service::Getmeas, edits)]) };
        assert!(judge(&[dead(vec![done(1_000, 0)])], 0, END).complete);
        let why = judge(&[dead(vec![done(999, 0)])], 0, END).why;
        assert_eq!(why.last(), Some(&Why::NotConnected(State::Reauthorise)));
    }

    #[test]
    fn all_services_together_are_known_as_the_least_known_of_them() {
        let services = vec![
            evidence(Service::Getmeas, vec![done(1_100, 900), done(1_050, 0)]),
            evidence(Service::HeartList, vec![done(1_080, 950), done(500, 100)]),
        ];
        let verdict = judge(&[case(services)], 0, END);
        assert_eq!(verdict.edits, [done(1_080, 950), done(500, 100)]);
    }

    fn frontiers() -> impl Strategy<Value = Vec<Vec<Completed>>> {
        let one = (0_i64..20, 0_i64..20).prop_map(|(began, back)| done(began, back));
        prop::collection::vec(prop::collection::vec(one, 0..4).prop_map(|all| frontier(all.into_iter())), 1..5)
    }

    proptest! {
        #[test]
        fn complete_is_never_said_without_a_proof_for_each_service(all in frontiers(), from in 0_i64..20, to in 0_i64..20) {
            let services = all.iter().map(|edits| evidence(Service::Getmeas, edits.clone())).collect();
            let to = Timestamp::from_secs(to);
            let verdict = judge(&[case(services)], from, to);
            let proven = all.iter().all(|edits| edits.iter().any(|done| done.began >= to && done.back <= from));
            prop_assert_eq!(verdict.complete, proven);
            for done in verdict.edits {
                let each = |edits: &Vec<Completed>| edits.iter().any(|own| own.began >= done.began && own.back <= done.back);
                prop_assert!(all.iter().all(each));
            }
        }
    }
}
