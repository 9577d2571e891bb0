//! A sample person: every kind of device, a rich day, and one change for each category. All values are invented;
//! all times are relative to the clock's now.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::data::{
    ActivityDay, Device, Ecg, Goals, IntradaySample, Measure, MeasureGroup, Stetho, SurveyAnswer, WeightGoal, Workout,
};
use crate::data::{Night, Stage};
use crate::notice::{BedEvent, ProfileAction, local_date};
use crate::state::{ControlError, NewUser, Notify};
use crate::{Simulator, Userid};

/// The sixteen categories that [`play`] knows.
pub const CATEGORIES: [u16; 16] = [1, 2, 4, 16, 44, 46, 50, 51, 52, 53, 54, 55, 58, 60, 61, 62];

/// The sample person's devices.
#[derive(Clone, Debug, Serialize)]
pub struct Person {
    /// The Withings user.
    pub userid: Userid,
    /// A Body+.
    pub scale: Device,
    /// A BPM Connect.
    pub cuff: Device,
    /// A Thermo.
    pub thermometer: Device,
    /// A ScanWatch 2.
    pub watch: Device,
    /// An Aura Sensor V2.
    pub mat: Device,
    /// A BeamO.
    pub stethoscope: Device,
    /// An Iglucose glucometer.
    pub glucometer: Device,
}

impl Person {
    /// The devices that [`person`] gave this user.
    #[must_use]
    pub fn of(userid: Userid) -> Self {
        let device = |kind: &str, model: &str, model_id: i64| {
            let name = format!("{userid}/{model_id}");
            let hash = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
            Device {
                kind: kind.to_owned(),
                battery: "high".to_owned(),
                model: model.to_owned(),
                model_id,
                deviceid: hash.as_ref().iter().take(20).map(|byte| format!("{byte:02x}")).collect(),
                ..Device::default()
            }
        };
        Self {
            userid,
            scale: device("Scale", "Body+", 5),
            cuff: device("Blood Pressure Monitor", "BPM Connect", 45),
            thermometer: device("Smart Connected Thermometer", "Thermo", 70),
            watch: device("Activity Tracker", "ScanWatch 2", 94),
            mat: device("Sleep Monitor", "Aura Sensor V2", 63),
            stethoscope: device("Health Monitor", "BeamO", 71),
            glucometer: device("Glucometer", "Iglucose glucometer", 1061),
        }
    }

    fn devices(&self, now: i64) -> Vec<Device> {
        let all =
            [&self.scale, &self.cuff, &self.thermometer, &self.watch, &self.mat, &self.stethoscope, &self.glucometer];
        let seen = |device: &Device| Device { last_session_date: Some(now), ..device.clone() };
        all.into_iter().map(seen).collect()
    }

    /// A weigh-in: several groups of one date, as Withings splits it.
    #[must_use]
    pub fn weigh_in(&self, date: i64, grams: i64) -> Vec<MeasureGroup> {
        let composition = vec![
            Measure::new(1, grams, -3),
            Measure::new(8, 1_530, -2),
            Measure::new(76, 5_350, -2),
            Measure::new(77, 3_962, -2),
            Measure::new(88, 281, -2),
            Measure::new(6, 21_297, -3),
            Measure::new(5, grams - 15_300, -3),
        ];
        vec![
            MeasureGroup::taken(&self.scale, date, composition),
            MeasureGroup::taken(&self.scale, date, vec![Measure::new(11, 64, 0)]),
            MeasureGroup::taken(&self.scale, date, vec![Measure::new(91, 6_840, -3)]),
        ]
    }

    /// Diastole, systole and pulse.
    #[must_use]
    pub fn blood_pressure(&self, date: i64, diastole: i64, systole: i64, pulse: i64) -> MeasureGroup {
        let measures = vec![Measure::new(9, diastole, 0), Measure::new(10, systole, 0), Measure::new(11, pulse, 0)];
        MeasureGroup::taken(&self.cuff, date, measures)
    }

    /// One night on the mat, from `start` on, of about eight hours with a gap out of bed.
    #[must_use]
    pub fn night(&self, start: i64) -> Night {
        // State and minutes; 15 is a gap out of bed.
        const PATTERN: [(i64, i64); 16] = [
            (0, 20),
            (1, 50),
            (2, 40),
            (1, 30),
            (3, 20),
            (1, 60),
            (2, 30),
            (15, 5),
            (0, 5),
            (1, 40),
            (3, 35),
            (1, 50),
            (2, 15),
            (3, 40),
            (1, 30),
            (0, 8),
        ];
        let mut stages = Vec::new();
        let mut at = start;
        for (state, minutes) in PATTERN {
            let end = at + minutes * 60;
            // Withings cuts intervals into slices of equal state; here, of at most 10 minutes.
            while at < end && state != 15 {
                let slice = (at + 600).min(end);
                stages.push(Stage { startdate: at, enddate: slice, state });
                at = slice;
            }
            at = end;
        }
        self.sleep(stages)
    }

    /// Any sleep on the mat, its minutes filled.
    #[must_use]
    pub fn sleep(&self, stages: Vec<Stage>) -> Night {
        let mut night = Night::seen(&self.mat, stages);
        for (field, base, spread) in [
            ("hr", 52, 11),
            ("rr", 12, 6),
            ("snoring", 0, 1),
            ("sdnn_1", 25, 37),
            ("rmssd", 24, 34),
            ("mvt_score", 0, 61),
        ] {
            night.fill_minutes(field, |at| base + (at / 60 * 7) % spread);
        }
        let scores = json!({
            "sleep_score": 81, "breathing_disturbances_intensity": 7, "snoring": 0, "snoringepisodecount": 0,
            "apnea_hypopnea_index": 4, "mvt_score_avg": 31, "mvt_active_duration": 2040, "rmssd_start_avg": 33,
            "rmssd_end_avg": 36,
        });
        night.data = object(scores);
        night
    }

    /// The day's total from the watch.
    #[must_use]
    pub fn activity_day(&self, date: &str, steps: i64) -> ActivityDay {
        let fields = json!({
            "steps": steps, "distance": 7031.882, "elevation": 11, "soft": 5820, "moderate": 2640, "intense": 780,
            "active": 3420, "calories": 421.337, "totalcalories": 2284.902, "hr_average": 74, "hr_min": 49, "hr_max": 158,
            "hr_zone_0": 61200, "hr_zone_1": 3300, "hr_zone_2": 900, "hr_zone_3": 120,
        });
        ActivityDay {
            date: date.to_owned(),
            deviceid: Some(self.watch.deviceid.clone()),
            brand: 1,
            is_tracker: true,
            modelid: self.watch.model_id,
            model: Some(self.watch.model.clone()),
            fields: object(fields),
            ..ActivityDay::default()
        }
    }

    fn sample(&self, at: i64, fields: Value) -> IntradaySample {
        let (model, model_id) = (self.watch.model.clone(), self.watch.model_id);
        IntradaySample { at, deviceid: Some(self.watch.deviceid.clone()), model, model_id, fields: object(fields) }
    }

    /// Steps of each minute and a heart rate every ten, between two instants.
    #[must_use]
    pub fn intraday(&self, from: i64, to: i64) -> Vec<IntradaySample> {
        let mut samples = Vec::new();
        for minute in from.div_euclid(60)..to.div_euclid(60) {
            let (at, steps) = (minute * 60, 80 + minute % 47);
            samples.push(self.sample(
                at,
                json!({ "steps": steps, "duration": 60, "elevation": 0, "distance": 71.49, "calories": 4.932 }),
            ));
            if minute % 10 == 0 {
                samples.push(self.sample(at + 13, json!({ "heart_rate": 60 + minute % 31 })));
            }
        }
        samples
    }

    /// A run that ended at `end`.
    #[must_use]
    pub fn run(&self, end: i64) -> Workout {
        let data = json!({
            "calories": 301, "intensity": 0, "manual_distance": 0, "manual_calories": 0, "hr_average": 141, "hr_min": 92,
            "hr_max": 171, "hr_zone_0": 120, "hr_zone_1": 600, "hr_zone_2": 1020, "hr_zone_3": 240, "pause_duration": 0,
            "manual_intensity": null, "algo_pause_duration": null, "spo2_average": null, "steps": 5210,
            "distance": 5420, "elevation": 6,
        });
        Workout {
            category: 2,
            model: self.watch.model_id,
            startdate: end - 1_980,
            enddate: end,
            deviceid: Some(self.watch.deviceid.clone()),
            data: object(data),
            ..Workout::default()
        }
    }

    /// Thirty seconds of ECG from the watch: 9,000 samples.
    #[must_use]
    pub fn ecg(&self, timestamp: i64) -> Ecg {
        let wave = |index: i64| if index % 300 == 0 { 900 } else { (index * 37) % 160 - 60 };
        Ecg {
            deviceid: Some(self.watch.deviceid.clone()),
            model: self.watch.model_id,
            heart_rate: 58,
            timestamp,
            signal: (0..9_000).map(wave).collect(),
            sampling_frequency: 300,
            wearposition: 1,
            ..Ecg::default()
        }
    }

    /// What an ECG leaves in getmeas: the result and the intervals.
    #[must_use]
    pub fn ecg_measures(&self, date: i64) -> MeasureGroup {
        let types = [(130, 0), (135, 92), (136, 158), (137, 388), (138, 401)];
        let measures = types.into_iter().map(|(meastype, value)| Measure::new(meastype, value, 0)).collect();
        MeasureGroup::taken(&self.watch, date, measures)
    }

    /// Two seconds of heart sound.
    #[must_use]
    pub fn stetho(&self, timestamp: i64) -> Stetho {
        Stetho {
            hash_deviceid: self.stethoscope.deviceid.clone(),
            timestamp,
            signal: (0..8_000_u32).map(|index| (index * 73 % 251) as u8).collect(),
            frequency: 4_000,
            duration: 2,
            model: self.stethoscope.model_id,
            position: 15,
            ..Stetho::default()
        }
    }

    /// An answered survey.
    #[must_use]
    pub fn survey(&self, timestamp: i64) -> SurveyAnswer {
        let answers = vec![json!({ "questionid": 1, "answer": 2 }), json!({ "questionid": 2, "answer": 0 })];
        SurveyAnswer { surveyid: 9_102, answers, timestamp, ..SurveyAnswer::default() }
    }

    fn hrv(&self, at: i64) -> IntradaySample {
        self.sample(at, json!({ "rmssd": 38, "sdnn1": 51, "hrv_quality": 3 }))
    }

    /// A urine analysis; which device takes it does not matter here.
    fn urine(&self, date: i64) -> MeasureGroup {
        let types = [(147, 62, -1), (148, 1_015, -3), (204, 5, -1), (205, 11, -1)];
        let measures = types.into_iter().map(|(meastype, value, unit)| Measure::new(meastype, value, unit)).collect();
        MeasureGroup { date, measures, ..MeasureGroup::default() }
    }

    fn glucose(&self, date: i64) -> MeasureGroup {
        MeasureGroup::taken(&self.glucometer, date, vec![Measure::new(119, 104, 0)])
    }

    fn temperature(&self, date: i64) -> MeasureGroup {
        MeasureGroup::taken(&self.thermometer, date, vec![Measure::new(71, 36_742, -3)])
    }

    fn oxygen(&self, date: i64) -> MeasureGroup {
        MeasureGroup::taken(&self.watch, date, vec![Measure::new(54, 98, 0)])
    }
}

/// Creates the sample person with a day that ends now.
///
/// # Errors
/// None that a fresh simulator has.
pub fn person(simulator: &Simulator, notify: Notify) -> Result<Person, ControlError> {
    let goals = Goals { steps: 9_000, sleep: 27_000, weight: WeightGoal { value: 70_000, unit: -3 } };
    let userid = simulator.create_user(NewUser { goals: Some(goals), ..NewUser::default() })?;
    let (person, now) = (Person::of(userid), simulator.now().as_secs());
    let hour = 3_600;
    simulator.add(userid, person.devices(now), notify)?;
    simulator.add(userid, [person.night(now - 11 * hour)], notify)?;
    let mut groups = person.weigh_in(now - 2 * hour, 71_840);
    groups.push(person.blood_pressure(now - 2 * hour + 300, 81, 124, 66));
    groups.push(person.temperature(now - 2 * hour + 600));
    groups.push(person.oxygen(now - 2 * hour + 900));
    groups.push(person.glucose(now - hour));
    groups.push(person.ecg_measures(now - hour + 600));
    simulator.add(userid, groups, notify)?;
    simulator.add(userid, [person.ecg(now - hour + 600)], notify)?;
    simulator.add(userid, [person.stetho(now - hour + 900)], notify)?;
    simulator.add(userid, [person.survey(now - hour + 1_200)], notify)?;
    simulator.add(userid, [person.run(now - 1_800)], notify)?;
    let mut samples = person.intraday(now - 2 * hour, now);
    samples.extend((1..=4).map(|quarter| person.hrv(now - 3 * hour + quarter * 900 + 7)));
    simulator.add(userid, samples, notify)?;
    let today = local_date(now, "Europe/Lisbon");
    simulator.add(userid, [person.activity_day(&today, 9_214)], notify)?;
    Ok(person)
}

/// Makes the change that Withings announces by one category: the data, then the notification.
///
/// # Errors
/// If there is no such user, or the category is none of [`CATEGORIES`], 63, 98, 99 and 100.
pub fn play(simulator: &Simulator, person: &Person, appli: u16) -> Result<(), ControlError> {
    let (userid, now, yes) = (person.userid, simulator.now().as_secs(), Notify::Yes);
    let timezone = simulator.world().state.user(userid)?.timezone.clone();
    match appli {
        // Only the weigh-in's own groups: its pulse would be announced as category 4.
        1 => drop(simulator.add(
            userid,
            person.weigh_in(now, 71_655).into_iter().filter(|group| !has(group, 11)),
            yes,
        )?),
        2 => drop(simulator.add(userid, [person.temperature(now)], yes)?),
        4 => drop(simulator.add(userid, [person.blood_pressure(now, 84, 129, 71), person.oxygen(now)], yes)?),
        16 => {
            simulator.add(userid, person.intraday(now - 600, now), Notify::No)?;
            simulator.add(userid, [person.run(now)], Notify::No)?;
            simulator.add(userid, [person.activity_day(&local_date(now, &timezone), 10_371)], yes)?;
        }
        44 => drop(simulator.add(userid, [person.sleep(nap(now))], yes)?),
        46 => simulator.profile(userid, ProfileAction::Update, yes)?,
        50 => simulator.bed_event(userid, BedEvent::In, &person.mat.deviceid, now),
        51 => simulator.bed_event(userid, BedEvent::Out, &person.mat.deviceid, now),
        52 => simulator.bed_event(userid, BedEvent::Inflated, &person.mat.deviceid, now),
        53 => simulator.device_without_account("00:24:e4:00:00:01"),
        54 => {
            simulator.add(userid, [person.ecg_measures(now)], Notify::No)?;
            simulator.add(userid, [person.ecg(now)], yes)?;
        }
        55 => simulator.ecg_failed(userid, &person.watch.deviceid, now),
        58 => drop(simulator.add(userid, [person.glucose(now)], yes)?),
        60 => drop(simulator.add(userid, [person.survey(now)], yes)?),
        61 => drop(simulator.add(userid, [person.stetho(now)], yes)?),
        62 => {
            simulator.add(userid, [person.hrv(now - 240), person.hrv(now - 120), person.hrv(now)], Notify::No)?;
            simulator.hrv(userid, now - 240, now);
        }
        63 => drop(simulator.add(userid, [person.urine(now)], yes)?),
        98 => simulator.bed_event(userid, BedEvent::Occupied, &person.mat.deviceid, now),
        99 => simulator.bed_event(userid, BedEvent::Empty, &person.mat.deviceid, now),
        100 => simulator.bed_event(userid, BedEvent::InOut, &person.mat.deviceid, now),
        _ => return Err(ControlError::Invalid(format!("there is no sample for category {appli}"))),
    }
    Ok(())
}

/// Plays all of [`CATEGORIES`] in their order, `gap` apart.
///
/// # Errors
/// As [`play`].
pub async fn play_all(simulator: &Simulator, person: &Person, gap: Duration) -> Result<(), ControlError> {
    for appli in CATEGORIES {
        play(simulator, person, appli)?;
        tokio::time::sleep(gap).await;
    }
    Ok(())
}

fn has(group: &MeasureGroup, meastype: i64) -> bool {
    group.measures.iter().any(|measure| measure.meastype == meastype)
}

/// Forty minutes of light and deep sleep that end now.
fn nap(now: i64) -> Vec<Stage> {
    let start = now - 2_400;
    let stage = |from: i64, to: i64, state| Stage { startdate: start + from, enddate: start + to, state };
    vec![stage(0, 300, 0), stage(300, 1_200, 1), stage(1_200, 2_100, 2), stage(2_100, 2_400, 1)]
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
