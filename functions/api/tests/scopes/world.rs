//! Two users with a connection each, two endpoints, and a key of every kind.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::connection::{Scopes, State};
use afferent_domain::endpoint::{Destination, Endpoint, EndpointUrl};
use afferent_domain::grant::Grants;
use afferent_domain::id::{ConnectionId, EndpointId, UserId};
use afferent_function::Env;
use afferent_local::{Setup, Simulation, Ticks};
use afferent_store::connections::{AccountKey, Connection, Connections};
use afferent_store::endpoints::Endpoints;
use afferent_store::keys::{Keys, NewKey};
use afferent_store::tokens::Pair;
use api::Api;
use lambda_http::Body;
use lambda_http::http::{Method, Request};
use serde_json::Value;

use crate::Kind;

pub const OWN_USER: &str = "usr_own";
pub const OTHER_USER: &str = "usr_other";
pub const OWN_ENDPOINT: &str = "ep_own";
pub const OTHER_ENDPOINT: &str = "ep_other";

pub struct World {
    simulation: Simulation,
    api: Api,
}

/// The text of a key of each kind.
pub struct Texts(Vec<(Kind, String)>);

impl Texts {
    pub fn text(&self, kind: Kind) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == kind).map(|(_, text)| text.as_str())
    }
}

/// What came of a request.
pub struct Seen {
    pub status: u16,
    pub body: Value,
}

impl Seen {
    /// Whether the answer says that the one thing which the route is about is not there, although it is.
    pub fn hides(&self, route: &str) -> bool {
        let denied = |part: &str, noun: &str| {
            route.contains(part) && self.body["detail"].as_str() == Some(&format!("there is no such {noun}"))
        };
        denied("{user}", "user") || denied("{connection}", "connection") || denied("{endpoint}", "endpoint")
    }
}

impl World {
    /// What stands for the names in the routes' paths.
    pub const NAMES: [(&str, &str); 21] = [
        ("user", OWN_USER),
        ("endpoint", OWN_ENDPOINT),
        ("connection", "con_own"),
        ("key", "key_none"),
        ("notification", "ntf_none"),
        ("record", "rec_none"),
        ("event", "evt_none"),
        ("job", "job_none"),
        ("run", "run_none"),
        ("round", "rnd_none"),
        ("retraction", "ret_none"),
        ("erasure", "ers_none"),
        ("summary", "daily"),
        ("mac", "00:24:e4:00:00:01"),
        ("token", "none"),
        ("number", "7"),
        ("type", "body_weight.created"),
        ("id", OWN_USER),
        ("observation", "rec_none"),
        ("device", "none"),
        ("patient", OWN_USER),
    ];

    pub async fn start() -> Self {
        let simulation = Simulation::bare(Setup { ticks: Ticks::Off, ..Setup::default() }).await.unwrap();
        let environment = simulation.template.function("api").unwrap().environment.clone();
        let api = Api::start(&Env::of(environment), &simulation.rim).await.unwrap();
        let world = Self { simulation, api };
        let now = world.simulation.clock.now();
        let client = afferent_store::client(&world.simulation.rim.aws);
        let connections = Connections::new(client.clone(), world.name("connections"));
        for (user, connection, userid) in [(OWN_USER, "con_own", "7"), (OTHER_USER, "con_other", "8")] {
            connections.connect(&connected(user, connection, userid, now), user, &pair(now), false).await.unwrap();
        }
        let endpoints = Endpoints::new(client, world.name("endpoints"));
        for id in [OWN_ENDPOINT, OTHER_ENDPOINT] {
            let url = EndpointUrl::parse("https://example.org/hook").unwrap();
            let endpoint = Endpoint::new(EndpointId::from(id), Destination::Http { url }, now);
            assert!(endpoints.put(&endpoint, None).await.unwrap());
        }
        world
    }

    fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.simulation.template.place.stack)
    }

    /// A key of every kind.
    pub async fn keys(&self) -> Texts {
        let keys = Keys::new(afferent_store::client(&self.simulation.rim.aws), self.name("keys"));
        let now = self.simulation.clock.now();
        let new =
            |grant: &str| NewKey { per_minute: 6_000, ..NewKey::new("ours", Grants::new([grant.parse().unwrap()])) };
        let mut texts = vec![(Kind::Wrong, format!("afk_{}_{}", "0".repeat(26), "0".repeat(64)))];
        for (kind, new) in [
            (Kind::Revoked, new("admin")),
            (Kind::Expired, NewKey { expires: Some(now + Duration::from_millis(1)), ..new("admin") }),
            (Kind::OtherEndpoint, new(&grant(Kind::OtherEndpoint))),
            (Kind::OtherUser, new(&grant(Kind::OtherUser))),
            (Kind::OwnEndpoint, new(&grant(Kind::OwnEndpoint))),
            (Kind::OwnUser, new(&grant(Kind::OwnUser))),
            (Kind::Read, new(&grant(Kind::Read))),
            (Kind::Write, new(&grant(Kind::Write))),
            (Kind::Admin, new(&grant(Kind::Admin))),
        ] {
            let (key, text) = keys.create(&new, now, &*self.simulation.dice).await.unwrap();
            if kind == Kind::Revoked {
                keys.revoke(&key.id, now).await.unwrap();
            }
            texts.push((kind, text.reveal().to_owned()));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        Texts(texts)
    }

    /// A key to these users.
    pub async fn key_to(&self, users: &[&str]) -> String {
        self.key_with(&users.iter().map(|user| format!("user:{user}")).collect::<Vec<_>>()).await
    }

    /// A key with these grants.
    pub async fn key_with(&self, grants: &[String]) -> String {
        let keys = Keys::new(afferent_store::client(&self.simulation.rim.aws), self.name("keys"));
        let grants = Grants::new(grants.iter().map(|grant| grant.parse().unwrap()));
        let now = self.simulation.clock.now();
        let new = NewKey { per_minute: 6_000, ..NewKey::new("ours", grants) };
        let (_, text) = keys.create(&new, now, &*self.simulation.dice).await.unwrap();
        text.reveal().to_owned()
    }

    pub async fn ask(&self, method: &str, path: &str, key: Option<&str>) -> Seen {
        self.send(method, path, key, if matches!(method, "GET" | "HEAD") { "" } else { "{}" }).await
    }

    /// Asks as a client of Open Wearables does.
    pub async fn ask_theirs(&self, method: &str, path: &str, key: &str) -> Seen {
        let body = if method == "GET" { "" } else { "{}" };
        self.request(method, path, Some(("x-open-wearables-api-key", key.to_owned())), body).await
    }

    pub async fn send(&self, method: &str, path: &str, key: Option<&str>, body: &str) -> Seen {
        let key = key.map(|key| ("authorization", format!("Bearer {key}")));
        self.request(method, path, key, body).await
    }

    async fn request(&self, method: &str, path: &str, key: Option<(&str, String)>, body: &str) -> Seen {
        let mut request = Request::builder()
            .method(method.parse::<Method>().unwrap())
            .uri(format!("https://api.example.org{path}"))
            .header("host", "api.example.org");
        if let Some((name, key)) = key {
            request = request.header(name, key);
        }
        let body = if body.is_empty() { Body::Empty } else { Body::Text(body.to_owned()) };
        let answer = self.api.handle(request.body(body).unwrap()).await.unwrap();
        Seen { status: answer.status().as_u16(), body: serde_json::from_slice(answer.body()).unwrap_or_default() }
    }
}

/// What a key of a kind may.
pub fn grant(kind: Kind) -> String {
    match kind {
        Kind::OtherEndpoint => format!("endpoint:{OTHER_ENDPOINT}"),
        Kind::OwnEndpoint => format!("endpoint:{OWN_ENDPOINT}"),
        Kind::OtherUser => format!("user:{OTHER_USER}"),
        Kind::OwnUser => format!("user:{OWN_USER}"),
        Kind::Read => "read".to_owned(),
        Kind::Write => "write".to_owned(),
        Kind::Admin => "admin".to_owned(),
        Kind::None | Kind::Wrong | Kind::Revoked | Kind::Expired => panic!("{kind:?} is not told by its grant"),
    }
}

fn connected(user: &str, connection: &str, userid: &str, now: Timestamp) -> Connection {
    Connection {
        id: ConnectionId::from(connection),
        user: UserId::from(user),
        account: AccountKey {
            application: "simulatedclient".to_owned(),
            region: "eu".to_owned(),
            userid: userid.to_owned(),
        },
        connected: now,
        first_connected: now,
        state: State::Connected,
        scopes: Scopes::new(["user.info", "user.metrics"]),
        subscriptions: afferent_domain::connection::Subscriptions::default(),
        followed_up: true,
        tz: None,
    }
}

fn pair(now: Timestamp) -> Pair {
    Pair {
        access: "1.x".to_owned(),
        refresh: "1.x".to_owned(),
        expires: now + Duration::from_secs(3 * 3600),
        refreshed: now,
    }
}
