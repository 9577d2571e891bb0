//! What is told of a notification: its end, and what came of it.

use afferent_domain::Timestamp;
use afferent_domain::id::{NotificationId, PullId, RecordId};
use futures_util::future::try_join_all;

use super::{Notifications, State, read_state};
use crate::StoreError;
use crate::item::{Item, Reading, n, s};

const TABLE: &str = "notifications";

/// A notification with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Which.
    pub id: NotificationId,
    /// When `ingest` took it.
    pub received: Timestamp,
    /// The number of its category, if it could be read.
    pub appli: Option<u32>,
    /// The Withings user, if it could be read.
    pub userid: Option<String>,
    /// What came; nothing of a person who was erased.
    pub body: String,
    /// Where it stands.
    pub state: State,
    /// Why it is in quarantine.
    pub reason: Option<String>,
    /// What it still waits for: pairs of connection and service.
    pub pending: Vec<(String, String)>,
    /// The pulls that satisfied it.
    pub pulls: Vec<PullId>,
    /// The records that it is.
    pub records: Vec<RecordId>,
}

/// A place in a list: after this notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// When it was received.
    pub received: Timestamp,
    /// Which.
    pub id: NotificationId,
}

impl Notifications {
    /// The notification; `None` if there is no such one, or none any more.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn told(&self, id: &NotificationId) -> Result<Option<Told>, StoreError> {
        self.item(id).await?.as_ref().map(read).transpose()
    }

    /// A page of the notifications that were received on `day` (`YYYY-MM-DD`, UTC) and stand at `state`, the newest
    /// first, and the place to go on from if there may be more. The index may be a moment behind: one that has moved on
    /// is left out, so that a page may be short, or empty, and not the last.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn list(
        &self,
        state: State,
        day: &str,
        after: Option<&Place>,
        limit: u16,
    ) -> Result<(Vec<Told>, Option<Place>), StoreError> {
        let state_day = format!("{}#{day}", state.name());
        let start = after.map(|place| {
            Item::from([
                ("notification".to_owned(), s(place.id.as_str())),
                ("state_day".to_owned(), s(&state_day)),
                ("received_ms".to_owned(), n(place.received.as_millis())),
            ])
        });
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("by_state")
            .key_condition_expression("state_day = :day")
            .expression_attribute_values(":day", s(&state_day))
            .scan_index_forward(false)
            .set_exclusive_start_key(start)
            .limit(i32::from(limit.max(1)))
            .send()
            .await
            .map_err(StoreError::failed("Query"))?;
        let ids: Vec<NotificationId> = page
            .items()
            .iter()
            .map(|item| Reading::new(TABLE, item).text("notification").map(NotificationId::from))
            .collect::<Result<_, _>>()?;
        let told = try_join_all(ids.iter().map(|id| self.told(id))).await?;
        let next = page.last_evaluated_key.as_ref().map(|key| {
            let key = Reading::new(TABLE, key);
            let received = Timestamp::from_millis(key.number("received_ms")?);
            Ok::<_, StoreError>(Place { received, id: key.text("notification")?.into() })
        });
        Ok((told.into_iter().flatten().filter(|told| told.state == state).collect(), next.transpose()?))
    }
}

fn read(item: &Item) -> Result<Told, StoreError> {
    let reading = Reading::new(TABLE, item);
    let pending = reading.set("pending");
    let pairs = pending.iter().filter_map(|text| text.split_once(' '));
    Ok(Told {
        id: reading.text("notification")?.into(),
        received: Timestamp::from_millis(reading.number("received_ms")?),
        appli: reading.maybe_number("appli"),
        userid: reading.maybe_text("userid").map(str::to_owned),
        body: reading.maybe_text("body").unwrap_or_default().to_owned(),
        state: read_state(item)?,
        reason: reading.maybe_text("reason").map(str::to_owned),
        pending: pairs.map(|(connection, service)| (connection.to_owned(), service.to_owned())).collect(),
        pulls: reading.set("pulls").into_iter().map(PullId::from).collect(),
        records: reading.set("records").into_iter().map(RecordId::from).collect(),
    })
}
