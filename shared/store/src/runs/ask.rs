//! A run that a customer asks for.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::backfill::{Ask, State};
use afferent_domain::id::RunId;

use super::{OPERATION, Run};
use crate::StoreError;
use crate::connections::{Connection, Connections};

/// The most runs of a connection that are under way at once.
pub const MOST_RUNNING: usize = 5;

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is begun.
    Begun(Run),
    /// This one is under way and reads all that was asked for.
    UnderWay(RunId),
    /// There are [`MOST_RUNNING`] already.
    TooMany,
}

/// How often it is tried again where others ask at the same time.
const ROUNDS: u32 = 8;

/// How long a run stands for the same run asked for again: what comes meanwhile is read without it.
const SAME: Duration = Duration::from_secs(86_400);

impl Run {
    /// Whether it reads all that `ask`, of `now`, would. Of two that both reach up to the moment when they were asked for
    /// the later one reaches further, by what is read anyway.
    fn covers(&self, ask: &Ask, now: Timestamp) -> bool {
        let open = self.ask.to >= self.created.as_secs() && ask.to >= now.as_secs() && now < self.created + SAME;
        let to = if open && ask.from.values().all(|from| *from <= self.ask.to) { self.ask.to } else { ask.to };
        self.ask.covers(&Ask { to, ..ask.clone() })
    }
}

impl Connections {
    /// Begins a run, unless one is under way that reads as much. Of two that ask for the same at once one begins: its id
    /// is derived from what is asked for and from how often that ended before. They are begun one after the other, each
    /// on the condition that none was begun since its runs were counted: so [`MOST_RUNNING`] holds however many ask at once.
    ///
    /// # Errors
    /// DynamoDB fails, an item is not one of ours, or others keep asking. What was begun goes on by itself.
    pub async fn ask_run(&self, connection: &Connection, ask: Ask, now: Timestamp) -> Result<Asked, StoreError> {
        for round in 0..ROUNDS {
            if let Some(asked) = self.ask_in_turn(connection, &ask, now).await? {
                return Ok(asked);
            }
            tokio::time::sleep(Duration::from_millis(25 << round)).await;
        }
        Err(StoreError::Conflict { operation: OPERATION })
    }

    /// `None` if somebody else had one begun meanwhile.
    async fn ask_in_turn(
        &self,
        connection: &Connection,
        ask: &Ask,
        now: Timestamp,
    ) -> Result<Option<Asked>, StoreError> {
        let turn = self.turn(&connection.id).await?;
        let runs = self.runs(&connection.id).await?;
        let running = || runs.iter().filter(|run| run.state == State::Running);
        if let Some(run) = running().find(|run| run.covers(ask, now)) {
            return Ok(Some(Asked::UnderWay(run.id.clone())));
        }
        if running().count() >= MOST_RUNNING {
            return Ok(Some(Asked::TooMany));
        }
        let before = runs.iter().filter(|run| run.ask == *ask).count().to_string();
        let (to, details) = (ask.to.to_string(), ask.details.to_string());
        let from: Vec<String> = ask.from.iter().map(|(service, from)| format!("{service} {from}")).collect();
        let parts = [connection.id.as_str(), "asked", &before, &to, &details].into_iter();
        let id = RunId::derive(&parts.chain(from.iter().map(String::as_str)).collect::<Vec<_>>());
        let begun = self.begin_in_turn(connection, &id, ask.clone(), now, turn).await?;
        Ok(begun.map(|run| if run.created == now { Asked::Begun(run) } else { Asked::UnderWay(run.id) }))
    }
}
