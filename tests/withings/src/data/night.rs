//! A night: its stages, its minutes, and the summary that follows from them. It can grow.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value, json};

use super::{Burial, Device, Fact, Facts};
use crate::Userid;
use crate::intake::Intake;
use crate::notice::{self, Notice};
use crate::state::User;

/// An interval of one state: 0 awake, 1 light, 2 deep, 3 REM, 4 manual, 5 unspecified. Out of bed is a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Epoch seconds.
    pub startdate: i64,
    /// Epoch seconds.
    pub enddate: i64,
    /// The state.
    pub state: i64,
}

/// A night: a row of sleep `getsummary` and the intervals of sleep `get`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Night {
    /// `id`, beyond 32 bits.
    pub id: i64,
    /// IANA name; empty takes the user's.
    pub timezone: String,
    /// 16 tracker, 32 mat.
    pub model: i64,
    /// The model's number.
    pub model_id: i64,
    /// The model's name, as sleep `get` writes it.
    pub model_name: String,
    /// The device's hash; some old rows lack it.
    pub hash_deviceid: Option<String>,
    /// Epoch seconds; follows from the stages if there are any.
    pub startdate: i64,
    /// Epoch seconds; likewise.
    pub enddate: i64,
    /// The local day of waking; follows from `enddate` if empty.
    pub date: String,
    /// When it was stored, epoch seconds.
    pub created: i64,
    /// When it was last changed, epoch seconds.
    pub modified: i64,
    /// Whether the device is done with it; absent in old rows.
    pub completed: Option<bool>,
    /// The summary's fields. What follows from stages and minutes is computed anew at every change; other
    /// fields (`sleep_score`, ...) stay as they are set.
    pub data: Map<String, Value>,
    /// The intervals, in any order.
    pub stages: Vec<Stage>,
    /// Per field (`hr`, `rr`, `snoring`, `sdnn_1`, `rmssd`, ...) the value of each minute by epoch seconds.
    pub minutes: BTreeMap<String, BTreeMap<i64, Number>>,
    /// A deleted night: never returned, but it takes up room on a page.
    pub hidden: bool,
}

impl Night {
    /// A night that `device` saw.
    #[must_use]
    pub fn seen(device: &Device, stages: Vec<Stage>) -> Self {
        Self {
            model: if device.model_id == 63 || device.model_id == 61 { 32 } else { 16 },
            model_id: device.model_id,
            model_name: device.model.clone(),
            hash_deviceid: Some(device.deviceid.clone()),
            completed: Some(true),
            stages,
            ..Self::default()
        }
    }

    /// The person returned to bed: more stages, a later end. The dates follow.
    pub fn grow(&mut self, stages: impl IntoIterator<Item = Stage>) {
        self.stages.extend(stages);
        self.date.clear();
    }

    /// Gives every minute of every stage a value of `field`.
    pub fn fill_minutes(&mut self, field: &str, value: impl Fn(i64) -> i64) {
        let minutes = self.minutes.entry(field.to_owned()).or_default();
        for stage in &self.stages {
            let mut at = stage.startdate;
            while at < stage.enddate {
                minutes.entry(at).or_insert_with(|| value(at).into());
                at += 60;
            }
        }
    }

    /// Computes bounds and summary from the stages; without stages nothing changes.
    fn summarise(&mut self) {
        self.stages.sort_by_key(|stage| stage.startdate);
        let (Some(first), Some(last)) = (self.stages.first(), self.stages.iter().map(|stage| stage.enddate).max())
        else {
            return;
        };
        (self.startdate, self.enddate) = (first.startdate, last);
        let total = |state: i64| -> i64 {
            self.stages.iter().filter(|stage| stage.state == state).map(|stage| stage.enddate - stage.startdate).sum()
        };
        let (awake, light, deep, rem) = (total(0), total(1), total(2), total(3));
        let asleep = light + deep + rem;
        let in_bed = awake + asleep;
        let asleep_stages = || self.stages.iter().filter(|stage| stage.state != 0);
        let fell_asleep = asleep_stages().map(|stage| stage.startdate).min().unwrap_or(self.enddate);
        let woke_up = asleep_stages().map(|stage| stage.enddate).max().unwrap_or(self.enddate);
        let (latency, wakeup) = (fell_asleep - self.startdate, self.enddate - woke_up);
        let gaps: Vec<(i64, i64)> = self
            .stages
            .windows(2)
            .filter(|pair| pair[1].startdate > pair[0].enddate)
            .map(|pair| (pair[0].enddate, pair[1].startdate))
            .collect();
        let wakes = self.stages.windows(2).filter(|pair| pair[0].state != 0 && pair[1].state == 0).count();
        let rems = self.stages.windows(2).filter(|pair| pair[0].state != 3 && pair[1].state == 3).count();
        let efficiency = if in_bed == 0 { 0 } else { asleep * 100 / in_bed };
        let mut computed = json!({
            "wakeupduration": awake, "wakeupcount": wakes, "durationtosleep": latency, "durationtowakeup": wakeup,
            "remsleepduration": rem, "lightsleepduration": light, "deepsleepduration": deep, "total_timeinbed": in_bed,
            "total_sleep_time": asleep, "sleep_efficiency": f64::from(i32::try_from(efficiency).unwrap_or(0)) / 100.0,
            "sleep_latency": latency, "wakeup_latency": wakeup, "waso": (awake - latency - wakeup).max(0),
            "nb_rem_episodes": rems, "out_of_bed_count": gaps.len(),
            "night_events": night_events(self.startdate, self.enddate, fell_asleep, woke_up, &gaps),
        });
        for (field, prefix) in [("hr", "hr"), ("rr", "rr")] {
            if let Some(minutes) = self.minutes.get(field).filter(|minutes| !minutes.is_empty()) {
                let values: Vec<i64> = minutes.values().filter_map(Number::as_i64).collect();
                let count = i64::try_from(values.len()).unwrap_or(1).max(1);
                computed[format!("{prefix}_average")] = json!(values.iter().sum::<i64>() / count);
                computed[format!("{prefix}_min")] = json!(values.iter().min());
                computed[format!("{prefix}_max")] = json!(values.iter().max());
            }
        }
        if let Value::Object(computed) = computed {
            self.data.extend(computed);
        }
    }
}

/// `night_events`: a *string* that holds JSON. Per kind (1 in bed, 2 asleep, 3 awake, 4 out of bed) the offset
/// from the start of the night, then the gaps to the event before.
fn night_events(start: i64, end: i64, fell_asleep: i64, woke_up: i64, gaps: &[(i64, i64)]) -> String {
    let deltas = |instants: Vec<i64>| -> Vec<i64> {
        let before = std::iter::once(&start).chain(&instants);
        instants.iter().zip(before).map(|(instant, before)| instant - before).collect()
    };
    let in_bed = std::iter::once(start).chain(gaps.iter().map(|gap| gap.1)).collect();
    let out = gaps.iter().map(|gap| gap.0).chain(std::iter::once(end)).collect();
    json!({ "1": deltas(in_bed), "2": deltas(vec![fell_asleep]), "3": deltas(vec![woke_up]), "4": deltas(out) })
        .to_string()
}

impl Fact for Night {
    type Key = i64;

    fn kept(user: &mut User) -> &mut Facts<Self> {
        &mut user.nights
    }

    fn touch(&mut self) {
        self.modified = 0;
    }

    fn key(&self) -> i64 {
        self.id
    }

    fn settle(&mut self, intake: &mut Intake) {
        intake.id(&mut self.id, 5_900_000_000);
        intake.timezone(&mut self.timezone);
        intake.moment(&mut self.created);
        intake.moment(&mut self.modified);
        self.summarise();
        if self.date.is_empty() {
            self.date = notice::local_date(self.enddate, &self.timezone);
        }
    }

    fn notices(&self, userid: Userid, _: &str) -> Vec<Notice> {
        vec![Notice::window(userid, 44, self.startdate, self.enddate)]
    }

    fn bury(&mut self) -> Burial {
        self.hidden = true;
        Burial::Hidden
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(startdate: i64, minutes: i64, state: i64) -> Stage {
        Stage { startdate, enddate: startdate + minutes * 60, state }
    }

    #[test]
    fn a_night_that_grows_ends_later_and_counts_the_gap_as_out_of_bed() {
        let mut night =
            Night::seen(&Device { model_id: 63, ..Device::default() }, vec![stage(0, 10, 0), stage(600, 60, 1)]);
        night.settle(&mut Intake::new(5_000, "UTC".to_owned(), 0));
        assert_eq!((night.startdate, night.enddate, night.date.as_str()), (0, 4_200, "1970-01-01"));
        assert_eq!(night.data["night_events"], r#"{"1":[0],"2":[600],"3":[4200],"4":[4200]}"#);

        night.grow([stage(4_500, 30, 2)]);
        night.settle(&mut Intake::new(9_000, "UTC".to_owned(), 1));
        assert_eq!((night.enddate, night.data["out_of_bed_count"].as_i64()), (6_300, Some(1)));
        assert_eq!(night.data["night_events"], r#"{"1":[0,4500],"2":[600],"3":[6300],"4":[4200,2100]}"#);
        assert_eq!(night.data["deepsleepduration"], 1_800);
    }
}
