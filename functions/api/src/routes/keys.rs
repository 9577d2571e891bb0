//! Keys to this API, and the audit log.

use std::collections::BTreeMap;

use afferent_domain::Timestamp;
use afferent_domain::grant::{Grant, Grants};
use afferent_domain::id::KeyId;
use afferent_store::keys::audit::Entry;
use afferent_store::keys::{Key, NewKey, PER_MINUTE};
use afferent_store::notifications::day;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, HeaderValue};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Answer, json, json_with, no_content};
use crate::door::{Admin, made};
use crate::extract::{Body as Wished, DayList, Path, Query, bad_cursor, limit, read_cursor, write_cursor};
use crate::problem::Problem;
use crate::routes::put::{Routes, put};
use crate::state::Shared;

pub(crate) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; list_keys, create_key, get_key, revoke_key, list_audit)
}

/// A key that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewKey)]
struct KeyWish {
    /// What you call it: 1 to 100 characters.
    #[schema(example = "dashboard", min_length = 1, max_length = 100)]
    label: String,
    /// What it may: `admin`, `write`, `read`, `endpoint:<id>`, `user:<id>`; 1 to 20 of them.
    #[schema(example = json!(["read"]), min_items = 1, max_items = 20)]
    grants: Vec<String>,
    /// Where people may be sent back to after consenting: https addresses without query and fragment, at most 20.
    #[serde(default)]
    #[schema(max_items = 20)]
    return_urls: Vec<String>,
    /// From when on it is not taken any more (RFC 3339); never unless it is said.
    #[serde(default)]
    #[schema(example = "2027-11-21T00:00:00Z", format = DateTime)]
    expires: Option<String>,
    /// How many requests a minute it may make, 1 to 6000; 600 unless it is said.
    #[serde(default)]
    #[schema(example = 600, minimum = 1, maximum = 6000)]
    rate: Option<u32>,
}

/// A key; its text is shown once, when it is made.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
struct Shown {
    /// Its id.
    #[schema(example = "key_01kahv2t7q4x8e3n9m5c6d7f8g")]
    key: String,
    /// What its owner calls it.
    label: String,
    /// What it may.
    grants: Vec<String>,
    /// Where people may be sent back to after consenting.
    return_urls: Vec<String>,
    /// Requests a minute.
    rate: u32,
    /// `active`, `expired` or `revoked`.
    #[schema(example = "active")]
    state: &'static str,
    /// When it was made.
    created: String,
    /// From when on it is not taken any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    /// Since when it is not taken any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<String>,
    /// When it was last taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<String>,
    /// Its text: to be sent as `Authorization: Bearer …`. In the answer that makes it, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl Shown {
    fn new(key: &Key, now: Timestamp) -> Self {
        let state = match key {
            Key { revoked: Some(_), .. } => "revoked",
            Key { expires: Some(expires), .. } if *expires <= now => "expired",
            _ => "active",
        };
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            key: key.id.to_string(),
            label: key.label.clone(),
            grants: key.grants.iter().map(Grant::to_string).collect(),
            return_urls: key.return_urls.clone(),
            rate: key.per_minute,
            state,
            created: key.created.to_string(),
            expires: time(key.expires),
            revoked: time(key.revoked),
            last_used: time(key.last_used),
            text: None,
        }
    }
}

/// Makes a key. Its text is in this answer and nowhere else.
#[utoipa::path(
    post,
    path = "/v1/keys",
    tag = "Keys",
    request_body = KeyWish,
    security(("key" = ["admin"])),
    responses((status = 201, description = "The key, with its text.", body = Shown))
)]
async fn create_key(State(app): State<Shared>, _: Admin, Wished(wish): Wished<KeyWish>) -> Answer {
    let now = app.now();
    let mut grants = Vec::new();
    for (index, text) in wish.grants.iter().enumerate() {
        let grant: Result<Grant, _> = text.parse();
        grants.push(grant.map_err(|error| Problem::field(format!("grants[{index}]"), error.to_string()))?);
    }
    let new = NewKey {
        label: wish.label,
        grants: Grants::new(grants),
        return_urls: wish.return_urls,
        expires: wish.expires.as_deref().map(time).transpose()?,
        per_minute: wish.rate.unwrap_or(PER_MINUTE),
    };
    new.check(now).map_err(|wrong| Problem::field(wrong.field, wrong.expected))?;
    let (key, secret) = app.keys.create(&new, now, &*app.rim.dice).await?;
    let shown = Shown { text: Some(secret.reveal().to_owned()), ..Shown::new(&key, now) };
    let mut answer = made(json_with(StatusCode::CREATED, &shown)?, [("key", key.id.to_string())]);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

fn time(text: &str) -> Result<Timestamp, Problem> {
    let instant = text.parse::<jiff::Timestamp>();
    let instant = instant
        .map_err(|_| Problem::field("expires", "an instant as RFC 3339 has it, such as 2027-01-31T12:00:00Z"))?;
    Ok(Timestamp::from_millis(instant.as_millisecond()))
}

/// Which page.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PageWish {
    /// How many at most, from 1 to 100; 25 unless it is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// A page of keys.
#[derive(Serialize, ToSchema)]
struct KeyPage {
    /// In the order of their making; expired and revoked ones are among them.
    keys: Vec<Shown>,
    /// The cursor of the next page; null on the last one.
    next: Option<String>,
}

/// Lists the keys, without their texts.
#[utoipa::path(
    get,
    path = "/v1/keys",
    tag = "Keys",
    params(PageWish),
    security(("key" = ["admin"])),
    responses((status = 200, body = KeyPage))
)]
async fn list_keys(State(app): State<Shared>, _: Admin, Query(wish): Query<PageWish>) -> Answer {
    let limit = limit(wish.limit, 25, 100)?;
    let place = |text: &str| KeyId::parse(&read_cursor(text)?).ok_or_else(bad_cursor);
    let after = wish.cursor.as_deref().map(place).transpose()?;
    let (keys, more) = app.keys.list(after.as_ref(), limit).await?;
    let next = keys.last().filter(|_| more).map(|last| write_cursor(last.id.as_str()));
    json(&KeyPage { keys: keys.iter().map(|key| Shown::new(key, app.now())).collect(), next })
}

fn known(id: &str) -> Result<KeyId, Problem> {
    KeyId::parse(id).ok_or(Problem::NotFound("key"))
}

/// Shows a key, without its text.
#[utoipa::path(
    get,
    path = "/v1/keys/{key}",
    tag = "Keys",
    params(("key" = String, Path, description = "The key's id.")),
    security(("key" = ["admin"])),
    responses((status = 200, body = Shown))
)]
async fn get_key(State(app): State<Shared>, _: Admin, Path(id): Path<String>) -> Answer {
    let key = app.keys.get(&known(&id)?).await?.ok_or(Problem::NotFound("key"))?;
    json(&Shown::new(&key, app.now()))
}

/// Revokes a key: from now on it is not taken any more. It stays in the list. Doing it again changes nothing, and a key
/// may revoke itself.
#[utoipa::path(
    delete,
    path = "/v1/keys/{key}",
    tag = "Keys",
    params(("key" = String, Path, description = "The key's id.")),
    security(("key" = ["admin"])),
    responses((status = 204, description = "It is revoked."))
)]
async fn revoke_key(State(app): State<Shared>, _: Admin, Path(id): Path<String>) -> Answer {
    app.keys.revoke(&known(&id)?, app.now()).await?.ok_or(Problem::NotFound("key"))?;
    Ok(no_content())
}

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditWish {
    /// The UTC day, YYYY-MM-DD; the present one unless it is said.
    day: Option<String>,
    /// How many at most, from 1 to 100; 25 unless it is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// A write that was asked for.
#[derive(Serialize, ToSchema)]
struct AuditEntry {
    /// When.
    at: String,
    /// Whose key it was; null if it was done without one, by the operator's tool.
    key: Option<String>,
    /// What the key was called then.
    label: String,
    /// The method.
    #[schema(example = "DELETE")]
    method: String,
    /// The route.
    #[schema(example = "/v1/keys/{key}")]
    route: String,
    /// What the names in the route stood for, and what was made by the request: several of a kind are one text, with a space
    /// between them.
    ids: BTreeMap<String, String>,
    /// The id of the request in the function's log.
    request: String,
    /// What it was answered with; null if nobody knows how it ended.
    status: Option<u16>,
    /// When that was.
    ended: Option<String>,
}

/// A page of the audit log.
#[derive(Serialize, ToSchema)]
struct AuditPage {
    /// The UTC day.
    day: String,
    /// The newest first.
    entries: Vec<AuditEntry>,
    /// The cursor of the next page; null on the last one.
    next: Option<String>,
}

/// Lists the writes that were asked for on a day: by which key, which route, which ids, and how they ended. Bodies are not
/// kept. Entries are kept for 400 days.
#[utoipa::path(
    get,
    path = "/v1/audit",
    tag = "Keys",
    params(AuditWish),
    security(("key" = ["admin"])),
    responses((status = 200, body = AuditPage))
)]
async fn list_audit(State(app): State<Shared>, _: Admin, Query(wish): Query<AuditWish>) -> Answer {
    let limit = limit(wish.limit, 25, 100)?;
    let list = DayList::asked("audit", wish.day.as_deref(), wish.cursor.as_deref(), || day(app.now()))?;
    let placed =
        |place: &String| place.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'#') && place.len() == 31;
    if list.after.as_ref().is_some_and(|place| !placed(place)) {
        return Err(bad_cursor());
    }
    let (entries, more) = app.keys.entries(&list.day, list.after.as_deref(), limit).await?;
    let next = entries.last().filter(|_| more).map(|last| list.cursor(&last.id));
    json(&AuditPage { day: list.day, entries: entries.into_iter().map(entry).collect(), next })
}

fn entry(entry: Entry) -> AuditEntry {
    AuditEntry {
        at: entry.at.to_string(),
        key: entry.key.map(|key| key.to_string()),
        label: entry.label,
        method: entry.method,
        route: entry.route,
        ids: entry.ids,
        request: entry.request,
        status: entry.end.map(|(status, _)| status),
        ended: entry.end.map(|(_, at)| at.to_string()),
    }
}
