//! What the functions count, as lines of CloudWatch's embedded metric format (EMF).
//!
//! One invocation has one sheet. Whatever runs in it counts where things happen, with [`count`], [`observe`] and
//! [`property`], and hands nothing through: the sheet is local to the invocation's task, so handlers must not spawn.
//! When the invocation ends, failed or not, the sheet becomes one line on stdout, from which CloudWatch makes metrics: no
//! call, and no time. An invocation that counted nothing writes nothing.
//!
//! There is one dimension, the stack; each further value of a dimension would be a metric of its own, with a price of its
//! own. Ids are properties: they can be searched for in the log, and cost nothing.
//!
//! On Lambda a JSON line on stdout is taken as it is, also where the log's format is JSON (Lambda Developer Guide,
//! "Configuring JSON and plain text log formats": what is JSON already is not encoded again; CloudWatch User Guide,
//! "Specification: Embedded metric format"). A function that is killed at its timeout loses the line of that invocation.

mod catalogue;
mod line;
mod sheet;
mod sink;

pub use catalogue::{By, Called, Consumer, Metric, Unit};
pub use line::{DIMENSION, MOST_METRICS, MOST_VALUES, NAMESPACE};
pub use sheet::{Edge, batch_failed, count, function, observe, observe_ms, property};
pub use sink::{Kept, Sink, Stdout};
