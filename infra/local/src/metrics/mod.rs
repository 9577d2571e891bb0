//! What CloudWatch would show: the metrics that functions write into their logs, by the minute and in memory, and beside
//! them those that AWS makes by itself of queues and functions.
//!
//! | module | is |
//! |---|---|
//! | `book` | the values by the minute, of the last day |
//! | `watch` | what AWS measures: invocations, and the queues |
//! | `alarms`, `expression` | the template's alarms, judged by these values |
//! | `page`, `plot` | the page that shows them |

mod alarms;
mod book;
mod expression;
mod page;
mod plot;
mod watch;

use std::sync::Arc;

use afferent_domain::{Clock, Timestamp};
use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::Html;
use axum::routing::get;
use serde_json::json;

use crate::template::Alarm;

pub use book::{Metrics, Minute};
pub(crate) use watch::{Watched, watch_queues};

/// The namespace of what AWS measures of queues.
pub(crate) const QUEUES: &str = "AWS/SQS";

/// The namespace of what AWS measures of functions.
pub(crate) const FUNCTIONS: &str = "AWS/Lambda";

/// What the page is made of.
#[derive(Clone)]
struct Shown {
    metrics: Metrics,
    alarms: Arc<[Alarm]>,
    clock: Arc<dyn Clock>,
    began: Timestamp,
}

/// `/metrics`, a page of the last three hours; `/metrics.json`, everything there is.
pub(crate) fn router(metrics: &Metrics, alarms: &[Alarm], clock: &Arc<dyn Clock>) -> Router {
    let (alarms, began) = (Arc::from(alarms), clock.now());
    let shown = Shown { metrics: metrics.clone(), alarms, clock: Arc::clone(clock), began };
    Router::new()
        .route("/metrics", get(async |State(shown): State<Shown>| Html(page::page(&shown))))
        .route(
            "/metrics.json",
            get(async |State(Shown { metrics, alarms, clock, began }): State<Shown>| {
                let alarms = alarms::json(&alarms, &metrics, began, clock.now());
                let all = json!({"alarms": alarms, "metrics": metrics.json()});
                ([(CONTENT_TYPE, "application/json")], all.to_string())
            }),
        )
        .with_state(shown)
}
