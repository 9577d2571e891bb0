//! Records as FHIR R4 (`docs/fhir.md`): what there is to be read and searched for. What the resources are made of, and what
//! a search means, is in `afferent-fhir`.

mod answers;
mod asked;

use std::cmp::Ordering;
use std::collections::BTreeSet;

use afferent_domain::id::{RecordId, UserId};
use afferent_domain::record::Record;
use afferent_fhir::search::{Common, Search, USUAL};
use afferent_fhir::{Entry, capabilities, device, device_record, id, observation, patient};
use afferent_store::records::{After, Range};
use axum::extract::State;
use axum::http::HeaderMap;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Answer;
use crate::extract::Path;
use crate::problem::Problem;
use crate::state::{App, Shared};
pub(crate) use answers::outcomes;
use answers::{Said, page, resource};
use asked::{Looking, Searching};

/// Where the resources are.
const BASE: &str = "/v1/fhir/r4";

/// How many bytes of Observations a page may have; the first one always fits. (Lambda: 6 MB in an answer, and there every
/// quotation mark is two.)
const PAGE_BYTES: usize = 3_000_000;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(search_observations))
        .routes(routes!(read_observation))
        .routes(routes!(search_devices))
        .routes(routes!(read_device))
        .routes(routes!(search_patients))
        .routes(routes!(read_patient))
}

/// What needs no key.
pub(crate) fn open() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(read_capabilities))
}

/// Says what this FHIR server can do.
#[utoipa::path(
    get,
    path = "/v1/fhir/r4/metadata",
    tag = "FHIR",
    security(()),
    responses((status = 200, description = "A CapabilityStatement.", body = Object, content_type = "application/fhir+json"), Said)
)]
async fn read_capabilities(headers: HeaderMap) -> Answer {
    resource(&capabilities(&base(&headers)), None)
}

/// What every search takes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it only documents the parameters; afferent-fhir reads them")]
struct Every {
    /// Ids, with commas between them.
    #[param(rename = "_id")]
    id: Option<String>,
    /// How many resources on a page; 50 unless it is said.
    #[param(rename = "_count", minimum = 1, maximum = 200)]
    count: Option<u16>,
    /// Where the page before ended: part of its link `next`.
    #[param(rename = "_cursor")]
    cursor: Option<String>,
    /// `json` or `application/fhir+json`; there is no other.
    #[param(rename = "_format")]
    format: Option<String>,
}

/// Which Observations.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it only documents the parameters; afferent-fhir reads them")]
struct Which {
    /// Whose: `usr-…`. May be left out with the key of one user, and means that one.
    patient: Option<String>,
    /// The same as `patient`, or `Patient/usr-…`.
    subject: Option<String>,
    /// Codes of the Observation, `system|code` or `code` (LOINC's or ours), or our kinds; with commas between them.
    #[param(example = "http://loinc.org|29463-7")]
    code: Option<String>,
    /// The same, of the Observation or of one of its parts.
    #[param(rename = "combo-code")]
    combo_code: Option<String>,
    /// `vital-signs`, `activity`, `exam`, `laboratory`, `device`; with commas between them.
    #[param(example = "vital-signs")]
    category: Option<String>,
    /// `preliminary`, `final`, `amended`, `entered-in-error`; with commas between them.
    status: Option<String>,
    /// A year, a month, a day or a time, after `eq`, `ge`, `gt`, `le`, `lt`, `sa`, `eb` or nothing; may be given more than
    /// once. Without a zone it is the person's local one.
    #[param(example = "ge2026-11-01")]
    date: Option<String>,
    /// The same, of when the revision was stored.
    #[param(rename = "_lastUpdated")]
    last_updated: Option<String>,
    /// `-date` for the newest first, as without it, or `date`.
    #[param(rename = "_sort")]
    sort: Option<String>,
}

/// Searches the Observations of one Patient.
#[utoipa::path(
    get,
    path = "/v1/fhir/r4/Observation",
    tag = "FHIR",
    params(Which, Every, ("Prefer" = Option<String>, Header, description = "`handling=lenient`: unknown parameters are ignored.")),
    security(("key" = ["user"])),
    responses((status = 200, description = "A Bundle.", body = Object, content_type = "application/fhir+json"), Said)
)]
async fn search_observations(State(app): State<Shared>, headers: HeaderMap, asked: Searching) -> Answer {
    let search = Search::read(&asked.parameters, asked.lenient).map_err(asked::refused)?;
    let user = asked.one_patient()?;
    let after = search.common.cursor.as_deref().map(read_after).transpose()?;
    let limit = search.common.count.unwrap_or(USUAL);
    let (records, mut next) = find(&app, user, &search, after.as_ref(), limit).await?;
    let devices = devices_of(&app, user, &records).await?;
    let base = base(&headers);
    let (mut entries, mut bytes, mut last) = (Vec::new(), 0, None);
    for record in &records {
        let Some(observation) = observation(record, &devices) else { continue };
        let entry = Entry::new(format!("{base}/Observation/{}", observation.id), &observation)?;
        bytes += entry.resource.get().len();
        if bytes > PAGE_BYTES && last.is_some() {
            next = last;
            break;
        }
        entries.push(entry);
        last = Some(place(record));
    }
    page(&format!("{base}/Observation"), entries, &search.common, next.as_ref().map(written))
}

/// Reads an Observation.
#[utoipa::path(
    get,
    path = "/v1/fhir/r4/Observation/{observation}",
    tag = "FHIR",
    params(("observation" = String, Path, description = "Its id, `usr-….rec-…`.")),
    security(("key" = ["user"])),
    responses((status = 200, description = "An Observation.", body = Object, content_type = "application/fhir+json"), Said)
)]
async fn read_observation(State(app): State<Shared>, Path(text): Path<String>, asked: Looking) -> Answer {
    let record = one_record(&app, &text, &asked, "observation").await?;
    let devices = devices_of(&app, &record.user, std::slice::from_ref(&record)).await?;
    let found = observation(&record, &devices).ok_or(Problem::NotFound("observation"))?;
    resource(&found, Some(record.rev))
}

/// Searches the Devices of one Patient.
#[utoipa::path(
    get,
    path = "/v1/fhir/r4/Device",
    tag = "FHIR",
    params(
        ("patient" = Option<String>, Query, description = "Whose: `usr-…`. May be left out with the key of one user."),
        Every,
        ("Prefer" = Option<String>, Header, description = "`handling=lenient`: unknown parameters are ignored."),
    ),
    security(("key" = ["user"])),
    responses((status = 200, description = "A Bundle.", body = Object, content_type = "application/fhir+json"), Said)
)]
async fn search_devices(State(app): State<Shared>, headers: HeaderMap, asked: Searching) -> Answer {
    let common = Common::devices(&asked.parameters, asked.lenient).map_err(asked::refused)?;
    let user = asked.one_patient()?;
    let after = common.cursor.as_deref().map(read_after).transpose()?;
    let kinds = ["device".to_owned()];
    let wanted = common.records(user);
    let range = Range {
        kinds: &kinds,
        after: after.as_ref(),
        limit: common.count.unwrap_or(USUAL),
        retracted: wanted.is_some(),
        ..Range::of(user)
    };
    let keep = |record: &Record| wanted.as_ref().is_none_or(|wanted| wanted.contains(&record.record));
    let found = app.records.range(&range, keep).await?;
    let base = base(&headers);
    let mut entries = Vec::new();
    for device in found.records.iter().filter_map(device) {
        entries.push(Entry::new(format!("{base}/Device/{}", device.id), &device)?);
    }
    page(&format!("{base}/Device"), entries, &common, found.next.as_ref().map(written))
}

/// Reads a Device.
#[utoipa::path(
    get,
    path = "/v1/fhir/r4/Device/{device}",
    tag = "FHIR",
    params(("device" = String, Path, description = "Its id, `usr-….rec-…`.")),
    security(("key" = ["user"])),
    responses((status = 200, description = "A Device.", body = Object, content_type = "application/fhir+json"), Said)
)]
async fn read_device(State(app): State<Shared>, Path(text): Path<String>, asked: Looking) -> Answer {
    let record = one_record(&app, &text, &asked, "device").await?;
    resource(&device(&record).ok_or(Problem::NotFound("device"))?, Some(record.rev))
}

/// Searches the Patients.
#[utoipa::path(
    get,
    path = "/v1/fhir/r4/Patient",
    tag = "FHIR",
    params(("identifier" = Option<String>, Query, description = "What you call the person: `urn:afferent:reference-id|…`, or without the system."), Every, ("Prefer" = Option<String>, Header, description = "`handling=lenient`: unknown parameters are ignored.")),
    security(("key" = ["user"])),
    responses((status = 200, description = "A Bundle.", body = Object, content_type = "application/fhir+json"), Said)
)]
async fn search_patients(State(app): State<Shared>, headers: HeaderMap, asked: Searching) -> Answer {
    let common = Common::patients(&asked.parameters, asked.lenient).map_err(asked::refused)?;
    let after = common.cursor.as_deref().map(read_user).transpose()?;
    let limit = common.count.unwrap_or(USUAL);
    let wanted = wanted_users(&common);
    let (users, next) = match (wanted, &asked.own) {
        (None, None) => app.connections.users(after.as_ref(), u16::try_from(limit).unwrap_or(u16::MAX)).await?,
        (wanted, own) => {
            // Of one user at least, so few that one page has them.
            let some = wanted.or_else(|| own.clone()).unwrap_or_default();
            let mut users = Vec::new();
            for user in some.iter().filter(|user| asked.sees(user) && after.as_ref().is_none_or(|after| *user > after))
            {
                users.extend(app.connections.user(user).await?);
            }
            let more = users.len() > limit;
            users.truncate(limit);
            let next = users.last().filter(|_| more).map(|user| user.id.clone());
            (users, next)
        }
    };
    let base = base(&headers);
    let mut entries = Vec::new();
    for user in &users {
        let patient = patient(&user.id, Some(&user.reference));
        entries.push(Entry::new(format!("{base}/Patient/{}", patient.id), &patient)?);
    }
    page(&format!("{base}/Patient"), entries, &common, next.map(|user| user.to_string()))
}

/// Whom a search for Patients names; `None` if it names nobody. A user's id is derived from the reference.
fn wanted_users(common: &Common) -> Option<BTreeSet<UserId>> {
    let by_id = common.ids.as_ref().map(|ids| ids.iter().filter_map(|text| id::user(text)).collect::<BTreeSet<_>>());
    let derived = |all: &Vec<String>| all.iter().map(|reference| UserId::derive(&[reference])).collect();
    let by_reference: Option<BTreeSet<UserId>> = common.references.as_ref().map(derived);
    match (by_id, by_reference) {
        (Some(one), Some(other)) => Some(&one & &other),
        (one, other) => one.or(other),
    }
}

/// Reads a Patient.
#[utoipa::path(
    get,
    path = "/v1/fhir/r4/Patient/{patient}",
    tag = "FHIR",
    params(("patient" = String, Path, description = "Its id, `usr-…`.")),
    security(("key" = ["user"])),
    responses((status = 200, description = "A Patient.", body = Object, content_type = "application/fhir+json"), Said)
)]
async fn read_patient(State(app): State<Shared>, Path(text): Path<String>, asked: Looking) -> Answer {
    let user = asked.patient(id::user(&text), "patient")?;
    let found = app.connections.user(&user).await?.ok_or(Problem::NotFound("patient"))?;
    resource(&patient(&found.id, Some(&found.reference)), None)
}

/// Where this server is.
fn base(headers: &HeaderMap) -> String {
    format!("{}{BASE}", crate::consent::called_at(headers))
}

async fn one_record(app: &App, text: &str, asked: &Looking, noun: &'static str) -> Result<Record, Problem> {
    let (user, record) = id::record(text).unzip();
    let user = asked.patient(user, noun)?;
    let record = record.ok_or(Problem::NotFound(noun))?;
    app.records.get(&user, &record).await?.ok_or(Problem::NotFound(noun))
}

/// A page of the records that a search asks for, and where the next one goes on.
async fn find(
    app: &App,
    user: &UserId,
    search: &Search,
    after: Option<&After>,
    limit: usize,
) -> Result<(Vec<Record>, Option<After>), Problem> {
    let newest_first = !search.oldest_first;
    if let Some(wanted) = search.common.records(user) {
        let found = app.records.get_many(user, &wanted).await?.into_values();
        let mut found: Vec<Record> = found.filter(|record| search.holds(record)).collect();
        found.sort_by(|a, b| in_order(newest_first, &place(a), &place(b)));
        found.retain(|record| after.is_none_or(|after| in_order(newest_first, &place(record), after).is_gt()));
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(place);
        return Ok((found, next));
    }
    let kinds = search.kinds();
    if kinds.as_ref().is_some_and(Vec::is_empty) {
        return Ok((Vec::new(), None));
    }
    let (from_ms, to_ms) = search.bounds_ms();
    let range = Range {
        kinds: kinds.as_deref().unwrap_or_default(),
        from_ms,
        to_ms,
        newest_first,
        after,
        limit,
        retracted: search.retracted(),
        ..Range::of(user)
    };
    let found = app.records.range(&range, |record| search.holds(record)).await?;
    Ok((found.records, found.next))
}

/// Which of two records comes first.
fn in_order(newest_first: bool, a: &After, b: &After) -> Ordering {
    let order = (a.effective_ms, &a.record).cmp(&(b.effective_ms, &b.record));
    if newest_first { order.reverse() } else { order }
}

/// The records of devices that the records name, as far as there are any.
async fn devices_of(app: &App, user: &UserId, records: &[Record]) -> Result<BTreeSet<RecordId>, Problem> {
    let named = records.iter().filter_map(|record| record.source.device_id.as_deref());
    let named: BTreeSet<RecordId> = named.map(|hash| device_record(user, hash)).collect();
    let named: Vec<RecordId> = named.into_iter().collect();
    Ok(app.records.get_many(user, &named).await?.into_keys().collect())
}

fn place(record: &Record) -> After {
    After { record: record.record.clone(), effective_ms: record.effective_ms }
}

fn written(after: &After) -> String {
    format!("{} {}", after.effective_ms, after.record)
}

fn read_after(cursor: &str) -> Result<After, Problem> {
    let text = asked::read_cursor(cursor)?;
    let after = text.split_once(' ').and_then(|(effective_ms, record)| {
        Some(After { record: RecordId::parse(record)?, effective_ms: effective_ms.parse().ok()? })
    });
    after.ok_or_else(asked::bad_cursor)
}

fn read_user(cursor: &str) -> Result<UserId, Problem> {
    UserId::parse(&asked::read_cursor(cursor)?).ok_or_else(asked::bad_cursor)
}
