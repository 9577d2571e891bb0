//! A few people's days, made so that in the end a stack holds every kind of state. What is recorded of it is what a release
//! leaves, and what the release after it must be able to go on with.

use std::collections::BTreeMap;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_local::network::Reply;
use afferent_play::seed::Seeder;
use http::Method;
use serde_json::{Value, json};
use stack_tests::callback;
use withings_simulator::{
    AutoConsent, BedEvent, Fault, FaultKind, MeasureGroup, NewUser, Notify, ProfileAction, sample,
};

use crate::files::{Release, text};
use crate::people::{Member, ZONE, ecg, stetho, weigh, welcome};
use crate::world::{DAY, HOUR, MINUTE, World, pass};

/// Longer than a pull and its deliveries take.
const SOON: Duration = Duration::from_secs(30);

/// How Withings answers calls until it is healed: not.
const NEVER: Fault = Fault { service: None, action: None, count: 1_000, after_effect: false, kind: FaultKind::Hang };

/// How long something may take that needs the budget, most of which the past takes.
const PATIENCE: u32 = 300;

/// Plays it all with the functions of today, and keeps what is there in the end.
pub async fn play(version: &str) -> Release {
    // So small a limit that the past is still being read in the end.
    let parameters = BTreeMap::from([("WithingsLimit".to_owned(), "20".to_owned())]);
    let mut world = World::bare(600_101, Timestamp::default(), &parameters).await;
    world.run().await;
    let stack = world.stack.template.place.stack.clone();
    world.key = Seeder::new(&world.stack.rim, &stack).key("operator").await.unwrap();
    let endpoints = register(&world).await;

    let anna = welcome(&world, "anna", true).await;
    let [bela, cara, dora, emil, fritz, greta, hans] = ["bela", "cara", "dora", "emil", "fritz", "greta", "hans"];
    let bela = welcome(&world, bela, false).await;
    let (cara, dora) = (welcome(&world, cara, false).await, welcome(&world, dora, false).await);
    let (emil, fritz) = (welcome(&world, emil, false).await, welcome(&world, fritz, false).await);
    let (greta, hans) = (welcome(&world, greta, false).await, welcome(&world, hans, false).await);
    pass(10 * MINUTE).await;

    first_day(&world, &anna).await;
    for member in [&bela, &cara, &dora, &emil, &fritz, &greta, &hans] {
        weigh(&world, member, 70_000 + member.person.userid % 1_000);
        pass(SOON).await;
    }
    keys_and_links(&world, &endpoints).await;
    ends_of_links(&world, &cara, &dora, &emil).await;
    unclear(&world, &anna).await;
    deletions(&world, &anna, &bela).await;
    world.post("/v1/rounds", json!({"cause": "callback"})).await;
    pass(4 * DAY).await;

    last_hour(&world, &endpoints, &anna).await;
    last_minutes(&world, &endpoints, [&anna, &bela, &fritz, &greta, &hans]).await;
    let mut signing = BTreeMap::new();
    for endpoint in endpoints.values() {
        let secret = world.api(Method::GET, &format!("/v1/endpoints/{endpoint}/secret"), &Value::Null).await.1;
        signing.insert(endpoint.clone(), vec![secret["secret"].as_str().unwrap().to_owned()]);
    }
    world.kept(version, signing)
}

/// The endpoints' ids by their hosts, each receiver as its name says.
async fn register(world: &World) -> BTreeMap<&'static str, String> {
    let later = Reply::Full(429, vec![("retry-after", "90000".to_owned())], "".into());
    for (host, reply) in [
        ("failing.example", Reply::Status(500)),
        ("down.example", Reply::Refused),
        ("gone.example", Reply::Status(410)),
        ("later.example", later),
    ] {
        world.receivers[host].always(reply);
    }
    let mut ids = BTreeMap::new();
    for (host, more) in [
        (
            "well.example",
            json!({"types": ["*"], "backfill": "marker", "headers": {"x-made-up": "value"}, "contact": "owner@well.example"}),
        ),
        ("failing.example", json!({"types": ["body_weight.*"], "backfill": "none"})),
        ("down.example", json!({"types": ["blood_pressure.*"], "policy": {"custom": {"waits_s": [60, 60]}}})),
        ("gone.example", json!({"types": ["body_temperature.*"]})),
        ("hanging.example", json!({"types": ["blood_glucose.*"], "payload": "thin", "backfill": "none"})),
        ("later.example", json!({"types": ["oxygen_saturation.*"], "policy": "standard-webhooks"})),
        ("rated.example", json!({"types": ["heart_rate.*"], "rate": {"requests": 1, "per_s": 300}})),
    ] {
        let mut wish = more;
        wish["url"] = json!(format!("https://{host}/hooks"));
        let made = world.post("/v1/endpoints", wish).await;
        ids.insert(host, made["endpoint"].as_str().unwrap().to_owned());
    }
    ids
}

/// Every category once.
async fn first_day(world: &World, anna: &Member) {
    let (withings, person) = (&world.withings, &anna.person);
    for appli in [1, 2, 4, 44, 46, 50, 51, 52, 53, 55, 58, 60, 62] {
        sample::play(withings, person, appli).unwrap();
        pass(SOON).await;
    }
    let now = world.stack.clock.now().as_secs();
    withings.add(person.userid, [ecg(person, now - 30)], Notify::Yes).unwrap();
    withings.add(person.userid, [stetho(person, now - 20)], Notify::Yes).unwrap();
    withings.add(person.userid, [person.run(now - 10)], Notify::Yes).unwrap();
    pass(MINUTE).await;
    // It is corrected, and the same again.
    let weight = weigh(world, anna, 71_500);
    pass(MINUTE).await;
    withings
        .edit::<MeasureGroup>(person.userid, &weight, Notify::Yes, |group| group.measures[0].value = 71_600)
        .unwrap();
    pass(MINUTE).await;
}

/// Keys of every kind, links in every state, a rotated secret.
async fn keys_and_links(world: &World, endpoints: &BTreeMap<&'static str, String>) {
    let back = "https://app.example/back";
    for wish in [
        json!({"label": "app", "grants": ["write"], "return_urls": [back], "rate": 60}),
        json!({"label": "old", "grants": ["read"], "expires": "2027-06-01T00:00:00Z"}),
        json!({"label": "owner", "grants": [format!("endpoint:{}", endpoints["well.example"])]}),
    ] {
        world.post("/v1/keys", wish).await;
    }
    let revoked = world.post("/v1/keys", json!({"label": "revoked", "grants": ["read"]})).await;
    let path = format!("/v1/keys/{}", revoked["key"].as_str().unwrap());
    assert!((200..300).contains(&world.api(Method::DELETE, &path, &Value::Null).await.0));
    let made = world.post("/v1/users", json!({"reference_id": "ida", "timezone": ZONE})).await;
    world.post("/v1/link", json!({"user": made["user"]})).await;

    // One link is gone through to its end: jana connects.
    let jana = world.withings.create_user(NewUser { timezone: ZONE.to_owned(), ..NewUser::default() }).unwrap();
    world.withings.configure(|settings| settings.auto_consent = AutoConsent::User(jana));
    let consent = consent_page(world, "jana").await;
    let request = http::Request::get(consent.0).body(bytes::Bytes::new()).unwrap();
    let sent_back = world.withings.handle(request).await.headers()["location"].to_str().unwrap().to_owned();
    let path = sent_back.split_once(afferent_local::FRONT_HOST).unwrap().1;
    let done = world.ask(Method::GET, path, &[("cookie", &consent.1), ("accept", "text/html")], String::new()).await;
    assert!(done.status().is_success(), "{}", done.status());
    world.withings.subscribe(jana, None, &[], &callback()).unwrap();
    pass(10 * MINUTE).await;
}

/// Opens the page of a new link and goes on to Withings: its address, and the browser's cookies.
async fn consent_page(world: &World, reference: &str) -> (String, String) {
    let link = world.post("/v1/link", json!({"reference_id": reference})).await;
    let path = link["link_url"].as_str().unwrap().split_once(afferent_local::FRONT_HOST).unwrap().1.to_owned();
    let page = world.ask(Method::GET, &path, &[("accept", "text/html")], String::new()).await;
    let cookies = page.headers().get_all("set-cookie").iter();
    let cookies: Vec<&str> = cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap()).collect();
    let cookies = cookies.join("; ");
    let form = "application/x-www-form-urlencoded";
    let headers = [("cookie", cookies.as_str()), ("accept", "text/html"), ("content-type", form)];
    let answer = world.ask(Method::POST, &path, &headers, "choice=continue".to_owned()).await;
    assert_eq!(answer.status(), 303, "{}", String::from_utf8_lossy(answer.body()));
    (answer.headers()["location"].to_str().unwrap().to_owned(), cookies)
}

/// A dead pair, a link that the customer ends, a person who is erased.
async fn ends_of_links(world: &World, cara: &Member, dora: &Member, emil: &Member) {
    world.withings.kill_tokens(cara.person.userid);
    weigh(world, cara, 60_000);
    pass(10 * MINUTE).await;
    // Now it is known that the link is dead: this one waits for her.
    world.notify(&format!("userid={}&appli=4&startdate=1795000000&enddate=1795000100", cara.person.userid)).await;
    world.post(&dora.of("/disconnect"), Value::Null).await;
    world.post(&emil.of_user("/erase"), Value::Null).await;
    pass(5 * MINUTE).await;
}

/// What cannot be sorted, and a record that nobody can read.
async fn unclear(world: &World, anna: &Member) {
    let userid = anna.person.userid;
    for body in [
        "userid=12345&appli=1&startdate=1795000000&enddate=1795000100".to_owned(),
        format!("userid={userid}&appli=4711&startdate=1795000000&enddate=1795000100"),
        format!("userid={userid}"),
        "nothing of the kind".to_owned(),
        format!("userid={userid}&appli=50&date=never"),
    ] {
        world.notify(&body).await;
    }
    let broken = json!({"user": {"S": "usr_broken"}, "record": {"S": "rec_broken"}, "v": {"N": "1"}});
    world.put("records", &broken);
    pass(MINUTE).await;
    world.delete("records", &broken);
    world.withings.profile(userid, ProfileAction::Update, Notify::Yes).unwrap();
    world.withings.bed_event(userid, BedEvent::In, &anna.person.mat.deviceid, 0);
    pass(MINUTE).await;
}

/// Of anna one measurement goes and is retracted; of bela so many that it is held.
async fn deletions(world: &World, anna: &Member, bela: &Member) {
    let now = world.stack.clock.now().as_secs();
    let pressure = |member: &Member, hour: i64| member.person.blood_pressure(now - hour * 3_600, 80, 120, 60);
    let annas: Vec<MeasureGroup> = (1..=3).map(|hour| pressure(anna, hour)).collect();
    let belas: Vec<MeasureGroup> = (1..=24).map(|hour| pressure(bela, hour)).collect();
    let annas = world.withings.add(anna.person.userid, annas, Notify::No).unwrap();
    let belas = world.withings.add(bela.person.userid, belas, Notify::No).unwrap();
    for member in [anna, bela] {
        world.notify(&format!("userid={}&appli=58", member.person.userid)).await;
    }
    pass(10 * MINUTE).await;
    world.withings.delete::<MeasureGroup>(anna.person.userid, &annas[1], Notify::Yes).unwrap();
    for id in &belas[2..23] {
        world.withings.delete::<MeasureGroup>(bela.person.userid, id, Notify::No).unwrap();
    }
    let window = format!("startdate={}&enddate={now}", now - 40 * 3_600);
    world.notify(&format!("userid={}&appli=4&{window}", bela.person.userid)).await;
    pass(HOUR).await;
}

/// Deliveries of every kind of waiting, begun early enough.
async fn last_hour(world: &World, endpoints: &BTreeMap<&'static str, String>, anna: &Member) {
    let person = &anna.person;
    // It has five cycles: after an hour the next one is an hour away.
    world.receivers["hanging.example"].always(Reply::Status(500));
    sample::play(&world.withings, person, 58).unwrap();
    pass(HOUR).await;
    for _ in 0..2 {
        weigh(world, anna, 71_700);
        let now = world.stack.clock.now().as_secs();
        let more = [person.blood_pressure(now - 30, 82, 123, 61)];
        world.withings.add(person.userid, more, Notify::Yes).unwrap();
        sample::play(&world.withings, person, 4).unwrap();
        pass(MINUTE).await;
    }
    let path = format!("/v1/endpoints/{}", endpoints["well.example"]);
    world.post(&format!("{path}/secret/rotate"), json!({"overlap_s": 400_000})).await;
    world.post(&format!("{path}/test"), Value::Null).await;
    let failing = endpoints["failing.example"].as_str();
    let waiting = world
        .items("deliveries")
        .into_iter()
        .find(|item| text(item, "item") == failing && ["held", "parked", "queued"].contains(&text(item, "state")));
    let event = waiting.map(|item| text(&item, "event").to_owned()).unwrap();
    world.post(&format!("/v1/endpoints/{failing}/deliveries/{event}/cancel"), Value::Null).await;
    pass(20 * MINUTE).await;
}

/// What is under way when the functions stop: everything is stopped one after the other, so that the messages, the changes of
/// the stream and the leases are those of a busy stack.
async fn last_minutes(world: &World, endpoints: &BTreeMap<&'static str, String>, people: [&Member; 5]) {
    let [anna, bela, fritz, greta, hans] = people;
    let stack = &world.stack;
    world.post(&fritz.of_user("/erase"), Value::Null).await;
    let since = stack.clock.now() - 4 * DAY;
    let path = format!("/v1/endpoints/{}/replay", endpoints["well.example"]);
    world.post(&path, json!({"since": since.to_string(), "per_minute": 1})).await;
    consent_page(world, "karl").await;
    world.post(&bela.of("/backfills"), json!({"start_date": "2013-06-01", "details": false})).await;
    world.post("/v1/rounds", json!({"cause": "callback"})).await;
    pass(MINUTE + SOON).await;
    stack.pause("keeper");

    // A pull that died with its process: its lease runs out and nobody looks.
    world.withings.fail(NEVER);
    weigh(world, greta, 69_000);
    until("a lease of greta's", || is_leased(world, greta)).await;
    stack.pause("fetcher");
    pass(4 * MINUTE).await;
    world.withings.heal();
    stack.resume("fetcher");

    // A try that is under way, an event that waits for its first one, and changes that are no events yet.
    let hanging = &world.receivers["hanging.example"];
    let before = hanging.sent().len();
    hanging.always(Reply::Hang);
    sample::play(&world.withings, &anna.person, 58).unwrap();
    until("a try that hangs", || hanging.sent().len() > before).await;
    stack.pause("dispatcher");
    weigh(world, anna, 71_800);
    until("a delivery that nobody took", || deliveries(world, "queued") > 0).await;
    stack.pause("fanout");
    let pressure = anna.person.blood_pressure(stack.clock.now().as_secs() - 90, 83, 121, 62);
    let pressure = world.withings.add(anna.person.userid, [pressure], Notify::Yes).unwrap();
    until("a change that is no event", || !stack.unread().unwrap().is_empty()).await;
    // It goes again, and is doubted.
    world.withings.delete::<MeasureGroup>(anna.person.userid, &pressure[0], Notify::Yes).unwrap();
    let annas = format!("connection#{}", anna.connection.id);
    let doubt = |item: &Value| text(item, "owner") == annas && text(item, "item").starts_with("doubt#");
    until("a doubt of anna's", || world.items("connections").iter().any(doubt)).await;

    // A pull that is under way, and a notification that waits for what it brings.
    world.withings.fail(NEVER);
    weigh(world, hans, 68_000);
    until("a lease of hans's", || is_leased(world, hans)).await;
    let now = stack.clock.now().as_secs();
    world.notify(&format!("userid={}&appli=4&startdate={}&enddate={now}", hans.person.userid, now - 60)).await;
    let waits = |item: &Value| text(item, "state") == "waiting";
    until("a notification that waits", || world.items("notifications").iter().any(waits)).await;
    stack.pause("fetcher");
    world.withings.heal();

    // What nobody has taken from the queue: a notification, somebody's refresh, a replay.
    weigh(world, anna, 71_900);
    world.post(&anna.of("/refresh"), json!({"services": ["getworkouts"]})).await;
    let unknown = world.items("notifications").into_iter().find(|item| text(item, "state") == "quarantined");
    let id = unknown.map(|item| text(&item, "notification").to_owned()).unwrap();
    world.post(&format!("/v1/notifications/{id}/replay"), Value::Null).await;
    pass(Duration::from_secs(1)).await;
}

/// Waits for something that must come soon.
async fn until(what: &str, is_there: impl Fn() -> bool) {
    for _ in 0..2 * PATIENCE {
        pass(Duration::from_millis(500)).await;
        if is_there() {
            return;
        }
    }
    panic!("{what} does not come");
}

/// Whether a pull of the member's has a lease that lives.
fn is_leased(world: &World, member: &Member) -> bool {
    let (owner, now) = (format!("connection#{}", member.connection.id), world.stack.clock.now());
    let lives = |item: &Value| text(item, "lease_ms").parse().is_ok_and(|until| Timestamp::from_millis(until) > now);
    let marks = world.items("connections").into_iter().filter(|item| text(item, "owner") == owner);
    marks.filter(|item| !item["lease_pull"].is_null()).any(|item| lives(&item))
}

/// How many deliveries are in a state.
fn deliveries(world: &World, state: &str) -> usize {
    world.items("deliveries").iter().filter(|item| text(item, "state") == state).count()
}
