//! Asking the API for everything that is in the tables, by every way to read that its document has.

use std::collections::BTreeSet;

use http::Method;
use serde_json::Value;

use crate::files::text;
use crate::world::World;

/// The document of the API.
const OPENAPI: &str = include_str!("../../../../docs/openapi.json");

/// Ways that a person's browser goes, once.
const OF_BROWSERS: [&str; 2] = ["/v1/link/{token}", "/v1/oauth/callback"];

/// Asks for everything; what was not answered as it should be: the path and the status.
pub async fn everything(world: &World) -> Vec<(String, u16)> {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let ways = document["paths"].as_object().unwrap().iter().filter(|(_, methods)| methods["get"].is_object());
    let ids = Ids::of(world);
    let mut refused = Vec::new();
    for (way, _) in ways.filter(|(way, _)| !OF_BROWSERS.contains(&way.as_str())) {
        for path in ids.filled(way) {
            let (status, _) = world.api(Method::GET, &path, &Value::Null).await;
            if status != 200 {
                refused.push((path, status));
            }
        }
    }
    refused
}

/// What can be asked for: pairs of what something belongs to and of itself.
struct Ids {
    users: BTreeSet<String>,
    connections: BTreeSet<String>,
    endpoints: BTreeSet<String>,
    erasures: BTreeSet<String>,
    keys: BTreeSet<String>,
    notifications: BTreeSet<String>,
    rounds: BTreeSet<String>,
    runs: BTreeSet<(String, String)>,
    jobs: BTreeSet<(String, String)>,
    deliveries: BTreeSet<(String, String)>,
    records: BTreeSet<(String, String)>,
    series: BTreeSet<(String, String)>,
}

impl Ids {
    fn of(world: &World) -> Self {
        let [connections, deliveries, endpoints, keys, notifications, records] =
            ["connections", "deliveries", "endpoints", "keys", "notifications", "records"]
                .map(|table| world.items(table));
        let own = |items: &[Value], name: &str, is: &dyn Fn(&Value) -> bool| -> BTreeSet<String> {
            items.iter().filter(|item| is(item)).map(|item| text(item, name).to_owned()).collect()
        };
        let pairs = |items: &[Value], names: [&str; 2], is: &dyn Fn(&Value) -> bool| -> BTreeSet<(String, String)> {
            let pair = |item: &Value| (text(item, names[0]).to_owned(), text(item, names[1]).to_owned());
            items.iter().filter(|item| is(item)).map(pair).collect()
        };
        let bare = |pairs: BTreeSet<(String, String)>| -> BTreeSet<(String, String)> {
            let after = |text: String| text.split_once('#').map_or(text.clone(), |(_, id)| id.to_owned());
            pairs.into_iter().map(|(of, one)| (after(of), after(one))).collect()
        };
        let begins =
            |name: &'static str, prefix: &'static str| move |item: &Value| text(item, name).starts_with(prefix);
        let erasures = |item: &Value| text(item, "owner").starts_with("erasure#") && text(item, "item") == "erasure";
        let erasures = own(&connections, "owner", &erasures);
        // Somebody who is being erased is answered for by the erasure.
        let erasing = own(&connections, "item", &|item| text(item, "owner") == "_erasing");
        let users = own(&connections, "item", &|item| text(item, "owner") == "_users");
        let users: BTreeSet<String> = users.difference(&erasing).cloned().collect();
        Self {
            connections: own(&connections, "item", &|item| text(item, "owner") == "_connections"),
            endpoints: own(&endpoints, "endpoint", &|item| text(item, "item") == "endpoint"),
            erasures: erasures.iter().map(|owner| owner.trim_start_matches("erasure#").to_owned()).collect(),
            keys: own(&keys, "key", &|item| text(item, "item") == "key"),
            notifications: own(&notifications, "notification", &|_| true),
            rounds: own(&connections, "item", &|item| {
                text(item, "owner") == "_rounds" && text(item, "item").starts_with("rnd_")
            }),
            runs: bare(pairs(&connections, ["owner", "item"], &begins("item", "run#"))),
            jobs: bare(pairs(&endpoints, ["endpoint", "item"], &begins("item", "job#"))),
            deliveries: pairs(&deliveries, ["item", "event"], &|item| !text(item, "item").contains('#')),
            // Of those who are being erased the directory says nothing any more.
            records: pairs(&records, ["user", "record"], &|item| users.contains(text(item, "user"))),
            series: pairs(&records, ["user", "kind"], &|item| !item["series"].is_null()),
            users,
        }
    }

    /// The addresses of a way for everything that it can be asked about.
    fn filled(&self, way: &str) -> Vec<String> {
        let one = |name: &str, ids: &BTreeSet<String>| -> Vec<String> {
            ids.iter().map(|id| way.replace(&format!("{{{name}}}"), id)).collect()
        };
        let two = |names: [&str; 2], ids: &BTreeSet<(String, String)>| -> Vec<String> {
            let [of, one] = names.map(|name| format!("{{{name}}}"));
            ids.iter().map(|(first, second)| way.replace(&of, first).replace(&one, second)).collect()
        };
        match way {
            "/v1/users/{user}/series" => {
                let one = |(user, kind): &(String, String)| way.replace("{user}", user) + "?kind=" + kind;
                let known = self.series.iter().filter(|(user, _)| self.users.contains(user));
                known.map(one).collect()
            }
            "/v1/users/{user}/summaries/{summary}" => {
                let all = one("user", &self.users).into_iter();
                all.flat_map(|path| ["body", "daily"].map(|summary| path.replace("{summary}", summary))).collect()
            }
            "/v1/erasures" => vec![format!("{way}?reference_id=emil")],
            "/v1/fhir/r4/Device" | "/v1/fhir/r4/Observation" => {
                self.users.iter().map(|user| format!("{way}?patient={user}")).collect()
            }
            "/v1/fhir/r4/Patient/{patient}" | "/v1/fhir/r4/Patient/{patient}/$everything" => {
                one("patient", &self.users)
            }
            "/v1/event-types/{type}" => vec![way.replace("{type}", "body_weight.created")],
            // Asked for by the lists above.
            "/v1/fhir/r4/Device/{device}" | "/v1/fhir/r4/Observation/{observation}" => Vec::new(),
            _ if way.contains("{run}") => two(["connection", "run"], &self.runs),
            _ if way.contains("{job}") => two(["endpoint", "job"], &self.jobs),
            _ if way.contains("{event}") => two(["endpoint", "event"], &self.deliveries),
            _ if way.contains("{record}") => two(["user", "record"], &self.records),
            _ if way.contains("{user}") => one("user", &self.users),
            _ if way.contains("{connection}") => one("connection", &self.connections),
            _ if way.contains("{endpoint}") => one("endpoint", &self.endpoints),
            _ if way.contains("{erasure}") => one("erasure", &self.erasures),
            _ if way.contains("{key}") => one("key", &self.keys),
            _ if way.contains("{notification}") => one("notification", &self.notifications),
            _ if way.contains("{round}") => one("round", &self.rounds),
            _ if way.contains('{') => panic!("nobody asks {way}: what it can be asked about is to be said here"),
            _ => vec![way.to_owned()],
        }
    }
}
