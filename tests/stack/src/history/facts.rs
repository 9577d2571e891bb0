//! What people do: they measure, and change or delete what they measured.

use serde_json::{Map, Value, json};
use withings_simulator::{
    ActivityDay, BedEvent, Device, Ecg, Goals, IntradaySample, Measure, MeasureGroup, Night, Notify, ProfileAction,
    Stage, Stetho, SurveyAnswer, User, WeightGoal, Workout,
};

use super::{Has, History};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// What somebody does next.
#[derive(Clone, Copy, Debug)]
enum Act {
    Weigh,
    Pressure,
    Temperature,
    Oxygen,
    Glucose,
    Type,
    Move,
    Workout,
    Variability,
    Electrocardiogram,
    Fail,
    Listen,
    Answer,
    Bed,
    Sleep,
    Grow,
    Profile,
    Device,
    Goals,
    Edit,
    Delete,
}

impl History {
    /// One person does something.
    pub(super) fn something(&mut self, index: usize) {
        let has = &self.people[index].has;
        let mut acts = vec![Act::Type, Act::Answer, Act::Edit, Act::Edit, Act::Edit];
        for device in has {
            acts.extend(match device {
                Has::Scale => vec![Act::Weigh, Act::Weigh],
                Has::Cuff => vec![Act::Pressure, Act::Pressure],
                Has::Thermometer => vec![Act::Temperature],
                Has::Watch => vec![Act::Move, Act::Move, Act::Workout, Act::Electrocardiogram, Act::Fail, Act::Oxygen],
                Has::Mat => vec![Act::Bed, Act::Sleep, Act::Grow, Act::Grow],
                Has::Stethoscope => vec![Act::Listen],
                Has::Glucometer => vec![Act::Glucose],
            });
        }
        if has.contains(&Has::Watch) && self.may.details {
            acts.push(Act::Variability);
        }
        if self.may.settings {
            acts.extend([Act::Device, Act::Goals, Act::Profile]);
        }
        if self.may.delete {
            acts.extend([Act::Delete, Act::Delete]);
        }
        let Some(act) = self.one_of(&acts) else { return };
        let notify = self.notify();
        let done = self.act(index, act, notify);
        if let Some(what) = done {
            let silent = if notify == Notify::No { ", silently" } else { "" };
            self.note(format!("person {index}: {what}{silent}"));
        }
    }

    /// Does it; what it was, if there was anything to do. Adding to an account that exists cannot fail.
    fn act(&self, index: usize, act: Act, notify: Notify) -> Option<String> {
        let (withings, person) = (&self.withings, &self.people[index].person);
        let (userid, now) = (person.userid, self.clock.now().as_secs());
        // Devices are synchronised late now and then.
        let taken = if self.roll(4) == 0 { now - self.some(2 * DAY) } else { now };
        match act {
            Act::Weigh => {
                let mut groups = person.weigh_in(taken, 60_000 + self.some(30_000));
                groups.truncate(1 + usize::try_from(self.roll(3)).unwrap_or(0));
                withings.add(userid, groups, notify).ok()?;
            }
            Act::Pressure => {
                let group = person.blood_pressure(taken, 60 + self.some(40), 100 + self.some(60), 50 + self.some(60));
                withings.add(userid, [group], notify).ok()?;
            }
            Act::Temperature => {
                let measures = vec![Measure::new(71, 36_000 + self.some(3_000), -3)];
                withings.add(userid, [MeasureGroup::taken(&person.thermometer, taken, measures)], notify).ok()?;
            }
            Act::Oxygen => {
                let measures = vec![Measure::new(54, 90 + self.some(10), 0)];
                withings.add(userid, [MeasureGroup::taken(&person.watch, taken, measures)], notify).ok()?;
            }
            Act::Glucose => {
                let measures = vec![Measure::new(119, 70 + self.some(90), 0)];
                withings.add(userid, [MeasureGroup::taken(&person.glucometer, taken, measures)], notify).ok()?;
            }
            Act::Type => {
                let measures = vec![Measure::new(1, 60_000 + self.some(30_000), -3), Measure::new(4, 171, -2)];
                let group = MeasureGroup { attrib: 2, date: taken, measures, ..MeasureGroup::default() };
                withings.add(userid, [group], notify).ok()?;
            }
            Act::Move => self.move_about(index, taken, notify)?,
            Act::Workout => drop(withings.add(userid, [person.run(taken)], notify).ok()?),
            Act::Variability => {
                // No summary tells of it, and what was before they connected is nobody's unless it is announced.
                let taken = now;
                if now * 1000 - self.began_ms < 2 * HOUR * 1000 {
                    return None;
                }
                let sample = |at: i64, value: i64| IntradaySample {
                    at,
                    deviceid: Some(person.watch.deviceid.clone()),
                    model: person.watch.model.clone(),
                    model_id: person.watch.model_id,
                    fields: object(json!({ "rmssd": value, "sdnn1": value + 9, "hrv_quality": 3 })),
                };
                let samples = (0..3).map(|step| sample(taken - 120 * step, 20 + self.some(60)));
                withings.add(userid, samples, Notify::No).ok()?;
                if notify == Notify::Yes {
                    withings.hrv(userid, taken - 240, taken);
                }
            }
            Act::Electrocardiogram => {
                withings.add(userid, [person.ecg_measures(taken)], Notify::No).ok()?;
                let signal = if self.may.details { (0..600).map(|at| at % 97).collect() } else { Vec::new() };
                withings.add(userid, [Ecg { signal, ..person.ecg(taken) }], notify).ok()?;
            }
            Act::Fail => withings.ecg_failed(userid, &person.watch.deviceid, now),
            Act::Listen => {
                let signal = if self.may.details { (0..=250).collect() } else { Vec::new() };
                withings.add(userid, [Stetho { signal, ..person.stetho(taken) }], notify).ok()?;
            }
            // A survey has no date that could be late: the answers are asked for by it.
            Act::Answer => drop(withings.add(userid, [person.survey(now)], notify).ok()?),
            Act::Bed => {
                let event = self.one_of(&[BedEvent::In, BedEvent::Out, BedEvent::Inflated])?;
                withings.bed_event(userid, event, &person.mat.deviceid, taken);
            }
            Act::Sleep => {
                let stages = self.stages(taken - 3 * HOUR - self.some(2 * HOUR));
                let (first, last) = (stages.first()?.startdate, stages.last()?.enddate);
                let state = withings.state();
                let mut nights = state.users.get(&userid)?.nights.iter();
                // Nobody sleeps twice at once.
                if nights.any(|night| night.startdate < last + 60 && first < night.enddate + 60) {
                    return None;
                }
                let mut night = Night::seen(&person.mat, stages);
                night.data = object(json!({ "sleep_score": 50 + self.some(50) }));
                night.completed = Some(self.roll(2) == 0);
                self.minutes(&mut night);
                withings.add(userid, [night], notify).ok()?;
            }
            Act::Grow => return self.grow(index, notify),
            Act::Profile => withings.profile(userid, ProfileAction::Update, notify).ok()?,
            Act::Device => {
                let device = withings.state().users.get(&userid)?.devices.iter().next()?.deviceid.clone();
                let battery = self.one_of(&["high", "medium", "low"])?.to_owned();
                let change = |device: &mut Device| {
                    device.battery = battery;
                    device.last_session_date = Some(now);
                };
                withings.edit::<Device>(userid, &device, notify, change).ok()?;
            }
            Act::Goals => {
                let weight = WeightGoal { value: 60_000 + self.some(20_000), unit: -3 };
                let goals = Goals { steps: 5_000 + self.some(9_000), sleep: 8 * HOUR, weight };
                withings.set_goals(userid, Some(goals)).ok()?;
            }
            Act::Edit => return self.edit(index, notify),
            Act::Delete => return self.delete(index, notify),
        }
        Some(format!("{act:?}").to_lowercase())
    }

    /// Some minutes of walking: the day's sums grow with its samples.
    fn move_about(&self, index: usize, end: i64, notify: Notify) -> Option<()> {
        let (withings, somebody) = (&self.withings, &self.people[index]);
        let userid = somebody.person.userid;
        let day = local_day(end, somebody.zone);
        if self.may.details {
            let samples = somebody.person.intraday(end - 60 * (1 + self.some(20)), end);
            let samples = samples.into_iter().filter(|sample| local_day(sample.at, somebody.zone) == day);
            withings.add(userid, samples, Notify::No).ok()?;
        }
        let new = somebody.person.activity_day(&day, 100 + self.some(900));
        let key = withings_simulator::Fact::key(&new);
        let grown = |day: &mut ActivityDay| {
            let steps = day.fields.get("steps").and_then(Value::as_i64).unwrap_or(0);
            day.fields.insert("steps".to_owned(), json!(steps + 100 + self.some(900)));
        };
        if withings.edit::<ActivityDay>(userid, &key, notify, grown).is_err() {
            withings.add(userid, [new], notify).ok()?;
        }
        Some(())
    }

    /// Up to two hours of sleep from `start` on.
    fn stages(&self, start: i64) -> Vec<Stage> {
        let mut at = start.div_euclid(60) * 60;
        let count = 2 + self.roll(4);
        (0..count)
            .map(|_| {
                let minutes = 5 + self.some(25);
                let gap = if self.roll(5) == 0 { 60 * self.some(20) } else { 0 };
                let stage = Stage { startdate: at + gap, enddate: at + gap + minutes * 60, state: self.some(4) };
                at = stage.enddate;
                stage
            })
            .collect()
    }

    fn minutes(&self, night: &mut Night) {
        if self.may.details {
            night.fill_minutes("hr", |at| 48 + at / 60 % 17);
            night.fill_minutes("rmssd", |at| if at / 60 % 11 == 0 { 0 } else { 20 + at / 60 % 23 });
        }
    }

    /// The person returned to bed: the last night goes on.
    fn grow(&self, index: usize, notify: Notify) -> Option<String> {
        let userid = self.people[index].person.userid;
        let state = self.withings.state();
        let night = state.users.get(&userid)?.nights.iter().max_by_key(|night| night.enddate)?;
        let mut more = self.stages(night.enddate + 60 * self.some(30));
        more.retain(|stage| stage.enddate <= self.clock.now().as_secs());
        if more.is_empty() {
            return None;
        }
        let completed = self.roll(2) == 0;
        let grow = |night: &mut Night| {
            night.grow(more);
            night.completed = Some(completed);
            self.minutes(night);
        };
        self.withings.edit::<Night>(userid, &night.id, notify, grow).ok()?;
        Some("grow".to_owned())
    }

    /// Changes a fact, which may be days old.
    fn edit(&self, index: usize, notify: Notify) -> Option<String> {
        let (withings, userid) = (&self.withings, self.people[index].person.userid);
        let state = withings.state();
        let user = state.users.get(&userid)?;
        let what = self.one_of(&kinds(user))?;
        match what {
            "measures" => {
                let group = self.pick(user.measures.iter())?;
                let (value, which) = (self.some(50), self.roll(4));
                let change = |group: &mut MeasureGroup| match which {
                    0 => group.attrib = if group.attrib == 2 { 7 } else { 2 },
                    1 if self.may.delete && group.measures.len() > 1 => drop(group.measures.pop()),
                    2 => group.date += 60,
                    _ => group.measures[0].value += 1 + value,
                };
                withings.edit(userid, &group.grpid, notify, change).ok()?;
            }
            "activity" => {
                let day = self.pick(user.activity.iter())?;
                let steps = self.some(4_000);
                let change = |day: &mut ActivityDay| {
                    day.fields.insert("steps".to_owned(), json!(steps));
                };
                withings.edit(userid, &withings_simulator::Fact::key(day), notify, change).ok()?;
            }
            "workouts" => {
                let workout = self.pick(user.workouts.iter())?;
                let (category, calories) = (1 + self.some(30), self.some(400));
                let change = |workout: &mut Workout| {
                    workout.category = category;
                    workout.data.insert("calories".to_owned(), json!(calories));
                };
                withings.edit(userid, &workout.id, notify, change).ok()?;
            }
            "nights" => {
                let night = self.pick(user.nights.iter())?;
                let (score, shorter) = (self.some(100), self.roll(4) == 0 && night.stages.len() > 1);
                let change = |night: &mut Night| {
                    night.data.insert("sleep_score".to_owned(), json!(score));
                    night.completed = Some(true);
                    if shorter && self.may.delete {
                        night.stages.pop();
                        night.date.clear();
                    }
                };
                withings.edit(userid, &night.id, notify, change).ok()?;
            }
            "ecgs" => {
                let ecg = self.pick(user.ecgs.iter())?;
                let afib = self.some(3);
                withings.edit(userid, &ecg.signalid, notify, |ecg: &mut Ecg| ecg.afib = afib).ok()?;
            }
            "stethos" => {
                let stetho = self.pick(user.stethos.iter())?;
                let vhd = self.some(4);
                withings.edit(userid, &stetho.signalid, notify, |stetho: &mut Stetho| stetho.vhd = vhd).ok()?;
            }
            _ => {
                let answer = self.pick(user.answers.iter())?;
                let given = self.some(5);
                let change =
                    |answer: &mut SurveyAnswer| answer.answers = vec![json!({ "questionid": 1, "answer": given })];
                withings.edit(userid, &answer.grpid, notify, change).ok()?;
            }
        }
        Some(format!("edit one of the {what}"))
    }

    /// Deletes a fact.
    fn delete(&self, index: usize, notify: Notify) -> Option<String> {
        let (withings, userid) = (&self.withings, self.people[index].person.userid);
        let state = withings.state();
        let user = state.users.get(&userid)?;
        let what = self.one_of(&kinds(user))?;
        match what {
            "measures" => {
                withings.delete::<MeasureGroup>(userid, &self.pick(user.measures.iter())?.grpid, notify).ok()?;
            }
            "activity" => {
                let key = withings_simulator::Fact::key(self.pick(user.activity.iter())?);
                withings.delete::<ActivityDay>(userid, &key, notify).ok()?;
            }
            "workouts" => withings.delete::<Workout>(userid, &self.pick(user.workouts.iter())?.id, notify).ok()?,
            "nights" => withings.delete::<Night>(userid, &self.pick(user.nights.iter())?.id, notify).ok()?,
            "ecgs" => withings.delete::<Ecg>(userid, &self.pick(user.ecgs.iter())?.signalid, notify).ok()?,
            "stethos" => withings.delete::<Stetho>(userid, &self.pick(user.stethos.iter())?.signalid, notify).ok()?,
            _ => withings.delete::<SurveyAnswer>(userid, &self.pick(user.answers.iter())?.grpid, notify).ok()?,
        }
        Some(format!("delete one of the {what}"))
    }

    fn pick<'a, T>(&self, all: impl Iterator<Item = &'a T>) -> Option<&'a T> {
        self.one_of(&all.collect::<Vec<&T>>())
    }
}

/// The kinds of facts that a person has some of.
fn kinds(user: &User) -> Vec<&'static str> {
    [
        ("measures", user.measures.len()),
        ("activity", user.activity.len()),
        ("workouts", user.workouts.len()),
        ("nights", user.nights.len()),
        ("ecgs", user.ecgs.len()),
        ("stethos", user.stethos.len()),
        ("answers", user.answers.len()),
    ]
    .into_iter()
    .filter_map(|(kind, count)| (count > 0).then_some(kind))
    .collect()
}

fn local_day(at: i64, zone: &str) -> String {
    let zone = jiff::tz::TimeZone::get(zone).unwrap_or(jiff::tz::TimeZone::UTC);
    jiff::Timestamp::from_second(at).unwrap_or_default().to_zoned(zone).date().to_string()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
