//! What a delivered webhook costs the dispatcher, and how much memory receivers that misbehave can make it take.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use afferent_aws::Aws;
use afferent_domain::clock::{Clock, Dice, Timestamp};
use afferent_domain::delivery::{Delivery, Key};
use afferent_domain::endpoint::{Destination, Endpoint, EndpointUrl};
use afferent_domain::event::Draft;
use afferent_domain::id::{EndpointId, UserId};
use afferent_domain::secret::Secret;
use afferent_domain::signature::SigningSecret;
use afferent_local::Stack;
use afferent_local::clock::{SystemClock, SystemDice};
use afferent_secrets::{Sealer, sealer};
use afferent_store::deliveries::Deliveries;
use afferent_store::endpoints::{Endpoints, SealedSecret};
use afferent_store::events::{Events, MOST};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use hostile::{Hostile, Kind};
use http::StatusCode;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::process::{RuntimeApi, usage};
use crate::report::Report;
use crate::{Error, cold};

/// Webhooks for the CPU figure, after some to warm up.
const WEBHOOKS: usize = 3_000;
const WARM_UP: usize = 200;

/// Deliveries to each receiver that misbehaves.
const EACH: usize = 5;

/// Lambda's batch, as the template sets it.
const BATCH: usize = 10;

/// Long enough for every receiver on this machine that answers at all, and short enough for a benchmark.
const DEADLINE_S: &str = "2";

pub(crate) async fn measure(stack: &Stack, programs: &Path, report: &mut Report) -> Result<(), Error> {
    let tables = Tables::of(stack).await?;
    let receiver = Receiver::start().await?;
    let healthy = tables.endpoint("ep_bench", &receiver.url).await?;
    let keys = tables.deliveries_to(&[healthy], WARM_UP + WEBHOOKS).await?;

    let mut environment = cold::environment(stack, "dispatcher");
    for (name, value) in
        [("ENDPOINT_NETWORKS", "127.0.0.0/8"), ("ENDPOINT_PORTS", "1-65535"), ("DELIVERY_DEADLINE_S", DEADLINE_S)]
    {
        environment.insert(name.to_owned(), value.to_owned());
    }
    let mut api = RuntimeApi::start().await?;
    let child = api.spawn(&programs.join("dispatcher"), &environment)?;
    api.ready().await?;
    deliver(&mut api, &keys[..WARM_UP]).await?;
    let before = usage(&child)?;
    deliver(&mut api, &keys[WARM_UP..]).await?;
    let after = usage(&child)?;
    let got = receiver.got.load(Ordering::Relaxed);
    if got != keys.len() {
        return Err(format!("{got} of {} webhooks arrived", keys.len()).into());
    }
    let cpu = (after.cpu - before.cpu).as_secs_f64() * 1e3 / WEBHOOKS as f64;
    report.at_most("CPU of dispatcher per delivered webhook", cpu, "ms", 1.0);
    report.note("peak memory of dispatcher, receivers that work", after.peak_mb, "MB");

    let mut running = Vec::new();
    let mut endpoints = Vec::new();
    for kind in Kind::ALL {
        let hostile = Hostile::start(kind).await?;
        endpoints.push(tables.endpoint(&format!("ep_{kind:?}").to_lowercase(), &hostile.url).await?);
        running.push(hostile);
    }
    let keys = tables.deliveries_to(&endpoints, EACH * endpoints.len()).await?;
    deliver(&mut api, &keys).await?;
    let peak = usage(&child)?.peak_mb;
    report.at_most(format!("the same, {} that misbehave", running.len()), peak, "MB", 40.0);
    Ok(())
}

/// Hands the dispatcher one batch after the other.
async fn deliver(api: &mut RuntimeApi, keys: &[Key]) -> Result<(), Error> {
    for (number, batch) in keys.chunks(BATCH).enumerate() {
        let records = batch.iter().map(|key| {
            let body = json!({"v": 1, "event": key.event.as_str(), "endpoint": key.endpoint.as_str()}).to_string();
            json!({
                "messageId": format!("{number}-{}", key.event), "receiptHandle": "none", "body": body,
                "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {}, "eventSource": "aws:sqs",
            })
        });
        let event = json!({"Records": records.collect::<Vec<_>>()}).to_string();
        let (_, status) = api.invoke(&event).await?;
        if status != 202 {
            return Err("the dispatcher answered with an error".into());
        }
    }
    Ok(())
}

/// The stack's tables, filled as the rest of the stack would.
struct Tables {
    events: Events,
    deliveries: Deliveries,
    endpoints: Endpoints,
    sealer: Sealer,
    dice: SystemDice,
}

impl Tables {
    async fn of(stack: &Stack) -> Result<Self, Error> {
        let environment = cold::environment(stack, "dispatcher");
        let aws = Aws::from_env(|name| environment.get(name).cloned())?;
        let client = afferent_store::client(&aws);
        let table = |name: &str| environment.get(name).cloned().unwrap_or_default();
        Ok(Self {
            events: Events::new(client.clone(), table("EVENTS_TABLE")),
            deliveries: Deliveries::new(client.clone(), table("DELIVERIES_TABLE")),
            endpoints: Endpoints::new(client, table("ENDPOINTS_TABLE")),
            sealer: sealer(&aws, &table("SEAL_ENDPOINTS_SECRET_ARN")).await?,
            dice: SystemDice::default(),
        })
    }

    async fn endpoint(&self, id: &str, url: &str) -> Result<EndpointId, Error> {
        let (id, now) = (EndpointId::from(id), SystemClock.now());
        let endpoint = Endpoint::new(id.clone(), Destination::Http { url: EndpointUrl::parse(url)? }, now);
        self.endpoints.put(&endpoint, None).await?;
        let secret = Secret::new(SigningSecret::draw(&self.dice).reveal());
        let sealed = self.sealer.seal(id.as_str(), &secret, &self.dice)?.0;
        self.endpoints.add_secret(&id, &SealedSecret { number: 1, sealed, created: now, until: None }).await?;
        Ok(id)
    }

    /// So many deliveries of an event each, in turn to these endpoints.
    async fn deliveries_to(&self, endpoints: &[EndpointId], count: usize) -> Result<Vec<Key>, Error> {
        let user = UserId::from(format!("usr_{:x}", self.dice.roll()).as_str());
        let now = SystemClock.now();
        let drafts = (0..count).map(|number| draft(&user, number, now)).collect::<Result<Vec<_>, _>>()?;
        let mut keys = Vec::new();
        for drafts in drafts.chunks(MOST) {
            for event in self.events.append(&user, drafts.to_vec(), now, &self.dice).await? {
                let endpoint = endpoints[keys.len() % endpoints.len()].clone();
                let key = Key { event: event.event, endpoint };
                let delivery = Delivery::new(key.clone(), user.clone(), event.sequence, event.event_type, now);
                self.deliveries.put_if_absent(&delivery).await?;
                keys.push(key);
            }
        }
        Ok(keys)
    }
}

/// A record of the usual size.
fn draft(user: &UserId, number: usize, now: Timestamp) -> Result<Draft, Error> {
    let record = json!({
        "v": 1, "user": user.as_str(), "record": format!("rec_{number}"), "rev": 1, "status": "final",
        "kind": "body_weight", "category": "vital-signs", "value": 81.25, "unit": "kg", "connection": "con_1",
        "codes": [{"system": "http://loinc.org", "code": "29463-7", "display": "Body weight"}],
        "effective": {"at": now.to_string()}, "effective_ms": now.as_millis(), "tz": "Europe/Lisbon",
        "source": {"provider": "withings", "service": "getmeas", "grpid": number, "type": 1},
        "synckind": "live", "ingested_ms": now.as_millis(), "changed_ms": now.as_millis(),
    });
    Ok(Draft::of_record(&record.to_string())?)
}

/// A server that takes everything.
struct Receiver {
    url: String,
    got: Arc<AtomicUsize>,
    _server: JoinSet<()>,
}

impl Receiver {
    async fn start() -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let got = Arc::new(AtomicUsize::new(0));
        let router = Router::new().route("/", post(take)).with_state(Arc::clone(&got));
        let mut server = JoinSet::new();
        server.spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url, got, _server: server })
    }
}

async fn take(State(got): State<Arc<AtomicUsize>>, _body: axum::body::Bytes) -> StatusCode {
    got.fetch_add(1, Ordering::Relaxed);
    StatusCode::NO_CONTENT
}
