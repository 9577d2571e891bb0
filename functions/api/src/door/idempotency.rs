//! `Idempotency-Key`: a POST that names itself is done once, and answered the same whenever it is made again.
//!
//! What it was answered with is kept for a day, sealed: an answer may hold the only sight of a secret. Failures of ours
//! and refusals by how things stand are not kept, so that trying again means trying; nor are answers that say themselves that
//! something is still to be done.

use afferent_domain::secret::Secret;
use afferent_secrets::{Sealed, Seals};
use afferent_store::keys::idempotency::{Began, Repeatable};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;
use ring::digest::{Context, SHA256, digest};
use serde::{Deserialize, Serialize};

use super::aside::NotFinal;
use super::{Caller, audit};
use crate::problem::{Kind, Problem};
use crate::state::App;

const NAME: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The longest name, in characters.
const LONGEST_NAME: usize = 255;

/// The longest request and answer that are looked at, in bytes: what Lambda takes.
const LAMBDA_LIMIT: usize = 6 * 1024 * 1024;

/// The longest answer that is kept, in bytes before sealing: DynamoDB takes 400 KB an item, and sealing adds a third.
const LONGEST_KEPT: usize = 280 * 1024;

/// How often it is tried to keep an answer, or at least that there was one.
const KEEPING: usize = 3;

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// Does the request, unless it names itself and was done before.
pub(super) async fn once(app: &App, caller: &Caller, request: Request, next: Next) -> Result<Response, Problem> {
    let Some(name) = name(request.headers())?.map(hash) else {
        return audit::noted(app, caller, request, next).await;
    };
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LAMBDA_LIMIT).await.map_err(|_| Problem::TooLarge { limit: LAMBDA_LIMIT })?;
    let wanted = Repeatable {
        key: caller.key.clone(),
        name,
        digest: digest_of(&parts.method, &parts.uri, &body),
        holder: format!("{:016x}", app.rim.dice.roll()),
    };
    // Had before anything is done: an answer that cannot be sealed afterwards could not be repeated.
    let seals = app.seals().await?;
    match app.keys.begin(&wanted, app.now()).await? {
        Began::Ours => {}
        Began::Done(sealed) => return repeated(app, seals, &wanted, sealed).await,
        Began::Other => return Err(Problem::OtherRequest),
        Began::Unkept => {
            let detail = "the request with this Idempotency-Key was done, and its answer was too long to be kept";
            return Err(Problem::conflict(Kind::AnswerNotKept, detail));
        }
        Began::UnderWay(until) => {
            let detail = format!("the request with this Idempotency-Key is being done, until {until} at the latest");
            return Err(Problem::conflict(Kind::KeyUnderWay, detail));
        }
    }
    let request = Request::from_parts(parts, Body::from(body));
    match audit::noted(app, caller, request, next).await {
        Ok(answer) => keep(app, seals, &wanted, answer).await,
        Err(problem) => {
            app.keys.forget(&wanted).await?;
            Err(problem)
        }
    }
}

/// The name that the request gives itself.
fn name(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get(NAME) else { return Ok(None) };
    let printable =
        |name: &&str| (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(|b| (b' '..=b'~').contains(&b));
    let name = value.to_str().ok().filter(printable);
    name.map(Some).ok_or_else(|| Problem::field("Idempotency-Key", "1 to 255 printable ASCII characters"))
}

fn digest_of(method: &Method, uri: &Uri, body: &Bytes) -> String {
    let mut context = Context::new(&SHA256);
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    for part in [method.as_str().as_bytes(), &[0], target.as_bytes(), &[0], body] {
        context.update(part);
    }
    hex(context.finish().as_ref())
}

/// What the table has in the place of the name: a name may say more than its owner thinks.
fn hash(name: &str) -> String {
    hex(digest(&SHA256, name.as_bytes()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What an answer is sealed for: its own place in the table and no other.
fn owner(wanted: &Repeatable) -> String {
    format!("{} idem {}", wanted.key, wanted.name)
}

/// Keeps an answer that is final, and gives it.
async fn keep(app: &App, seals: &Seals, wanted: &Repeatable, answer: Response) -> Result<Response, Problem> {
    let status = answer.status();
    let is_final = answer.extensions().get::<NotFinal>().is_none();
    // Of refusals, only what no later time can mend.
    if !(is_final && (status.is_success() || status == StatusCode::BAD_REQUEST)) {
        app.keys.forget(wanted).await?;
        return Ok(answer);
    }
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, LAMBDA_LIMIT).await.map_err(|_| Problem::Unwritable)?;
    let header = |(name, value): (&HeaderName, &HeaderValue)| Some((name.to_string(), value.to_str().ok()?.to_owned()));
    let kept = std::str::from_utf8(&body).ok().map(|text| Kept {
        status: status.as_u16(),
        headers: parts.headers.iter().filter_map(header).collect(),
        body: text.to_owned(),
    });
    let text = kept.map(|kept| serde_json::to_string(&kept)).transpose()?.filter(|text| text.len() <= LONGEST_KEPT);
    let sealed = text.and_then(|text| seals.seal(&owner(wanted), &Secret::new(text), &*app.rim.dice).ok());
    // It is done: that it may not be repeatable is no reason to say that it failed. But it must not be done again: at
    // least that it was done is to be known.
    let mut sealed = sealed.as_ref().map(|sealed| sealed.0.as_str());
    for _ in 0..KEEPING {
        match app.keys.answered(wanted, sealed.take()).await {
            Ok(_) => break,
            Err(error) => tracing::error!(%error, "an answer could not be kept"),
        }
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// The answer of the first time.
async fn repeated(app: &App, seals: &Seals, wanted: &Repeatable, sealed: String) -> Result<Response, Problem> {
    let opened = seals.open(&owner(wanted), &Sealed(sealed), app.now()).await;
    let opened = opened.map_err(|_| Problem::Unavailable("the kept answer cannot be opened"))?;
    let kept: Kept = serde_json::from_str(opened.reveal())?;
    let mut answer = Response::new(Body::from(kept.body));
    *answer.status_mut() = StatusCode::from_u16(kept.status).map_err(|_| Problem::Unwritable)?;
    for (name, value) in kept.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            answer.headers_mut().append(name, value);
        }
    }
    answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(answer)
}
