//! The line to Withings, watched: what no log of either side can tell.
//!
//! A call goes on at Withings when the caller dies, as it does in the world; two refreshes of one account that are
//! under way at once, and the use of a dead refresh token, are written down.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afferent_domain::{Clock, Timestamp};
use afferent_http::HttpError;
use afferent_local::network::Host;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use serde_json::Value;
use withings_simulator::{Simulator, Userid};

/// A call that brought no answer by then is not under way any more: its caller has hung up.
const CALL: Duration = Duration::from_secs(30);

/// A host that hands every call to the simulated Withings.
#[derive(Clone)]
pub struct Line {
    simulator: Arc<Simulator>,
    clock: Arc<dyn Clock>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// Whose a refresh token is, as far as it was ever told to anybody.
    owners: BTreeMap<String, Userid>,
    /// Refreshes under way: when each was sent.
    under_way: BTreeMap<Userid, Vec<Timestamp>>,
    refreshes: u64,
    violations: Vec<String>,
}

impl Line {
    /// The line to `simulator`.
    #[must_use]
    pub fn to(simulator: Arc<Simulator>, clock: Arc<dyn Clock>) -> Self {
        Self { simulator, clock, seen: Arc::default() }
    }

    /// Says whose a refresh token is that did not come over this line.
    pub fn told(&self, userid: Userid, refresh_token: &str) {
        self.seen().owners.insert(refresh_token.to_owned(), userid);
    }

    /// How many refreshes there were.
    #[must_use]
    pub fn refreshes(&self) -> u64 {
        self.seen().refreshes
    }

    /// What should not have happened.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.seen().violations.clone()
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account that this call refreshes the tokens of.
    fn refreshes_of(&self, body: &[u8]) -> Option<Userid> {
        let fields: BTreeMap<_, _> = form_urlencoded::parse(body).collect();
        let refresh = fields.get("grant_type")? == "refresh_token";
        let seen = self.seen();
        fields.get("refresh_token").filter(|_| refresh).and_then(|token| seen.owners.get(&**token)).copied()
    }

    fn sent(&self, userid: Userid) -> Timestamp {
        let (at, mut seen) = (self.clock.now(), self.seen());
        seen.refreshes += 1;
        let others = seen.under_way.entry(userid).or_default();
        others.retain(|sent| at.since(*sent) < CALL);
        let overlap = !others.is_empty();
        others.push(at);
        if overlap {
            seen.violations.push(format!("{at}: two refreshes of account {userid} are under way at once"));
        }
        at
    }

    fn answered(&self, userid: Userid, sent: Timestamp, response: &Response<Bytes>) {
        let answer: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        let mut seen = self.seen();
        let others = seen.under_way.entry(userid).or_default();
        if let Some(place) = others.iter().position(|other| *other == sent) {
            others.remove(place);
        }
        if answer["error"].as_str().is_some_and(|text| text.contains("invalid refresh_token")) {
            let now = self.clock.now();
            seen.violations.push(format!("{now}: account {userid}: its refresh token was dead"));
        }
    }

    /// Learns whose the refresh token of an answer is.
    fn learn(&self, response: &Response<Bytes>) {
        let answer: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        let userid = &answer["body"]["userid"];
        let userid = userid.as_i64().or_else(|| userid.as_str()?.parse().ok());
        if let (Some(userid), Some(token)) = (userid, answer["body"]["refresh_token"].as_str()) {
            self.told(userid, token);
        }
    }
}

impl Host for Line {
    fn answer(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, HttpError>> {
        let line = self.clone();
        let oauth = request.uri().path() == "/v2/oauth2";
        // A task of its own: whoever sent it may die, and what was sent takes effect all the same.
        let call = tokio::spawn(async move {
            let refreshed = line.refreshes_of(request.body()).filter(|_| oauth);
            let sent = refreshed.map(|userid| (userid, line.sent(userid)));
            let response = line.simulator.handle(request).await;
            if oauth {
                line.learn(&response);
            }
            if let Some((userid, sent)) = sent {
                line.answered(userid, sent, &response);
            }
            response
        });
        Box::pin(async move { call.await.map_err(|_| HttpError::Broken) })
    }
}
