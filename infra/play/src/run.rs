//! `run`: everything stays up, and shows what happens as it does. No line holds a health value.

use std::process::ExitCode;
use std::time::Duration;

use afferent_domain::{Clock, Timestamp};
use afferent_local::MAIL_PATH;
use afferent_local::clock::SystemClock;
use afferent_play::scene::{Scene, SceneError};
use tokio::time::{Instant, sleep};
use withings_simulator::sample::CATEGORIES;
use withings_simulator::{NotificationRecord, Outcome};

use crate::{Setting, category_name, say};

/// How often there is a look for something new.
const LOOK: Duration = Duration::from_millis(50);

/// How long after a count that found something open the next is made, if nothing new is seen: a count reads tables, and
/// where something is broken it may stay open for hours.
const COUNT: Duration = Duration::from_secs(2);

pub(crate) async fn run(setting: Setting, quiet: bool, gap_ms: u64, bare: bool) -> Result<ExitCode, SceneError> {
    let scene = Scene::start(setting.plan(bare)?).await?;
    say(&addresses(&scene));
    let played = async {
        if let (Some(world), false) = (&scene.world, quiet) {
            for appli in CATEGORIES {
                world.play(appli)?;
                sleep(Duration::from_millis(gap_ms)).await;
            }
        }
        std::future::pending().await
    };
    let ended = tokio::select! {
        result = played => result,
        () = show(&scene) => Ok(()),
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    scene.stack.stop().await;
    ended.map(|()| ExitCode::SUCCESS)
}

fn addresses(scene: &Scene) -> String {
    let withings = match &scene.world {
        Some(world) => format!("{}   its control API: /control", world.url()),
        None => "not simulated: the stack calls the one that WITHINGS_API_URL names".to_owned(),
    };
    let user = scene.connection.as_ref().map_or("<user>", |connection| connection.user.as_str());
    format!(
        "front door (ingest, API)  http://{front}\n\
         DynamoDB and streams      {dynamodb}\n\
         SQS                       {sqs}\n\
         callback URL              {callback}\n\
         Withings                  {withings}\n\
         receiver of webhooks      {receiver}\n\
         letters, with their texts {dynamodb}{MAIL_PATH}\n\n\
         curl -H 'Authorization: Bearer {key}' 'http://{front}/v1/users/{user}/records?kind=body_weight'\n\
         curl -H 'Authorization: Bearer {key}' 'http://{front}/v1/notifications'\n\n\
         Ctrl-C ends it.\n",
        front = scene.stack.front,
        dynamodb = scene.stack.addresses.dynamodb,
        sqs = scene.stack.addresses.sqs,
        callback = scene.callback,
        receiver = scene.receiver.url(),
        key = scene.key,
    )
}

/// Prints what is new, in the order that it was noticed.
async fn show(scene: &Scene) {
    let (mut notifications, mut calls, mut webhooks, mut pulls, mut letters) = (0, 0, 0, 0, 0);
    let (mut settled, mut before, mut done) = (String::new(), (0, 0, 0, 0), false);
    let mut counted = Instant::now();
    loop {
        sleep(LOOK).await;
        let all = scene.world.as_ref().map(|world| world.simulator.notifications()).unwrap_or_default();
        // The control API can empty the log.
        notifications = notifications.min(all.len());
        let tried = |one: &&NotificationRecord| one.outcome == Outcome::Dropped || !one.tries.is_empty();
        for one in all.iter().skip(notifications).take_while(tried) {
            let status = one.tries.iter().filter_map(|tried| tried.status).next_back();
            let status = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
            line("notification", &format!("{:>3} {} -> {status}", one.appli, category_name(one.appli)));
            notifications += 1;
        }
        let all = scene.world.as_ref().map(|world| world.simulator.calls()).unwrap_or_default();
        for call in all.iter().skip(calls) {
            let status = call.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
            line("call", &format!("{} {} -> status {status}", call.service, call.action));
        }
        calls = all.len();
        let (lines, written) = scene.stack.log.since(pulls);
        for pulled in lines.iter().filter_map(|line| pulled(&line.text)) {
            line("pull", &pulled);
        }
        pulls = written;
        let all = scene.receiver.received();
        for one in all.iter().skip(webhooks) {
            line(
                "webhook",
                &format!("{} ({})", one.event_type, if one.verified { "signature right" } else { "refused" }),
            );
        }
        webhooks = all.len();
        let all = scene.stack.mail.sent();
        for letter in all.iter().skip(letters) {
            line("letter", &format!("to {}: {}", letter.to, letter.subject));
        }
        letters = all.len();
        let seen = (notifications, calls, pulls, webhooks);
        if seen == before && (done || counted.elapsed() < COUNT) {
            continue;
        }
        (before, counted) = (seen, Instant::now());
        if let Ok(tally) = scene.tally().await {
            let now = format!(
                "{} notifications ({} waiting, {} quarantined), {} records, {} events, {} of {} deliveries made",
                tally.notifications(),
                tally.waiting,
                tally.quarantined,
                tally.records,
                tally.events,
                tally.delivered,
                tally.deliveries,
            );
            done = tally.open() == 0;
            if done && now != settled {
                line("all done", &now);
                settled = now;
            }
        }
    }
}

/// What a pull's log line says, if the line is one.
fn pulled(text: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(text).ok()?;
    let fields = line.get("fields")?;
    if fields.get("message")? != "pulled" {
        return None;
    }
    let number = |name: &str| fields.get(name).map(ToString::to_string).unwrap_or_default();
    let service = fields.get("service")?.as_str()?;
    Some(format!(
        "{service}: {} calls, {} facts, {} new or changed",
        number("calls"),
        number("facts"),
        number("written")
    ))
}

fn line(what: &str, text: &str) {
    say(&format!("{}  {what:<12}  {text}", time(SystemClock.now())));
}

/// `07:03:11.412`, UTC.
fn time(at: Timestamp) -> String {
    at.to_string().get(11..23).unwrap_or_default().to_owned()
}
