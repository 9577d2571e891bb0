//! The items and their conditional writes.

use std::collections::HashMap;

use afferent_domain::Timestamp;
use afferent_domain::budget::{Field, Lane, Limit, Plan, Slots};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use crate::StoreError;
use crate::item::{Item, Reading, n, s};

const OPERATION: &str = "UpdateItem";

/// The items of one application: `app#<client id>`, `budget#<n>`.
pub(super) struct Table {
    pub(super) client: Client,
    pub(super) name: String,
    pub(super) owner: String,
    pub(super) limit: Limit,
}

/// A conditional write: whether it was done, and what the item is since.
pub(super) struct Written {
    pub(super) done: bool,
    pub(super) slots: Slots,
}

impl Table {
    /// Claims a slot.
    pub(super) async fn claim(&self, item: usize, plan: &Plan, now: Timestamp) -> Result<Written, StoreError> {
        let mut conditions: Vec<String> = plan.past.iter().map(|field| is_past(&placeholder(*field))).collect();
        let mut sets: Vec<String> = Vec::new();
        let mut update = self.update(item).expression_attribute_values(":now", n(now.as_millis()));
        if let Some((field, at)) = plan.same {
            let name = placeholder(field);
            if at == Timestamp::default() {
                conditions.push(format!("attribute_not_exists({name})"));
            } else {
                conditions.push(format!("{name} = :same"));
                update = update.expression_attribute_values(":same", n(at.as_millis()));
            }
        }
        for (index, (field, at)) in plan.sets.iter().enumerate() {
            sets.push(format!("{} = :at{index}", placeholder(*field)));
            update = update.expression_attribute_values(format!(":at{index}"), n(at.as_millis()));
        }
        if let Some((field, by)) = plan.adds {
            let name = placeholder(field);
            sets.push(format!("{name} = {name} + :by"));
            update = update.expression_attribute_values(":by", n(by.as_millis()));
        }
        let written = plan.sets.iter().map(|(field, _)| *field).chain(plan.adds.map(|(field, _)| field));
        let compared = plan.past.iter().copied().chain(plan.same.map(|(field, _)| field));
        for field in compared.chain(written) {
            update = update.expression_attribute_names(placeholder(field), attribute(field));
        }
        let update =
            update.update_expression(format!("SET {}", sets.join(", "))).condition_expression(conditions.join(" AND "));
        self.write(item, update).await
    }

    /// Gives a slot back that was taken until `taken`.
    pub(super) async fn release(&self, item: usize, slot: usize, taken: Timestamp, free: Timestamp) -> Answer {
        self.replace(item, Field::Slot(slot), taken, free).await
    }

    /// Sets a field that still is `old`.
    pub(super) async fn replace(&self, item: usize, field: Field, old: Timestamp, new: Timestamp) -> Answer {
        let update = self
            .update(item)
            .update_expression("SET #field = :new")
            .condition_expression("#field = :old")
            .expression_attribute_names("#field", attribute(field))
            .expression_attribute_values(":new", n(new.as_millis()))
            .expression_attribute_values(":old", n(old.as_millis()));
        self.write(item, update).await
    }

    /// Sets a field unless it is later already.
    pub(super) async fn extend(&self, item: usize, field: Field, until: Timestamp) -> Answer {
        let update = self
            .update(item)
            .update_expression("SET #field = :until")
            .condition_expression("attribute_not_exists(#field) OR #field < :until")
            .expression_attribute_names("#field", attribute(field))
            .expression_attribute_values(":until", n(until.as_millis()));
        self.write(item, update).await
    }

    pub(super) async fn look(&self, item: usize) -> Result<Slots, StoreError> {
        let get = self.client.get_item().table_name(&self.name).set_key(Some(self.key(item))).consistent_read(true);
        let answer = get.send().await.map_err(StoreError::failed("GetItem"))?;
        Ok(self.read(item, &answer.item.unwrap_or_default()))
    }

    fn update(&self, item: usize) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.name).set_key(Some(self.key(item)))
    }

    async fn write(&self, item: usize, update: UpdateItemFluentBuilder) -> Answer {
        let update = update.return_values(ReturnValue::AllNew);
        let update = update.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let (done, attributes) = done(update.send().await)?;
        Ok(Written { done, slots: self.read(item, &attributes) })
    }

    fn read(&self, item: usize, attributes: &Item) -> Slots {
        let reading = Reading::new("connections", attributes);
        let at = |field: Field| Timestamp::from_millis(reading.maybe_number(&attribute(field)).unwrap_or_default());
        Slots {
            item,
            free_at: (0..self.limit.slots_of(item)).map(|slot| at(Field::Slot(slot))).collect(),
            held: at(Field::Held),
            next: at(Field::Next),
            waits: Lane::ALL.map(|lane| at(Field::Waits(lane))),
            owed: Lane::ALL.map(|lane| at(Field::Owed(lane))),
            owed_waits: at(Field::OwedWaits),
        }
    }

    fn key(&self, item: usize) -> Item {
        HashMap::from([("owner".to_owned(), s(&self.owner)), ("item".to_owned(), s(format!("budget#{item}")))])
    }
}

type Answer = Result<Written, StoreError>;

/// Whether the write was done, and the item: as it is since, or as it is instead.
fn done(result: Result<UpdateItemOutput, SdkError<UpdateItemError>>) -> Result<(bool, Item), StoreError> {
    match result {
        Ok(answer) => Ok((true, answer.attributes.unwrap_or_default())),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                Ok((false, refused.item.clone().unwrap_or_default()))
            }
            _ => Err(StoreError::failed(OPERATION)(error)),
        },
    }
}

fn is_past(name: &str) -> String {
    format!("(attribute_not_exists({name}) OR {name} <= :now)")
}

/// The attribute of a field. Slots are short, because there are 60 of them in 1 KB.
fn attribute(field: Field) -> String {
    match field {
        Field::Slot(slot) => format!("s{slot}"),
        Field::Held => "held_ms".to_owned(),
        Field::Next => "next_ms".to_owned(),
        Field::Waits(lane) => format!("waits_{}_ms", lane.name()),
        Field::Owed(lane) => format!("owed_{}_ms", lane.name()),
        Field::OwedWaits => "waits_owed_ms".to_owned(),
    }
}

fn placeholder(field: Field) -> String {
    format!("#{}", attribute(field))
}
