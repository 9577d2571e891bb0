//! Records as FHIR R4 (`docs/fhir.md`): what there is to be read and searched for. What the resources are made of, and what
//! a search means, is in `afferent-fhir`.

mod answers;
mod asked;
mod count;
mod everything;
mod find;
mod form;
mod parameters;
mod patients;
mod shapes;

use afferent_domain::Timestamp;
use afferent_domain::id::UserId;
use afferent_domain::record::Record;
use afferent_fhir::search::{Common, MOST, Search, USUAL};
use afferent_fhir::{Entry, capabilities, device, id, observation};
use afferent_store::records::{After, Range};
use axum::extract::State;
use axum::http::HeaderMap;

use super::Answer;
use crate::extract::Path;
use crate::problem::Problem;
use crate::routes::put::{Routes, put};
use crate::state::{App, Shared};
pub(crate) use answers::outcomes;
use answers::{Page, page, resource};
use asked::{Looking, Plainly, Searching};
use count::{Tally, counted};
use find::{Found, Place, devices_of, find};
use parameters::{ById, Formatted, Handling, OfDevice, OfObservation, Paged};
pub(crate) use shapes::FhirOperationOutcome;
use shapes::{FhirBundle, FhirCapabilityStatement, FhirDevice, FhirObservation};

/// Where the resources are.
pub(crate) const BASE: &str = "/v1/fhir/r4";

/// How many bytes of Observations a page may have; the first one always fits. (Lambda: 6 MB in an answer, and there every
/// quotation mark is two.)
const PAGE_BYTES: usize = 3_000_000;

pub(crate) fn routes<R: Routes>(routes: R) -> R {
    let routes = put!(routes; search_observations, search_observations_by_form, read_observation);
    patients::routes(put!(routes; search_devices, search_devices_by_form, read_device))
}

/// What needs no key.
pub(crate) fn open<R: Routes>(routes: R) -> R {
    put!(routes; read_capabilities)
}

/// Says what this FHIR server can do.
#[utoipa::path(
    get,
    path = "/v1/fhir/r4/metadata",
    tag = "FHIR",
    params(Formatted),
    security(()),
    responses((status = 200, description = "A CapabilityStatement.", body = FhirCapabilityStatement, content_type = "application/fhir+json"))
)]
async fn read_capabilities(headers: HeaderMap, _: Plainly) -> Answer {
    resource(&capabilities(&base(&headers)), None)
}

/// Searches the Observations of one Patient.
///
/// If `_lastUpdated` says since when, and `_sort` nothing, they come in the order in which they changed: a record that changed
/// several times comes once, as it is now.
#[utoipa::path(
    get,
    path = "/v1/fhir/r4/Observation",
    tag = "FHIR",
    params(OfObservation, ById, Paged, Handling),
    security(("key" = ["user"])),
    responses((status = 200, description = "A Bundle.", body = FhirBundle, content_type = "application/fhir+json"))
)]
async fn search_observations(State(app): State<Shared>, headers: HeaderMap, asked: Searching) -> Answer {
    found_observations(&app, &base(&headers), &asked).await
}

/// Searches the Observations of one Patient, by a form: nothing of it stands in the address, which others may keep.
#[utoipa::path(
    post,
    path = "/v1/fhir/r4/Observation/_search",
    tag = "FHIR",
    params(Handling),
    security(("key" = ["user"])),
    responses((status = 200, description = "A Bundle.", body = FhirBundle, content_type = "application/fhir+json"))
)]
async fn search_observations_by_form(State(app): State<Shared>, headers: HeaderMap, asked: Searching) -> Answer {
    found_observations(&app, &base(&headers), &asked).await
}

async fn found_observations(app: &App, base: &str, asked: &Searching) -> Answer {
    let search = Search::read(&asked.parameters, asked.lenient).map_err(asked::refused)?;
    let user = asked.one_patient()?;
    let mut answer = Page::of(base, "Observation", Some(user), &search.common);
    if search.common.is_count() {
        return counted(answer.itself(), count_observations(app, user, &search, asked.until()).await?);
    }
    let after = answer.place()?.as_deref().map(Place::read).transpose()?;
    let limit = search.common.count.unwrap_or(USUAL);
    let found = find(app, user, &search, after, limit).await?;
    let next = observations(app, base, user, found, &mut answer).await?;
    page(answer, next.map(|place| place.to_text()))
}

async fn count_observations(app: &App, user: &UserId, search: &Search, until: Timestamp) -> Result<usize, Problem> {
    let (mut tally, mut after) = (Tally::until(until), None);
    loop {
        let (found, next) = find(app, user, search, after, MOST).await?;
        if let Some(total) = tally.add(found.len(), next.is_some(), app.now())? {
            return Ok(total);
        }
        after = next;
    }
}

/// Puts what was found on a page, as far as it fits, and tells where the next page goes on.
async fn observations(
    app: &App,
    base: &str,
    user: &UserId,
    (records, next): Found,
    answer: &mut Page,
) -> Result<Option<Place>, Problem> {
    let devices = devices_of(app, user, records.iter().map(|(_, record)| record)).await?;
    let (mut bytes, mut last) = (0, None);
    for (place, record) in records {
        let Some(observation) = observation(&record, &devices) else { continue };
        let entry = Entry::new(format!("{base}/Observation/{}", observation.id), &observation)?;
        bytes += entry.resource.get().len();
        if bytes > PAGE_BYTES && last.is_some() {
            return Ok(last);
        }
        answer.put(entry);
        last = Some(place);
    }
    Ok(next)
}

/// Reads an Observation.
#[utoipa::path(
    get,
    path = "/v1/fhir/r4/Observation/{observation}",
    tag = "FHIR",
    params(("observation" = String, Path, description = "Its id, `usr-….rec-…`."), Formatted),
    security(("key" = ["user"])),
    responses((
        status = 200,
        description = "An Observation.",
        body = FhirObservation,
        content_type = "application/fhir+json",
        headers(("ETag" = String, description = "The revision: `W/\"3\"`."))
    ))
)]
async fn read_observation(State(app): State<Shared>, Path(text): Path<String>, asked: Looking, _: Plainly) -> Answer {
    let record = one_record(&app, &text, &asked, "observation").await?;
    let devices = devices_of(&app, &record.user, std::iter::once(&record)).await?;
    let found = observation(&record, &devices).ok_or(Problem::NotFound("observation"))?;
    resource(&found, Some(record.rev))
}

/// Searches the Devices of one Patient.
#[utoipa::path(
    get,
    path = "/v1/fhir/r4/Device",
    tag = "FHIR",
    params(OfDevice, ById, Paged, Handling),
    security(("key" = ["user"])),
    responses((status = 200, description = "A Bundle.", body = FhirBundle, content_type = "application/fhir+json"))
)]
async fn search_devices(State(app): State<Shared>, headers: HeaderMap, asked: Searching) -> Answer {
    found_devices(&app, &base(&headers), &asked).await
}

/// Searches the Devices of one Patient, by a form.
#[utoipa::path(
    post,
    path = "/v1/fhir/r4/Device/_search",
    tag = "FHIR",
    params(Handling),
    security(("key" = ["user"])),
    responses((status = 200, description = "A Bundle.", body = FhirBundle, content_type = "application/fhir+json"))
)]
async fn search_devices_by_form(State(app): State<Shared>, headers: HeaderMap, asked: Searching) -> Answer {
    found_devices(&app, &base(&headers), &asked).await
}

async fn found_devices(app: &App, base: &str, asked: &Searching) -> Answer {
    let common = Common::devices(&asked.parameters, asked.lenient).map_err(asked::refused)?;
    let user = asked.one_patient()?;
    let mut answer = Page::of(base, "Device", Some(user), &common);
    if common.is_count() {
        return counted(answer.itself(), count_devices(app, user, &common, asked.until()).await?);
    }
    let after = match answer.place()?.as_deref().map(Place::read).transpose()? {
        Some(Place::Time(after)) => Some(after),
        Some(Place::Change(_)) => return Err(asked::bad_cursor()),
        None => None,
    };
    let (found, next) = devices(app, user, &common, after.as_ref(), common.count.unwrap_or(USUAL)).await?;
    for device in found.iter().filter_map(device) {
        answer.put(Entry::new(format!("{base}/Device/{}", device.id), &device)?);
    }
    page(answer, next.map(|after| Place::Time(after).to_text()))
}

async fn devices(
    app: &App,
    user: &UserId,
    common: &Common,
    after: Option<&After>,
    limit: usize,
) -> Result<(Vec<Record>, Option<After>), Problem> {
    let kinds = ["device".to_owned()];
    let wanted = common.records(user);
    let range = Range { kinds: &kinds, after, limit, retracted: wanted.is_some(), ..Range::of(user) };
    let keep = |record: &Record| wanted.as_ref().is_none_or(|wanted| wanted.contains(&record.record));
    let found = app.records.range(&range, keep).await?;
    Ok((found.records, found.next))
}

async fn count_devices(app: &App, user: &UserId, common: &Common, until: Timestamp) -> Result<usize, Problem> {
    let (mut tally, mut after) = (Tally::until(until), None);
    loop {
        let (found, next) = devices(app, user, common, after.as_ref(), MOST).await?;
        if let Some(total) = tally.add(found.iter().filter_map(device).count(), next.is_some(), app.now())? {
            return Ok(total);
        }
        after = next;
    }
}

/// Reads a Device.
#[utoipa::path(
    get,
    path = "/v1/fhir/r4/Device/{device}",
    tag = "FHIR",
    params(("device" = String, Path, description = "Its id, `usr-….rec-…`."), Formatted),
    security(("key" = ["user"])),
    responses((
        status = 200,
        description = "A Device.",
        body = FhirDevice,
        content_type = "application/fhir+json",
        headers(("ETag" = String, description = "The revision: `W/\"3\"`."))
    ))
)]
async fn read_device(State(app): State<Shared>, Path(text): Path<String>, asked: Looking, _: Plainly) -> Answer {
    let record = one_record(&app, &text, &asked, "device").await?;
    resource(&device(&record).ok_or(Problem::NotFound("device"))?, Some(record.rev))
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
