//! The versions of one secret and their stages (Secrets Manager User Guide, "What's in a secret?").

/// The stage of the version that is read unless another is asked for.
pub(super) const CURRENT: &str = "AWSCURRENT";

/// The stage of the version that was current before.
const PREVIOUS: &str = "AWSPREVIOUS";

/// One version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) id: String,
    pub(super) value: String,
    pub(super) stages: Vec<String>,
}

/// All versions that have a stage, oldest first: AWS does away with the others.
#[derive(Clone, Debug)]
pub(super) struct Versions {
    all: Vec<Version>,
    numbered: u64,
}

/// Why a stage cannot be moved.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotMoved {
    /// The version is not there.
    #[error("there is no version {0} of this secret")]
    NoVersion(String),
    /// Another version has the stage, and the request does not take it from there.
    #[error("the stage is attached to version {0}: RemoveFromVersionId must say so")]
    Attached(String),
}

impl Versions {
    /// The first one.
    pub(super) fn of(value: String) -> Self {
        let mut versions = Self { all: Vec::new(), numbered: 0 };
        versions.put(value);
        versions
    }

    /// A version that is current from now on.
    pub(super) fn put(&mut self, value: String) -> &Version {
        self.numbered += 1;
        let id = format!("00000000-0000-4000-8000-{:012x}", self.numbered);
        self.all.push(Version { id, value, stages: Vec::new() });
        self.attach(CURRENT, self.all.len() - 1);
        self.current()
    }

    /// The current version. There always is one.
    pub(super) fn current(&self) -> &Version {
        self.place(CURRENT).map_or_else(|| &self.all[self.all.len() - 1], |place| &self.all[place])
    }

    /// The version of this id, which has this stage, each unless it is empty; without both the current one.
    pub(super) fn find(&self, id: &str, stage: &str) -> Option<&Version> {
        let stage = if id.is_empty() && stage.is_empty() { CURRENT } else { stage };
        let fits = |version: &&Version| {
            (id.is_empty() || version.id == id) && (stage.is_empty() || version.stages.iter().any(|has| has == stage))
        };
        self.all.iter().find(fits)
    }

    /// All of them, oldest first.
    pub(super) fn all(&self) -> &[Version] {
        &self.all
    }

    /// Moves a stage to version `to`, off version `from` where another one has it.
    pub(super) fn shift(&mut self, stage: &str, from: &str, to: &str) -> Result<(), NotMoved> {
        let place = self.all.iter().position(|version| version.id == to);
        let place = place.ok_or_else(|| NotMoved::NoVersion(to.to_owned()))?;
        match self.place(stage).map(|holder| &self.all[holder].id) {
            Some(holder) if holder != from && holder != to => return Err(NotMoved::Attached(holder.clone())),
            _ => self.attach(stage, place),
        }
        Ok(())
    }

    fn place(&self, stage: &str) -> Option<usize> {
        self.all.iter().position(|version| version.stages.iter().any(|has| has == stage))
    }

    /// Gives a stage to one version. The version that ceases to be current is the previous one from then on.
    fn attach(&mut self, stage: &str, place: usize) {
        let before = self.place(stage);
        if before == Some(place) {
            return;
        }
        for version in &mut self.all {
            version.stages.retain(|has| has != stage);
        }
        self.all[place].stages.push(stage.to_owned());
        if let (CURRENT, Some(before)) = (stage, before) {
            self.attach(PREVIOUS, before);
        }
        self.all.retain(|version| !version.stages.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages(versions: &Versions) -> Vec<(&str, Vec<&str>)> {
        versions.all().iter().map(|one| (&*one.value, one.stages.iter().map(String::as_str).collect())).collect()
    }

    #[test]
    fn the_version_before_is_kept_and_the_one_before_that_is_not() {
        let mut versions = Versions::of("a".to_owned());
        versions.put("b".to_owned());
        assert_eq!(stages(&versions), [("a", vec![PREVIOUS]), ("b", vec![CURRENT])]);
        versions.put("c".to_owned());
        assert_eq!(stages(&versions), [("b", vec![PREVIOUS]), ("c", vec![CURRENT])]);
        assert_eq!(versions.find("", PREVIOUS).map(|version| &*version.value), Some("b"));
        assert_eq!(versions.find("", "").map(|version| &*version.value), Some("c"));
    }

    #[test]
    fn a_version_is_brought_back_by_moving_the_stage_and_only_off_the_version_that_has_it() {
        let mut versions = Versions::of("good".to_owned());
        let good = versions.current().id.clone();
        let bad = versions.put("bad".to_owned()).id.clone();
        assert_eq!(versions.shift(CURRENT, "", &good), Err(NotMoved::Attached(bad.clone())));
        assert_eq!(versions.shift(CURRENT, &bad, "none"), Err(NotMoved::NoVersion("none".to_owned())));
        assert_eq!(versions.shift(CURRENT, &bad, &good), Ok(()));
        assert_eq!(stages(&versions), [("good", vec![CURRENT]), ("bad", vec![PREVIOUS])]);
        assert_eq!(versions.shift(CURRENT, &bad, &good), Ok(()), "it is there already");
        assert_eq!(stages(&versions), [("good", vec![CURRENT]), ("bad", vec![PREVIOUS])]);
    }
}
