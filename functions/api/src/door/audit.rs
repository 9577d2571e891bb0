//! Whatever is no reading is noted: before it is done, because an act must not happen unseen, and after it.

use std::collections::BTreeMap;

use afferent_store::keys::audit::Entry;
use axum::RequestExt as _;
use axum::extract::{MatchedPath, RawPathParams, Request};
use axum::middleware::Next;
use axum::response::Response;
use lambda_http::RequestExt as _;

use super::Caller;
use super::aside::Made;
use crate::problem::Problem;
use crate::state::App;

/// The longest id that is noted, in characters: what a caller writes into a path may be anything.
const LONGEST_ID: usize = 100;

/// Notes the request, does it, and notes how it ended. Without the first note it is not done.
pub(super) async fn noted(app: &App, caller: &Caller, mut request: Request, next: Next) -> Result<Response, Problem> {
    let mut entry = entry(app, caller, &mut request).await;
    app.keys.begin_entry(&entry).await?;
    let answer = next.run(request).await;
    entry.ids.extend(answer.extensions().get::<Made>().into_iter().flat_map(|made| made.0.clone()));
    // It is done, whatever becomes of the note: without an end, the entry says that nobody knows.
    if let Err(error) = app.keys.end_entry(&entry, answer.status().as_u16(), app.now()).await {
        tracing::error!(%error, entry = entry.id, "the end of an audit entry could not be written");
    }
    Ok(answer)
}

async fn entry(app: &App, caller: &Caller, request: &mut Request) -> Entry {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let mut ids = BTreeMap::new();
    if let Ok(params) = request.extract_parts::<RawPathParams>().await {
        let short = |text: &str| text.chars().take(LONGEST_ID).collect::<String>();
        // A device's address is no id of ours, and tells a device from all others.
        let ours = params.iter().filter(|(name, _)| *name != "mac");
        ids.extend(ours.map(|(name, id)| (name.to_owned(), short(id))));
    }
    let invocation = request.lambda_context_ref().map(|context| context.request_id.clone());
    let now = app.now();
    Entry {
        id: Entry::draw(now, &*app.rim.dice),
        at: now,
        key: Some(caller.key.clone()),
        label: caller.label.clone(),
        method: request.method().to_string(),
        route: route.unwrap_or_default(),
        ids,
        request: invocation.unwrap_or_default(),
        end: None,
    }
}
