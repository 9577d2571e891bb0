//! An event: what changed about one record, as it is journalled, signed and sent.
//!
//! The body is one JSON object that is at once a CloudEvents 1.0 event in structured form and a Standard
//! Webhooks payload: `timestamp` and `epoch` are legal CloudEvents extension attributes, and `sequence` is
//! the CloudEvents sequence extension. It is built once, when the journal gives the event its number, and
//! the text that is stored is the text that is sent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::clock::Timestamp;
use crate::id::{ConnectionId, EndpointId, EventId, RecordId, UserId};
use crate::record::{Status, SyncKind, VERSION};
use crate::trace::{self, Trace};

/// The type of a test event. It is about no record.
pub const TEST: &str = "webhook.test";

/// What happened to a record. It is read off the record as it is now, not off the difference to before,
/// so that the stream and the sweep, which sees no difference, name the same event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Its first revision.
    Created,
    /// A later revision.
    Updated,
    /// It is retracted.
    Deleted,
}

impl Verb {
    /// The verb for revision `rev` (from 1) of a record with this status.
    #[must_use]
    pub const fn of(rev: u32, status: Status) -> Self {
        match (status, rev) {
            (Status::EnteredInError, _) => Self::Deleted,
            (_, 0 | 1) => Self::Created,
            _ => Self::Updated,
        }
    }

    /// As it ends an event type.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }
}

/// An event that has no number yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Derived from the user, the record and its revision, so that the same change is the same event.
    pub id: EventId,
    /// Whose journal it goes into.
    pub user: UserId,
    /// `<kind>.<verb>`.
    pub event_type: String,
    /// Where it came from: `/withings/<connection>`.
    pub source: String,
    /// When the record changed.
    pub time: Timestamp,
    /// Live, or from a backfill.
    pub synckind: SyncKind,
    /// The backfill run that brought it.
    pub run: Option<String>,
    /// The record it is about; the journal holds at most one event for each (record, rev).
    pub record: RecordId,
    /// The record's revision.
    pub rev: u32,
    /// The member `data`, as JSON.
    pub data: String,
    /// The endpoint that it tells of, if it is a notice: that endpoint itself is not told.
    pub about: Option<EndpointId>,
    /// Whether it was asked for by an owner who tests an endpoint, and tells of nothing.
    pub test: bool,
    /// The trace of what brought the change. It goes to the deliveries, and is no part of the event.
    pub trace: Option<Trace>,
}

/// An event in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The same in every delivery and every try; receivers deduplicate by it.
    pub id: EventId,
    /// Whose journal it is in.
    pub user: UserId,
    /// Its number in that journal, from 1, without gaps.
    pub sequence: u64,
    /// `<kind>.<verb>`.
    pub event_type: String,
    /// When the record changed.
    pub time: Timestamp,
    /// The record it is about.
    pub record: RecordId,
    /// The record's revision.
    pub rev: u32,
    /// Live, or from a backfill.
    pub synckind: SyncKind,
    /// The endpoint that it tells of.
    pub about: Option<EndpointId>,
    /// Whether it is a test.
    pub test: bool,
    /// The exact text that is signed and sent.
    pub body: String,
}

/// The text given as `data` is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the data of an event is not JSON")]
pub struct DataError;

/// The attributes of a record's item that are no part of the record's public form.
const PRIVATE: [&str; 6] = ["change_bucket", "digest", "pull", "trace", "user_kind", "user_service"];

/// The most bytes of data in an event: DynamoDB's 400 KB for an item, less the rest of the item.
const LARGEST_DATA: usize = 380_000;

/// A record that no event can be made of. Says where, never what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It fails the same way each time.
    #[error("no event can be made of a record: {0}")]
    Never(String),
    /// A later version of the functions wrote it, and can make one.
    #[error("the record has version {0}, and this function reads up to {VERSION}")]
    Later(u32),
}

impl Unfit {
    /// serde's message may repeat a value of the record; the position does not.
    fn new(error: &serde_json::Error) -> Self {
        Self::Never(format!("{:?} error at column {} of its JSON", error.classify(), error.column()))
    }
}

/// The name of the schema that events of a type follow: that of its kind, and the version of its shape. Measure types
/// that have no name share one, and so do series of fields that have none.
#[must_use]
pub fn schema_of(event_type: &str) -> String {
    let kind = event_type.rsplit_once('.').map_or(event_type, |(kind, _)| kind);
    let kind = match kind {
        _ if kind.starts_with("withings.meastype.") => "withings.meastype",
        _ if kind.starts_with("withings.") => "withings.series",
        _ => kind,
    };
    format!("urn:afferent:schema:{kind}:1")
}

/// What an event needs to know of a record.
#[derive(Deserialize)]
struct Known {
    user: UserId,
    record: RecordId,
    rev: u32,
    status: Status,
    kind: String,
    connection: ConnectionId,
    synckind: SyncKind,
    #[serde(default)]
    run: Option<String>,
    changed_ms: Timestamp,
    #[serde(default, deserialize_with = "trace::lenient")]
    trace: Option<Trace>,
}

#[derive(Serialize)]
struct Data<'a> {
    record: BTreeMap<String, &'a RawValue>,
}

#[derive(Serialize)]
struct Body<'a> {
    specversion: &'static str,
    id: &'a EventId,
    source: &'a str,
    #[serde(rename = "type")]
    event_type: &'a str,
    subject: &'a UserId,
    time: &'a str,
    timestamp: &'a str,
    datacontenttype: &'static str,
    dataschema: String,
    sequence: String,
    epoch: u32,
    synckind: SyncKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    test: bool,
    data: &'a RawValue,
}

impl Draft {
    /// The draft for a record as the table holds it, given as JSON. The attributes that only the table's
    /// indexes need are left out of the data; everything else goes over as it is, every digit included.
    ///
    /// # Errors
    /// The record lacks what an event needs, or a later version wrote it.
    pub fn of_record(json: &str) -> Result<Self, Unfit> {
        let mut members: BTreeMap<String, &RawValue> =
            serde_json::from_str(json).map_err(|error| Unfit::new(&error))?;
        let version = members.get("v").and_then(|version| version.get().parse().ok());
        if let Some(later) = version.filter(|version| *version > VERSION) {
            return Err(Unfit::Later(later));
        }
        let known: Known = serde_json::from_str(json).map_err(|error| Unfit::new(&error))?;
        members.retain(|name, _| !PRIVATE.contains(&name.as_str()));
        let data = serde_json::to_string(&Data { record: members }).map_err(|error| Unfit::new(&error))?;
        if data.len() > LARGEST_DATA {
            return Err(Unfit::Never(format!(
                "the record has {} bytes, and an event holds {LARGEST_DATA}",
                data.len()
            )));
        }
        let Known { user, record, rev, status, kind, connection, synckind, run, changed_ms, trace } = known;
        Ok(Self {
            id: EventId::derive(&[user.as_str(), record.as_str(), &rev.to_string()]),
            user,
            event_type: format!("{kind}.{}", Verb::of(rev, status).as_str()),
            source: format!("/withings/{connection}"),
            time: changed_ms,
            synckind,
            run,
            record,
            rev,
            data,
            about: None,
            test: false,
            trace,
        })
    }

    /// The event with its number. `epoch` grows when a journal is restored from a backup, so a consumer
    /// can tell that numbers may come again.
    ///
    /// # Errors
    /// The data is no JSON.
    pub fn numbered(self, sequence: u64, epoch: u32) -> Result<Event, DataError> {
        let data: &RawValue = serde_json::from_str(&self.data).map_err(|_| DataError)?;
        let time = self.time.to_string();
        let body = Body {
            specversion: "1.0",
            id: &self.id,
            source: &self.source,
            event_type: &self.event_type,
            subject: &self.user,
            time: &time,
            timestamp: &time,
            datacontenttype: "application/json",
            dataschema: schema_of(&self.event_type),
            // Twenty digits hold every u64, so the texts sort as the numbers do.
            sequence: format!("{sequence:020}"),
            epoch,
            synckind: self.synckind,
            run: self.run.as_deref(),
            test: self.test,
            data,
        };
        let body = serde_json::to_string(&body).map_err(|_| DataError)?;
        let Self { id, user, event_type, time, record, rev, synckind, about, test, .. } = self;
        Ok(Event { id, user, sequence, event_type, time, record, rev, synckind, about, test, body })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(rev: u32, status: &str, more: &str) -> String {
        format!(
            r#"{{"change_bucket":"2026-11-21T07#1","changed_ms":1795244591412,"connection":"con_1","digest":"00",
               "kind":"body_weight","record":"rec_1","rev":{rev},"status":"{status}","synckind":"live",
               "user":"usr_1","user_kind":"usr_1#body_weight","user_service":"usr_1#getmeas"{more}}}"#
        )
    }

    fn draft(rev: u32, status: &str) -> Draft {
        Draft::of_record(&json(rev, status, "")).unwrap()
    }

    #[test]
    fn an_event_of_a_backfill_says_so_and_names_its_run() {
        let json = json(1, "final", r#","run":"run_1""#).replace("live", "backfill");
        let body = Draft::of_record(&json).unwrap().numbered(1, 0).unwrap().body;
        assert!(body.contains(r#""synckind":"backfill","run":"run_1","data""#), "{body}");
    }

    #[test]
    fn the_body_is_a_cloud_event_and_a_standard_webhooks_payload_byte_by_byte() {
        let draft = Draft::of_record(&json(2, "amended", r#","value":81.20"#)).unwrap();
        let event = draft.numbered(1234, 0).unwrap();
        let id = &event.id;
        assert_eq!(
            event.body,
            format!(
                "{{\"specversion\":\"1.0\",\"id\":\"{id}\",\"source\":\"/withings/con_1\",\
                 \"type\":\"body_weight.updated\",\"subject\":\"usr_1\",\"time\":\"2026-11-21T07:03:11.412Z\",\
                 \"timestamp\":\"2026-11-21T07:03:11.412Z\",\"datacontenttype\":\"application/json\",\
                 \"dataschema\":\"urn:afferent:schema:body_weight:1\",\
                 \"sequence\":\"00000000000000001234\",\"epoch\":0,\"synckind\":\"live\",\
                 \"data\":{{\"record\":{{\"changed_ms\":1795244591412,\"connection\":\"con_1\",\
                 \"kind\":\"body_weight\",\"record\":\"rec_1\",\"rev\":2,\"status\":\"amended\",\
                 \"synckind\":\"live\",\"user\":\"usr_1\",\"value\":81.20}}}}}}"
            )
        );
    }

    #[test]
    fn the_trace_of_a_record_goes_with_its_draft_and_is_no_part_of_its_event() {
        let traced = |trace: &str| Draft::of_record(&json(1, "final", &format!(r#","trace":"{trace}""#))).unwrap();
        let draft = traced("5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8");
        assert_eq!(draft.trace.map(|trace| trace.id()).as_deref(), Some("1-5759e988-bd862e3fe1be46a994272793"));
        assert!(!draft.numbered(1, 0).unwrap().body.contains("trace"));
        assert_eq!(traced("nonsense").trace, None, "an event is worth more than its trace");
    }

    #[test]
    fn the_first_revision_is_created_later_ones_updated_and_a_retraction_deleted() {
        assert_eq!(draft(1, "final").event_type, "body_weight.created");
        assert_eq!(draft(2, "final").event_type, "body_weight.updated");
        assert_eq!(draft(3, "entered-in-error").event_type, "body_weight.deleted");
        assert_eq!(draft(1, "entered-in-error").event_type, "body_weight.deleted");
    }

    #[test]
    fn the_same_change_is_the_same_event_and_the_next_revision_is_another() {
        assert_eq!(draft(1, "final").id, draft(1, "preliminary").id);
        assert_ne!(draft(1, "final").id, draft(2, "final").id);
        assert!(!draft(1, "final").id.as_str().contains('.'), "a full stop would make signatures ambiguous");
    }

    #[test]
    fn a_record_that_lacks_something_is_refused_without_showing_its_values() {
        let text = json(1, "final", r#","value":81.20"#).replace(r#""rev":1"#, r#""rev":"eighty""#);
        let error = Draft::of_record(&text).unwrap_err().to_string();
        assert!(!error.contains("eighty") && error.contains("column"), "{error}");
        assert!(Draft::of_record("{").is_err() && Draft::of_record("[]").is_err());
    }

    #[test]
    fn a_record_of_a_later_version_is_told_from_one_that_no_event_can_ever_be_made_of() {
        assert_eq!(Draft::of_record(r#"{"v":2}"#), Err(Unfit::Later(2)));
        assert!(matches!(Draft::of_record(r#"{"v":1}"#), Err(Unfit::Never(_))));
        assert!(Draft::of_record(&json(1, "final", r#","v":1"#)).is_ok());
    }

    #[test]
    fn a_record_that_would_not_fit_an_item_of_the_journal_is_refused() {
        let long = format!(r#","comment":"{}""#, "a".repeat(LARGEST_DATA));
        assert!(Draft::of_record(&json(1, "final", &long)).is_err());
    }

    #[test]
    fn data_that_is_no_json_is_refused() {
        let mut draft = draft(1, "final");
        draft.data = "{".to_owned();
        assert_eq!(draft.numbered(1, 0), Err(DataError));
    }

    proptest! {
        #[test]
        fn every_decimal_of_a_record_arrives_with_the_digits_it_was_stored_with(number in "-?[1-9][0-9]{0,20}\\.[0-9]{1,20}") {
            let value = format!(r#""value":{number}"#);
            let draft = Draft::of_record(&json(1, "final", &format!(",{value}"))).unwrap();
            prop_assert!(draft.numbered(1, 0).unwrap().body.contains(&value));
        }

        #[test]
        fn sequences_sort_as_texts_like_they_do_as_numbers(a: u64, b: u64) {
            prop_assert_eq!(format!("{a:020}").cmp(&format!("{b:020}")), a.cmp(&b));
        }

        #[test]
        fn no_text_makes_reading_a_record_panic(text: String) {
            let _ = Draft::of_record(&text);
        }
    }
}
