//! A round of more accounts than are visited at once, with trouble on the way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use afferent_domain::budget::Lane;
use afferent_http::HttpError;
use afferent_local::network::{Host, WITHINGS_HOST};
use afferent_metrics::Metric;
use afferent_play::seed::{Consent, Seeder};
use afferent_store::connections::AccountKey;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use serde_json::Value;
use withings_simulator::{NewUser, Simulator};

use super::*;

/// How many people there are, the rig's own among them.
const PEOPLE: usize = 45;

/// How many accounts a round visits at once (docs/rotating.md).
const AT_ONCE: usize = 20;

/// Calls that the plan allows in a minute: so many people would take half a day by the usual 120.
const LIMIT: u32 = 1_200;

/// Withings, which does not take the callback URL of one person.
#[derive(Clone)]
struct Refusing {
    withings: Arc<Simulator>,
    userid: Userid,
    /// The person's access tokens.
    tokens: Arc<Mutex<Vec<String>>>,
    refused: Arc<Mutex<u32>>,
}

impl Refusing {
    /// Whether this subscribes the person.
    fn refuses(&self, request: &Request<Bytes>) -> bool {
        let bearer = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let theirs = self.tokens.lock().unwrap().iter().any(|token| bearer.ends_with(token));
        let mut fields = form_urlencoded::parse(request.body());
        theirs
            && request.uri().path() == "/notify"
            && fields.any(|(name, value)| name == "action" && value == "subscribe")
    }

    /// Learns the tokens of an answer.
    fn learn(&self, response: &Response<Bytes>) {
        let answer: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        if answer["body"]["userid"].as_i64() == Some(self.userid)
            && let Some(token) = answer["body"]["access_token"].as_str()
        {
            self.tokens.lock().unwrap().push(token.to_owned());
        }
    }
}

impl Host for Refusing {
    fn answer(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, HttpError>> {
        let host = self.clone();
        Box::pin(async move {
            if host.refuses(&request) {
                *host.refused.lock().unwrap() += 1;
                return Ok(Response::new(Bytes::from_static(br#"{"status":293,"body":{},"error":"Invalid Params"}"#)));
            }
            let response = host.withings.handle(request).await;
            host.learn(&response);
            Ok(response)
        })
    }
}

/// Somebody else connects, and is subscribed to everything; with the access token.
async fn welcome(rig: &Rig) -> (AccountKey, Userid, String) {
    let userid = rig.withings.create_user(NewUser::default()).unwrap();
    let tokens = rig.withings.issue_tokens(userid, None, "").unwrap();
    let consent = Consent {
        region: "eu".to_owned(),
        userid: userid.to_string(),
        tz: "Europe/Lisbon".to_owned(),
        access_token: Secret::new(tokens.access_token.clone()),
        refresh_token: Secret::new(tokens.refresh_token),
        expires_in: Duration::from_secs(tokens.expires_in),
    };
    let seeder = Seeder::new(&rig.stack.rim, &rig.stack.template.place.stack);
    let connection = seeder.connect_quietly(&format!("person {userid}"), &consent).await.unwrap();
    rig.withings.subscribe(userid, None, &[], &callback()).unwrap();
    (connection.account, userid, tokens.access_token)
}

/// Slots of the budget that were claimed so far, by lane.
fn slots(rig: &Rig) -> BTreeMap<Lane, u64> {
    Lane::ALL.into_iter().map(|lane| (lane, rig.stack.metrics.sum(Metric::BudgetUsed(lane)))).collect()
}

/// How many people's subscriptions were being made anew at once, at most: of these, each from their first call about it
/// to their last.
fn most_at_once(rig: &Rig, people: &[Userid]) -> usize {
    let mut spans: BTreeMap<Userid, (i64, i64)> = BTreeMap::new();
    let calls = rig.withings.calls();
    let moves = calls.iter().filter(|call| ["subscribe", "revoke"].contains(&call.action.as_str()));
    for (userid, at) in moves.filter_map(|call| Some((call.userid?, call.at_ms))) {
        if people.contains(&userid) {
            spans.entry(userid).or_insert((at, at)).1 = at;
        }
    }
    assert_eq!(spans.len(), people.len());
    let under_way = |at: i64| spans.values().filter(|(first, last)| (*first..=*last).contains(&at)).count();
    spans.values().map(|(first, _)| under_way(*first)).max().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_round_of_many_goes_on_past_crashes_and_leaves_who_cannot_be_moved_twenty_at_once_and_in_the_lowest_lane() {
    let off = ["SweepUpdates", "SweepRecent", "SweepMonth", "SweepEverything"].map(|tier| (tier, "off".to_owned()));
    let limit = [("BackfillDays", "0".to_owned()), ("WithingsLimit", LIMIT.to_string())];
    let secrets = [("CallbackSecretSha256", both_secrets())];
    let parameters =
        off.into_iter().chain(limit).chain(secrets).map(|(name, value)| (name.to_owned(), value)).collect();
    // Calls take time, so that there is something to die in.
    let setup = Setup { seed: 286, parameters, aws_latency_ms: (1, 5), ..Setup::default() };
    let rig = Rig::of(setup, Settings { limit: LIMIT, ..Settings::default() }).await;
    let (mut accounts, mut people) = (vec![rig.connection.account.clone()], vec![rig.person.userid]);
    let mut token = String::new();
    while people.len() < PEOPLE {
        let (account, userid, access) = welcome(&rig).await;
        accounts.push(account);
        people.push(userid);
        token = access;
    }
    let unlucky = people.pop().unwrap();
    let host = Refusing {
        withings: rig.withings.clone(),
        userid: unlucky,
        tokens: Arc::new(Mutex::new(vec![token])),
        refused: Arc::default(),
    };
    rig.stack.network.put(WITHINGS_HOST, Arc::new(host.clone()));
    // The first look after an account is in a lane of its own.
    for account in &accounts {
        rig.connections.call_care(account, None, rig.stack.clock.now()).await.unwrap();
    }
    tokio::time::sleep(HOUR).await;
    for account in &accounts {
        assert!(rig.connections.cared(account).await.unwrap().looked.is_some(), "{account}");
    }
    let before = subscribed(&rig, &callback());
    assert!(before.len() > 10);
    let slots_before = slots(&rig);
    rig.withings.clear_calls();

    let fresh = change_secret(&rig);
    let id = begin(&rig, Cause::Callback).await;
    // Whatever function it is, one of seven invocations dies somewhere.
    rig.stack.functions.crash_sometimes(150, rig.stack.dice.clone());
    tokio::time::sleep(30 * MINUTE).await;
    rig.stack.functions.crash_sometimes(0, rig.stack.dice.clone());
    let half = round(&rig, &id).await;
    assert!(half.state == State::Running && half.progress.accounts > 0, "{half:?}");
    for _ in 0..5 * 60 {
        if round(&rig, &id).await.state != State::Running {
            break;
        }
        tokio::time::sleep(MINUTE).await;
    }
    let ended = round(&rig, &id).await;
    let progress = &ended.progress;
    assert_eq!((ended.state, progress.connections), (State::Done, PEOPLE as u64), "{ended:?}");
    assert_eq!((progress.accounts, progress.left, progress.lost), (PEOPLE as u64 - 1, 1, 0), "{ended:?}");
    for userid in &people {
        let moved = (subscribed_of(&rig, *userid, &callback()).len(), subscribed_of(&rig, *userid, &fresh));
        assert_eq!(moved, (0, before.clone()), "{userid}");
    }
    assert!(*host.refused.lock().unwrap() >= 3);
    let unmoved = (subscribed_of(&rig, unlucky, &callback()), subscribed_of(&rig, unlucky, &fresh).len());
    assert_eq!(unmoved, (before, 0), "who cannot be moved is still notified at the old address");
    let most = most_at_once(&rig, &people);
    assert!((AT_ONCE / 2..=AT_ONCE).contains(&most), "{most} at once");
    for (lane, used) in slots(&rig) {
        let more = used - slots_before[&lane];
        assert_eq!(more > 0, lane == Lane::Reconcile, "{lane:?}: {more}");
    }
}
