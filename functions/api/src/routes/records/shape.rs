//! What a record is, for readers of the document (`docs/tables.md` tells more). Records themselves are never read into this:
//! they keep their exact text. A test holds it against `afferent_domain::record`.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;

/// A health record: one fact of one person, as it is now. Numbers are exact decimals. What is not known is not there, and more
/// members may come.
#[derive(ToSchema)]
#[schema(as = Record)]
#[expect(dead_code, reason = "it says to readers of the document what a record is")]
pub(in crate::routes) struct RecordShape {
    /// The version of this shape; raised when a member changes its meaning, not when one is added.
    v: u32,
    /// Whose it is.
    user: String,
    /// Which it is: the same for the same fact, however often it is read.
    record: String,
    /// The revision, from 1, by one with each change.
    #[schema(minimum = 1)]
    rev: u32,
    /// How certain it is: `preliminary`, `final`, `amended`; `entered-in-error` once Withings no longer has it.
    #[schema(pattern = "^(preliminary|final|amended|entered-in-error)$")]
    status: String,
    /// What it is: `body_weight`, `sleep_session`, `withings.meastype.<n>`.
    kind: String,
    /// FHIR's category of an observation, or ours for what is none: `vital-signs`, `activity`, `exam`, `laboratory`, `survey`,
    /// `device`, `account`.
    category: String,
    /// The codes of the kind: LOINC where a faithful one exists, and always ours.
    codes: Option<Vec<RecordCode>>,
    /// The value, exact.
    value: Option<f64>,
    /// The value's unit (UCUM).
    unit: Option<String>,
    /// The value of a coded result, such as `negative` or a kind of workout.
    value_code: Option<String>,
    /// The parts of a compound: pressures, the sums of a day, of a night, of a workout.
    components: Option<Vec<RecordPart>>,
    /// Samples of one UTC hour.
    series: Option<RecordSamples>,
    /// The stages of a night in their order, neighbours of one stage merged.
    stages: Option<Vec<RecordStage>>,
    /// Where the samples of a recording are, or a part of them.
    signal: Option<RecordSignal>,
    /// When it was, with the local offset (RFC 3339): `at`, or `start` and `end`.
    effective: RecordTime,
    /// When it was or began, in milliseconds since 1970.
    effective_ms: i64,
    /// The IANA time zone of `effective`.
    tz: Option<String>,
    /// The person's day that it counts for; of a night the day of waking.
    #[schema(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    local_date: Option<String>,
    /// Where on the body.
    body_site: Option<String>,
    /// How a statistic came about: `mean`, `minimum`, `maximum`.
    method: Option<String>,
    /// Where it came from.
    source: RecordSource,
    /// The pair that Withings sent, `value * 10^unit`.
    raw: Option<RecordRaw>,
    /// The connection that brought it.
    connection: String,
    /// Whether it came by a live pull or by a backfill.
    #[schema(pattern = "^(live|backfill)$")]
    synckind: String,
    /// The backfill run that brought it.
    run: Option<String>,
    /// The pull that brought this revision.
    pull: Option<String>,
    /// For operators of traces: that of the notification which this revision came of, if it is recorded.
    trace: Option<String>,
    /// When revision 1 was stored, in milliseconds since 1970.
    ingested_ms: i64,
    /// When this revision was stored, in milliseconds since 1970.
    changed_ms: i64,
    /// SHA-256 (hex) of all that is a fact in it.
    digest: String,
    /// A key of the table: the user and the kind.
    user_kind: String,
    /// A key of the table: the user and the service.
    user_service: String,
    /// A key of the table: the UTC hour of the change, and a shard.
    change_bucket: String,
}

/// A code, and the system that it is of.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it says to readers of the document what a record is")]
struct RecordCode {
    /// The system's URI.
    #[schema(example = "http://loinc.org")]
    system: String,
    /// The code.
    #[schema(example = "29463-7")]
    code: String,
    /// Its name in that system.
    display: Option<String>,
}

/// A part of a compound.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it says to readers of the document what a record is")]
struct RecordPart {
    /// What it is: `systolic`, `steps_total`.
    kind: String,
    /// Its codes.
    codes: Option<Vec<RecordCode>>,
    /// Its value, exact.
    value: Option<f64>,
    /// Its unit (UCUM).
    unit: Option<String>,
    /// Its value, if it is a coded one.
    value_code: Option<String>,
    /// Where on the body.
    body_site: Option<String>,
    /// `mean`, `minimum`, `maximum`; an intensity; a zone of the heart rate.
    method: Option<String>,
    /// The pair that Withings sent.
    raw: Option<RecordRaw>,
}

/// Samples in columns: sample `i` began `offsets_s[i]` seconds after `origin_ms` and has the value `values[i]`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it says to readers of the document what a record is")]
struct RecordSamples {
    /// The unit of the values (UCUM).
    unit: String,
    /// The beginning of the UTC hour, in milliseconds since 1970.
    origin_ms: i64,
    /// Seconds from there to the beginning of each sample.
    offsets_s: Vec<i64>,
    /// The values, exact.
    values: Vec<f64>,
    /// How long each sample lasts, in seconds, where Withings says so.
    durations_s: Option<Vec<i64>>,
}

/// A stage of a night.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it says to readers of the document what a record is")]
struct RecordStage {
    /// `awake`, `light`, `deep`, `rem`, `manual`, `unspecified`, `out_of_bed`, or `withings.state.<n>`.
    stage: String,
    /// Its beginning, in milliseconds since 1970.
    start_ms: i64,
    /// Its end, in milliseconds since 1970.
    end_ms: i64,
}

/// A recording, or a part of its samples.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it says to readers of the document what a record is")]
struct RecordSignal {
    /// Withings' id of the recording.
    signalid: i64,
    /// Samples per second, once known.
    sampling_hz: Option<f64>,
    /// The unit of a sample (UCUM), once known.
    unit: Option<String>,
    /// Which part this record holds, from 1.
    part: Option<u32>,
    /// How many parts there are.
    parts: Option<u32>,
    /// SHA-256 (hex) of all samples as a JSON list without blanks.
    digest: Option<String>,
    /// The samples of this part, in their order.
    samples: Option<Vec<i64>>,
}

/// When a record was: `at`, or `start` and `end`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it says to readers of the document what a record is")]
struct RecordTime {
    /// The instant.
    at: Option<String>,
    /// The beginning of the period.
    start: Option<String>,
    /// Its end.
    end: Option<String>,
}

/// What Withings sent for a number.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it says to readers of the document what a record is")]
struct RecordRaw {
    /// The integer.
    value: i64,
    /// The power of ten.
    unit: i32,
}

/// Where a record came from: the source's own names for it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it says to readers of the document what a record is")]
struct RecordSource {
    /// `withings`.
    provider: String,
    /// The service that it was read from; `notify` of a notification that is the data, `afferent` of our own.
    service: String,
    /// Withings' group of measures.
    grpid: Option<i64>,
    /// Withings' id of a night, a workout, a recording or a survey.
    id: Option<i64>,
    /// Withings' measure type.
    r#type: Option<i64>,
    /// The hashed id of the device.
    device_id: Option<String>,
    /// The device's model.
    model: Option<String>,
    /// The device's model as Withings' number.
    model_id: Option<i64>,
    /// Whose the data are: `device` knew the person; `ambiguous`, `manual`, `chosen`, `manual_at_creation`, `automatic`,
    /// `confirmed`, `guided`, `external`, `unknown`.
    attribution: Option<String>,
    /// Withings' `attrib` behind it.
    attrib: Option<i64>,
    /// When Withings stored it, in seconds since 1970.
    created: Option<i64>,
    /// When Withings last touched it, in seconds since 1970.
    modified: Option<i64>,
    /// The person's comment.
    comment: Option<String>,
    /// Withings' `algo`.
    algo: Option<i64>,
    /// Withings' `fm`.
    fm: Option<i64>,
    /// Withings' `position` behind `body_site`.
    position: Option<i64>,
    /// Withings' `category`: 1 for a real measure; of a workout its kind.
    category: Option<i64>,
    /// What else Withings sent, under its own names.
    other: Option<BTreeMap<String, Value>>,
}
