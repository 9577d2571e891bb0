//! Counting the slices of a run that are over, each once.

use std::time::Duration;

use afferent_domain::id::PullId;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};

use super::plant::{Why, why};
use super::{OPERATION, Run, item, owner};
use crate::StoreError;
use crate::connections::Connections;
use crate::item::{n, s};

/// How often a transaction is tried that met another one: the slices of a run are counted on one item.
const TRIES: u32 = 12;

/// What came of a slice, all its invocations together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls that were answered.
    pub calls: u64,
    /// Facts in the answers.
    pub facts: u64,
    /// Facts that were new or changed.
    pub changed: u64,
}

/// What came of counting a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It counts.
    Now,
    /// The lease was lost, or it counted before.
    No,
}

impl Connections {
    /// Counts a slice that is over, once: `holder` must have it. `problem` is why it could not be read.
    ///
    /// # Errors
    /// DynamoDB fails, or other slices of the run were in the way too often.
    pub async fn count_slice(
        &self,
        run: &Run,
        number: u32,
        holder: &PullId,
        tally: Tally,
        problem: Option<&str>,
    ) -> Result<Counted, StoreError> {
        let key = run.slice_key(number);
        let slice = Update::builder()
            .table_name(&self.table)
            .key("owner", s(key.owner.to_string()))
            .key("item", s(key.duty.to_string()))
            .update_expression("SET counted = :yes")
            .condition_expression("lease_pull = :holder AND attribute_not_exists(counted)")
            .expression_attribute_values(":yes", AttributeValue::Bool(true))
            .expression_attribute_values(":holder", s(holder.as_str()))
            .build()
            .map_err(StoreError::unbuilt(OPERATION))?;
        let mut expression =
            "ADD slices_done :one, slices_failed :failed, summaries_done :summary, calls :calls, facts :facts, \
             changed :changed"
                .to_owned();
        if problem.is_some() {
            expression.push_str(", problems :problem");
        }
        let mut count = Update::builder()
            .table_name(&self.table)
            .key("owner", s(owner(&run.connection)))
            .key("item", s(item(&run.id)))
            .update_expression(expression)
            .condition_expression("attribute_exists(#item)")
            .expression_attribute_names("#item", "item")
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":failed", n(u8::from(problem.is_some())))
            .expression_attribute_values(":summary", n(u8::from(number < run.counts.summaries)))
            .expression_attribute_values(":calls", n(tally.calls))
            .expression_attribute_values(":facts", n(tally.facts))
            .expression_attribute_values(":changed", n(tally.changed));
        if let Some(problem) = problem {
            count = count.expression_attribute_values(":problem", AttributeValue::Ss(vec![problem.to_owned()]));
        }
        let count = count.build().map_err(StoreError::unbuilt(OPERATION))?;
        for attempt in 0..TRIES {
            let transaction = self
                .client
                .transact_write_items()
                .transact_items(TransactWriteItem::builder().update(slice.clone()).build())
                .transact_items(TransactWriteItem::builder().update(count.clone()).build());
            match transaction.send().await {
                Ok(_) => return Ok(Counted::Now),
                Err(error) => match error.as_service_error().and_then(why) {
                    Some(Why::Condition) => return Ok(Counted::No),
                    // By their numbers, so that those who met do not meet again.
                    Some(Why::Conflict) => {
                        let wait = 20 + u64::from(attempt) * (10 + u64::from(number % 17));
                        tokio::time::sleep(Duration::from_millis(wait)).await;
                    }
                    None => return Err(StoreError::failed(OPERATION)(error)),
                },
            }
        }
        Err(StoreError::Conflict { operation: OPERATION })
    }
}
