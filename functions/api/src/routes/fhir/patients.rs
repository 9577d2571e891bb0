//! Patients: who there is, and all that there is of one.

use std::collections::BTreeSet;

use afferent_domain::id::UserId;
use afferent_fhir::search::{Common, MOST, USUAL};
use afferent_fhir::{Entry, id, patient};
use afferent_store::users::User;
use axum::extract::State;
use axum::http::HeaderMap;

use super::answers::{Page, page, resource};
use super::asked::{self, Looking, Plainly, Searching};
use super::count::{Tally, counted};
use super::everything::everything;
use super::parameters::{ById, Formatted, Handling, OfEverything, OfPatient, Paged};
use super::shapes::{FhirBundle, FhirPatient};
use super::{Answer, Problem, base};
use crate::extract::Path;
use crate::routes::put::{Routes, put};
use crate::state::{App, Shared};

pub(super) fn routes<R: Routes>(routes: R) -> R {
    put!(routes; search_patients, search_patients_by_form, read_patient, read_everything)
}

/// Searches the Patients.
#[utoipa::path(
    get,
    path = "/v1/fhir/r4/Patient",
    tag = "FHIR",
    params(OfPatient, ById, Paged, Handling),
    security(("key" = ["user"])),
    responses((status = 200, description = "A Bundle.", body = FhirBundle, content_type = "application/fhir+json"))
)]
async fn search_patients(State(app): State<Shared>, headers: HeaderMap, asked: Searching) -> Answer {
    found_patients(&app, &base(&headers), &asked).await
}

/// Searches the Patients, by a form.
#[utoipa::path(
    post,
    path = "/v1/fhir/r4/Patient/_search",
    tag = "FHIR",
    params(Handling),
    security(("key" = ["user"])),
    responses((status = 200, description = "A Bundle.", body = FhirBundle, content_type = "application/fhir+json"))
)]
async fn search_patients_by_form(State(app): State<Shared>, headers: HeaderMap, asked: Searching) -> Answer {
    found_patients(&app, &base(&headers), &asked).await
}

async fn found_patients(app: &App, base: &str, asked: &Searching) -> Answer {
    let common = Common::patients(&asked.parameters, asked.lenient).map_err(asked::refused)?;
    let mut answer = Page::of(base, "Patient", None, &common);
    if common.is_count() {
        return counted(answer.itself(), count_patients(app, asked, &common).await?);
    }
    let read = |text: String| UserId::parse(&text).ok_or_else(asked::bad_cursor);
    let after = answer.place()?.map(read).transpose()?;
    let (users, next) = patients(app, asked, &common, after.as_ref(), common.count.unwrap_or(USUAL)).await?;
    for user in &users {
        let patient = patient(&user.id, Some(&user.reference));
        answer.put(Entry::new(format!("{base}/Patient/{}", patient.id), &patient)?);
    }
    page(answer, next.map(|user| user.to_string()))
}

async fn patients(
    app: &App,
    asked: &Searching,
    common: &Common,
    after: Option<&UserId>,
    limit: usize,
) -> Result<(Vec<User>, Option<UserId>), Problem> {
    match (wanted_users(common), &asked.own) {
        (None, None) => Ok(app.connections.users(after, u16::try_from(limit).unwrap_or(u16::MAX)).await?),
        (wanted, own) => {
            // Of one user at least, so few that one page has them.
            let some = wanted.or_else(|| own.clone()).unwrap_or_default();
            let mut users = Vec::new();
            for user in some.iter().filter(|user| asked.sees(user) && after.is_none_or(|after| *user > after)) {
                users.extend(app.connections.user(user).await?);
            }
            let more = users.len() > limit;
            users.truncate(limit);
            let next = users.last().filter(|_| more).map(|user| user.id.clone());
            Ok((users, next))
        }
    }
}

async fn count_patients(app: &App, asked: &Searching, common: &Common) -> Result<usize, Problem> {
    let (mut tally, mut after) = (Tally::until(asked.until()), None);
    loop {
        let (found, next) = patients(app, asked, common, after.as_ref(), MOST).await?;
        if let Some(total) = tally.add(found.len(), next.is_some(), app.now())? {
            return Ok(total);
        }
        after = next;
    }
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
    params(("patient" = String, Path, description = "Its id, `usr-…`."), Formatted),
    security(("key" = ["user"])),
    responses((status = 200, description = "A Patient.", body = FhirPatient, content_type = "application/fhir+json"))
)]
async fn read_patient(State(app): State<Shared>, Path(text): Path<String>, asked: Looking, _: Plainly) -> Answer {
    let user = asked.patient(id::user(&text), "patient")?;
    let found = app.connections.user(&user).await?.ok_or(Problem::NotFound("patient"))?;
    resource(&patient(&found.id, Some(&found.reference)), None)
}

/// Reads all that there is of a Patient, in pages: the Patient, the Devices, then the Observations, the newest first.
#[utoipa::path(
    get,
    path = "/v1/fhir/r4/Patient/{patient}/$everything",
    tag = "FHIR",
    params(("patient" = String, Path, description = "Its id, `usr-…`."), OfEverything, Paged, Handling),
    security(("key" = ["user"])),
    responses((status = 200, description = "A Bundle.", body = FhirBundle, content_type = "application/fhir+json"))
)]
async fn read_everything(
    State(app): State<Shared>,
    Path(text): Path<String>,
    headers: HeaderMap,
    asked: Searching,
) -> Answer {
    let user = asked.patient(id::user(&text))?;
    everything(&app, &base(&headers), &user, &asked).await
}
