//! Rounds: (`_rounds`, `running`) is the one that is under way, (`_rounds`, `<id>`) one that is over. And what a round
//! leaves at an account: its care, due now, and the age from which on a token pair is renewed.

use afferent_domain::Timestamp;
use afferent_domain::duty::Duty;
use afferent_domain::id::RoundId;
use afferent_domain::round::{KEPT, Progress, Round, State};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};

use crate::StoreError;
use crate::connections::{AccountKey, Connections};
use crate::duties::{DutyKey, Owner};
use crate::item::{Item, Reading, n, s};

const TABLE: &str = "connections";
const OWNER: &str = "_rounds";
const RUNNING: &str = "running";

/// The most rounds that a list names.
const MOST: i32 = 100;

/// How the care of an account stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cared {
    /// When it last came to its end.
    pub looked: Option<Timestamp>,
    /// How often in a row something was wrong since.
    pub failures: u32,
}

impl Connections {
    /// Begins a round. The one that is under way, and nothing changed, if there is one.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn begin_round(&self, round: &Round) -> Result<Option<Round>, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(written(round, RUNNING)?))
            .condition_expression("attribute_not_exists(#item)")
            .expression_attribute_names("#item", "item");
        match put.send().await {
            Ok(_) => Ok(None),
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
                let running = self.running_round().await?.unwrap_or_else(|| round.clone());
                // Our own write, whose answer was lost and which the SDK sent again.
                Ok(Some(running).filter(|running| running.round != round.round))
            }
            Err(error) => Err(StoreError::failed("PutItem")(error)),
        }
    }

    /// The round that is under way.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn running_round(&self) -> Result<Option<Round>, StoreError> {
        self.item(OWNER, RUNNING).await?.as_ref().map(read).transpose()
    }

    /// A round.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn round(&self, id: &RoundId) -> Result<Option<Round>, StoreError> {
        let running = self.running_round().await?.filter(|round| round.round == *id);
        match running {
            Some(round) => Ok(Some(round)),
            None => self.item(OWNER, id.as_str()).await?.as_ref().map(read).transpose(),
        }
    }

    /// The rounds, the newest first: the one that is under way, and those of the last 400 days that are over.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn rounds(&self) -> Result<Vec<Round>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", s(OWNER))
            // `running` comes after every id, which begin with `rnd_`.
            .scan_index_forward(false)
            .limit(MOST)
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        answer.items().iter().map(read).collect()
    }

    /// Keeps how far the round is now. `false`, and nothing changed, if somebody else went on with it, or ended it.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn save_round(&self, was: &Round, now: &Round) -> Result<bool, StoreError> {
        let text = body(now)?;
        let update = self
            .update(OWNER, RUNNING)
            .update_expression("SET body = :body, saves = :next")
            .condition_expression("round = :round AND saves = :saves")
            .expression_attribute_values(":body", s(text))
            .expression_attribute_values(":next", n(now.progress.saves))
            .expression_attribute_values(":saves", n(was.progress.saves))
            .expression_attribute_values(":round", s(was.round.as_str()));
        Self::unless_refused(update).await
    }

    /// Ends the round as it was read. `false`, and nothing changed, if somebody else went on with it, or ended it.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn end_round(&self, round: &Round, state: State, now: Timestamp) -> Result<bool, StoreError> {
        const OPERATION: &str = "TransactWriteItems";
        let unbuilt = StoreError::unbuilt(OPERATION);
        let progress = Progress { ended_ms: Some(now), cursor: None, ..round.progress.clone() };
        let ended = Round { state, progress, ..round.clone() };
        let mut item = written(&ended, ended.round.as_str())?;
        item.insert("expires_at".to_owned(), n((now + KEPT).as_secs()));
        let put = Put::builder().table_name(&self.table).set_item(Some(item)).build().map_err(&unbuilt)?;
        let delete = Delete::builder()
            .table_name(&self.table)
            .key("owner", s(OWNER))
            .key("item", s(RUNNING))
            .condition_expression("round = :round AND saves = :saves")
            .expression_attribute_values(":round", s(round.round.as_str()))
            .expression_attribute_values(":saves", n(round.progress.saves))
            .build()
            .map_err(&unbuilt)?;
        let sent = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().delete(delete).build())
            .transact_items(TransactWriteItem::builder().put(put).build())
            .send()
            .await;
        match sent {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(_)) => Ok(false),
                _ => Err(StoreError::failed(OPERATION)(error)),
            },
        }
    }

    /// Has an account cared for at once, whose token pair is renewed on that occasion if it is older than
    /// `renew_before`. One that is being cared for is cared for again when this is called again.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn call_care(
        &self,
        account: &AccountKey,
        renew_before: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if let Some(before) = renew_before {
            let update = self
                .update(&account.to_string(), &Duty::Care.to_string())
                .update_expression("SET renew_before_ms = :before")
                .expression_attribute_values(":before", n(before.as_millis()));
            update.send().await.map_err(StoreError::failed("UpdateItem"))?;
        }
        let key = DutyKey { owner: Owner::Account(account.clone()), duty: Duty::Care };
        self.call_duty(&key, now).await.map(drop)
    }

    /// How the care of an account stands.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn cared(&self, account: &AccountKey) -> Result<Cared, StoreError> {
        let item = self.item(&account.to_string(), &Duty::Care.to_string()).await?.unwrap_or_default();
        let item = Reading::new(TABLE, &item);
        Ok(Cared {
            looked: item.maybe_number("looked_ms").map(Timestamp::from_millis),
            failures: item.maybe_number("failures").unwrap_or(0),
        })
    }
}

fn body(round: &Round) -> Result<String, StoreError> {
    serde_json::to_string(round).map_err(|_| unusable())
}

fn written(round: &Round, item: &str) -> Result<Item, StoreError> {
    Ok(Item::from([
        ("owner".to_owned(), s(OWNER)),
        ("item".to_owned(), s(item)),
        ("round".to_owned(), s(round.round.as_str())),
        ("saves".to_owned(), n(round.progress.saves)),
        ("body".to_owned(), s(body(round)?)),
    ]))
}

fn read(item: &Item) -> Result<Round, StoreError> {
    serde_json::from_str(Reading::new(TABLE, item).text("body")?).map_err(|_| unusable())
}

fn unusable() -> StoreError {
    StoreError::Item { table: TABLE, attribute: "body".to_owned() }
}
