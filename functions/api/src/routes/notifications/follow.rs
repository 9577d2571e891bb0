//! From a notification to its deliveries.
//!
//! Nothing is kept about the way itself but what each step needs: the notification names the pulls that satisfied it, a
//! record the pull that wrote its present revision, a marker the event of a revision, and a delivery its event. A pull is
//! found in the index of changes by the time that its id holds.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::delivery::State;
use afferent_domain::id::{PullId, UserId};
use afferent_domain::notification::{Category, Effect, Notification, Window};
use afferent_domain::record::Record;
use afferent_store::notifications::Told;
use futures_util::future::try_join_all;
use jiff::tz::TimeZone;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shown;
use crate::problem::Problem;
use crate::state::App;

/// How long after its beginning a pull may still write: Lambda ends every invocation after 15 minutes.
const LONGEST_PULL: Duration = Duration::from_secs(15 * 60);

/// How many records are told of at most.
const MOST: usize = 100;

/// How many records are looked at in the time that the notification names.
const MOST_NAMED: usize = 50;

/// A notification, and what came of it.
#[derive(Serialize, ToSchema)]
pub(super) struct Followed {
    /// The notification itself.
    notification: Shown,
    /// What is still to be read for it.
    waits_for: Vec<WaitsFor>,
    /// The pulls that satisfied it.
    pulls: Vec<String>,
    /// What they brought, what it is itself, and what is kept about the time that it names.
    records: Vec<Brought>,
    /// Whether these are all records; at most 100 are told of, and one that has changed again since is no longer known as
    /// what a pull brought.
    complete: bool,
}

/// A service that is still to be read.
#[derive(Serialize, ToSchema)]
struct WaitsFor {
    /// The connection.
    connection: String,
    /// The service.
    #[schema(example = "getmeas")]
    service: String,
}

/// A record, and what became of its change.
#[derive(Serialize, ToSchema)]
struct Brought {
    /// Whose.
    user: String,
    /// Which.
    record: String,
    /// Its kind.
    #[schema(example = "body_weight")]
    kind: String,
    /// Its present revision.
    rev: u32,
    /// How certain it is: `preliminary`, `final`, `amended` or `entered-in-error`.
    #[schema(example = "final")]
    status: String,
    /// When that was stored.
    changed: String,
    /// Why it is here: `pull` (one of the pulls wrote this revision), `recorded` (it is the notification), or `window` (it
    /// lies in the time that the notification names, and another pull brought it).
    #[schema(example = "pull")]
    because: &'static str,
    /// The event of the revision; null if there is none yet, or none any more.
    event: Option<EventOf>,
}

/// The event of a revision.
#[derive(Serialize, ToSchema)]
struct EventOf {
    /// Which.
    event: String,
    /// Its number in the user's journal.
    sequence: u64,
    /// The revision that it tells of: this one, or a later one.
    rev: u32,
    /// Where its deliveries stand.
    deliveries: Vec<DeliveryOf>,
}

/// Where a delivery stands.
#[derive(Serialize, ToSchema)]
struct DeliveryOf {
    /// To which endpoint.
    endpoint: String,
    /// `queued`, `held` or `parked` while it waits; `delivered`, `exhausted`, `expired` or `cancelled`.
    #[schema(example = "delivered")]
    state: &'static str,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// How often it was tried.
    attempts: u32,
}

/// Follows it.
pub(super) async fn follow(app: &App, told: Told) -> Result<Followed, Problem> {
    let users = users(app, &told).await?;
    let (mut found, mut complete) = (Vec::new(), true);
    for (user, zone) in &users {
        complete &= collect(app, &told, user, zone, &mut found).await?;
    }
    complete &= found.len() <= MOST;
    found.truncate(MOST);
    let records = try_join_all(found.into_iter().map(|(record, because)| brought(app, record, because))).await?;
    Ok(Followed {
        waits_for: told
            .pending
            .iter()
            .map(|(connection, service)| WaitsFor { connection: connection.clone(), service: service.clone() })
            .collect(),
        pulls: told.pulls.iter().map(PullId::to_string).collect(),
        records,
        complete,
        notification: super::shown(told),
    })
}

/// Whose records it may be about, and in which time zone that person's days are.
async fn users(app: &App, told: &Told) -> Result<Vec<(UserId, TimeZone)>, Problem> {
    if told.appli == Some(Category::DeviceSetup.appli()) {
        return Ok(vec![(UserId::app(), TimeZone::UTC)]);
    }
    let Some(userid) = &told.userid else { return Ok(Vec::new()) };
    let account = app.consents.account(app.consents.app().await?, userid.clone());
    let connections = app.connections.of_account(&account).await?;
    let zone = |name: Option<String>| name.and_then(|name| TimeZone::get(&name).ok()).unwrap_or(TimeZone::UTC);
    Ok(connections.into_iter().map(|connection| (connection.user, zone(connection.tz))).collect())
}

/// The user's records that have to do with it; whether that is all of them.
async fn collect(
    app: &App,
    told: &Told,
    user: &UserId,
    zone: &TimeZone,
    found: &mut Vec<(Record, &'static str)>,
) -> Result<bool, Problem> {
    let mut complete = true;
    let mut add = |record: Record, because| {
        if !found.iter().any(|(known, _)| known.user == record.user && known.record == record.record) {
            found.push((record, because));
        }
    };
    for record in app.records.get_many(user, &told.records).await?.into_values() {
        add(record, "recorded");
    }
    for pull in &told.pulls {
        let Some(began) = drawn(pull) else { continue };
        let span = (began, began + LONGEST_PULL);
        let (records, all) = app.records.brought_by(user, std::slice::from_ref(pull), span, MOST).await?;
        complete &= all;
        records.into_iter().for_each(|record| add(record, "pull"));
    }
    let Some((window, Effect::Pull(services))) = named(&told.body, zone) else { return Ok(complete) };
    let span = (window.start.saturating_mul(1_000), window.end.saturating_mul(1_000).saturating_add(999));
    for service in services {
        let known = app.records.of_service(user, *service, span, true, MOST_NAMED).await?;
        complete &= known.len() < MOST_NAMED;
        let ids: Vec<_> = known.into_iter().map(|known| known.record).collect();
        for record in app.records.get_many(user, &ids).await?.into_values() {
            add(record, "window");
        }
    }
    Ok(complete)
}

/// The time that it names, and what it asks for.
fn named(body: &str, zone: &TimeZone) -> Option<(Window, Effect)> {
    let read = Notification::read(body).ok()?;
    Some((read.named_window(zone)?, read.category().ok()?.effect()))
}

/// When a pull began: its id is drawn, so its first 48 of 128 bits are the time.
fn drawn(pull: &PullId) -> Option<Timestamp> {
    const ALPHABET: &str = "0123456789abcdefghjkmnpqrstvwxyz";
    let text = pull.as_str().strip_prefix(PullId::PREFIX).filter(|text| text.len() == 26)?;
    let bits = text.chars().try_fold(0_u128, |bits, c| Some(bits << 5 | ALPHABET.find(c)? as u128))?;
    i64::try_from(bits >> 80).ok().map(Timestamp::from_millis)
}

async fn brought(app: &App, record: Record, because: &'static str) -> Result<Brought, Problem> {
    let of = app.outbox.events().of_revision(&record.user, &record.record, record.rev).await?;
    let event = match of {
        None => None,
        Some(of) => {
            let deliveries = app.outbox.deliveries().of_event(&of.event).await?;
            let deliveries = deliveries.into_iter().map(|delivery| DeliveryOf {
                endpoint: delivery.key.endpoint.to_string(),
                attempts: delivery.attempts,
                state: delivery.state.as_str(),
                reason: if let State::Ended { reason, .. } = delivery.state { Some(reason) } else { None },
            });
            Some(EventOf {
                event: of.event.to_string(),
                sequence: of.sequence,
                rev: of.rev,
                deliveries: deliveries.collect(),
            })
        }
    };
    Ok(Brought {
        user: record.user.to_string(),
        record: record.record.to_string(),
        kind: record.kind,
        rev: record.rev,
        status: serde_json::to_value(record.status)?.as_str().unwrap_or_default().to_owned(),
        changed: Timestamp::from_millis(record.changed_ms).to_string(),
        because,
        event,
    })
}

#[cfg(test)]
mod tests {
    use afferent_domain::Dice;

    use super::*;

    struct Fixed;

    impl Dice for Fixed {
        fn roll(&self) -> u64 {
            u64::MAX
        }
    }

    #[test]
    fn the_id_of_a_pull_tells_when_it_began() {
        let now = Timestamp::from_millis(1_795_244_591_412);
        assert_eq!(drawn(&PullId::draw(now, &Fixed)), Some(now));
        assert_eq!(drawn(&PullId::from("pul_1")), None);
    }
}
