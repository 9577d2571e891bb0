//! The people of the history, small: a few of each thing that Withings keeps.

use std::time::Duration;

use afferent_domain::backfill::Depth;
use afferent_domain::secret::Secret;
use afferent_play::seed::{Consent, Seeder};
use afferent_store::connections::Connection;
use stack_tests::callback;
use withings_simulator::sample::Person;
use withings_simulator::{Ecg, Measure, MeasureGroup, NewUser, Notify, Stage, Stetho};

use crate::world::World;

/// Where they live.
pub const ZONE: &str = "Europe/Lisbon";

/// Somebody with a Withings account and a connection.
pub struct Member {
    pub person: Person,
    pub connection: Connection,
}

impl Member {
    /// A path of the API about the connection.
    pub fn of(&self, rest: &str) -> String {
        format!("/v1/connections/{}{rest}", self.connection.id)
    }

    /// A path of the API about the user.
    pub fn of_user(&self, rest: &str) -> String {
        format!("/v1/users/{}{rest}", self.connection.user)
    }
}

/// Somebody comes with devices and a little of a past, and connects as after a consent: with all that follows from it, or
/// so that nothing is read before a notification comes.
pub async fn welcome(world: &World, reference: &str, whole: bool) -> Member {
    let userid = world.withings.create_user(NewUser { timezone: ZONE.to_owned(), ..NewUser::default() }).unwrap();
    let person = Person::of(userid);
    let now = world.stack.clock.now().as_secs();
    if whole {
        past(world, &person, now);
    } else {
        let mut scale = person.scale.clone();
        scale.last_session_date = Some(now);
        world.withings.add(userid, [scale], Notify::No).unwrap();
    }
    let tokens = world.withings.issue_tokens(userid, None, "").unwrap();
    let consent = Consent {
        region: "eu".to_owned(),
        userid: userid.to_string(),
        tz: ZONE.to_owned(),
        access_token: Secret::new(tokens.access_token),
        refresh_token: Secret::new(tokens.refresh_token),
        expires_in: Duration::from_secs(tokens.expires_in),
    };
    let stack = &world.stack;
    let seeder = Seeder::new(&stack.rim, &stack.template.place.stack).reaching_back(Depth::Days(5));
    let connection = match whole {
        true => seeder.connect(reference, &consent).await.unwrap(),
        false => seeder.connect_quietly(reference, &consent).await.unwrap(),
    };
    world.withings.subscribe(userid, None, &[], &callback()).unwrap();
    Member { person, connection }
}

/// A bit of everything that Withings keeps, small.
fn past(world: &World, person: &Person, now: i64) {
    let (userid, hour, no) = (person.userid, 3_600, Notify::No);
    let all = [&person.scale, &person.cuff, &person.thermometer, &person.watch, &person.mat, &person.stethoscope];
    let mut devices: Vec<_> = all.into_iter().chain([&person.glucometer]).cloned().collect();
    devices.iter_mut().for_each(|device| device.last_session_date = Some(now));
    world.withings.add(userid, devices, no).unwrap();
    let night = person.sleep(stages(now - 20 * hour));
    world.withings.add(userid, [night], no).unwrap();
    let mut groups = person.weigh_in(now - 2 * hour, 71_840);
    groups.push(person.blood_pressure(now - 2 * hour + 300, 81, 124, 66));
    // A type that nobody knows.
    groups.push(MeasureGroup::taken(&person.scale, now - 2 * hour + 600, vec![Measure::new(9_876, 5, 0)]));
    world.withings.add(userid, groups, no).unwrap();
    world.withings.add(userid, [ecg(person, now - hour)], no).unwrap();
    world.withings.add(userid, [stetho(person, now - hour + 900)], no).unwrap();
    world.withings.add(userid, [person.survey(now - hour + 1_200)], no).unwrap();
    world.withings.add(userid, [person.run(now - 1_800)], no).unwrap();
    world.withings.add(userid, person.intraday(now - 900, now), no).unwrap();
    let day = jiff::Timestamp::from_second(now).unwrap().in_tz(ZONE).unwrap().date().to_string();
    world.withings.add(userid, [person.activity_day(&day, 9_214)], no).unwrap();
}

fn stages(start: i64) -> Vec<Stage> {
    let stage = |from: i64, to: i64, state| Stage { startdate: start + from, enddate: start + to, state };
    vec![stage(0, 300, 0), stage(300, 1_200, 1), stage(1_200, 2_100, 2), stage(2_100, 2_700, 3)]
}

/// As the sample person's, of a second.
pub fn ecg(person: &Person, at: i64) -> Ecg {
    let mut ecg = person.ecg(at);
    ecg.signal.truncate(300);
    ecg
}

pub fn stetho(person: &Person, at: i64) -> Stetho {
    let mut stetho = person.stetho(at);
    stetho.signal.truncate(200);
    stetho
}

pub fn weigh(world: &World, member: &Member, grams: i64) -> i64 {
    let now = world.stack.clock.now().as_secs();
    let group = MeasureGroup::taken(&member.person.scale, now - 60, vec![Measure::new(1, grams, -3)]);
    world.withings.add(member.person.userid, [group], Notify::Yes).unwrap()[0]
}
