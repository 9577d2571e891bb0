//! Every route × every kind of key: what the document says that a route needs is what it needs, and nothing can be read or
//! written beyond that. What is another one's is not found.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

mod world;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use world::{OTHER_ENDPOINT, OTHER_USER, OWN_ENDPOINT, OWN_USER, World};

/// What a route needs, as its `security` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Nothing,
    Admin,
    Write,
    Read,
    User,
    Endpoint,
}

/// The kinds of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    None,
    Wrong,
    Revoked,
    Expired,
    OtherEndpoint,
    OtherUser,
    OwnEndpoint,
    OwnUser,
    Read,
    Write,
    Admin,
}

/// Those that are refused come first, so that what is allowed to change something has not done it yet.
const KINDS: [Kind; 11] = [
    Kind::None,
    Kind::Wrong,
    Kind::Revoked,
    Kind::Expired,
    Kind::OtherEndpoint,
    Kind::OtherUser,
    Kind::OwnEndpoint,
    Kind::OwnUser,
    Kind::Read,
    Kind::Write,
    Kind::Admin,
];

/// What is to come of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// Whatever the route makes of it.
    Allowed,
    Unauthorised,
    Forbidden,
    /// As if it were not there.
    Hidden,
}

/// The rule, written down once more, apart from the code.
fn expected(need: Need, kind: Kind) -> Expected {
    use Expected::{Allowed, Forbidden, Hidden, Unauthorised};
    match (need, kind) {
        (Need::Nothing, _) | (_, Kind::Admin) => Allowed,
        (_, Kind::None | Kind::Wrong | Kind::Revoked | Kind::Expired) => Unauthorised,
        (Need::Admin, _) => Forbidden,
        (_, Kind::Write) => Allowed,
        (Need::Write, _) => Forbidden,
        (Need::Read, Kind::Read) => Allowed,
        (Need::Read, _) => Forbidden,
        (Need::User, Kind::Read | Kind::OwnUser) => Allowed,
        (Need::User, Kind::OtherUser) => Hidden,
        (Need::User, _) => Forbidden,
        (Need::Endpoint, Kind::OwnEndpoint) => Allowed,
        (Need::Endpoint, Kind::OtherEndpoint) => Hidden,
        (Need::Endpoint, _) => Forbidden,
    }
}

/// A route of the document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Route {
    /// Reading comes first and removing last: what a route removes, the next ones must still find.
    order: u8,
    path: String,
    method: String,
    need: Need,
}

fn routes() -> Vec<Route> {
    let document: Value = serde_json::from_str(&api::document()).unwrap();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(method, _)| *method != "parameters") {
            let order = match method.as_str() {
                "get" => 0,
                "delete" => 3,
                _ if ["erase", "disconnect", "disable"].iter().any(|last| path.ends_with(last)) => 2,
                _ => 1,
            };
            let need =
                need(&operation["security"]).unwrap_or_else(|| panic!("{method} {path} does not say what it needs"));
            routes.push(Route { order, path: path.clone(), method: method.to_uppercase(), need });
        }
    }
    routes.sort();
    routes
}

fn need(security: &Value) -> Option<Need> {
    let ways = security.as_array()?;
    let one = ways.first()?.as_object()?;
    let Some(names) = one.get("key") else { return (ways.len() == 1 && one.is_empty()).then_some(Need::Nothing) };
    // However else the key may come, it is needed for the same.
    if !ways
        .iter()
        .all(|way| way.as_object().is_some_and(|way| way.len() == 1 && way.values().all(|need| need == names)))
    {
        return None;
    }
    match names.as_array().filter(|names| names.len() == 1)?.first()?.as_str()? {
        "admin" => Some(Need::Admin),
        "write" => Some(Need::Write),
        "read" => Some(Need::Read),
        "user" => Some(Need::User),
        "endpoint" => Some(Need::Endpoint),
        _ => None,
    }
}

#[test]
fn the_document_says_of_every_route_what_it_needs() {
    let routes = routes();
    let mut by_need: BTreeMap<Need, usize> = BTreeMap::new();
    for route in &routes {
        *by_need.entry(route.need).or_default() += 1;
        let own = [("{user}", Need::User), ("{endpoint}", Need::Endpoint)];
        for (part, need) in own {
            let broader = [need, Need::Write, Need::Read, Need::Admin].contains(&route.need);
            assert!(!route.path.contains(part) || broader, "{} {} is open", route.method, route.path);
        }
    }
    assert_eq!(by_need.len(), 6, "every need has a route: {by_need:?}");
    assert!(routes.len() > 40, "{}", routes.len());
}

#[tokio::test(start_paused = true)]
async fn every_route_gives_every_kind_of_key_what_the_document_says_and_nothing_more() {
    let world = World::start().await;
    let keys = world.keys().await;
    let mut wrong = Vec::new();
    for route in routes() {
        for kind in KINDS {
            let seen = world.ask(&route.method, &path(&route), keys.text(kind)).await;
            let expected = expected(route.need, kind);
            let right = match expected {
                Expected::Allowed => !(matches!(seen.status, 401 | 403) || route.order < 2 && seen.hides(&route.path)),
                Expected::Unauthorised => seen.status == 401,
                Expected::Forbidden => seen.status == 403,
                Expected::Hidden => seen.status == 404,
            };
            if !right || seen.status == 500 {
                wrong.push(format!(
                    "{} {} with {kind:?}: {} instead of {expected:?}",
                    route.method, route.path, seen.status
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The route's path for what belongs to the own user and endpoint.
fn path(route: &Route) -> String {
    let mut path = route.path.clone();
    for (name, value) in World::NAMES {
        path = path.replace(&format!("{{{name}}}"), value);
    }
    // What has no user in its path says in its query whom it is about.
    if route.need == Need::User && path.contains("/fhir/") && !route.path.contains('{') {
        path = format!("{path}?patient={OWN_USER}");
    }
    assert!(!path.contains('{'), "no value for a name in {path}");
    path
}

/// Wherever a key comes, and with whatever method, it opens the same: the answer to HEAD is that to GET without its body.
#[tokio::test(start_paused = true)]
async fn a_head_is_answered_as_the_same_get_is_and_changes_nothing() {
    let world = World::start().await;
    let keys = world.keys().await;
    let (routes, mut wrong) = (routes(), Vec::new());
    // Withings asks with HEAD whether there is somebody at the callback, and is told that there is.
    for route in routes.iter().filter(|route| route.path != "/v1/oauth/callback") {
        let reads = routes.iter().any(|other| other.path == route.path && other.method == "GET");
        for kind in [Kind::None, Kind::OtherUser, Kind::OwnEndpoint, Kind::Read] {
            let seen = world.ask("HEAD", &path(route), keys.text(kind)).await;
            let same = if reads { world.ask("GET", &path(route), keys.text(kind)).await.status } else { 405 };
            if seen.status != same || reads && !seen.body.is_null() {
                wrong.push(format!("{} with {kind:?}: {} instead of {same}", route.path, seen.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_key_in_open_wearables_header_opens_their_routes_as_it_does_elsewhere_and_no_others() {
    let world = World::start().await;
    let keys = world.keys().await;
    let mut wrong = Vec::new();
    for route in routes().into_iter().filter(|route| route.need != Need::Nothing) {
        let theirs = route.path.starts_with("/api/v1/");
        for kind in KINDS.into_iter().filter(|kind| *kind != Kind::None) {
            let seen = world.ask_theirs(&route.method, &path(&route), keys.text(kind).unwrap()).await;
            let right = match expected(route.need, kind) {
                _ if !theirs => seen.status == 401,
                Expected::Allowed => !matches!(seen.status, 401 | 403 | 500),
                Expected::Unauthorised => seen.status == 401,
                Expected::Forbidden => seen.status == 403,
                Expected::Hidden => seen.status == 404,
            };
            if !right {
                wrong.push(format!("{} {} with {kind:?}: {}", route.method, route.path, seen.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Of two grants each opens what it opens alone, and together they open nothing else.
#[tokio::test(start_paused = true)]
async fn a_key_of_two_kinds_opens_what_either_opens_and_nothing_more() {
    let world = World::start().await;
    let pairs =
        [(Kind::OwnUser, Kind::OtherEndpoint), (Kind::OwnEndpoint, Kind::OtherUser), (Kind::Read, Kind::OwnEndpoint)];
    let mut wrong = Vec::new();
    for (one, other) in pairs {
        let key = world.key_with(&[world::grant(one), world::grant(other)]).await;
        for route in routes().into_iter().filter(|route| route.order < 3) {
            let seen = world.ask(&route.method, &path(&route), Some(&key)).await;
            let both = [expected(route.need, one), expected(route.need, other)];
            let right = if both.contains(&Expected::Allowed) {
                !matches!(seen.status, 401 | 403 | 500)
            } else if both.contains(&Expected::Hidden) {
                seen.status == 404
            } else {
                seen.status == 403
            };
            if !right {
                wrong.push(format!("{} {} with {one:?} and {other:?}: {}", route.method, route.path, seen.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn with_a_key_to_one_user_another_one_is_as_absent_as_one_that_never_was() {
    let world = World::start().await;
    let keys = world.keys().await;
    for route in routes().into_iter().filter(|route| route.need == Need::User && route.path.contains("{user}")) {
        let at = |user: &str| path(&route).replace(OWN_USER, user);
        let other = world.ask(&route.method, &at(OTHER_USER), keys.text(Kind::OwnUser)).await;
        let never = world.ask(&route.method, &at("usr_never"), keys.text(Kind::OwnUser)).await;
        assert_eq!((other.status, never.status), (404, 404), "{}", route.path);
        assert_eq!(other.body, never.body, "{}", route.path);
        for odd in ["_app", "con_1", "..", "%2e%2e"] {
            let seen = world.ask(&route.method, &at(odd), keys.text(Kind::OwnUser)).await;
            assert_eq!(seen.status, 404, "{} as {odd}", route.path);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_key_to_one_endpoint_another_one_is_as_absent_as_one_that_never_was() {
    let world = World::start().await;
    let keys = world.keys().await;
    for route in routes().into_iter().filter(|route| route.need == Need::Endpoint) {
        let at = |endpoint: &str| path(&route).replace(OWN_ENDPOINT, endpoint);
        let other = world.ask(&route.method, &at(OTHER_ENDPOINT), keys.text(Kind::OwnEndpoint)).await;
        let never = world.ask(&route.method, &at("ep_never"), keys.text(Kind::OwnEndpoint)).await;
        assert_eq!((other.status, never.status), (404, 404), "{} {}", route.method, route.path);
        assert_eq!(other.body, never.body, "{} {}", route.method, route.path);
    }
}

#[tokio::test(start_paused = true)]
async fn a_parameter_that_a_route_does_not_know_is_refused_by_its_name() {
    let world = World::start().await;
    let keys = world.keys().await;
    let mut wrong = Vec::new();
    // Where people come whatever follows the address is left alone.
    for route in
        routes().into_iter().filter(|route| !["/v1/link/{token}", "/v1/oauth/callback"].contains(&&*route.path))
    {
        let path = path(&route);
        // First of all: a search for Patients does not know the other one either.
        let (bare, query) = path.split_once('?').unwrap_or((&path, ""));
        let seen = world.ask(&route.method, &format!("{bare}?nosuch=1&{query}"), keys.text(Kind::Admin)).await;
        // FHIR's way of saying the same.
        let named = seen.body["field"] == "nosuch" || seen.body.to_string().contains("nosuch");
        if seen.status != 400 || !named {
            wrong.push(format!("{} {path}: {} {}", route.method, seen.status, seen.body));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_a_body_does_not_know_is_refused_by_its_name() {
    let world = World::start().await;
    let keys = world.keys().await;
    let mut wrong = Vec::new();
    // A deletion has no body, and is done whatever is sent with it. The page of a link and a search take a form.
    let takes_json = |route: &Route| {
        matches!(&*route.method, "POST" | "PATCH")
            && route.path != "/v1/link/{token}"
            && !route.path.ends_with("/_search")
    };
    for route in routes().into_iter().filter(takes_json) {
        let path = path(&route);
        let seen = world.send(&route.method, &path, keys.text(Kind::Admin), r#"{"nosuch":1}"#).await;
        if seen.status != 400 || seen.body["field"] != "nosuch" {
            wrong.push(format!("{} {path}: {} {}", route.method, seen.status, seen.body));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_document_says_of_every_body_that_it_has_no_other_members() {
    let document: Value = serde_json::from_str(&api::document()).unwrap();
    let mut looked_at = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let contents = operation["requestBody"]["content"].as_object().into_iter().flatten();
            for (_, content) in contents.filter(|(kind, _)| *kind == "application/json") {
                let mut schema = &content["schema"];
                if let Some(all) = schema["oneOf"].as_array() {
                    schema = all.iter().find(|one| one["type"] != "null").unwrap();
                }
                if let Some(name) = schema["$ref"].as_str() {
                    schema = document.pointer(name.trim_start_matches('#')).unwrap();
                }
                assert_eq!(schema["additionalProperties"], json!(false), "{method} {path}: {schema}");
                looked_at += 1;
            }
        }
    }
    assert!(looked_at > 20, "{looked_at}");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_route_is_told_to_nobody_in_particular() {
    let world = World::start().await;
    for (method, path, status) in [("GET", "/v1/nothing", 404), ("GET", "/", 404), ("PUT", "/v1/keys", 405)] {
        let seen = world.ask(method, path, None).await;
        assert_eq!(seen.status, status, "{path}");
        assert_eq!(seen.body["status"], json!(status));
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_key_to_two_users_a_third_one_is_never_seen() {
    let world = World::start().await;
    let key = world.key_to(&[OTHER_USER, "usr_third"]).await;
    for route in routes().into_iter().filter(|route| route.need == Need::User) {
        let path = path(&route);
        let seen = world.ask(&route.method, &path, Some(&key)).await;
        assert_eq!(seen.status, 404, "{path}");
        // And where the query may leave out whom it is about, as in FHIR.
        let bare = path.split('?').next().unwrap();
        let seen = world.ask(&route.method, bare, Some(&key)).await;
        assert!(!seen.body.to_string().contains(OWN_USER), "{bare}: {}", seen.body);
    }
}
