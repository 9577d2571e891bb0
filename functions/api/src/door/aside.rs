//! What a route says of its answer to the door, beside the answer itself.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::response::Response;

/// The ids of what the request made, by what they are: the audit log holds them beside those of the path.
#[derive(Clone, Debug)]
pub(super) struct Made(pub(super) BTreeMap<String, String>);

/// The answer is not the last word: the same request again, with the same `Idempotency-Key` too, is done again.
#[derive(Clone, Copy, Debug)]
pub(super) struct NotFinal;

/// An answer, and the ids of what was made.
pub(crate) fn made<const N: usize>(mut answer: Response<Body>, ids: [(&'static str, String); N]) -> Response<Body> {
    let ids = ids.into_iter().filter(|(_, id)| !id.is_empty()).map(|(name, id)| (name.to_owned(), id)).collect();
    answer.extensions_mut().insert(Made(ids));
    answer
}

/// An answer that tells how far it came, and that the same again is right.
pub(crate) fn not_final(mut answer: Response<Body>) -> Response<Body> {
    answer.extensions_mut().insert(NotFinal);
    answer
}
