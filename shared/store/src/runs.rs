//! Backfill runs: the item `run#<run>` of a connection, and its slices, duties `slice#<run>#<number>`.
//!
//! Slices are planted in transactions together with the run's count of them, and counted in a transaction together
//! with their own mark of being counted. So a slice is there once and counts once, whoever dies in between.

mod ahead;
mod ask;
mod begin;
mod count;
mod items;
mod plant;

use std::collections::BTreeSet;

use afferent_domain::backfill::{Ask, Slice, State, is_detail};
use afferent_domain::duty::Duty;
use afferent_domain::exact::Decimal;
use afferent_domain::id::{ConnectionId, RecordId, RunId, UserId};
use afferent_domain::record::{Category, Change, Code, Component, Fact, Source, SyncKind, revise};
use afferent_domain::service::Service;
use afferent_domain::sweep::Completed;
use afferent_domain::{Clock, Timestamp};

use crate::StoreError;
use crate::connections::{Connection, Connections, refused};
use crate::duties::{DutyKey, Owner};
use crate::item::{n, s};
use crate::records::{Records, Written};

pub use ahead::Ahead;
pub use ask::{Asked, MOST_RUNNING};
pub use count::{Counted, Tally};
pub use items::read_slice;

const TABLE: &str = "connections";
const OPERATION: &str = "TransactWriteItems";

/// How often a run's record is compared again because somebody else told it meanwhile.
const ROUNDS: usize = 8;

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Whose.
    pub user: UserId,
    /// How it stands.
    pub state: State,
    /// What it reads.
    pub ask: Ask,
    /// When it was asked for.
    pub created: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it counts.
    pub counts: Counts,
    /// What could not be read and why: `<service> <reason>`.
    pub problems: BTreeSet<String>,
}

/// The numbers of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Its slices.
    pub slices: u32,
    /// Those that were planted.
    pub planted: u32,
    /// Those that are over.
    pub done: u32,
    /// Those of them that could not be read.
    pub failed: u32,
    /// The slices before the series.
    pub summaries: u32,
    /// Those of them that are over.
    pub summaries_done: u32,
    /// Calls that were answered.
    pub calls: u64,
    /// Facts in the answers.
    pub facts: u64,
    /// Facts that were new or changed.
    pub changed: u64,
}

impl Run {
    /// From where it has read the service without trouble (epoch seconds); `None` until it is done.
    #[must_use]
    pub fn read_from(&self, service: Service) -> Option<i64> {
        if self.state != State::Done || self.troubled(service) { None } else { self.ask.from.get(&service).copied() }
    }

    /// What it proves of a service, once it is done and had no trouble with it: what Withings held at its end.
    #[must_use]
    pub fn proof(&self, service: Service) -> Option<Completed> {
        let row = if is_detail(service) && self.ask.details {
            Service::ALL.into_iter().find(|row| row.details() == Some(service))?
        } else {
            service
        };
        // The details of a row that could not be read were not looked for.
        let back = self.read_from(row)?;
        let began = Timestamp::from_secs(self.ask.to).min(self.created);
        (!self.troubled(service)).then_some(Completed { began, back })
    }

    fn troubled(&self, service: Service) -> bool {
        self.problems.iter().any(|problem| problem.split(' ').next() == Some(service.name()))
    }

    /// The duty of one of its slices.
    #[must_use]
    pub fn slice_key(&self, number: u32) -> DutyKey {
        DutyKey {
            owner: Owner::Connection(self.connection.clone()),
            duty: Duty::Slice { run: self.id.to_string(), number },
        }
    }

    /// The run as a public record: how it stands.
    #[must_use]
    pub fn fact(&self) -> Fact {
        let record = RecordId::derive(&[self.user.as_str(), "backfill", self.id.as_str()]);
        let source = Source { provider: "afferent".to_owned(), ..Source::withings("afferent") };
        let (user, connection) = (self.user.clone(), self.connection.clone());
        let mut fact = Fact::bare(user, connection, record, "backfill", Category::Account, self.created, source);
        fact.preliminary = self.state == State::Running;
        fact.run = Some(self.id.to_string());
        fact.value_code = Some(self.state.name().to_owned());
        let part =
            |kind: &str| Component { kind: kind.to_owned(), codes: vec![Code::own(kind)], ..Component::default() };
        let number = |kind: &str, number: i64| Component { value: Some(Decimal::from(number)), ..part(kind) };
        let text = |kind: &str, text: &str| Component { value_code: Some(text.to_owned()), ..part(kind) };
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        fact.components = vec![
            text("from", &Timestamp::from_secs(self.ask.oldest()).to_string()),
            text("to", &Timestamp::from_secs(self.ask.to).to_string()),
            number("slices_total", self.counts.slices.into()),
            number("slices_done", self.counts.done.into()),
            number("calls", count(self.counts.calls)),
            number("facts", count(self.counts.facts)),
            number("records", count(self.counts.changed)),
        ];
        fact.components.extend(self.problems.iter().map(|problem| text("problem", problem)));
        fact
    }

    /// Whether the record is to say how it stands now: another tenth is done than `before`, or it is over.
    #[must_use]
    pub fn told(&self, before: &Self) -> bool {
        let tenth = |run: &Self| u64::from(run.counts.done) * 10 / u64::from(run.counts.slices.max(1));
        self.state != before.state || tenth(before) != tenth(self)
    }

    fn new(connection: &Connection, id: RunId, ask: Ask, slices: &[Slice], now: Timestamp) -> Self {
        let count = |slices: usize| u32::try_from(slices).unwrap_or(u32::MAX);
        let summaries = count(slices.iter().filter(|slice| !is_detail(slice.service)).count());
        let counts = Counts { slices: count(slices.len()), summaries, ..Counts::default() };
        Self {
            id,
            connection: connection.id.clone(),
            user: connection.user.clone(),
            state: State::Running,
            ask,
            created: now,
            ended: None,
            counts,
            problems: BTreeSet::new(),
        }
    }
}

impl Connections {
    /// A run.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn run(&self, connection: &ConnectionId, id: &RunId) -> Result<Option<Run>, StoreError> {
        self.item(&owner(connection), &item(id)).await?.as_ref().map(items::read_run).transpose()
    }

    /// The runs of a connection.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn runs(&self, connection: &ConnectionId) -> Result<Vec<Run>, StoreError> {
        self.items_of(connection, "run#").await?.iter().map(items::read_run).collect()
    }

    /// Ends a run that is running. `false` if it was over before. Its slices see it and go.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn end_run(
        &self,
        connection: &ConnectionId,
        id: &RunId,
        state: State,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let result = self
            .update(&owner(connection), &item(id))
            .update_expression("SET #state = :state, ended_ms = :now")
            .condition_expression("#state = :running")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", s(state.name()))
            .expression_attribute_values(":running", s(State::Running.name()))
            .expression_attribute_values(":now", n(now.as_millis()))
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(error) if refused(&error) => Ok(false),
            Err(error) => Err(StoreError::failed("UpdateItem")(error)),
        }
    }
}

impl Records {
    /// Brings the run's record to how the run stands. The run is read after the record that it replaces, so that an
    /// older state never goes over a newer one.
    ///
    /// # Errors
    /// DynamoDB fails, or others keep writing the record.
    pub async fn tell_run(&self, runs: &Connections, run: &Run, clock: &dyn Clock) -> Result<(), StoreError> {
        let record = run.fact().record;
        for _ in 0..ROUNDS {
            let stored = self.get(&run.user, &record).await?;
            let Some(run) = runs.run(&run.connection, &run.id).await? else { return Ok(()) };
            match revise(stored.as_ref(), run.fact(), clock.now(), SyncKind::Backfill) {
                Change::Unchanged => return Ok(()),
                Change::Write(record) => {
                    if self.put(&record).await? == Written::Stored {
                        return Ok(());
                    }
                }
            }
        }
        Err(StoreError::Conflict { operation: "PutItem" })
    }
}

fn owner(connection: &ConnectionId) -> String {
    format!("connection#{connection}")
}

fn item(id: &RunId) -> String {
    format!("run#{id}")
}
