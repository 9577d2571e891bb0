//! Planting the slices of a run.

use afferent_domain::Timestamp;
use afferent_domain::backfill::{Ask, Slice, State, place};
use afferent_domain::id::{ConnectionId, RunId};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem, Update};

use super::items::run_item;
use super::{OPERATION, Run, TABLE, item, owner};
use crate::StoreError;
use crate::connections::{Connection, Connections};
use crate::duties::duty_item;
use crate::item::{Reading, n, s};

/// DynamoDB: a transaction has at most 100 items, and two of them are the run and its connection.
const PLANTED_AT_ONCE: usize = 90;

/// The attribute of a connection that counts the runs that were begun in turn.
const TURN: &str = "runs_asked";

/// Whether slices are the first of their run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum New {
    No,
    Yes,
    /// And whether the run is begun at this turn of its connection.
    InTurn(u64),
}

impl Connections {
    /// Begins a run. One of this id that is there already stays as it is, and what it lacks of slices is planted.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn begin_run(
        &self,
        connection: &Connection,
        id: &RunId,
        ask: Ask,
        now: Timestamp,
    ) -> Result<Run, StoreError> {
        let slices = ask.slices();
        let fresh = Run::new(connection, id.clone(), ask, &slices, now);
        let run = match self.run(&connection.id, id).await? {
            Some(run) => run,
            None => self.plant(&fresh, &slices, New::Yes).await?.unwrap_or(fresh),
        };
        self.plant_all(run).await
    }

    /// The same, if nobody had another one of the connection begun in turn since `turn` was read. `None` if somebody had:
    /// then nothing is begun.
    pub(super) async fn begin_in_turn(
        &self,
        connection: &Connection,
        id: &RunId,
        ask: Ask,
        now: Timestamp,
        turn: u64,
    ) -> Result<Option<Run>, StoreError> {
        let slices = ask.slices();
        let run = match self.run(&connection.id, id).await? {
            Some(run) => run,
            None => {
                let fresh = Run::new(connection, id.clone(), ask, &slices, now);
                let Some(run) = self.plant(&fresh, &slices, New::InTurn(turn)).await? else { return Ok(None) };
                run
            }
        };
        self.plant_all(run).await.map(Some)
    }

    /// How many runs of a connection were begun in turn.
    pub(super) async fn turn(&self, connection: &ConnectionId) -> Result<u64, StoreError> {
        let item = self.item(&owner(connection), "connection").await?;
        Ok(item.as_ref().and_then(|item| Reading::new(TABLE, item).maybe_number(TURN)).unwrap_or(0))
    }

    fn next_turn(&self, connection: &ConnectionId, turn: u64) -> Result<TransactWriteItem, StoreError> {
        let mut update = Update::builder()
            .table_name(&self.table)
            .key("owner", s(owner(connection)))
            .key("item", s("connection"))
            .update_expression("SET #turn = :next")
            .condition_expression("attribute_exists(connected_ms) AND attribute_not_exists(#turn)")
            .expression_attribute_names("#turn", TURN)
            .expression_attribute_values(":next", n(turn + 1));
        if turn > 0 {
            update = update.condition_expression("#turn = :turn").expression_attribute_values(":turn", n(turn));
        }
        Ok(TransactWriteItem::builder().update(update.build().map_err(StoreError::unbuilt(OPERATION))?).build())
    }

    pub(super) async fn plant_all(&self, mut run: Run) -> Result<Run, StoreError> {
        while let Some(more) = self.plant_more(&run).await? {
            run = more;
        }
        Ok(run)
    }

    /// Plants slices that are missing, so that a run whose beginning was cut short goes on. `None` if none is missing.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn plant_more(&self, run: &Run) -> Result<Option<Run>, StoreError> {
        if run.state != State::Running || run.counts.planted >= run.counts.slices {
            return Ok(None);
        }
        let slices = run.ask.slices();
        match self.plant(run, &slices, New::No).await? {
            Some(run) => Ok(Some(run)),
            None => self.run(&run.connection, &run.id).await,
        }
    }

    /// One transaction: the next slices, and the run's count of them. `None` if somebody else planted meanwhile.
    async fn plant(&self, run: &Run, slices: &[Slice], new: New) -> Result<Option<Run>, StoreError> {
        let before = usize::try_from(run.counts.planted).unwrap_or(usize::MAX);
        let next = slices.iter().skip(before).take(PLANTED_AT_ONCE);
        let mut transaction = self.client.transact_write_items();
        let mut planted = run.clone();
        for slice in next {
            planted.counts.planted = slice.number.saturating_add(1);
            let attributes = vec![
                ("service", s(slice.service.name())),
                ("from_s", n(slice.window.start)),
                ("to_s", n(slice.window.end)),
            ];
            let item = duty_item(&run.slice_key(slice.number), place(run.created, slice.number), attributes);
            let put = Put::builder().table_name(&self.table).set_item(Some(item)).build();
            let put = put.map_err(StoreError::unbuilt(OPERATION))?;
            transaction = transaction.transact_items(TransactWriteItem::builder().put(put).build());
        }
        if planted.counts.planted == run.counts.planted {
            // The plan has fewer slices than were promised: a later version plans otherwise.
            planted.counts.slices = run.counts.planted;
        }
        if let New::InTurn(turn) = new {
            transaction = transaction.transact_items(self.next_turn(&run.connection, turn)?);
        }
        let counting = if new != New::No {
            let put = Put::builder()
                .table_name(&self.table)
                .set_item(Some(run_item(&planted)))
                .condition_expression("attribute_not_exists(#item)")
                .expression_attribute_names("#item", "item")
                .build()
                .map_err(StoreError::unbuilt(OPERATION))?;
            TransactWriteItem::builder().put(put).build()
        } else {
            let update = Update::builder()
                .table_name(&self.table)
                .key("owner", s(owner(&run.connection)))
                .key("item", s(item(&run.id)))
                .update_expression("SET planted = :planted, slices = :slices")
                .condition_expression("planted = :before AND #state = :running")
                .expression_attribute_names("#state", "state")
                .expression_attribute_values(":planted", n(planted.counts.planted))
                .expression_attribute_values(":slices", n(planted.counts.slices))
                .expression_attribute_values(":before", n(run.counts.planted))
                .expression_attribute_values(":running", s(State::Running.name()))
                .build()
                .map_err(StoreError::unbuilt(OPERATION))?;
            TransactWriteItem::builder().update(update).build()
        };
        match transaction.transact_items(counting).send().await {
            Ok(_) => Ok(Some(planted)),
            Err(error) => match error.as_service_error().and_then(why) {
                Some(Why::Condition | Why::Conflict) => Ok(None),
                None => Err(StoreError::failed(OPERATION)(error)),
            },
        }
    }
}

/// Why a transaction did not happen.
pub(super) enum Why {
    /// A condition failed.
    Condition,
    /// Another transaction was under way.
    Conflict,
}

pub(super) fn why(error: &TransactWriteItemsError) -> Option<Why> {
    let canceled = match error {
        TransactWriteItemsError::TransactionCanceledException(canceled) => canceled,
        TransactWriteItemsError::TransactionInProgressException(_) => return Some(Why::Conflict),
        _ => return None,
    };
    let codes = || canceled.cancellation_reasons().iter().filter_map(|reason| reason.code());
    if codes().any(|code| code == "ConditionalCheckFailed") {
        return Some(Why::Condition);
    }
    codes().any(|code| code == "TransactionConflict").then_some(Why::Conflict)
}
