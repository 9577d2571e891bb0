//! Nothing is dropped: whatever leaf of an answer changes, a record changes, unless the leaf is on the list of
//! knowingly ignored ones (`tests/fixtures/ignored.json`), each with its reason.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");

/// Which answers a fixture belongs to, by its name, and the service that reads them.
const GROUPS: [(&str, Option<Service>); 18] = [
    ("answers_get", Some(Service::AnswersGet)),
    ("error", None),
    ("getactivity", Some(Service::Getactivity)),
    ("getintradayactivity", Some(Service::Getintradayactivity)),
    ("getmeas", Some(Service::Getmeas)),
    ("getworkouts", Some(Service::Getworkouts)),
    ("heart_get", Some(Service::HeartGet)),
    ("heart_list", Some(Service::HeartList)),
    ("notify", None),
    ("oauth", None),
    ("rawdata_get", None),
    ("signature_getnonce", None),
    ("sleep_getsummary", Some(Service::SleepGetsummary)),
    ("sleep_get", Some(Service::SleepGet)),
    ("stetho_get", Some(Service::StethoGet)),
    ("stetho_list", Some(Service::StethoList)),
    ("user_getdevice", Some(Service::Getdevice)),
    ("user_getgoals", Some(Service::Getgoals)),
];

/// A step into a tree: a member, or an item of a list.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Member(String),
    Item(usize),
}

fn file(path: &str) -> Json {
    Json::parse(&std::fs::read(format!("{FIXTURES}/{path}")).unwrap()).unwrap()
}

/// Every fixture: its name, its group, and its tree with the envelope.
pub(super) fn fixtures() -> Vec<(String, &'static str, Option<Service>, Json)> {
    let entries = std::fs::read_dir(format!("{FIXTURES}/withings")).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".json"));
    names.sort();
    let grouped = names.into_iter().map(|name| {
        let group = GROUPS.iter().find(|(group, _)| name.starts_with(group));
        let (group, service) = group.unwrap_or_else(|| panic!("{name} belongs to no known service"));
        (name.clone(), *group, *service, file(&format!("withings/{name}")))
    });
    grouped.collect()
}

pub(super) fn at<'a>(tree: &'a mut Json, steps: &[Step]) -> &'a mut Json {
    steps.iter().fold(tree, |tree, step| match (tree, step) {
        (Json::Object(members), Step::Member(name)) => members.get_mut(name).unwrap(),
        (Json::List(items), Step::Item(index)) => &mut items[*index],
        _ => panic!("{step:?} leads nowhere"),
    })
}

/// Calls `visit` with the way to every node of a tree.
fn walk(tree: &Json, way: &mut Vec<Step>, visit: &mut impl FnMut(&[Step], &Json)) {
    visit(way, tree);
    let mut into = |step, inner| {
        way.push(step);
        walk(inner, way, visit);
        way.pop();
    };
    match tree {
        Json::Object(members) => members.iter().for_each(|(name, inner)| into(Step::Member(name.clone()), inner)),
        Json::List(items) => items.iter().enumerate().for_each(|(index, inner)| into(Step::Item(index), inner)),
        _ => {}
    }
}

/// A way without the indexes of lists; a member that is an epoch is `*`.
fn path(way: &[Step]) -> String {
    let names = way.iter().filter_map(|step| match step {
        Step::Member(name) if name.len() == 10 && name.parse::<i64>().is_ok() => Some("*"),
        Step::Member(name) => Some(name.as_str()),
        Step::Item(_) => None,
    });
    names.collect::<Vec<_>>().join(".")
}

/// By path, the ways to nodes of a kind: a path of many nodes by about `most` of them, among them the first and the last.
pub(super) fn ways(tree: &Json, most: usize, wanted: impl Fn(&Json) -> bool) -> BTreeMap<String, Vec<Vec<Step>>> {
    let mut ways: BTreeMap<String, Vec<Vec<Step>>> = BTreeMap::new();
    walk(tree, &mut Vec::new(), &mut |way, node| {
        if wanted(node) {
            ways.entry(path(way)).or_default().push(way.to_vec());
        }
    });
    for (path, ways) in &mut ways {
        let most = if path.contains('*') || path.ends_with("signal") { 4 } else { most };
        let (last, stride) = (ways.len() - 1, ways.len().div_ceil(most));
        let mut index = 0;
        ways.retain(|_| {
            index += 1;
            (index - 1) % stride == 0 || index - 1 == last
        });
    }
    ways
}

fn is_leaf(node: &Json) -> bool {
    !matches!(node, Json::Object(_) | Json::List(_))
}

/// What a leaf might be instead. A change must keep it what it is: a date, a time zone, JSON inside a string.
fn others(leaf: &Json) -> Vec<Json> {
    let text = |text: String| vec![Json::Text(text)];
    match leaf {
        Json::Null | Json::Unreadable => {
            vec![Json::Number(7.into()), Json::Text("x".to_owned()), Json::Number(1_735_948_800.into())]
        }
        Json::Bool(flag) => vec![Json::Bool(!flag)],
        Json::Number(number) => {
            let plus =
                |more: i64| Json::Number((number.get() + Decimal::from(more).get()).to_string().parse().unwrap());
            vec![plus(1), plus(1_000), plus(-1)]
        }
        Json::Text(date) if date.starts_with("2026-") => vec![Json::Text("2026-10-02".to_owned())],
        Json::Text(zone) if zone.contains('/') && !zone.contains(':') => text("Asia/Tokyo".to_owned()),
        Json::Text(inner) if inner.starts_with('{') => text(inner.replacen("0,", "7,", 1).replacen("0]", "7]", 1)),
        Json::Text(other) => text(format!("{other}x")),
        Json::List(_) | Json::Object(_) => Vec::new(),
    }
}

pub(super) fn outcome_of(service: Service, tree: &Json) -> Outcome {
    let recording = recording();
    let of = if service.is_signal() { Of::Recording(&recording) } else { Of::Nothing };
    normalise(&later(), service, &Body::new(tree.get("body").cloned().unwrap_or_default()), of)
}

/// What the records of an outcome say, without the ids that follow from it.
fn said(outcome: &Outcome) -> Vec<Fact> {
    let unnamed = |fact: &Fact| Fact { record: "".into(), ..fact.clone() };
    outcome.facts.iter().map(unnamed).collect()
}

/// The paths of a fixture whose leaves (or new members) no record shows. `told` also takes a problem for shown.
fn unseen(
    service: Service,
    tree: &Json,
    ways: &BTreeMap<String, Vec<Vec<Step>>>,
    changes: impl Fn(&Json) -> Vec<Json>,
    told: bool,
) -> BTreeSet<String> {
    let before = outcome_of(service, tree);
    let shown = said(&before);
    let mut unseen = BTreeSet::new();
    // An answer without rows has nothing to keep, and a signal that is not synced yet comes again.
    for (path, ways) in ways.iter().filter(|_| !shown.is_empty()) {
        let hidden = |way: &Vec<Step>| {
            let mut changed = tree.clone();
            let leaf = at(&mut changed, way).clone();
            !changes(&leaf).into_iter().any(|other| {
                *at(&mut changed, way) = other;
                let after = outcome_of(service, &changed);
                let new = said(&after).iter().any(|fact| !shown.contains(fact));
                let kept = after.problems == before.problems && after.facts.len() >= before.facts.len() && new;
                kept || (told && after.problems != before.problems)
            })
        };
        if ways.iter().any(hidden) {
            unseen.insert(path.clone());
        }
    }
    unseen
}

/// The list of knowingly ignored leaves: group, path, reason.
pub(super) fn ignored() -> BTreeMap<(String, String), String> {
    let Json::Object(groups) = file("ignored.json") else { panic!("groups") };
    let mut ignored = BTreeMap::new();
    for (group, paths) in groups {
        let Json::Object(paths) = paths else { panic!("{group}") };
        for (path, reason) in paths {
            let Json::Text(reason) = reason else { panic!("{group} {path}") };
            assert!(reason.len() > 10, "{group} {path} has no reason");
            ignored.insert((group.clone(), path), reason);
        }
    }
    ignored
}

#[test]
fn every_leaf_of_every_answer_is_in_a_record_or_on_the_list_with_its_reason() {
    let mut left_out = BTreeSet::new();
    for (_, group, service, tree) in fixtures() {
        let ways = ways(&tree, 30, is_leaf);
        let unseen = match service {
            Some(service) => unseen(service, &tree, &ways, others, false),
            None => ways.into_keys().collect(),
        };
        let envelope = |path: &str| if matches!(path, "status" | "error") { "envelope" } else { group }.to_owned();
        left_out.extend(unseen.into_iter().map(|path| (envelope(&path), path)));
    }
    let listed: BTreeSet<_> = ignored().into_keys().collect();
    let dropped: Vec<_> = left_out.difference(&listed).collect();
    assert!(dropped.is_empty(), "dropped, and not on the list: {dropped:#?}");
    let stale: Vec<_> = listed.difference(&left_out).collect();
    assert!(stale.is_empty(), "on the list, and kept or in no fixture: {stale:#?}");
}

/// An object with one more member, a number or a text.
fn with_surprise(object: &Json) -> Vec<Json> {
    let Json::Object(members) = object else { panic!("an object") };
    let with = |surprise: Json| {
        let mut members = members.clone();
        members.insert("surprise".to_owned(), surprise);
        Json::Object(members)
    };
    vec![with(Json::Number(7.into())), with(Json::Text("seven".to_owned()))]
}

#[test]
fn a_row_that_gets_a_new_member_keeps_it_or_a_problem_says_so() {
    for (name, _, service, tree) in fixtures() {
        let Some(service) = service else { continue };
        let inside = |path: &String| path.contains('.') && !path.ends_with(".series") && !path.ends_with(".*");
        let mut ways = ways(&tree, 3, |node| matches!(node, Json::Object(_)));
        ways.retain(|path, _| inside(path));
        for kind in 0..2 {
            let surprise = |object: &Json| vec![with_surprise(object).remove(kind)];
            let lost = unseen(service, &tree, &ways, surprise, true);
            assert!(lost.is_empty(), "{name}: {lost:?}");
        }
    }
}

#[test]
fn a_new_member_that_no_record_keeps_is_found_by_the_walk() {
    let mut tree = file("withings/getmeas_page2.json");
    let Some(Json::Object(_)) = tree.get("body") else { panic!("a body") };
    let body = at(&mut tree, &[Step::Member("body".to_owned())]);
    *body = with_surprise(body).remove(0);
    let unseen = unseen(Service::Getmeas, &tree, &ways(&tree, 1, is_leaf), others, false);
    assert!(unseen.contains("body.surprise"), "{unseen:?}");
}
