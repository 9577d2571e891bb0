//! Fields of getgoals. No code names a goal faithfully: those of the measurement itself would say that it was measured.

use super::Row;

/// The goals that are plain numbers.
pub const GOALS: &[Row] = &[Row::new("steps", "step_goal", "{steps}"), Row::new("sleep", "sleep_goal", "s")];

/// The goal that is a pair, as a measure is.
pub const WEIGHT_GOAL: Row = Row::new("weight", "weight_goal", "kg");
