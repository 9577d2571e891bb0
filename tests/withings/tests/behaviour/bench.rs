//! A simulator on tokio's paused clock, and an in-memory network for its callbacks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use afferent_domain::clock::{Clock, Dice, Timestamp};
use afferent_http::{Answer, Call, Http, HttpError, Sending};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::Value;
use tokio::time::Instant;
use withings_simulator::{NewUser, Settings, Simulator, TokenPair};

/// When every test begins: 16 September 2026, 12:00 in Lisbon.
pub const START: i64 = 1_789_556_400;
pub const URL: &str = "https://hooks.example.org/withings/9f3c";

#[derive(Clone, Copy)]
pub struct VirtualClock(Instant);

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(START) + self.0.elapsed()
    }
}

/// SplitMix64.
pub struct SeededDice(AtomicU64);

impl Dice for SeededDice {
    fn roll(&self) -> u64 {
        let state = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// What a callback does with a request.
#[derive(Clone, Copy)]
pub enum Reply {
    Status(u16),
    /// Answers 200 after so long.
    Slow(Duration),
    Unreachable,
}

/// The receivers of callbacks: what they got, and what they answer (200 unless told otherwise).
#[derive(Default)]
pub struct Network {
    pub replies: Mutex<VecDeque<Reply>>,
    pub always: Mutex<Option<Reply>>,
    got: Mutex<Vec<(Method, String, String)>>,
}

impl Network {
    pub fn always(&self, reply: Reply) {
        *self.always.lock().unwrap() = Some(reply);
    }

    /// The bodies of the POSTs so far.
    pub fn posts(&self) -> Vec<String> {
        let got = self.got.lock().unwrap();
        got.iter().filter(|(method, ..)| method == Method::POST).map(|(_, _, body)| body.clone()).collect()
    }

    pub fn heads(&self) -> usize {
        self.got.lock().unwrap().iter().filter(|(method, ..)| method == Method::HEAD).count()
    }
}

impl Http for Network {
    fn send(&self, call: Call) -> Sending<'_> {
        Box::pin(async move {
            let (parts, body) = call.request.into_parts();
            let body = String::from_utf8(body.to_vec()).unwrap();
            self.got.lock().unwrap().push((parts.method, parts.uri.to_string(), body));
            let scripted = self.replies.lock().unwrap().pop_front().or(*self.always.lock().unwrap());
            let status = match scripted.unwrap_or(Reply::Status(200)) {
                Reply::Status(status) => status,
                Reply::Slow(pause) => {
                    tokio::time::sleep(pause).await;
                    200
                }
                Reply::Unreachable => return Err(HttpError::Connect),
            };
            let status = StatusCode::from_u16(status).unwrap();
            Ok(Answer { status, headers: HeaderMap::new(), body: Bytes::new(), truncated: false })
        })
    }
}

pub struct Bench {
    pub simulator: Arc<Simulator>,
    pub network: Arc<Network>,
    clock: VirtualClock,
    pub userid: i64,
    pub tokens: TokenPair,
}

impl Bench {
    /// A simulator with one user and one token pair.
    pub fn new(settings: Settings) -> Self {
        let dice = Arc::new(SeededDice(AtomicU64::new(7)));
        let clock = VirtualClock(Instant::now());
        let simulator = Arc::new(Simulator::new(settings, Arc::new(clock), dice));
        let network = Arc::new(Network::default());
        simulator.connect(Arc::clone(&network) as Arc<dyn Http>);
        let userid = simulator.create_user(NewUser::default()).unwrap();
        let tokens = simulator.issue_tokens(userid, None, "").unwrap();
        Self { simulator, network, clock, userid, tokens }
    }

    /// A form POST with this bench's access token.
    pub async fn call(&self, path: &str, arguments: &[(&str, &str)]) -> Value {
        self.call_as(Some(&self.tokens.access_token), path, arguments).await
    }

    pub async fn call_as(&self, token: Option<&str>, path: &str, arguments: &[(&str, &str)]) -> Value {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(arguments).finish();
        let mut request = Request::post(format!("https://wbsapi.withings.net{path}"));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = self.simulator.handle(request.body(Bytes::from(body)).unwrap()).await;
        assert_eq!(response.status(), 200);
        serde_json::from_slice(response.body()).unwrap()
    }

    /// A token call of the default application.
    pub async fn token(&self, arguments: &[(&str, &str)]) -> Value {
        let mut all = vec![("action", "requesttoken"), ("client_id", "sim-client"), ("client_secret", "sim-secret")];
        all.extend_from_slice(arguments);
        self.call_as(None, "/v2/oauth2", &all).await
    }

    /// A call that the default application signs, with a fresh nonce and without a token.
    pub async fn signed(&self, path: &str, action: &str, arguments: &[(&str, &str)]) -> Value {
        let timestamp = self.clock.now().as_secs().to_string();
        let signature = sign("getnonce", &timestamp);
        let proof = [("client_id", "sim-client"), ("timestamp", &*timestamp), ("signature", &*signature)];
        let answer = self.call_as(None, "/v2/signature", &[&[("action", "getnonce")], &proof[..]].concat()).await;
        let nonce = answer["body"]["nonce"].as_str().unwrap();
        let signature = sign(action, nonce);
        let proof = [("action", action), ("client_id", "sim-client"), ("nonce", nonce), ("signature", &signature)];
        self.call_as(None, path, &[&proof, arguments].concat()).await
    }

    /// Opens the consent page of the default application; where it redirects to.
    pub async fn authorize(&self, scope: &str) -> Vec<(String, String)> {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("response_type", "code"), ("client_id", "sim-client"), ("scope", scope), ("state", "s1")])
            .append_pair("redirect_uri", "https://app.example.org/back")
            .finish();
        let page = format!("https://account.withings.com/oauth2_user/authorize2?{query}");
        let response = self.raw(Method::GET, &page, "").await;
        let location = response.headers()["location"].to_str().unwrap();
        let query = location.strip_prefix("https://app.example.org/back?").unwrap();
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    pub async fn getmeas(&self, arguments: &[(&str, &str)]) -> Value {
        self.call("/measure", &[&[("action", "getmeas")], arguments].concat()).await
    }

    /// Any request, e.g. to the control API.
    pub async fn raw(&self, method: Method, uri: &str, body: impl Into<Bytes>) -> http::Response<Bytes> {
        self.simulator.handle(Request::builder().method(method).uri(uri).body(body.into()).unwrap()).await
    }

    pub async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let response = self.raw(method, &format!("/control{path}"), body.to_string()).await;
        serde_json::from_slice(response.body()).unwrap()
    }
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn ids(answer: &Value, list: &str, id: &str) -> Vec<i64> {
    answer["body"][list].as_array().unwrap().iter().map(|row| row[id].as_i64().unwrap()).collect()
}

/// The signature of the default application.
pub fn sign(action: &str, proof: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"sim-secret");
    let tag = ring::hmac::sign(&key, format!("{action},sim-client,{proof}").as_bytes());
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
