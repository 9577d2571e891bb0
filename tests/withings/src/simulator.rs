//! The simulator: one call in, one answer out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use afferent_domain::clock::{Clock, Dice, Timestamp};
use afferent_http::Http;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tokio::time::sleep;

use crate::answer::{Answer, Refusal, envelope, respond, status};
use crate::calls::{CallLog, CallRecord, Stats};
use crate::control;
use crate::faults::{Fault, FaultKind, Faults};
use crate::lapses::Lapses;
use crate::limiter::{Duplicates, Limiter};
use crate::notifier::{NotificationRecord, Notifier};
use crate::request::Incoming;
use crate::services;
use crate::settings::{DuplicateGuard, Settings};
use crate::state::State;
use crate::tokens::Tokens;

/// A simulated Withings. All methods take `&self`; it is shared as an `Arc`.
pub struct Simulator {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dice: Arc<dyn Dice>,
    settings: Arc<RwLock<Arc<Settings>>>,
    notifier: Arc<Notifier>,
    world: Mutex<World>,
}

/// Everything that changes, under one lock that is never held across an await.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) tokens: Tokens,
    pub(crate) faults: Faults,
    pub(crate) lapses: Lapses,
    pub(crate) calls: CallLog,
    limiter: Limiter,
    duplicates: Duplicates,
}

impl Simulator {
    /// An empty Withings. It reads the time from `clock` and draws latency, ids and the random parts of the
    /// schedule from `dice`; it sleeps by tokio's clock. Until [`Self::connect`] it reaches no callback.
    #[must_use]
    pub fn new(settings: Settings, clock: Arc<dyn Clock>, dice: Arc<dyn Dice>) -> Self {
        let settings = Arc::new(RwLock::new(Arc::new(settings)));
        let notifier = Notifier::new(Arc::clone(&clock), Arc::clone(&dice), Arc::clone(&settings));
        Self { clock, dice, settings, notifier: Arc::new(notifier), world: Mutex::default() }
    }

    /// Gives it the network that callbacks are reached by: notifications, and the HEAD before a subscription.
    pub fn connect(&self, http: Arc<dyn Http>) {
        self.notifier.connect(http);
    }

    /// The sender of notifications.
    #[must_use]
    pub fn notifier(&self) -> &Arc<Notifier> {
        &self.notifier
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the settings from now on.
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) {
        let mut settings = self.settings.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut settings));
    }

    /// Makes the next calls fail.
    pub fn fail(&self, fault: Fault) {
        self.world().faults.add(fault);
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.world().faults.clear();
    }

    /// The log of calls, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<CallRecord> {
        self.world().calls.records()
    }

    /// Empties the log of calls; the counters stay.
    pub fn clear_calls(&self) {
        self.world().calls.clear();
    }

    /// The log of notifications, oldest first.
    #[must_use]
    pub fn notifications(&self) -> Vec<NotificationRecord> {
        self.notifier.records()
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let notifications = self.notifier.stats();
        let calls = &self.world().calls;
        Stats { calls: calls.calls, refused: calls.refused, duplicate_refused: calls.duplicate_refused, notifications }
    }

    /// Every current fact: the truth to compare records with. Deleted nights are not in it.
    #[must_use]
    pub fn state(&self) -> State {
        let mut state = self.world().state.clone();
        state.users.values_mut().for_each(|user| user.nights.retain(|night| !night.hidden));
        state
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Answers one request: a call of the API, the consent page, or the control API.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path();
        if path == "/control" || path.starts_with("/control/") {
            return control::web::answer(self, &request).await;
        }
        if path == "/oauth2_user/authorize2" {
            return services::authorize::page(self, &Incoming::read(&request));
        }
        let [least, most] = self.settings().latency.to_server_ms;
        sleep(Duration::from_millis(self.dice.between(least, most))).await;
        let response = self.call(&Incoming::read(&request)).await;
        let [least, most] = self.settings().latency.to_client_ms;
        sleep(Duration::from_millis(self.dice.between(least, most))).await;
        response
    }

    /// A call, from its arrival to its answer.
    async fn call(&self, incoming: &Incoming) -> Response<Bytes> {
        let (at_ms, service) = (self.now().as_millis(), incoming.path.trim_start_matches('/').to_owned());
        let (client_id, userid, admitted) = self.admit(incoming);
        let fault = admitted.is_ok().then(|| self.world().faults.take(&service, incoming.action())).flatten();
        let answer = match (admitted, &fault) {
            (Err(refusal), _) => Err(refusal),
            (Ok(()), Some(Fault { after_effect: false, .. })) => Ok(serde_json::json!({})),
            (Ok(()), _) => services::answer(self, incoming).await,
        };
        let response = match &fault {
            None => Some((status(&answer), envelope(answer))),
            Some(fault) => spoil(&fault.kind, answer),
        };
        let record = CallRecord {
            at_ms,
            service,
            action: incoming.action().to_owned(),
            client_id,
            userid,
            parameters: incoming.arguments.shown(),
            status: response.as_ref().map(|(status, _)| *status).filter(|status| *status >= 0),
        };
        self.world().calls.push(record, self.settings().log_limit);
        match response {
            Some((_, response)) => response,
            None => std::future::pending().await,
        }
    }

    /// Counts the arrival; refuses what is over the limit or equal to a call just made.
    fn admit(&self, incoming: &Incoming) -> (Option<String>, Option<crate::Userid>, Result<(), Refusal>) {
        let (settings, now) = (self.settings(), self.now());
        let mut world = self.world();
        let holder = incoming.token.as_deref().and_then(|token| world.tokens.holder(token)).cloned();
        let named = incoming.arguments.text("client_id").map(str::to_owned);
        // A call with an unknown token still came from some application: the first one pays.
        let first = || settings.clients.first().map(|client| client.client_id.clone());
        let client_id = holder.as_ref().map(|caller| caller.client_id.clone()).or(named).or_else(first);
        let userid = holder.map(|caller| caller.userid);
        let window = Duration::from_secs(settings.window_s);
        let client = client_id.as_deref().unwrap_or_default();
        if let Err(wait) = world.limiter.arrive(client, now, settings.limit, window, settings.refused_calls_count) {
            world.calls.refused += 1;
            tracing::warn!(service = incoming.path, wait_s = wait, "withings_refused");
            return (client_id, userid, Err(Refusal::too_many_requests(wait)));
        }
        let guarded = match settings.duplicate_guard {
            DuplicateGuard::Off => false,
            DuplicateGuard::Tokens => incoming.action() == "requesttoken",
            DuplicateGuard::All => true,
        };
        if guarded {
            let call = format!("{userid:?} {} {}", incoming.path, incoming.arguments.fingerprint());
            if let Err(wait) = world.duplicates.arrive(call, now) {
                world.calls.duplicate_refused += 1;
                return (client_id, userid, Err(Refusal::same_arguments(wait)));
            }
        }
        (client_id, userid, Ok(()))
    }
}

/// What a fault makes of an answer, and the status that the log shows (-1: none). `None` never answers.
fn spoil(kind: &FaultKind, answer: Answer) -> Option<(i64, Response<Bytes>)> {
    const PAGE: &str = "<html><body>Service temporarily unavailable</body></html>";
    Some(match kind {
        FaultKind::Status { status, error } => (*status, envelope(Err(Refusal::new(*status, error.as_str())))),
        FaultKind::Http(code) => {
            let code = StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (-1, respond(code, "text/html", PAGE))
        }
        FaultKind::Truncated => {
            let whole = envelope(answer).into_body();
            (-1, respond(StatusCode::OK, "application/json", whole.slice(..whole.len() / 2)))
        }
        FaultKind::NotJson => (-1, respond(StatusCode::OK, "text/html", PAGE)),
        FaultKind::Long(bytes) => {
            (-1, respond(StatusCode::OK, "application/json", format!("{{{}", " ".repeat(*bytes))))
        }
        FaultKind::Hang => return None,
    })
}
