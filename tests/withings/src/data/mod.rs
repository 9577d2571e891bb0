//! The facts Withings holds about a person, one type per kind, written as the API writes them.
//!
//! The same type is what a test hands in: an id of 0 lets the simulator choose, as does a `created` or
//! `modified` of 0 (the moment of the change). Fields whose set is open (`fields`, `data`) hold the
//! numbers under Withings' own names.

mod activity;
mod device;
mod measures;
mod night;
mod recordings;

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Userid;
use crate::intake::Intake;
use crate::notice::Notice;
use crate::state::User;

pub use activity::{ActivityDay, IntradaySample, Workout};
pub use device::{Device, Goals, WeightGoal};
pub use measures::{Measure, MeasureGroup};
pub use night::{Night, Stage};
pub use recordings::{Ecg, Stetho, SurveyAnswer};

/// A kind of fact: where it is kept, what names it, and what Withings announces when it changes.
pub trait Fact: Clone + Debug + Serialize + DeserializeOwned + Send + 'static {
    /// What names one fact among its kind; also its name in the paths of the control API.
    type Key: Clone + Debug + Ord + Display + FromStr + Serialize;

    /// Where a user's facts of this kind are kept.
    fn kept(user: &mut User) -> &mut Facts<Self>;
    /// The name of this fact.
    fn key(&self) -> Self::Key;
    /// Fills in what was left to the simulator.
    fn settle(&mut self, intake: &mut Intake);
    /// Forgets `modified`, so that it becomes now.
    fn touch(&mut self) {}
    /// The notifications that a change of this fact triggers.
    fn notices(&self, userid: Userid, timezone: &str) -> Vec<Notice>;
    /// Removes what belongs to this fact and goes with it.
    fn take_along(&self, _user: &mut User) {}
    /// What a deletion does, where it is more than removing the fact.
    fn bury(&mut self) -> Burial {
        Burial::Gone
    }
}

/// What is left of a deleted fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Burial {
    /// Nothing: it stops being returned. Withings shows no tombstones.
    Gone,
    /// A row that is never returned but takes up room on a page, as measured for nights.
    Hidden,
}

/// The facts of one kind; serialised as a list.
#[derive(Clone, Debug)]
pub struct Facts<F: Fact>(BTreeMap<F::Key, F>);

impl<F: Fact> Default for Facts<F> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<F: Fact> Facts<F> {
    /// All of them, ordered by key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &F> {
        self.0.values()
    }

    /// The one with this key.
    #[must_use]
    pub fn get(&self, key: &F::Key) -> Option<&F> {
        self.0.get(key)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn put(&mut self, fact: F) {
        self.0.insert(fact.key(), fact);
    }

    pub(crate) fn take(&mut self, key: &F::Key) -> Option<F> {
        self.0.remove(key)
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&F) -> bool) {
        self.0.retain(|_, fact| keep(fact));
    }

    pub(crate) fn range(&self, from: F::Key, to: F::Key) -> impl DoubleEndedIterator<Item = &F> {
        self.0.range(from..=to).map(|(_, fact)| fact)
    }
}

impl<F: Fact> Serialize for Facts<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, F: Fact> Deserialize<'de> for Facts<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = Vec::<F>::deserialize(deserializer)?;
        Ok(Self(all.into_iter().map(|fact| (fact.key(), fact)).collect()))
    }
}
