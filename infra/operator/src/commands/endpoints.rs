//! Who receives events: what owners of endpoints may ask the API for.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{Asked, all};
use crate::cli::{Endpoints, Members, Span};
use crate::client::{Client, query, segment};
use crate::{Failure, Tool};

/// What a list of endpoints shows.
const COLUMNS: [&str; 5] = ["endpoint", "standing", "destination", "types", "description"];

pub(super) async fn endpoints(tool: &mut Tool, asked: &Asked, wish: Endpoints) -> Result<(), Failure> {
    let client = asked.client(tool)?;
    let text = match wish {
        Endpoints::List => {
            let parts = vec![("limit", Some("100".to_owned()))];
            let rows = all(&client, "/v1/endpoints", "endpoints", parts).await?;
            return tool.list(asked.form, "endpoints", rows, &COLUMNS);
        }
        Endpoints::Deliveries { endpoint, event: None, state, limit } => {
            return deliveries(tool, asked, &endpoint, state.map(|state| state.name()), limit.unwrap_or(50)).await;
        }
        Endpoints::Jobs { endpoint, job: None } => {
            let rows =
                all(&client, &of(&endpoint, &["jobs"])?, "jobs", vec![("limit", Some("100".to_owned()))]).await?;
            return tool.list(asked.form, "jobs", rows, &["job", "kind", "state", "preview", "looked_at", "matched"]);
        }
        Endpoints::Create { destination, queue, members, secret } => {
            let mut body = body(&members)?;
            body.insert(if queue { "queue_url" } else { "url" }.to_owned(), destination.into());
            body.extend(secret.map(|secret| ("secret".to_owned(), secret.into())));
            client.post("/v1/endpoints", &body.into()).await?
        }
        Endpoints::Change { endpoint, url, members } => {
            let mut body = body(&members)?;
            body.extend(url.map(|url| ("url".to_owned(), url.into())));
            client.patch(&of(&endpoint, &[])?, &body.into()).await?
        }
        Endpoints::Show { endpoint } => client.get(&of(&endpoint, &[])?).await?,
        Endpoints::Secret { endpoint } => client.get(&of(&endpoint, &["secret"])?).await?,
        Endpoints::Rotate { endpoint, overlap, secret } => {
            let mut body = Map::new();
            body.extend(overlap.map(|overlap| ("overlap_s".to_owned(), overlap.as_secs().into())));
            body.extend(secret.map(|secret| ("secret".to_owned(), secret.into())));
            client.post(&of(&endpoint, &["secret", "rotate"])?, &body.into()).await?
        }
        Endpoints::Revoke { endpoint, number } => {
            client.delete(&of(&endpoint, &["secrets", &number.to_string()])?).await?;
            client.get(&of(&endpoint, &["secrets"])?).await?
        }
        Endpoints::Test { endpoint, event_type } => {
            client.post(&of(&endpoint, &["test"])?, &json!({"type": event_type})).await?
        }
        Endpoints::Enable { endpoint } => client.post(&of(&endpoint, &["enable"])?, &json!({})).await?,
        Endpoints::Disable { endpoint, note } => {
            let body = note.map_or_else(|| json!({}), |note| json!({"note": note}));
            client.post(&of(&endpoint, &["disable"])?, &body).await?
        }
        Endpoints::Delete { endpoint } => {
            client.delete(&of(&endpoint, &[])?).await?;
            json!({"endpoint": endpoint, "result": "deleted"}).to_string()
        }
        Endpoints::Deliveries { endpoint, event: Some(event), .. } => {
            client.get(&of(&endpoint, &["deliveries", &event])?).await?
        }
        Endpoints::Resend { endpoint, event } => {
            client.post(&of(&endpoint, &["deliveries", &event, "resend"])?, &json!({})).await?
        }
        Endpoints::Cancel { endpoint, what } => {
            let noun = if what.starts_with("job_") { "jobs" } else { "deliveries" };
            client.post(&of(&endpoint, &[noun, &what, "cancel"])?, &json!({})).await?
        }
        Endpoints::Recover { endpoint, span } => {
            client.post(&of(&endpoint, &["recover"])?, &wish_of(tool, &span)).await?
        }
        Endpoints::Replay { endpoint, span } => {
            client.post(&of(&endpoint, &["replay"])?, &wish_of(tool, &span)).await?
        }
        Endpoints::Jobs { endpoint, job: Some(job) } => client.get(&of(&endpoint, &["jobs", &job])?).await?,
    };
    tool.show(asked.form, &text)
}

/// A path of the endpoint.
fn of(endpoint: &str, rest: &[&str]) -> Result<String, Failure> {
    let mut path = format!("/v1/endpoints/{}", segment(endpoint)?);
    for part in rest {
        path.push('/');
        path.push_str(segment(part)?);
    }
    Ok(path)
}

/// The newest deliveries, up to so many; of a rare state many parts may hold none.
async fn deliveries(
    tool: &mut Tool,
    asked: &Asked,
    endpoint: &str,
    state: Option<&str>,
    most: u16,
) -> Result<(), Failure> {
    let (path, most) = (of(endpoint, &["deliveries"])?, usize::from(most));
    let (mut rows, mut cursor): (Vec<Value>, _) = (Vec::new(), None);
    let client: Client<'_> = asked.client(tool)?;
    while rows.len() < most {
        let limit = (most - rows.len()).min(200).to_string();
        let parts = [("state", state.map(str::to_owned)), ("limit", Some(limit)), ("cursor", cursor.take())];
        let mut page = crate::client::json(&client.get(&format!("{path}{}", query(&parts))).await?)?;
        if let Some(more) = page["deliveries"].as_array_mut() {
            rows.append(more);
        }
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    tool.list(asked.form, "deliveries", rows, &["event", "state", "created_ms"])
}

fn wish_of(tool: &Tool, span: &Span) -> Value {
    let now = tool.clock.now();
    let mut body = json!({"since": span.since.at(now).to_string(), "preview": span.preview});
    if let Some(until) = span.until {
        body["until"] = json!(until.at(now).to_string());
    }
    if let Some(per_minute) = span.per_minute {
        body["per_minute"] = json!(per_minute);
    }
    body
}

/// The members as the API reads them; it says what is wrong with them.
fn body(members: &Members) -> Result<Map<String, Value>, Failure> {
    let mut body = members.from.as_deref().map(read).transpose()?.unwrap_or_default();
    let mut set = |name: &str, value: Option<Value>| body.extend(value.map(|value| (name.to_owned(), value)));
    let list = |all: &[String]| (!all.is_empty()).then(|| json!(all));
    let text = |one: &Option<String>| one.clone().map(Value::from);
    set("types", list(&members.types));
    set("users", list(&members.users));
    set("policy", members.policy.as_deref().map(policy));
    set("payload", text(&members.payload));
    set("backfill", text(&members.backfill));
    set("rate", members.rate.map(|(requests, per_s)| json!({"requests": requests, "per_s": per_s})));
    set("contact", text(&members.contact));
    set("description", text(&members.description));
    Ok(body)
}

fn read(file: &Path) -> Result<Map<String, Value>, Failure> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| Failure::new(format!("{} cannot be read: {error}", file.display())))?;
    serde_json::from_str(&text).map_err(|_| Failure::new(format!("{} should hold a JSON object", file.display())))
}

/// A policy by its name, or a list of waits.
fn policy(text: &str) -> Value {
    let waits: Result<Vec<u32>, _> = text.split(',').map(str::parse).collect();
    waits.map_or_else(|_| text.into(), |waits| json!({"custom": {"waits_s": waits}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_a_name_or_a_list_of_waits() {
        assert_eq!(policy("withings"), json!("withings"));
        assert_eq!(policy("5,300"), json!({"custom": {"waits_s": [5, 300]}}));
    }
}
