//! What a test or an operator may set. Where Withings' rule is not known, the field says so.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::Userid;

/// How the simulated Withings behaves.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The applications that may call. Not shown or changed over HTTP: it holds secrets.
    #[serde(skip)]
    pub clients: Vec<ClientApp>,
    /// Calls admitted per client within any window (Withings, notification overview: 120 per minute).
    pub limit: u32,
    /// The length of the window, in seconds. An arrival leaves the window when it is exactly this old.
    pub window_s: u64,
    /// Whether a refused call takes up room in the window too. UNCERTAIN; `false` lets a client recover
    /// that goes on calling.
    pub refused_calls_count: bool,
    /// Whether equal calls within 10 s are refused.
    pub duplicate_guard: DuplicateGuard,
    /// How `lastupdate` compares with `modified`. UNCERTAIN (the specification says "after").
    pub lastupdate: LastUpdate,
    /// Whether `startdate` itself is inside a window. UNCERTAIN; `enddate` always is.
    pub startdate_inclusive: bool,
    /// Rows per page.
    pub pages: Pages,
    /// What one sleep get or getintradayactivity reaches, in seconds; more is cut off without a word. (For sleep get
    /// the specification also says 7 days: CONFLICT.)
    pub reach_s: i64,
    /// How an empty intraday series is written.
    pub empty_intraday: EmptySeries,
    /// Whether the token answer carries `userid` as a string (older documents) instead of a number.
    pub userid_as_string: bool,
    /// Whether heart `get` carries `heart_rate` as an object (2026 reading) instead of a number.
    pub heart_rate_as_object: bool,
    /// Whether notify `list` carries `expires`, as recorded answers do.
    pub list_has_expires: bool,
    /// Whether notifications 58, 60, 61 and 62 carry only `userid` and `appli`, as the documents' table reads.
    pub minimal_bodies: bool,
    /// What a call without its scope gets.
    pub missing_scope: MissingScope,
    /// Whether the application has a contract: raw data and the partner actions answer.
    pub contracted: bool,
    /// Data fields that the plan does not include: they vanish from answers without an error.
    pub hidden_fields: BTreeSet<String>,
    /// Measure types that the plan does not include.
    pub hidden_meastypes: BTreeSet<i64>,
    /// Whether an access token dies when its successor is first used. UNCERTAIN.
    pub old_access_token_dies: bool,
    /// Whether the consent page answers by itself.
    pub auto_consent: AutoConsent,
    /// The scopes that a person grants on the consent page, of those asked for; `None` is all of them.
    pub granted_scopes: Option<BTreeSet<String>>,
    /// The most subscriptions of one user to one application; one more gets 305. The number is UNCERTAIN.
    pub most_subscriptions: Option<usize>,
    /// Which callback URLs `subscribe` accepts.
    pub callback: CallbackRules,
    /// How long calls travel.
    pub latency: Latency,
    /// How notifications are sent.
    pub delivery: Delivery,
    /// How many calls and notifications the logs keep; the oldest go first. The counters are not affected.
    pub log_limit: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            clients: vec![ClientApp::default()],
            limit: 120,
            window_s: 60,
            refused_calls_count: false,
            duplicate_guard: DuplicateGuard::Off,
            lastupdate: LastUpdate::After,
            startdate_inclusive: true,
            pages: Pages::default(),
            reach_s: 86_400,
            empty_intraday: EmptySeries::Object,
            userid_as_string: false,
            heart_rate_as_object: false,
            list_has_expires: true,
            minimal_bodies: false,
            missing_scope: MissingScope::Refused,
            contracted: false,
            hidden_fields: BTreeSet::new(),
            hidden_meastypes: BTreeSet::new(),
            old_access_token_dies: true,
            auto_consent: AutoConsent::FirstUser,
            granted_scopes: None,
            most_subscriptions: None,
            callback: CallbackRules::default(),
            latency: Latency::default(),
            delivery: Delivery::default(),
            log_limit: 200_000,
        }
    }
}

/// One application registered with Withings.
#[derive(Clone, Debug)]
pub struct ClientApp {
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`.
    pub client_secret: String,
    /// The redirect URIs of the dashboard, compared byte for byte; empty accepts any.
    pub redirect_uris: Vec<String>,
}

impl Default for ClientApp {
    fn default() -> Self {
        Self { client_id: "sim-client".to_owned(), client_secret: "sim-secret".to_owned(), redirect_uris: Vec::new() }
    }
}

/// The guard against equal calls: "Same arguments in less than 10 seconds".
///
/// Off by default: what makes two calls equal (token, client or user) and which services the guard covers
/// is UNCERTAIN, and a wrong guess would fail correct clients. A client should pass with it switched on, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateGuard {
    /// Equal calls are answered.
    Off,
    /// Only `requesttoken` is guarded, where most reports are from.
    Tokens,
    /// Every call is guarded by (user, path, parameters).
    All,
}

/// How `lastupdate` compares with a row's `modified`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LastUpdate {
    /// `modified > lastupdate`.
    After,
    /// `modified >= lastupdate`.
    AtOrAfter,
}

/// How an empty intraday series is written: recorded as `{}`, feared as `[]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptySeries {
    /// `{}`
    Object,
    /// `[]`
    Array,
}

/// What a call without its scope gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingScope {
    /// Status 403, `Insufficient_scope` (reported by one client).
    Refused,
    /// Status 0 with nothing in it.
    Empty,
}

/// Whether the consent page answers by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AutoConsent {
    /// A page lists the users; a click consents.
    Off,
    /// The first user consents at once.
    FirstUser,
    /// This user consents at once.
    User(Userid),
    /// Whoever is asked declines: the redirect says `error=access_denied`.
    Deny,
}

/// Rows per page. Only 300 (sleep) is measured and 200 (activity) recorded; the others are UNCERTAIN.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pages {
    /// Measure `getmeas`.
    pub measures: usize,
    /// `getactivity`.
    pub activity: usize,
    /// `getworkouts`.
    pub workouts: usize,
    /// Sleep `getsummary`.
    pub sleep: usize,
    /// Heart `list`.
    pub heart: usize,
    /// Stetho `list`.
    pub stetho: usize,
}

impl Default for Pages {
    fn default() -> Self {
        Self { measures: 500, activity: 200, workouts: 200, sleep: 300, heart: 200, stetho: 200 }
    }
}

/// Which callback URLs `subscribe` accepts (Withings, notification subscribe).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallbackRules {
    /// https only, a host name, port 80 or 443. `false` is Withings' development mode.
    pub strict: bool,
    /// Whether a HEAD must answer 2xx.
    pub head: bool,
    /// What a subscription gets whose URL brings no answer at all. UNCERTAIN: 293 was reported, 343 ("the callback URL
    /// does not exist") is in the old documents.
    pub unreachable: i64,
    /// The registered URLs; a callback must begin with one of them. Empty accepts any.
    pub registered: Vec<String>,
}

impl Default for CallbackRules {
    fn default() -> Self {
        Self { strict: true, head: true, unreachable: 293, registered: Vec::new() }
    }
}

/// How long a call travels, each way a random number of milliseconds in `[least, most]`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Latency {
    /// Before the call arrives, is counted and takes effect.
    pub to_server_ms: [u64; 2],
    /// Between its effect and its answer.
    pub to_client_ms: [u64; 2],
}

/// How notifications are sent (the schedule itself is [`crate::CYCLES`]).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delivery {
    /// How long a receiver may take, in milliseconds (Withings' older pages: 2 s).
    pub timeout_ms: u64,
    /// How long after the change the first try starts: random in `[least, most]`. Withings: typically
    /// under 2 minutes.
    pub delay_ms: [u64; 2],
    /// The pause between the two tries of a cycle. UNCERTAIN.
    pub try_gap_ms: u64,
    /// A subscription that fails this long without a success is cancelled (Withings: 20 days).
    pub cancel_after_days: u64,
    /// The older rule: cancelled after this many exhausted notifications in a row (once 4).
    pub cancel_after_failures: Option<u32>,
    /// What goes wrong by chance.
    pub knobs: Knobs,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            timeout_ms: 2_000,
            delay_ms: [0, 0],
            try_gap_ms: 0,
            cancel_after_days: 20,
            cancel_after_failures: None,
            knobs: Knobs::default(),
        }
    }
}

/// What goes wrong with notifications by chance, each in thousandths.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// Never sent.
    pub drop_per_mille: u16,
    /// Sent twice.
    pub double_per_mille: u16,
    /// Held back until the next notification of the subscription was tried, at most `reorder_hold_ms`.
    pub reorder_per_mille: u16,
    /// How long a reordered notification waits for a successor.
    pub reorder_hold_ms: u64,
    /// Sent late.
    pub late_per_mille: u16,
    /// How late: random in `[least, most]` milliseconds.
    pub late_ms: [u64; 2],
}
