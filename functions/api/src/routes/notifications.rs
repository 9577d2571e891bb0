//! What Withings announced, and what became of it: counted, listed, followed through to its deliveries, sorted again.

mod follow;

use std::collections::{BTreeMap, VecDeque};

use afferent_domain::Timestamp;
use afferent_domain::id::NotificationId;
use afferent_queue::{Pull, Replay, Sending};
use afferent_store::notifications::{Place, State as Standing, Told, day};
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::commands::Nothing;
use super::{Answer, json, json_with};
use crate::door::{Caller, Reader, Writer};
use crate::extract::{DayList, MaybeBody, Path, Query, date, limit, pair};
use crate::problem::{Kind, Problem};
use crate::routes::put::{Routes, put};
use crate::state::{App, Shared};

pub(crate) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; list_notifications, follow_notification, replay_notification)
}

/// Which notifications.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wish {
    /// The UTC day of their receipt, YYYY-MM-DD; the present one unless it is said.
    day: Option<String>,
    /// Those that stand so are listed; without it, all are counted.
    #[param(value_type = Option<Stands>, inline)]
    state: Option<String>,
    /// How many at most, from 1 to 100; 25 unless it is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// Where a notification stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its description is used")]
enum Stands {
    /// A service that it names is not read yet.
    Waiting,
    /// Pulls have brought the records to what Withings holds.
    Satisfied,
    /// It was the data itself.
    Recorded,
    /// It cannot be acted upon.
    Quarantined,
}

/// How many notifications of a day stand where.
#[derive(Serialize, ToSchema)]
struct Counts {
    /// The UTC day.
    day: String,
    /// The number of each state.
    notifications: BTreeMap<&'static str, u64>,
    /// Whether all were counted. If there was no time for that, there are as many at least.
    complete: bool,
}

/// A notification.
#[derive(Serialize, ToSchema)]
#[schema(as = Notification)]
struct Shown {
    /// Its id.
    notification: String,
    /// When it was received.
    received: String,
    /// Where it stands: `waiting`, `satisfied`, `recorded` or `quarantined`.
    #[schema(example = "quarantined")]
    state: &'static str,
    /// Why it is in quarantine.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "unknown_user")]
    reason: Option<String>,
    /// Withings' number of its category; null if it could not be read.
    #[schema(example = 1)]
    appli: Option<u32>,
    /// The Withings user; null if it could not be read.
    userid: Option<String>,
    /// What came, as it came; empty if the person was erased.
    body: String,
}

/// A page of notifications.
#[derive(Serialize, ToSchema)]
struct NotificationPage {
    /// The UTC day.
    day: String,
    /// The newest first. A page may be short, or empty, and not the last.
    notifications: Vec<Shown>,
    /// The cursor of the next page; null on the last one.
    next: Option<String>,
}

/// What is asked for.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its description is used")]
enum CountsOrPage {
    /// Without `state`.
    Counts(Counts),
    /// With it.
    Page(NotificationPage),
}

fn shown(told: Told) -> Shown {
    Shown {
        notification: told.id.to_string(),
        received: told.received.to_string(),
        state: told.state.name(),
        reason: told.reason,
        appli: told.appli,
        userid: told.userid,
        body: told.body,
    }
}

/// Counts the notifications of a day by their state; with `state`, lists those that stand so.
#[utoipa::path(
    get,
    path = "/v1/notifications",
    tag = "Operating",
    params(Wish),
    security(("key" = ["read"])),
    responses((status = 200, description = "The numbers, or a page.", body = CountsOrPage))
)]
async fn list_notifications(
    State(app): State<Shared>,
    _: Reader,
    Extension(caller): Extension<Caller>,
    Query(wish): Query<Wish>,
) -> Answer {
    let today = || day(app.now());
    let Some(state) = wish.state else {
        if let Some(field) =
            [("limit", wish.limit.is_some()), ("cursor", wish.cursor.is_some())].iter().find(|(_, is)| *is)
        {
            return Err(Problem::field(field.0, "absent: without `state` there is no list"));
        }
        let day = wish.day.as_deref().map_or_else(|| Ok(today()), date)?;
        return json(&counts(&app, day, caller.until).await?);
    };
    let names = "one of waiting, satisfied, recorded and quarantined";
    let state = Standing::of(&state).ok_or_else(|| Problem::field("state", names))?;
    let limit = limit(wish.limit, 25, 100)?;
    let list = DayList::asked(state.name(), wish.day.as_deref(), wish.cursor.as_deref(), today)?;
    let after = list.after.as_deref().map(read_place).transpose()?;
    let (told, next) = app.notifications.list(state, &list.day, after.as_ref(), limit).await?;
    let next = next.map(|place| list.cursor(format_args!("{} {}", place.received.as_millis(), place.id)));
    json(&NotificationPage { day: list.day, notifications: told.into_iter().map(shown).collect(), next })
}

/// Counts in turns, so that a state with very many leaves time for the others; until there is no time left.
async fn counts(app: &App, day: String, until: Timestamp) -> Result<Counts, Problem> {
    let mut notifications: BTreeMap<_, _> = Standing::ALL.map(|state| (state.name(), 0)).into();
    let mut open: VecDeque<_> = Standing::ALL.map(|state| (state, None)).into();
    while let Some((state, from)) = open.pop_front() {
        if app.now() >= until {
            return Ok(Counts { day, notifications, complete: false });
        }
        let (more, rest) = app.notifications.count_some(state, &day, from).await?;
        *notifications.entry(state.name()).or_default() += more;
        open.extend(rest.map(|rest| (state, Some(rest))));
    }
    Ok(Counts { day, notifications, complete: true })
}

fn read_place(text: &str) -> Result<Place, Problem> {
    let (received, id) = pair(text, NotificationId::parse)?;
    Ok(Place { received: Timestamp::from_millis(received), id })
}

fn known(id: &str) -> Result<NotificationId, Problem> {
    NotificationId::parse(id).ok_or(Problem::NotFound("notification"))
}

/// Follows a notification: what it waits for, the pulls that satisfied it, the records that they brought, their events, and
/// where the deliveries of these stand.
#[utoipa::path(
    get,
    path = "/v1/notifications/{notification}",
    tag = "Operating",
    params(("notification" = String, Path, description = "The notification's id.")),
    security(("key" = ["read"])),
    responses((status = 200, body = follow::Followed))
)]
async fn follow_notification(State(app): State<Shared>, _: Reader, Path(id): Path<String>) -> Answer {
    let told = app.notifications.told(&known(&id)?).await?.ok_or(Problem::NotFound("notification"))?;
    json(&follow::follow(&app, told).await?)
}

/// That it will be sorted again.
#[derive(Serialize, ToSchema)]
struct Replayed {
    /// The notification.
    notification: String,
    /// Where it stood: `quarantined`.
    #[schema(example = "quarantined")]
    state: &'static str,
}

/// Has a notification that is in quarantine sorted again, now that what was wrong is mended. Where it stands then, asking
/// for it tells.
#[utoipa::path(
    post,
    path = "/v1/notifications/{notification}/replay",
    tag = "Operating",
    params(("notification" = String, Path, description = "The notification's id.")),
    request_body(content = Nothing, description = "May be left out."),
    security(("key" = ["write"])),
    responses(
        (status = 202, description = "It will be sorted again.", body = Replayed),
        (status = 409, description = "It is not in quarantine.", body = crate::problem::Details, content_type = "application/problem+json"),
    )
)]
async fn replay_notification(
    State(app): State<Shared>,
    _: Writer,
    Path(id): Path<String>,
    MaybeBody(Nothing {}): MaybeBody<Nothing>,
) -> Answer {
    let id = known(&id)?;
    let state = app.notifications.state(&id).await?.ok_or(Problem::NotFound("notification"))?;
    if state != Standing::Quarantined {
        let detail = format!("only a quarantined notification can be replayed; this one is {}", state.name());
        return Err(Problem::conflict(Kind::NotQuarantined, detail));
    }
    let body = Pull::Replay(Replay { notification: id.clone() }).to_body();
    app.pulls.send(Sending { body, ..Sending::default() }).await?;
    json_with(StatusCode::ACCEPTED, &Replayed { notification: id.to_string(), state: state.name() })
}
