//! The control API over HTTP, under `/control`. `README.md` has an example of every path.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::answer::respond;
use crate::data::Night;
use crate::data::{ActivityDay, Device, Ecg, Fact, Goals, IntradaySample, MeasureGroup, Stetho, SurveyAnswer, Workout};
use crate::faults::Fault;
use crate::lapses::Lapse;
use crate::notice::{BedEvent, ProfileAction};
use crate::notifier::Fate;
use crate::settings::Settings;
use crate::state::{ControlError, Notify};
use crate::{Simulator, Userid, sample};

type Done = Result<Value, ControlError>;

/// Answers a control request: 200 with JSON, 400 or 404 with `{"error"}`.
pub(crate) async fn answer(simulator: &Simulator, request: &Request<Bytes>) -> Response<Bytes> {
    let (code, body) = match route(simulator, request).await {
        Ok(body) => (StatusCode::OK, body),
        Err(error @ ControlError::Invalid(_)) => (StatusCode::BAD_REQUEST, json!({ "error": error.to_string() })),
        Err(error) => (StatusCode::NOT_FOUND, json!({ "error": error.to_string() })),
    };
    respond(code, "application/json", body.to_string())
}

async fn route(simulator: &Simulator, request: &Request<Bytes>) -> Done {
    let path = request.uri().path().strip_prefix("/control").unwrap_or_default().trim_matches('/');
    let path: Vec<&str> = path.split('/').collect();
    let body = Body(request.body());
    let notify = notify(request.uri().query());
    match (request.method(), path.as_slice()) {
        (&Method::GET, ["state"]) => json(simulator.state()),
        (&Method::GET, ["stats"]) => json(simulator.stats()),
        (&Method::GET, ["calls"]) => json(simulator.calls()),
        (&Method::DELETE, ["calls"]) => {
            simulator.clear_calls();
            nothing()
        }
        (&Method::GET, ["notifications"]) => json(simulator.notifications()),
        (&Method::DELETE, ["notifications"]) => {
            simulator.notifier().clear_records();
            nothing()
        }
        (&Method::GET, ["subscriptions"]) => json(simulator.notifier().subscriptions()),
        (&Method::GET, ["settings"]) => json(simulator.settings().as_ref()),
        (&Method::PATCH, ["settings"]) => configure(simulator, body.read()?),
        (&Method::POST, ["faults"]) => {
            simulator.fail(body.read::<Fault>()?);
            nothing()
        }
        (&Method::DELETE, ["faults"]) => {
            simulator.heal();
            nothing()
        }
        (&Method::POST, ["lapses"]) => {
            simulator.lapse(body.read::<Lapse>()?);
            nothing()
        }
        (&Method::DELETE, ["lapses"]) => {
            simulator.restore(body.read::<Lapse>()?);
            nothing()
        }
        (&Method::POST, ["fates"]) => {
            simulator.notifier().next_fates(body.read::<Vec<Fate>>()?);
            nothing()
        }
        (&Method::POST, ["notify"]) => arbitrary(simulator, body.read()?),
        (&Method::POST, ["device_without_account"]) => {
            simulator.device_without_account(&body.read::<WithoutAccount>()?.mac);
            nothing()
        }
        (&Method::POST, ["sample"]) => json(sample::person(simulator, notify)?),
        (&Method::POST, ["users"]) => Ok(json!({ "userid": simulator.create_user(body.read()?)? })),
        (method, ["users", userid, rest @ ..]) => {
            let userid = userid.parse().map_err(|_| ControlError::Invalid("the user id is no number".to_owned()))?;
            user(simulator, method, userid, rest, &body, notify).await
        }
        _ => Err(no_such_path()),
    }
}

async fn user(
    simulator: &Simulator,
    method: &Method,
    userid: Userid,
    path: &[&str],
    body: &Body<'_>,
    notify: Notify,
) -> Done {
    match (method, path) {
        (&Method::GET, []) => json(simulator.world().state.user(userid)?),
        (&Method::POST, ["tokens"]) => {
            let Grant { client_id, scope } = body.read()?;
            json(simulator.issue_tokens(userid, client_id.as_deref(), &scope)?)
        }
        (&Method::DELETE, ["tokens"]) => {
            simulator.kill_tokens(userid);
            nothing()
        }
        (&Method::POST, ["code"]) => {
            let Grant { client_id, scope } = body.read()?;
            Ok(json!({ "code": simulator.issue_code(userid, client_id.as_deref(), &scope)? }))
        }
        (&Method::POST, ["subscriptions"]) => {
            let Subscribe { client_id, applis, callbackurl } = body.read()?;
            simulator.subscribe(userid, client_id.as_deref(), &applis, &callbackurl)?;
            nothing()
        }
        (&Method::DELETE, ["subscriptions", rest @ ..]) => {
            let appli = rest.first().and_then(|appli| appli.parse().ok());
            Ok(json!({ "removed": simulator.unsubscribe(userid, appli) }))
        }
        (&Method::PUT, ["goals"]) => {
            simulator.set_goals(userid, body.read::<Option<Goals>>()?)?;
            nothing()
        }
        (&Method::POST, ["bed"]) => {
            let Bed { event, deviceid, date } = body.read()?;
            simulator.bed_event(userid, event, &deviceid, date);
            nothing()
        }
        (&Method::POST, ["ecg_failed"]) => {
            let Attempt { deviceid, date } = body.read()?;
            simulator.ecg_failed(userid, &deviceid, date);
            nothing()
        }
        (&Method::POST, ["hrv"]) => {
            let Window { startdate, enddate } = body.read()?;
            simulator.hrv(userid, startdate, enddate);
            nothing()
        }
        (&Method::POST, ["profile"]) => {
            simulator.profile(userid, body.read::<Profile>()?.action, notify)?;
            nothing()
        }
        (&Method::POST, ["play", rest @ ..]) => play(simulator, userid, rest.first().copied()).await,
        (method, ["measures", key @ ..]) => facts::<MeasureGroup>(simulator, method, userid, key, body, notify),
        (method, ["activity", key @ ..]) => facts::<ActivityDay>(simulator, method, userid, key, body, notify),
        (method, ["intraday", key @ ..]) => facts::<IntradaySample>(simulator, method, userid, key, body, notify),
        (method, ["workouts", key @ ..]) => facts::<Workout>(simulator, method, userid, key, body, notify),
        (method, ["nights", key @ ..]) => facts::<Night>(simulator, method, userid, key, body, notify),
        (method, ["ecgs", key @ ..]) => facts::<Ecg>(simulator, method, userid, key, body, notify),
        (method, ["stethos", key @ ..]) => facts::<Stetho>(simulator, method, userid, key, body, notify),
        (method, ["answers", key @ ..]) => facts::<SurveyAnswer>(simulator, method, userid, key, body, notify),
        (method, ["devices", key @ ..]) => facts::<Device>(simulator, method, userid, key, body, notify),
        _ => Err(no_such_path()),
    }
}

/// POST adds one fact or a list, PATCH merges into one, DELETE removes one.
fn facts<F: Fact>(
    simulator: &Simulator,
    method: &Method,
    userid: Userid,
    key: &[&str],
    body: &Body<'_>,
    notify: Notify,
) -> Done {
    let parse = |key: &str| key.parse::<F::Key>().map_err(|_| ControlError::NoSuchFact(key.to_owned()));
    match (method, key) {
        (&Method::POST, []) => {
            let facts: Vec<F> = match body.read::<Value>()? {
                list @ Value::Array(_) => from_value(list)?,
                one => vec![from_value(one)?],
            };
            Ok(json!({ "keys": simulator.add(userid, facts, notify)? }))
        }
        (&Method::PATCH, [key]) => {
            let (key, patch) = (parse(key)?, body.read::<Value>()?);
            simulator.try_edit(userid, &key, notify, |fact: &mut F| {
                *fact = patched(fact, patch)?;
                Ok(())
            })?;
            nothing()
        }
        (&Method::DELETE, [key]) => {
            simulator.delete::<F>(userid, &parse(key)?, notify)?;
            nothing()
        }
        _ => Err(no_such_path()),
    }
}

async fn play(simulator: &Simulator, userid: Userid, appli: Option<&str>) -> Done {
    let person = sample::Person::of(userid);
    let applis = match appli {
        None => sample::CATEGORIES.to_vec(),
        Some(appli) => vec![appli.parse().map_err(|_| ControlError::Invalid("the category is no number".to_owned()))?],
    };
    for appli in &applis {
        sample::play(simulator, &person, *appli)?;
    }
    Ok(json!({ "played": applis }))
}

fn configure(simulator: &Simulator, patch: Value) -> Done {
    let mut settings = patched(simulator.settings().as_ref(), patch)?;
    simulator.configure(|current| {
        settings.clients = std::mem::take(&mut current.clients);
        *current = settings;
    });
    json(simulator.settings().as_ref() as &Settings)
}

fn arbitrary(simulator: &Simulator, Arbitrary { body, url, userid, appli }: Arbitrary) -> Done {
    match (url, appli) {
        (Some(url), _) => {
            simulator.notify_url(&url, &body);
            nothing()
        }
        (None, Some(appli)) => {
            simulator.notify(userid, appli, &body);
            nothing()
        }
        (None, None) => Err(ControlError::Invalid("url or appli is needed".to_owned())),
    }
}

/// `value` with the members of `patch` in their places, objects member by member.
fn patched<T: Serialize + DeserializeOwned>(value: &T, patch: Value) -> Result<T, ControlError> {
    fn merge(into: &mut Value, patch: Value) {
        match (into, patch) {
            (Value::Object(into), Value::Object(patch)) => {
                patch.into_iter().for_each(|(name, value)| merge(into.entry(name).or_insert(Value::Null), value));
            }
            (into, patch) => *into = patch,
        }
    }
    let mut merged = json(value)?;
    merge(&mut merged, patch);
    from_value(merged)
}

struct Body<'a>(&'a Bytes);

impl Body<'_> {
    fn read<T: DeserializeOwned>(&self) -> Result<T, ControlError> {
        let text: &[u8] = if self.0.is_empty() { b"{}" } else { self.0 };
        serde_json::from_slice(text).map_err(|error| ControlError::Invalid(error.to_string()))
    }
}

/// `?notify=no` makes a change silent.
fn notify(query: Option<&str>) -> Notify {
    let silent = query.is_some_and(|query| query.split('&').any(|pair| pair == "notify=no"));
    if silent { Notify::No } else { Notify::Yes }
}

fn json(value: impl Serialize) -> Done {
    serde_json::to_value(value).map_err(|error| ControlError::Invalid(error.to_string()))
}

fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, ControlError> {
    serde_json::from_value(value).map_err(|error| ControlError::Invalid(error.to_string()))
}

/// The answer to what has none.
fn nothing() -> Done {
    Ok(json!({}))
}

fn no_such_path() -> ControlError {
    ControlError::NoSuchFact("path like this under /control".to_owned())
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Grant {
    client_id: Option<String>,
    scope: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subscribe {
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    applis: Vec<u16>,
    callbackurl: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bed {
    event: BedEvent,
    deviceid: String,
    #[serde(default)]
    date: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attempt {
    deviceid: String,
    #[serde(default)]
    date: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Window {
    startdate: i64,
    enddate: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    action: ProfileAction,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WithoutAccount {
    mac: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arbitrary {
    body: String,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    userid: Option<Userid>,
    #[serde(default)]
    appli: Option<u16>,
}
