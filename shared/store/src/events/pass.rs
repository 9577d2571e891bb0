//! Where the journal sweep is: one item, so that a sweep which takes longer than a run of the keeper goes on in the next.

use afferent_domain::Timestamp;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;

use super::{Events, TABLE};
use crate::StoreError;
use crate::item::{Item, Reading, from_json, n, s, to_json};

/// The key of the item; no user is called so.
const SWEEP: &str = "_sweep";

/// How far sweeping is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sweeping {
    /// Changes up to this instant were compared by the last pass that came through; the epoch before the first.
    pub through: Timestamp,
    /// The pass that is under way.
    pub pass: Option<Pass>,
    /// Raised by every write: whoever read an older one does not overwrite a newer one.
    turn: u64,
}

/// One pass over the records by the time of their change, the oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pass {
    /// It compares changes up to this instant.
    pub to: Timestamp,
    /// The hour that it is at; any instant of it.
    pub hour: Timestamp,
    /// The bucket of that hour that it is at, from 0.
    pub bucket: u32,
    /// Where in the bucket it goes on; `None` at its beginning.
    pub start: Option<Item>,
    /// Something could not be compared: the next pass begins where this one did.
    pub flawed: bool,
    /// Changes compared.
    pub compared: u64,
    /// Those of them that had no event.
    pub missing: u64,
    /// Those that cannot become one.
    pub unfit: u64,
}

impl Events {
    /// How far sweeping is.
    ///
    /// # Errors
    /// DynamoDB failed, or the item is not one of ours.
    pub async fn sweeping(&self) -> Result<Sweeping, StoreError> {
        let item = self.item(SWEEP, 0).await?;
        item.map_or_else(|| Ok(Sweeping::default()), |item| read(&item))
    }

    /// Keeps how far sweeping is now, and returns it as it is kept; `None` if somebody else went on since `was` was read.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn keep_sweeping(
        &self,
        was: &Sweeping,
        through: Timestamp,
        pass: Option<Pass>,
    ) -> Result<Option<Sweeping>, StoreError> {
        let now = Sweeping { through, pass, turn: was.turn + 1 };
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("journal", s(SWEEP))
            .key("sequence", n(0))
            .condition_expression("attribute_not_exists(turn) OR turn = :was")
            .expression_attribute_values(":was", n(was.turn))
            .expression_attribute_values(":turn", n(now.turn))
            .expression_attribute_values(":through", n(now.through.as_millis()));
        let set = "SET turn = :turn, through_ms = :through";
        let update = match &now.pass {
            None => update.update_expression(format!("{set} REMOVE pass")),
            Some(pass) => update
                .update_expression(format!("{set}, pass = :pass"))
                .expression_attribute_values(":pass", aws_sdk_dynamodb::types::AttributeValue::M(write(pass))),
        };
        match update.send().await {
            Ok(_) => Ok(Some(now)),
            Err(error)
                if matches!(error.as_service_error(), Some(UpdateItemError::ConditionalCheckFailedException(_))) =>
            {
                Ok(None)
            }
            Err(error) => Err(StoreError::failed("UpdateItem")(error)),
        }
    }
}

fn write(pass: &Pass) -> Item {
    let mut item = Item::from([
        ("to_ms".to_owned(), n(pass.to.as_millis())),
        ("hour_ms".to_owned(), n(pass.hour.as_millis())),
        ("bucket".to_owned(), n(pass.bucket)),
        ("flawed".to_owned(), n(u8::from(pass.flawed))),
        ("compared".to_owned(), n(pass.compared)),
        ("missing".to_owned(), n(pass.missing)),
        ("unfit".to_owned(), n(pass.unfit)),
    ]);
    if let Some(start) = &pass.start {
        // The key of an index holds texts and whole numbers only.
        item.insert("start".to_owned(), s(to_json(start)));
    }
    item
}

fn read(item: &Item) -> Result<Sweeping, StoreError> {
    let reading = Reading::new(TABLE, item);
    let pass = item.get("pass").and_then(|pass| pass.as_m().ok());
    Ok(Sweeping {
        through: Timestamp::from_millis(reading.number("through_ms")?),
        pass: pass.map(read_pass).transpose()?,
        turn: reading.number("turn")?,
    })
}

fn read_pass(pass: &Item) -> Result<Pass, StoreError> {
    let reading = Reading::new(TABLE, pass);
    let unreadable = |_| StoreError::Item { table: TABLE, attribute: "start".to_owned() };
    Ok(Pass {
        to: Timestamp::from_millis(reading.number("to_ms")?),
        hour: Timestamp::from_millis(reading.number("hour_ms")?),
        bucket: reading.number("bucket")?,
        start: reading.maybe_text("start").map(|start| from_json(start).map_err(unreadable)).transpose()?,
        flawed: reading.number::<u8>("flawed")? != 0,
        compared: reading.number("compared")?,
        missing: reading.number("missing")?,
        unfit: reading.number("unfit")?,
    })
}
