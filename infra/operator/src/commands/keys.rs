//! Keys and the audit log.

use afferent_domain::Timestamp;
use afferent_domain::grant::{Grant, Grants};
use afferent_store::keys::{Keys as Table, NewKey, PER_MINUTE};
use serde_json::{Value, json};

use super::{Asked, all};
use crate::cli::Keys;
use crate::client::segment;
use crate::cloud::Act;
use crate::{Failure, Tool};

pub(super) async fn keys(tool: &mut Tool, asked: &Asked, keys: Keys) -> Result<(), Failure> {
    match keys {
        Keys::Create { label, grants, return_urls, expires, rate, stack, endpoint_url } => {
            let wish = json!({
                "label": label, "grants": grants, "return_urls": return_urls, "expires": expires, "rate": rate,
            });
            let made = match stack {
                Some(stack) => plant(tool, &wish, &stack, endpoint_url.as_deref()).await?,
                None => asked.client(tool)?.post("/v1/keys", &wish).await?,
            };
            tool.show(asked.form, &made)
        }
        Keys::List => {
            let rows = all(&asked.client(tool)?, "/v1/keys", "keys", vec![("limit", Some("100".to_owned()))]).await?;
            tool.list(asked.form, "keys", rows, &["key", "state", "label", "grants", "rate", "expires", "last_used"])
        }
        Keys::Revoke { id } => {
            asked.client(tool)?.delete(&format!("/v1/keys/{}", segment(&id)?)).await?;
            tool.show(asked.form, &json!({"key": id, "state": "revoked"}).to_string())
        }
    }
}

/// Writes a key into the table of a stack, without one: whoever may write there may do everything anyway.
async fn plant(tool: &Tool, wish: &Value, stack: &str, endpoint_url: Option<&str>) -> Result<String, Failure> {
    let now = tool.clock.now();
    let texts = |name: &str| wish[name].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    let grants = texts("grants")
        .map(|text| text.parse::<Grant>().map_err(|error| Failure::new(format!("{text:?} should be {error}"))));
    let expires = wish["expires"].as_str().map(|text| text.parse::<jiff::Timestamp>()).transpose();
    let expires = expires.map_err(|_| Failure::new("--expires should be an instant such as 2027-01-31T12:00:00Z"))?;
    let new = NewKey {
        label: wish["label"].as_str().unwrap_or_default().to_owned(),
        grants: Grants::new(grants.collect::<Result<Vec<_>, _>>()?),
        return_urls: texts("return_urls").collect(),
        expires: expires.map(|at| Timestamp::from_millis(at.as_millisecond())),
        per_minute: wish["rate"].as_u64().map_or(PER_MINUTE, |rate| u32::try_from(rate).unwrap_or(u32::MAX)),
    };
    new.check(now).map_err(|wrong| Failure::new(wrong.to_string()))?;
    let client = afferent_store::client(&tool.aws(endpoint_url)?);
    let table = Table::new(client, format!("{stack}-keys"));
    let failed =
        |error: afferent_store::StoreError| Failure::new(format!("the table {stack}-keys cannot be written: {error}"));
    let act = Act::begin(tool, &table, "afferent keys create --stack", "POST", "/v1/keys").await?;
    let (key, text) = table.create(&new, now, &*tool.dice).await.map_err(failed)?;
    act.end(tool, 201).await;
    let grants: Vec<String> = key.grants.iter().map(Grant::to_string).collect();
    Ok(json!({
        "key": key.id, "label": key.label, "grants": grants, "return_urls": key.return_urls, "rate": key.per_minute,
        "created": key.created.to_string(), "expires": key.expires.map(|at| at.to_string()), "text": text.reveal(),
    })
    .to_string())
}

pub(super) async fn audit(tool: &mut Tool, asked: &Asked, day: Option<String>) -> Result<(), Failure> {
    let query = vec![("limit", Some("100".to_owned())), ("day", day)];
    let rows = all(&asked.client(tool)?, "/v1/audit", "entries", query).await?;
    tool.list(asked.form, "entries", rows, &["at", "key", "label", "method", "route", "ids", "status"])
}
