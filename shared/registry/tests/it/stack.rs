//! A stack with a registry, a receiver, and a person whose records change.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::endpoint::Endpoint;
use afferent_domain::id::{EndpointId, EventId, JobId};
use afferent_domain::job::{Job, State};
use afferent_domain::signature::{SigningSecret, verifies};
use afferent_function::Env;
use afferent_local::network::{Receiver, Seen};
use afferent_local::{Setup, Simulation};
use afferent_outbox::{Config, Outbox};
use afferent_registry::{New, Registry, RegistryError};
use afferent_secrets::Seals;
use afferent_store::Client;
use afferent_store::item::{Item, from_json};

/// Where the receiver is.
pub(crate) const URL: &str = "https://receiver.example/hooks";
/// Where another one is.
pub(crate) const OTHER: &str = "https://other.example/hooks";

pub(crate) struct Stack {
    pub(crate) simulation: Simulation,
    pub(crate) registry: Registry,
    pub(crate) receiver: Receiver,
    pub(crate) other: Receiver,
}

impl Stack {
    pub(crate) async fn start() -> Self {
        let simulation = Simulation::start(Setup::default()).await.unwrap();
        let dispatcher = simulation.template.function("dispatcher").unwrap().environment.clone();
        let arn = &dispatcher["SEAL_ENDPOINTS_SECRET_ARN"];
        let seals = Seals::read(&simulation.rim.aws, arn, simulation.clock.now()).await.unwrap();
        let (receiver, other) = (Receiver::new(simulation.clock.clone()), Receiver::new(simulation.clock.clone()));
        simulation.network.put("receiver.example", std::sync::Arc::new(receiver.clone()));
        simulation.network.put("other.example", std::sync::Arc::new(other.clone()));
        let registry = Registry::new(outbox(&simulation), seals, &simulation.rim);
        Self { simulation, registry, receiver, other }
    }

    /// A registry under other keys.
    pub(crate) fn under(&self, seals: Seals) -> Registry {
        Registry::new(outbox(&self.simulation), seals, &self.simulation.rim)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.simulation.clock.now()
    }

    pub(crate) fn client(&self) -> Client {
        afferent_store::client(&self.simulation.rim.aws)
    }

    /// Registers an endpoint at [`URL`] for everything.
    pub(crate) async fn endpoint(&self) -> (Endpoint, SigningSecret) {
        self.registry.register(New::at(URL).unwrap()).await.unwrap()
    }

    /// Registers what JSON says.
    pub(crate) async fn registered(&self, json: &str) -> (Endpoint, SigningSecret) {
        self.registry.register(New::from_json(json).unwrap()).await.unwrap()
    }

    /// Lets a record of a person come, and what follows from it pass.
    pub(crate) async fn record(&self, record: &str) {
        let json = format!(
            r#"{{"user":"usr_anna","record":"{record}","rev":1,"status":"final","kind":"body_weight","connection":"con_1",
                "synckind":"live","changed_ms":1795244591412,"value":81.25}}"#
        );
        let item: Item = from_json(&json).unwrap();
        self.client().put_item().table_name("afferent-records").set_item(Some(item)).send().await.unwrap();
        seconds(5).await;
    }

    /// What the receiver got and that verifies.
    pub(crate) fn verified(&self, secret: &SigningSecret) -> Vec<Seen> {
        self.receiver.seen().into_iter().filter(|seen| is_signed(seen, secret)).collect()
    }

    /// The job, once it is over.
    pub(crate) async fn over(&self, id: &EndpointId, job: &JobId) -> Job {
        for _ in 0..60 {
            let job = self.registry.job(id, job).await.unwrap();
            if job.state != State::Running {
                return job;
            }
            seconds(30).await;
        }
        panic!("the job goes on for half an hour");
    }

    /// How the delivery of an event to an endpoint stands.
    pub(crate) async fn state(&self, event: &EventId, id: &EndpointId) -> String {
        self.registry.delivery(event, id).await.unwrap().state
    }

    /// The events of the receiver's requests, in their order.
    pub(crate) fn events(&self) -> Vec<EventId> {
        self.receiver.seen().iter().map(|seen| EventId::from(header(seen, "webhook-id"))).collect()
    }
}

fn outbox(simulation: &Simulation) -> Outbox {
    let environment = simulation.template.function("keeper").unwrap().environment.clone();
    Outbox::new(Config::from_env(&Env::of(environment)).unwrap(), &simulation.rim)
}

pub(crate) async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

pub(crate) fn header<'a>(seen: &'a Seen, name: &str) -> &'a str {
    seen.request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

pub(crate) fn is_signed(seen: &Seen, secret: &SigningSecret) -> bool {
    let at = Timestamp::from_secs(header(seen, "webhook-timestamp").parse().unwrap_or_default());
    let (id, signatures) = (header(seen, "webhook-id"), header(seen, "webhook-signature"));
    verifies(secret, id, at, seen.request.body(), signatures, seen.at)
}

/// The body of a request as JSON.
pub(crate) fn body(seen: &Seen) -> serde_json::Value {
    serde_json::from_slice(seen.request.body()).unwrap()
}

/// The member that a refusal names.
pub(crate) fn field<T: std::fmt::Debug>(refused: Result<T, RegistryError>) -> String {
    match refused.unwrap_err() {
        RegistryError::Invalid { field, .. } => field,
        other => panic!("it should name a member: {other:?}"),
    }
}
