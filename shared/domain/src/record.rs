//! A health record: one fact of one person, with its revisions. The item in the `records` table, the JSON of
//! the API and the data of an event all have this shape. It is flat: what is looked for is at the top.
//!
//! [`Fact`] is what Withings says; [`Record`] is that plus what we keep about it ([`revise`] makes one from
//! the other). Decimals are exact, so nothing here is flattened or untagged around a number.

mod parts;
mod revise;

use serde::{Deserialize, Serialize};

pub use parts::{
    Attribution, Category, Code, Component, Effective, LOINC, OWN, Raw, SNOMED, Series, Signal, Source, Stage, Status,
    SyncKind,
};
pub use revise::{Change, change_bucket, change_buckets, retract, revise};

use crate::clock::Timestamp;
use crate::id::{ConnectionId, PullId, RecordId, UserId};
use crate::trace::{self, Trace};

/// The version of the shape of [`Record`]; raised when a field changes its meaning, not when one is added.
pub const VERSION: u32 = 1;

/// A record as it is stored and sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The version of this shape ([`VERSION`]).
    pub v: u32,
    /// Whose it is; the table's partition key.
    pub user: UserId,
    /// Which it is; the table's sort key.
    pub record: RecordId,
    /// The revision, from 1, by one with each change.
    pub rev: u32,
    /// How certain it is (FHIR `Observation.status`).
    pub status: Status,
    /// What it is: `body_weight`, `sleep_session`, `withings.meastype.<n>`.
    pub kind: String,
    /// FHIR's observation category, or ours for what is no observation.
    pub category: Category,
    /// The codes of the kind: LOINC where a faithful one exists, and always ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<Code>,
    /// The value, exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<crate::exact::Decimal>,
    /// The value's unit (UCUM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The value of a coded result (`negative`, a kind of workout); the integer is in `raw`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_code: Option<String>,
    /// The parts of a compound: pressures, the sums of a day, of a night, of a workout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<Component>,
    /// Samples of one UTC hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<Series>,
    /// The stages of a night in their order, neighbours of one stage merged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Stage>,
    /// Where the samples of a recording are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
    /// When it was, in local time with its offset.
    pub effective: Effective,
    /// When it was (for a period: when it began), in milliseconds since the epoch; a key of two indexes.
    pub effective_ms: i64,
    /// The IANA time zone of `effective`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tz: Option<String>,
    /// The local day it counts for, `YYYY-MM-DD`; for a night the day of waking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_date: Option<String>,
    /// Where on the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_site: Option<String>,
    /// How the value came about, for a statistic: `mean`, `minimum`, `maximum`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Where it came from.
    pub source: Source,
    /// The pair that Withings sent, `value * 10^unit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Raw>,
    /// The connection that brought it.
    pub connection: ConnectionId,
    /// Whether it came by a live pull or a backfill.
    pub synckind: SyncKind,
    /// The backfill run that brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The pull that brought this revision; none for what no reading brought: a notification that is the data itself, a
    /// retraction, what we say ourselves. Not in events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<PullId>,
    /// The trace of the notification that this revision came of, if it is recorded. Not in events.
    #[serde(default, deserialize_with = "trace::lenient", skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
    /// When revision 1 was stored.
    pub ingested_ms: i64,
    /// When this revision was stored; key of the change index.
    pub changed_ms: i64,
    /// SHA-256 (hex) of everything that is a fact.
    pub digest: String,
    /// Index key `<user>#<kind>`.
    pub user_kind: String,
    /// Index key `<user>#<source.service>`.
    pub user_service: String,
    /// Index key: the UTC hour of the change, and one of four shards by user ([`change_bucket`]).
    pub change_bucket: String,
}

/// What Withings says: a record without its revision and without what we keep about it.
///
/// Its serialised form is what the digest is taken over; fields that are no fact are skipped there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// See [`Record::user`].
    pub user: UserId,
    /// See [`Record::record`].
    pub record: RecordId,
    /// Whether it may still change by itself: today's activity, an open night.
    #[serde(skip)]
    pub preliminary: bool,
    /// See [`Record::kind`].
    pub kind: String,
    /// See [`Record::category`].
    pub category: Category,
    /// See [`Record::codes`].
    pub codes: Vec<Code>,
    /// See [`Record::value`].
    pub value: Option<crate::exact::Decimal>,
    /// See [`Record::unit`].
    pub unit: Option<String>,
    /// See [`Record::value_code`].
    pub value_code: Option<String>,
    /// See [`Record::components`].
    pub components: Vec<Component>,
    /// See [`Record::series`].
    pub series: Option<Series>,
    /// See [`Record::stages`].
    pub stages: Vec<Stage>,
    /// See [`Record::signal`].
    pub signal: Option<Signal>,
    /// See [`Record::effective`].
    pub effective: Effective,
    /// See [`Record::effective_ms`].
    pub effective_ms: i64,
    /// See [`Record::tz`].
    pub tz: Option<String>,
    /// See [`Record::local_date`].
    pub local_date: Option<String>,
    /// See [`Record::body_site`].
    pub body_site: Option<String>,
    /// See [`Record::method`].
    pub method: Option<String>,
    /// See [`Record::source`]. `modified` does not enter the digest: Withings raises it without a change.
    pub source: Source,
    /// See [`Record::raw`].
    pub raw: Option<Raw>,
    /// See [`Record::connection`].
    #[serde(skip)]
    pub connection: ConnectionId,
    /// See [`Record::run`].
    #[serde(skip)]
    pub run: Option<String>,
}

impl Fact {
    /// A fact with nothing in it but what every fact has, at an instant in UTC; the rest is set by field.
    #[must_use]
    pub fn bare(
        user: UserId,
        connection: ConnectionId,
        record: RecordId,
        kind: &str,
        category: Category,
        at: Timestamp,
        source: Source,
    ) -> Self {
        Self {
            user,
            record,
            preliminary: false,
            kind: kind.to_owned(),
            category,
            codes: vec![Code::own(kind)],
            value: None,
            unit: None,
            value_code: None,
            components: Vec::new(),
            series: None,
            stages: Vec::new(),
            signal: None,
            effective: Effective::At { at: at.to_string() },
            effective_ms: at.as_millis(),
            tz: None,
            local_date: None,
            body_site: None,
            method: None,
            source,
            raw: None,
            connection,
            run: None,
        }
    }

    /// SHA-256 (hex) of the fact: equal for equal facts, whenever and however they came.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut content = self.clone();
        content.source.modified = None;
        // Every member is a string, an integer or an exact decimal: nothing that JSON cannot write.
        let text = serde_json::to_vec(&content).unwrap_or_default();
        let hash = ring::digest::digest(&ring::digest::SHA256, &text);
        hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
