//! Notices: what whoever is responsible for an endpoint is told about it, and never by way of the endpoint itself.
//!
//! A notice goes out twice: as an event of the journal [`UserId::app`], for every other endpoint that wants its type, and
//! as a letter to the endpoint's contact. Both say where deliveries go by the host alone: paths and queries may hold a
//! token. The same notice, however often it is made, is the same event.

mod letter;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::endpoint::{Cause, Endpoint, KIND, Standing};
use crate::event::Draft;
use crate::health::{Health, WARNINGS};
use crate::id::{EndpointId, EventId, RecordId, UserId};
use crate::record::SyncKind;

pub use letter::Words;

/// What an endpoint's owner is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// One of the first four failures in a row.
    Warning {
        /// Which of them, from 1.
        number: u32,
        /// When the row began.
        row: Timestamp,
    },
    /// It receives nothing any more.
    Disabled {
        /// Why.
        cause: Cause,
        /// Since when.
        since: Timestamp,
    },
    /// It receives again.
    Enabled {
        /// Since when.
        since: Timestamp,
    },
}

/// What a notice tells of.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The endpoint.
    pub endpoint: &'a Endpoint,
    /// How it fares, or fared when it was disabled.
    pub health: &'a Health,
    /// How many deliveries wait for it, if that is known.
    pub waiting: Option<u64>,
    /// How many it missed while it was disabled, if that is known.
    pub missed: Option<u64>,
}

impl<'a> Subject<'a> {
    /// An endpoint and how it fares; of its deliveries nothing is known.
    #[must_use]
    pub const fn new(endpoint: &'a Endpoint, health: &'a Health) -> Self {
        Self { endpoint, health, waiting: None, missed: None }
    }

    /// What must be told now, in its order: what is owed of a row that is over, then of the present one. Of an endpoint
    /// that must not go on, that alone is told, also while it is being disabled; of one that its owner disabled, nothing.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Vec<Notice> {
        let stop = self.health.must_stop(now).map(|stop| (stop.cause, stop.at));
        match (&self.endpoint.standing, stop) {
            (Standing::Disabled { cause, since_ms, .. }, Some(stop)) if stop == (*cause, *since_ms) => {
                vec![Notice::Disabled { cause: *cause, since: *since_ms }]
            }
            (Standing::Disabled { .. }, _) => Vec::new(),
            (Standing::Enabled, Some((cause, since))) => vec![Notice::Disabled { cause, since }],
            (Standing::Enabled, None) => {
                let warning = |number, row| Notice::Warning { number, row };
                let owed =
                    self.health.owed.into_iter().flat_map(|owed| owed.warnings().map(move |n| warning(n, owed.since)));
                owed.chain(self.health.warnings_due().map(|number| warning(number, self.row()))).collect()
            }
        }
    }

    /// What tells the present row of failures from others: its first failed try. (Without one there is no row.)
    fn row(&self) -> Timestamp {
        self.health.failing_since.unwrap_or(self.endpoint.created_ms)
    }

    /// How many failures a row has, or had if it is over.
    fn failures(&self, notice: &Notice) -> u32 {
        let over = self.health.owed.filter(|_| self.is_over(notice));
        over.map_or(self.health.failures_in_a_row, |owed| owed.failures)
    }

    /// When the row began that a notice is about; `None` if it is about none.
    fn failing_since(&self, notice: &Notice) -> Option<Timestamp> {
        match notice {
            Notice::Warning { row, .. } => Some(*row),
            Notice::Disabled { .. } | Notice::Enabled { .. } => self.health.failing_since,
        }
    }

    /// When the endpoint is disabled if nothing succeeds.
    fn disabled_at(&self, notice: &Notice) -> Option<Timestamp> {
        self.health.disabled_at().filter(|_| matches!(notice, Notice::Warning { .. }) && !self.is_over(notice))
    }

    /// Whether a warning is of a row that a success ended.
    fn is_over(&self, notice: &Notice) -> bool {
        let owed = self.health.owed.map(|owed| owed.since);
        matches!(notice, Notice::Warning { row, .. } if Some(*row) == owed)
    }
}

/// The member `data` of a notice's event.
#[derive(Serialize)]
struct Data<'a> {
    endpoint: Told<'a>,
}

/// What an event tells of an endpoint. Times as events have them, in RFC 3339.
#[derive(Serialize)]
struct Told<'a> {
    id: &'a EndpointId,
    /// The host, and the port if it has one.
    destination: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    /// When the endpoint came into this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// Which warning this is.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<u32>,
    failures_in_a_row: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_success: Option<String>,
    /// When it is disabled if nothing succeeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missed: Option<u64>,
}

impl Notice {
    /// The type of its event.
    #[must_use]
    pub fn event_type(&self) -> String {
        format!("{KIND}.{}", self.verb())
    }

    const fn verb(&self) -> &'static str {
        match self {
            Self::Warning { .. } => "warning",
            Self::Disabled { .. } => "disabled",
            Self::Enabled { .. } => "enabled",
        }
    }

    /// The event, noticed at `now`. A row of failures, a disabling and an enabling each count as one record, and the
    /// warnings of a row as its revisions, so that the journal takes each notice once.
    #[must_use]
    pub fn event(&self, subject: &Subject<'_>, now: Timestamp) -> Draft {
        let Subject { endpoint, health, waiting, missed } = *subject;
        let (rev, since, time) = match *self {
            Self::Warning { number, row } => (number, row, now),
            Self::Disabled { since, .. } | Self::Enabled { since } => (1, since, since),
        };
        let (user, id) = (UserId::app(), &endpoint.endpoint);
        let record = RecordId::derive(&[KIND, id.as_str(), self.verb(), &since.as_millis().to_string()]);
        let text = |at: Timestamp| at.to_string();
        let told = Told {
            id,
            destination: endpoint.destination.host(),
            description: endpoint.description.as_deref(),
            state: if matches!(self, Self::Disabled { .. }) { "disabled" } else { "enabled" },
            cause: if let Self::Disabled { cause, .. } = self { Some(*cause) } else { None },
            since: if let Self::Warning { .. } = self { None } else { Some(text(since)) },
            warning: if let Self::Warning { number, .. } = self { Some(*number) } else { None },
            failures_in_a_row: subject.failures(self),
            failing_since: subject.failing_since(self).map(text),
            last_success: health.last_success.map(text),
            disabled_at: subject.disabled_at(self).map(text),
            waiting,
            missed,
        };
        Draft {
            id: EventId::derive(&[user.as_str(), record.as_str(), &rev.to_string()]),
            user,
            event_type: self.event_type(),
            source: source(id),
            time,
            synckind: SyncKind::Live,
            run: None,
            record,
            rev,
            // Texts, numbers and nothing else: this cannot fail.
            data: serde_json::to_string(&Data { endpoint: told }).unwrap_or_default(),
            about: Some(id.clone()),
            test: false,
            trace: None,
        }
    }

    /// What its letter says.
    #[must_use]
    pub fn letter(&self, subject: &Subject<'_>) -> Words {
        letter::of(self, subject)
    }

    /// Whether it is the last warning of its row.
    const fn is_last_warning(&self) -> bool {
        matches!(self, Self::Warning { number, .. } if *number >= WARNINGS)
    }
}

/// Where events about an endpoint come from.
#[must_use]
pub fn source(endpoint: &EndpointId) -> String {
    format!("/afferent/{endpoint}")
}

#[cfg(test)]
mod tests;
