//! A person with a Withings account, any number of processes that call for them, and a wire that watches.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::backfill::Depth;
use afferent_domain::budget::{Lane, Limit};
use afferent_domain::connection::Scopes;
use afferent_domain::secret::{App, Secret};
use afferent_gate::{CallError, Connector, Consent, Gate};
use afferent_http::HttpError;
use afferent_local::network::{Host, WITHINGS_HOST};
use afferent_local::{Setup, Simulation, Ticks};
use afferent_secrets::{Sealer, Seals};
use afferent_store::budget::Budget;
use afferent_store::connections::{AccountKey, Connection, Connections};
use afferent_store::records::Records;
use afferent_withings::{Client, Request};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Response;
use serde_json::Value;
use withings_simulator::{ClientApp, Fault, FaultKind, NewUser, Settings, Simulator};

pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3600);

/// What went over the wire.
#[derive(Clone, Debug)]
pub struct Sent {
    pub at: Timestamp,
    /// `requesttoken`, `getdevice`, …
    pub action: String,
    pub bearer: Option<String>,
}

/// The wire to Withings. What was sent takes effect even if the sender dies.
#[derive(Clone)]
pub struct Wire {
    simulator: Arc<Simulator>,
    clock: Arc<dyn afferent_domain::Clock>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    sent: Vec<Sent>,
    refreshing: usize,
    dead: usize,
    violations: Vec<String>,
}

impl Wire {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that was sent.
    pub fn sent(&self) -> Vec<Sent> {
        self.seen().sent.clone()
    }

    /// When tokens were asked for.
    pub fn refreshes(&self) -> Vec<Timestamp> {
        self.sent().iter().filter(|sent| sent.action == "requesttoken").map(|sent| sent.at).collect()
    }

    /// How often a refresh token was said to be dead.
    pub fn dead(&self) -> usize {
        self.seen().dead
    }

    /// Two refreshes at once.
    pub fn violations(&self) -> Vec<String> {
        self.seen().violations.clone()
    }
}

impl Host for Wire {
    fn answer(&self, request: http::Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, HttpError>> {
        let wire = self.clone();
        let fields: BTreeMap<String, String> = form_urlencoded::parse(request.body()).into_owned().collect();
        let bearer = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned);
        let call = tokio::spawn(async move {
            let refresh = fields.get("grant_type").is_some_and(|grant| grant == "refresh_token");
            {
                let at = wire.clock.now();
                let mut seen = wire.seen();
                let action = fields.get("action").cloned().unwrap_or_default();
                seen.sent.push(Sent { at, action, bearer });
                if refresh {
                    seen.refreshing += 1;
                    if seen.refreshing > 1 {
                        seen.violations.push(format!("{at}: two refreshes at once"));
                    }
                }
            }
            // An answer that never comes is not waited for any longer than the caller does.
            let answer = tokio::time::timeout(Duration::from_secs(30), wire.simulator.handle(request)).await;
            let mut seen = wire.seen();
            if refresh {
                seen.refreshing -= 1;
            }
            let answer = answer.map_err(|_| HttpError::Timeout)?;
            let tree: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
            if tree["error"].as_str().is_some_and(|text| text.contains("invalid refresh_token")) {
                seen.dead += 1;
            }
            Ok(answer)
        });
        Box::pin(async move { call.await.map_err(|_| HttpError::Broken)? })
    }
}

/// The bench.
pub struct Bench {
    pub stack: Simulation,
    pub withings: Arc<Simulator>,
    pub wire: Wire,
    pub userid: i64,
    pub connections: Connections,
    pub records: Records,
}

impl Bench {
    pub async fn start(seed: u64) -> Self {
        Self::of(seed, Settings::default(), (0, 0)).await
    }

    pub async fn of(seed: u64, mut settings: Settings, aws_latency_ms: (u64, u64)) -> Self {
        let setup = Setup { seed, ticks: Ticks::Off, aws_latency_ms, ..Setup::default() };
        let stack = Simulation::bare(setup).await.unwrap();
        settings.clients = vec![ClientApp {
            client_id: "simulatedclient".to_owned(),
            client_secret: "simulatedsecret".to_owned(),
            redirect_uris: Vec::new(),
        }];
        let withings = Arc::new(Simulator::new(settings, stack.clock.clone(), stack.dice.clone()));
        let userid = withings.create_user(NewUser::default()).unwrap();
        let wire = Wire { simulator: withings.clone(), clock: stack.clock.clone(), seen: Arc::default() };
        stack.network.put(WITHINGS_HOST, Arc::new(wire.clone()));
        let client = afferent_store::client(&stack.rim.aws);
        let name = |what: &str| format!("{}-{what}", stack.template.place.stack);
        let connections = Connections::new(client.clone(), name("connections"));
        let records = Records::new(client, name("records"));
        Self { stack, withings, wire, userid, connections, records }
    }

    pub fn now(&self) -> Timestamp {
        self.stack.clock.now()
    }

    pub fn account(&self) -> AccountKey {
        AccountKey {
            application: "simulatedclient".to_owned(),
            region: "eu".to_owned(),
            userid: self.userid.to_string(),
        }
    }

    pub fn seals(&self) -> Seals {
        let arn = format!("{}/seal-tokens", self.stack.template.place.stack);
        Seals::from(Sealer::from_json(&self.stack.secrets.value(&arn).unwrap()).unwrap())
    }

    pub fn connector(&self) -> Connector {
        Connector {
            connections: self.connections.clone(),
            records: self.records.clone(),
            depth: Depth::default(),
            clock: self.stack.clock.clone(),
            dice: self.stack.dice.clone(),
        }
    }

    /// A consent with a pair that Withings issued just now and that we believe to live for `life`.
    pub fn consent(&self, reference: &str, life: Duration) -> Consent {
        let pair = self.withings.issue_tokens(self.userid, None, "").unwrap();
        Consent {
            reference: reference.to_owned(),
            account: self.account(),
            access_token: Secret::new(pair.access_token),
            refresh_token: Secret::new(pair.refresh_token),
            expires_in: life,
            scopes: Scopes::default(),
            tz: None,
            alone: false,
        }
    }

    /// The person, connected with nothing else about it.
    pub async fn connect(&self, life: Duration) -> Connection {
        let consent = self.consent("person", life);
        self.connector().connect_quietly(&self.seals(), &consent).await.unwrap()
    }

    /// A process of its own.
    pub fn process(&self) -> Gate {
        self.process_with(self.seals())
    }

    pub fn process_with(&self, seals: Seals) -> Gate {
        let rim = &self.stack.rim;
        let app = App {
            client_id: "simulatedclient".to_owned(),
            client_secret: Secret::new("simulatedsecret"),
            callback_url: None,
        };
        let client = afferent_store::client(&rim.aws);
        let table = format!("{}-connections", self.stack.template.place.stack);
        let limit = Limit::new(120).unwrap();
        let budget = Budget::new(client, table, &app.client_id, limit, rim.clock.clone(), rim.dice.clone());
        let withings = Client::new(rim.http.clone(), "https://wbsapi.withings.net");
        Gate::new(withings, app, seals, budget, self.connections.clone(), rim)
    }

    /// One call on behalf of the person. No two are alike, so that only the tokens matter.
    pub async fn call(&self, gate: &Gate, patience: Duration) -> Result<(), CallError> {
        let since = self.now().as_millis();
        let request = Request::new("/measure", "getmeas", afferent_withings::Auth::Bearer).with("lastupdate", since);
        gate.call(&self.account(), Lane::Live, &request, self.now() + patience).await.map(drop)
    }

    /// Whether the account works again within `limit`, called by new processes as the keeper would wake them.
    pub async fn recovers(&self, limit: Duration) -> bool {
        let end = self.now() + limit;
        while self.now() < end {
            match self.call(&self.process(), 2 * MINUTE).await {
                Ok(()) => return true,
                // Shown only if the test fails.
                Err(error) => eprintln!("{}: {error}", self.now()),
            }
            tokio::time::sleep(MINUTE).await;
        }
        false
    }

    /// The next `count` token calls go wrong.
    pub fn spoil(&self, kind: FaultKind, after_effect: bool, count: u32) {
        let service = Some("v2/oauth2".to_owned());
        self.withings.fail(Fault { service, action: None, count, after_effect, kind });
    }
}
