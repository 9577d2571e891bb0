use std::future::Future;

use serde_json::Value;

/// The events of a user's journal after a number, oldest first. `get` is a GET of your HTTP client, with the API key: from a
/// path to status and body.
pub async fn events_after<E, G>(user: &str, mut after: u64, mut get: impl FnMut(String) -> G) -> Result<Vec<Value>, E>
where
    E: From<serde_json::Error>,
    G: Future<Output = Result<(u16, Vec<u8>), E>>,
{
    let mut events = Vec::new();
    loop {
        let (status, body) = get(format!("/v1/users/{user}/events?after={after}&limit=100")).await?;
        let mut page: Value = serde_json::from_slice(&body)?;
        if status == 410 {
            // Too long ago: what lies before the oldest event is only in the records.
            after = page["oldest"].as_u64().unwrap_or(1).saturating_sub(1);
            continue;
        }
        if let Value::Array(some) = page["events"].take() {
            events.extend(some);
        }
        match page["next"].as_str().and_then(|next| next.parse().ok()) {
            Some(next) => after = next,
            None => return Ok(events),
        }
    }
}
