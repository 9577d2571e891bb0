//! The services of the API, one file each. A service reads the state and builds an answer; what may call it
//! is decided here.

mod activity;
mod answers;
pub(crate) mod authorize;
mod heart;
mod measure;
mod notify;
mod oauth;
mod paging;
mod rawdata;
mod signature;
mod sleep;
mod stetho;
mod truth;
mod user;

use afferent_domain::service::Service;
use serde_json::{Map, Value, json};

use crate::Simulator;
use crate::answer::{Answer, Refusal};
use crate::request::{Arguments, Incoming};
use crate::settings::{MissingScope, Settings};
use crate::state::User;
use crate::tokens::Caller;

/// Answers an admitted call.
pub(crate) async fn answer(simulator: &Simulator, incoming: &Incoming) -> Answer {
    match (incoming.path.as_str(), incoming.action()) {
        ("/measure", "getmeas") => read(simulator, incoming, "user.metrics", measure::getmeas),
        ("/v2/measure", "getactivity") => read(simulator, incoming, "user.activity", activity::getactivity),
        ("/v2/measure", "getintradayactivity") => {
            read(simulator, incoming, "user.activity", activity::getintradayactivity)
        }
        ("/v2/measure", "getworkouts") => read(simulator, incoming, "user.activity", activity::getworkouts),
        ("/v2/sleep", "get") => read(simulator, incoming, "user.activity", sleep::get),
        ("/v2/sleep", "getsummary") => read(simulator, incoming, "user.activity", sleep::getsummary),
        ("/v2/heart", "list") => read(simulator, incoming, "user.metrics", heart::list),
        ("/v2/heart", "get") => read(simulator, incoming, "user.metrics", heart::get),
        ("/v2/stetho", "list") => read(simulator, incoming, "user.metrics", stetho::list),
        ("/v2/stetho", "get") => read(simulator, incoming, "user.metrics", stetho::get),
        ("/v2/user", "getdevice") => read(simulator, incoming, "user.info", user::getdevice),
        ("/v2/user", "getgoals") => read(simulator, incoming, "user.info", user::getgoals),
        ("/v2/user", "link") => user::link(simulator, incoming),
        ("/v2/user", "unlink") => user::unlink(simulator, incoming),
        ("/v2/user", "activate") => user::activate(simulator, incoming),
        ("/v2/answers", "get") => answers::get(simulator, incoming),
        ("/v2/signature", "getnonce") => signature::getnonce(simulator, incoming),
        ("/v2/oauth2", "requesttoken") => oauth::requesttoken(simulator, incoming),
        ("/v2/oauth2", "revoke") => oauth::revoke(simulator, incoming),
        ("/notify", "subscribe") => notify::subscribe(simulator, incoming).await,
        ("/notify", "get") => notify::get(simulator, incoming),
        ("/notify", "list") => notify::list(simulator, incoming),
        ("/notify", "revoke") => notify::revoke(simulator, incoming),
        ("/notify", "update") => notify::update(simulator, incoming).await,
        ("/v2/rawdata", "activate" | "deactivate" | "get") => rawdata::answer(simulator, incoming),
        _ => Err(Refusal::not_implemented()),
    }
}

/// What a reading service is given.
pub(crate) struct Reading<'a> {
    pub(crate) user: &'a User,
    pub(crate) arguments: &'a Arguments,
    pub(crate) settings: &'a Settings,
    /// Epoch seconds.
    pub(crate) now: i64,
}

/// Who is calling, by a living access token. This is the token's use: its predecessors die.
pub(crate) fn caller(simulator: &Simulator, incoming: &Incoming) -> Result<Caller, Refusal> {
    let (now, old_dies) = (simulator.now(), simulator.settings().old_access_token_dies);
    let token = incoming.token.as_deref().ok_or_else(Refusal::invalid_token)?;
    simulator.world().tokens.use_access(token, now, old_dies).ok_or_else(Refusal::invalid_token)
}

fn read(
    simulator: &Simulator,
    incoming: &Incoming,
    scope: &str,
    service: impl FnOnce(&Reading<'_>) -> Answer,
) -> Answer {
    let caller = caller(simulator, incoming)?;
    let settings = simulator.settings();
    let now = simulator.now().as_secs();
    let world = simulator.world();
    let user = world.state.user(caller.userid).map_err(|_| Refusal::invalid_token())?;
    let may = caller.may(scope);
    if !may && settings.missing_scope == MissingScope::Refused {
        return Err(Refusal::insufficient_scope());
    }
    if may && !of(incoming).is_some_and(|service| world.lapses.hold(caller.userid, service)) {
        return service(&Reading { user, arguments: &incoming.arguments, settings: &settings, now });
    }
    if incoming.arguments.text("signalid").is_some() {
        return Ok(json!({ "signal": [] }));
    }
    let nothing = User { userid: user.userid, timezone: user.timezone.clone(), ..User::default() };
    service(&Reading { user: &nothing, arguments: &incoming.arguments, settings: &settings, now })
}

/// Which of the services that are read by users a call is for.
fn of(incoming: &Incoming) -> Option<Service> {
    Some(match (incoming.path.as_str(), incoming.action()) {
        ("/measure", "getmeas") => Service::Getmeas,
        ("/v2/measure", "getactivity") => Service::Getactivity,
        ("/v2/measure", "getintradayactivity") => Service::Getintradayactivity,
        ("/v2/measure", "getworkouts") => Service::Getworkouts,
        ("/v2/sleep", "get") => Service::SleepGet,
        ("/v2/sleep", "getsummary") => Service::SleepGetsummary,
        ("/v2/heart", "list") => Service::HeartList,
        ("/v2/heart", "get") => Service::HeartGet,
        ("/v2/stetho", "list") => Service::StethoList,
        ("/v2/stetho", "get") => Service::StethoGet,
        ("/v2/user", "getdevice") => Service::Getdevice,
        ("/v2/user", "getgoals") => Service::Getgoals,
        _ => return None,
    })
}

/// The fields a call asked for and the plan includes. Unknown names are ignored without an error.
pub(crate) fn chosen(fields: &Map<String, Value>, wanted: Option<&[&str]>, settings: &Settings) -> Map<String, Value> {
    let asked = |name: &str| wanted.is_none_or(|wanted| wanted.contains(&name));
    let chosen = fields.iter().filter(|(name, _)| asked(name) && !settings.hidden_fields.contains(*name));
    chosen.map(|(name, value)| (name.clone(), value.clone())).collect()
}
