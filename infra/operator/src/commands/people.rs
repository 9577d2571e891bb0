//! Users, connections, links, and their end.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use afferent_domain::backfill::Depth;
use afferent_domain::connection::State;
use afferent_gate::Connector;
use afferent_secrets::Seals;
use afferent_store::connections::Connections as Table;
use afferent_store::keys::Keys;
use afferent_store::records::Records;
use serde_json::{Map, Value, json};

use super::data::new_file;
use super::{Asked, all};
use crate::cli::{Connections, StackArgs, Users};
use crate::client::{json as read, query, segment};
use crate::cloud::Act;
use crate::{Failure, Tool};

pub(super) async fn users(tool: &mut Tool, asked: &Asked, users: Users) -> Result<(), Failure> {
    match users {
        Users::List { reference } => {
            let query = vec![("limit", Some("100".to_owned())), ("reference_id", reference)];
            let rows = all(&asked.client(tool)?, "/v1/users", "users", query).await?;
            tool.list(asked.form, "users", rows, &["user", "reference_id", "timezone", "created"])
        }
        Users::Create { reference, timezone } => {
            let mut body = json!({"reference_id": reference});
            if let Some(timezone) = timezone {
                body["timezone"] = json!(timezone);
            }
            let text = asked.client(tool)?.post("/v1/users", &body).await?;
            tool.show(asked.form, &text)
        }
        Users::Show { user } => {
            let client = asked.client(tool)?;
            let mut shown = read(&client.get(&format!("/v1/users/{}", segment(&user)?)).await?)?;
            let pages = vec![("limit", Some("100".to_owned()))];
            let path = format!("/v1/users/{}/connections", segment(&user)?);
            shown["connections"] = all(&client, &path, "connections", pages).await?.into();
            drop(client);
            tool.show(asked.form, &shown.to_string())
        }
    }
}

pub(super) async fn connections(tool: &mut Tool, asked: &Asked, connections: Connections) -> Result<(), Failure> {
    match connections {
        Connections::List => {
            let query = vec![("limit", Some("100".to_owned()))];
            let rows = all(&asked.client(tool)?, "/v1/connections", "connections", query).await?;
            tool.list(
                asked.form,
                "connections",
                rows,
                &["connection", "state", "user", "region", "userid", "connected"],
            )
        }
        Connections::Show { connection } => {
            let client = asked.client(tool)?;
            let path = format!("/v1/connections/{}", segment(&connection)?);
            let mut shown = read(&client.get(&path).await?)?;
            shown["services"] = read(&client.get(&format!("{path}/services")).await?)?["services"].clone();
            drop(client);
            tool.show(asked.form, &shown.to_string())
        }
        Connections::Import { file } => super::import::import(tool, asked, &file).await,
        Connections::Export { to, yes, stack } => export(tool, asked, &to, yes, &stack).await,
    }
}

/// Writes the pairs of all living connections, one import's entry a line.
async fn export(tool: &mut Tool, asked: &Asked, to: &Path, yes: bool, stack: &StackArgs) -> Result<(), Failure> {
    if !yes {
        return Err(Failure::new(
            "a pair has one owner: as soon as the other side refreshes, the link here is dead, and the other way round. \
             Give --yes if these people move",
        ));
    }
    let name = |what: &str| format!("{}-{what}", stack.stack);
    let failed = |error: &dyn std::fmt::Display| Failure::new(format!("the pairs cannot be read: {error}"));
    let aws = tool.aws(stack.endpoint_url.as_deref())?;
    let seals = Seals::read(&aws, &format!("{}/seal-tokens", stack.stack), tool.clock.now()).await;
    let seals = seals.map_err(|error| failed(&error))?;
    let client = afferent_store::client(&aws);
    let connector = Connector {
        connections: Table::new(client.clone(), name("connections")),
        records: Records::new(client, name("records")),
        depth: Depth::default(),
        clock: Arc::clone(&tool.clock),
        dice: Arc::clone(&tool.dice),
    };
    let mut file = new_file(to).map_err(|error| Failure::new(format!("{} cannot be made: {error}", to.display())))?;
    let acts = Keys::new(afferent_store::client(&aws), name("keys"));
    let act = Act::begin(tool, &acts, "afferent connections export", "GET", "/v1/connections").await?;
    let bar = tool.bar("connections", None);
    let (mut after, mut count) = (None, 0_u64);
    loop {
        let (page, next) = connector.connections.all(after.as_ref(), 100).await.map_err(|error| failed(&error))?;
        for connection in page.iter().filter(|connection| connection.state == State::Connected) {
            let pair = connector.export_pair(&seals, &connection.account).await.map_err(|error| failed(&error))?;
            let user = connector.connections.user(&connection.user).await.map_err(|error| failed(&error))?;
            let (Some(pair), Some(user)) = (pair, user) else { continue };
            let userid: u64 = connection.account.userid.parse().map_err(|_| failed(&"a userid is no number"))?;
            let mut entry = json!({
                "reference_id": user.reference, "userid": userid, "region": connection.account.region,
                "refresh_token": pair.refresh_token.reveal(), "backfill": "none",
            });
            // Not one that is dead, nor where a pair was brought without one and not refreshed since.
            let left = pair.expires.since(tool.clock.now()).as_secs();
            if left > 0 && !pair.access_token.reveal().is_empty() {
                entry["access_token"] = json!(pair.access_token.reveal());
                entry["expires_in"] = json!(left);
            }
            if !connection.scopes.is_unknown() {
                entry["scopes"] = json!(connection.scopes.names().collect::<Vec<_>>());
            }
            if let Some(timezone) = &connection.tz {
                entry["timezone"] = json!(timezone);
            }
            writeln!(file, "{entry}")?;
            count += 1;
            bar.more(1);
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    file.sync_all()?;
    drop(bar);
    act.end(tool, 200).await;
    tool.show(asked.form, &json!({"file": to, "connections": count}).to_string())
}

/// What link is wanted.
pub(super) struct Link {
    pub(super) reference: Option<String>,
    pub(super) user: Option<String>,
    pub(super) return_url: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) required_scopes: Vec<String>,
    pub(super) language: Option<String>,
    pub(super) demo: bool,
}

pub(super) async fn link(tool: &mut Tool, asked: &Asked, wish: Link) -> Result<(), Failure> {
    let mut body = Map::from_iter([("demo".to_owned(), wish.demo.into())]);
    let given = [
        ("reference_id", wish.reference),
        ("user", wish.user),
        ("return_url", wish.return_url),
        ("language", wish.language),
    ];
    body.extend(given.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))));
    let lists = [("scopes", wish.scopes), ("required_scopes", wish.required_scopes)];
    body.extend(
        lists.into_iter().filter(|(_, list)| !list.is_empty()).map(|(name, list)| (name.to_owned(), list.into())),
    );
    let body = Value::from(body);
    let text = asked.client(tool)?.post("/v1/link", &body).await?;
    tool.show(asked.form, &text)
}

pub(super) async fn disconnect(tool: &mut Tool, asked: &Asked, connection: &str) -> Result<(), Failure> {
    let path = format!("/v1/connections/{}/disconnect", segment(connection)?);
    let text = asked.client(tool)?.post(&path, &json!({})).await?;
    tool.show(asked.form, &text)
}

pub(super) async fn erase(tool: &mut Tool, asked: &Asked, user: &str, yes: bool) -> Result<(), Failure> {
    if !yes {
        return Err(Failure::new(format!("erasing {user} cannot be undone: give --yes if you mean it")));
    }
    let text = asked.client(tool)?.post(&format!("/v1/users/{}/erase", segment(user)?), &json!({})).await?;
    tool.show(asked.form, &text)
}

pub(super) async fn erasure(tool: &mut Tool, asked: &Asked, erasure: &str, verify: bool) -> Result<(), Failure> {
    let query = query(&[("verify", verify.then(|| "true".to_owned()))]);
    let text = asked.client(tool)?.get(&format!("/v1/erasures/{}{query}", segment(erasure)?)).await?;
    tool.show(asked.form, &text)
}

pub(super) async fn erasures(
    tool: &mut Tool,
    asked: &Asked,
    user: Option<String>,
    reference: Option<String>,
) -> Result<(), Failure> {
    let query = query(&[("user", user), ("reference_id", reference)]);
    let mut list = read(&asked.client(tool)?.get(&format!("/v1/erasures{query}")).await?)?;
    let rows = list["erasures"].as_array_mut().map(std::mem::take).unwrap_or_default();
    tool.list(asked.form, "erasures", rows, &["erasure", "user", "state", "begun", "ended", "passes"])
}
