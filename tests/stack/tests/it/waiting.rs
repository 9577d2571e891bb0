//! Very many deliveries that wait for hours, and the cap of messages in flight.
//!
//! By default a hundredth of what `FULL=1` asks for: 300,000 deliveries and 120,000 messages in flight. The queue of the
//! simulation gives nothing out at its cap, as AWS's does not, so whoever fills it holds up everybody.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::{Delivery, End, Key, Limits, State, Try};
use afferent_domain::endpoint::{Destination, Endpoint, EndpointUrl};
use afferent_domain::event::Draft;
use afferent_domain::filter::Pattern;
use afferent_domain::id::{EndpointId, EventId, RecordId, UserId};
use afferent_domain::record::SyncKind;
use afferent_domain::secret::Secret;
use afferent_domain::signature::SigningSecret;
use afferent_http::HttpError;
use afferent_local::network::{Host, Receiver};
use afferent_local::{Functions, Setup, Simulation, Ticks};
use afferent_secrets::{Sealer, sealer};
use afferent_store::deliveries::Deliveries;
use afferent_store::endpoints::{Endpoints, SealedSecret};
use afferent_store::events::{Events, Journalled};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};

const QUEUE: &str = "afferent-deliveries";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// How long the healthy endpoint's events may take.
const PROMPT: Duration = Duration::from_secs(5);

/// A receiver that answers 500; every so often, or from some time on, 200.
#[derive(Clone, Default)]
struct Failing {
    /// Every so many requests of one endpoint succeed: fewer in a row than open a breaker.
    every: Option<u32>,
    /// All succeed.
    well: Arc<Mutex<bool>>,
    asked: Arc<Mutex<BTreeMap<String, u32>>>,
}

impl Failing {
    /// How many requests came for each endpoint.
    fn asked(&self) -> Vec<u32> {
        self.asked.lock().unwrap().values().copied().collect()
    }
}

impl Host for Failing {
    fn answer(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, HttpError>> {
        let mut asked = self.asked.lock().unwrap();
        let count = asked.entry(request.uri().path().to_owned()).or_default();
        *count += 1;
        let takes = *self.well.lock().unwrap() || self.every.is_some_and(|every| count.is_multiple_of(every));
        let answer = Response::builder().status(if takes { 200 } else { 500 }).body(Bytes::new());
        Box::pin(async move { answer.map_err(|_| HttpError::Broken) })
    }
}

struct Crowd {
    simulation: Simulation,
    deliveries: Deliveries,
    endpoints: Endpoints,
    events: Events,
    sealer: Sealer,
    well: Receiver,
    limit: usize,
    /// How many deliveries there are in all.
    size: usize,
}

impl Crowd {
    async fn gather() -> Self {
        let scale = if std::env::var_os("FULL").is_some() { 100 } else { 1 };
        let limit = 1_200 * scale;
        let parameters = [("InFlightLimit".to_owned(), limit.to_string())].into();
        let setup = Setup { ticks: Ticks::Every, in_flight_limit: limit, parameters, ..Setup::default() };
        let simulation = Simulation::bare(setup).await.unwrap();
        let functions = Functions::start(&simulation.template, &simulation.rim).await.unwrap();
        for name in ["dispatcher", "keeper"] {
            let function = simulation.template.function(name).unwrap().name.clone();
            simulation.set(name, functions.handler(&function).unwrap());
            simulation.resume(name);
        }
        simulation.network.set_latency(20, 40);
        let client = afferent_store::client(&simulation.rim.aws);
        let arn = &simulation.template.function("dispatcher").unwrap().environment["SEAL_ENDPOINTS_SECRET_ARN"];
        let well = Receiver::new(simulation.clock.clone());
        simulation.network.put("well.example", Arc::new(well.clone()));
        let crowd = Self {
            deliveries: Deliveries::new(client.clone(), "afferent-deliveries".to_owned()),
            endpoints: Endpoints::new(client.clone(), "afferent-endpoints".to_owned()),
            events: Events::new(client, "afferent-events".to_owned()),
            sealer: sealer(&simulation.rim.aws, arn).await.unwrap(),
            well,
            limit,
            size: 3_000 * scale,
            simulation,
        };
        crowd.register("ep_well", "https://well.example/").await;
        crowd
    }

    fn now(&self) -> Timestamp {
        self.simulation.clock.now()
    }

    /// Endpoints of one failing server, each with a path of its own.
    async fn register_failing(&self, count: usize, host: &Failing) {
        self.simulation.network.put("failing.example", Arc::new(host.clone()));
        for number in 0..count {
            self.register(&format!("ep_{number}"), &format!("https://failing.example/{number}")).await;
        }
    }

    async fn register(&self, id: &str, url: &str) {
        let url = EndpointUrl::parse(url).unwrap();
        let mut endpoint = Endpoint::new(EndpointId::from(id), Destination::Http { url }, self.now());
        endpoint.types = vec![Pattern::parse("body_weight.*").unwrap()];
        assert!(self.endpoints.put(&endpoint, None).await.unwrap());
        let secret = Secret::new(SigningSecret::draw(self.simulation.dice.as_ref()).reveal());
        let sealed = self.sealer.seal(id, &secret, self.simulation.dice.as_ref()).unwrap().0;
        let secret = SealedSecret { number: 1, sealed, created: endpoint.created_ms, until: None };
        assert!(self.endpoints.add_secret(&endpoint.endpoint, &secret).await.unwrap());
    }

    async fn journal(&self, record: &str) -> Journalled {
        let user = UserId::from("usr_1");
        let draft = Draft {
            id: EventId::derive(&[record]),
            user: user.clone(),
            event_type: "body_weight.created".to_owned(),
            source: "/withings/con_1".to_owned(),
            time: self.now(),
            synckind: SyncKind::Live,
            run: None,
            record: RecordId::from(record),
            rev: 1,
            data: "{}".to_owned(),
            about: None,
            test: false,
            trace: None,
        };
        self.events.append(&user, vec![draft], self.now(), self.simulation.dice.as_ref()).await.unwrap().remove(0)
    }

    /// Stores a delivery of an event, whose next try is the first of `cycle`, and sends its message.
    async fn deliver(&self, event: &Journalled, id: EventId, endpoint: &str, cycle: u16) -> Key {
        let key = Key { event: id, endpoint: EndpointId::from(endpoint) };
        let (user, event_type) = (event.user.clone(), event.event_type.clone());
        let mut delivery = Delivery::new(key.clone(), user, event.sequence, event_type, self.now());
        if let State::Waiting(waiting) = &mut delivery.state {
            waiting.at = Try::first(cycle);
        }
        assert!(self.deliveries.put_if_absent(&delivery).await.unwrap());
        let body = afferent_queue::Delivery { event: key.event.clone(), endpoint: key.endpoint.clone() }.to_body();
        let message = local_sqs::Draft { group: Some(endpoint.to_owned()), ..local_sqs::Draft::of(body) };
        self.simulation.sqs.send(QUEUE, message).unwrap();
        key
    }

    /// All of the crowd within an hour, spread over so many endpoints.
    async fn arrive(&self, endpoints: usize, cycle: u16) -> Vec<Key> {
        let (event, began) = (self.journal("rec_crowd").await, self.now());
        let mut keys = Vec::with_capacity(self.size);
        for number in 0..self.size {
            let at = began + HOUR * u32::try_from(number).unwrap() / u32::try_from(self.size).unwrap();
            tokio::time::sleep(at.since(self.now())).await;
            let (id, endpoint) = (EventId::from(format!("evt_{number}")), format!("ep_{}", number % endpoints));
            keys.push(self.deliver(&event, id, &endpoint, cycle).await);
        }
        keys
    }

    /// A healthy endpoint's event each minute for so long: how long each took.
    async fn live(&self, minutes: usize) -> Vec<Duration> {
        let mut sent = BTreeMap::new();
        for minute in 0..minutes {
            let event = self.journal(&format!("rec_live_{minute}")).await;
            self.deliver(&event, event.event.clone(), "ep_well", 1).await;
            sent.insert(event.event.to_string(), self.now());
            tokio::time::sleep(MINUTE).await;
        }
        let got = self.well.seen().into_iter().map(|seen| {
            let id = seen.request.headers()["webhook-id"].to_str().unwrap();
            seen.at.since(sent[id])
        });
        let took: Vec<Duration> = got.collect();
        assert!(took.len() >= sent.len(), "{} of {} healthy ones arrived", took.len(), sent.len());
        took
    }

    /// The most messages in flight in so much time.
    async fn most_in_flight(&self, time: Duration) -> usize {
        let (end, mut most) = (self.now() + time, 0);
        while self.now() < end {
            let queues = self.simulation.sqs.queues();
            most = most.max(queues.iter().find(|queue| queue.name == QUEUE).unwrap().in_flight);
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        most
    }

    /// How the deliveries stand.
    async fn ends(&self, keys: &[Key]) -> BTreeMap<&'static str, usize> {
        let mut ends = BTreeMap::new();
        for key in keys {
            let delivery = self.deliveries.get(key).await.unwrap().unwrap();
            *ends.entry(delivery.state.as_str()).or_default() += 1;
        }
        ends
    }

    fn is_over(&self, ends: &BTreeMap<&'static str, usize>) -> bool {
        let terminal = [End::Delivered, End::Exhausted, End::Expired, End::Cancelled].map(End::as_str);
        ends.iter().filter(|(end, _)| terminal.contains(*end)).map(|(_, count)| count).sum::<usize>() == self.size
    }
}

#[tokio::test(start_paused = true)]
async fn a_crowd_that_waits_for_its_hours_neither_fills_the_queue_nor_holds_up_the_healthy_and_all_of_it_ends() {
    let crowd = Crowd::gather().await;
    let endpoints = crowd.size / 100;
    crowd.register_failing(endpoints, &Failing { every: Some(15), ..Failing::default() }).await;
    // The third cycle: what comes next are waits of an hour and of four.
    let (keys, took, most) =
        tokio::join!(crowd.arrive(endpoints, 3), crowd.live(8 * 60), crowd.most_in_flight(8 * HOUR));
    let slowest = took.into_iter().max().unwrap();
    let ends = crowd.ends(&keys).await;
    println!("in flight at most {most} of {}, a healthy one took {slowest:?} at most, {ends:?}", crowd.limit);
    assert!(most < crowd.limit, "{most} in flight");
    assert!(most as u64 > Limits::of(crowd.limit as u64).many() / 2, "{most} in flight are no crowd");
    assert!(slowest <= PROMPT, "{slowest:?}");
    assert!(crowd.is_over(&ends), "{ends:?}");
    assert!(ends[End::Exhausted.as_str()] > crowd.size / 2, "{ends:?}");
}

#[tokio::test(start_paused = true)]
async fn a_crowd_whose_breakers_are_open_costs_the_queue_nothing_and_is_delivered_when_they_close() {
    let crowd = Crowd::gather().await;
    let (endpoints, host) = (crowd.size / 300, Failing::default());
    crowd.register_failing(endpoints, &host).await;
    let recovers = async {
        tokio::time::sleep(2 * HOUR).await;
        let before = host.asked();
        let in_flight = crowd.most_in_flight(HOUR).await;
        let asked: Vec<u32> = host.asked().iter().zip(before).map(|(after, before)| after - before).collect();
        let open = crowd.endpoints.watched().await.unwrap().iter().filter(|(_, health)| health.is_open()).count();
        *host.well.lock().unwrap() = true;
        (in_flight, open, asked)
    };
    let (keys, took, (in_flight, open, asked)) = tokio::join!(crowd.arrive(endpoints, 1), crowd.live(8 * 60), recovers);
    let slowest = took.into_iter().max().unwrap();
    let ends = crowd.ends(&keys).await;
    println!("{open} open breakers, {in_flight} in flight, a healthy one took {slowest:?} at most, {ends:?}");
    assert_eq!(open, endpoints, "every breaker opened");
    assert!(asked.iter().all(|asked| (3..=5).contains(asked)), "one probe in 15 minutes, and nothing else: {asked:?}");
    assert!(in_flight < crowd.limit / 10, "{in_flight} in flight");
    assert!(slowest <= PROMPT, "{slowest:?}");
    assert!(crowd.is_over(&ends), "{ends:?}");
    // Those that served as probes may have used up their tries.
    assert!(ends[End::Delivered.as_str()] * 100 >= crowd.size * 99, "{ends:?}");
}
