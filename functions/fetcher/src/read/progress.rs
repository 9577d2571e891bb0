//! How far a read of several pages came, so that the next one can go on from there.

use std::collections::BTreeSet;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::id::RecordId;
use afferent_domain::mark::Evidence;
use afferent_withings::Span;
use serde::{Deserialize, Serialize};

use super::{MOST_ROWS, Task};
use crate::plan::{Judge, Plan};

/// The most records that are remembered of the pages of a read that is put down (30 bytes each, in an item).
const MOST_FOUND: usize = 3_000;

/// How far a read of several pages came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// What was asked for, so that nothing else is gone on with.
    span: String,
    /// Where the next page begins.
    pub(super) offset: i64,
    pub(super) began: Timestamp,
    pub(super) newest: Option<i64>,
    pub(super) pages: usize,
    /// The instants (epoch seconds) of what was new or changed on the pages before.
    pub(super) changed: BTreeSet<i64>,
    /// Records of the first page, each as of its last change.
    pub(super) first: BTreeSet<(RecordId, Option<i64>)>,
    /// The records of the pages before, where stored ones are held against them.
    #[serde(default)]
    pub(super) found: BTreeSet<RecordId>,
}

impl Progress {
    pub(super) fn begin(span: &Span, now: Timestamp) -> Self {
        let (changed, first, found) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Self { span: words(span), offset: 0, began: now, newest: None, pages: 0, changed, first, found }
    }

    /// As an item keeps it.
    pub(crate) fn to_text(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }

    /// Reads what [`Self::to_text`] wrote; `None` for anything else: then the read begins anew.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Whether it is of a read of this span.
    pub(super) fn is_of(&self, span: &Span) -> bool {
        self.span == words(span)
    }

    /// From where a `lastupdate` read was made that it is of.
    pub(crate) fn since(&self) -> Option<Timestamp> {
        self.span.strip_prefix("since ")?.parse().ok().map(Timestamp::from_secs)
    }
}

/// What the next read can go on with. Of a span that was widened the offsets are not those of the plan's own; where the
/// answer is held against what is stored, all that came must be remembered.
pub(super) fn kept(
    task: Task<'_>,
    mut at: Progress,
    plan: &Plan,
    evidence: &Evidence,
    found: &BTreeSet<RecordId>,
) -> Option<Progress> {
    at.changed = evidence.changed.iter().map(|at| at.as_secs()).take(MOST_ROWS).collect();
    let held_against = task.compare && plan.judge != Judge::Nothing;
    if held_against {
        at.found.clone_from(found);
    }
    (at.is_of(&plan.span) && at.pages > 0 && at.found.len() <= MOST_FOUND).then_some(at)
}

fn words(span: &Span) -> String {
    match span {
        Span::Since(at) => format!("since {}", at.as_secs()),
        Span::Window { start, end } => format!("window {} {}", start.as_secs(), end.as_secs()),
        Span::Days { first, last } => format!("days {first} {last}"),
        Span::Whole => "whole".to_owned(),
    }
}

/// The same span and a little more: a second, or a day where it is asked by days.
pub(crate) fn widened(span: &Span) -> Span {
    let second = Duration::from_secs(1);
    match span {
        Span::Since(at) => Span::Since(*at - second),
        Span::Window { start, end } => Span::Window { start: *start - second, end: *end },
        Span::Days { first, last } => {
            let before = first.parse::<jiff::civil::Date>().and_then(jiff::civil::Date::yesterday);
            Span::Days { first: before.map_or_else(|_| first.clone(), |day| day.to_string()), last: last.clone() }
        }
        Span::Whole => Span::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_goes_on_only_with_what_it_was_of() {
        let span = Span::Since(Timestamp::from_secs(1_789_625_130));
        let progress = Progress { offset: 300, pages: 1, ..Progress::begin(&span, Timestamp::from_secs(5)) };
        let read = Progress::from_text(&progress.to_text().unwrap()).unwrap();
        assert_eq!(read, progress);
        assert!(read.is_of(&span) && !read.is_of(&widened(&span)));
        assert_eq!(read.since(), Some(Timestamp::from_secs(1_789_625_130)));
        assert_eq!(Progress::from_text("{}"), None);
    }
}
