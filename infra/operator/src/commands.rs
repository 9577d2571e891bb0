//! What each command does.

mod backfills;
mod data;
mod dead;
mod endpoints;
mod import;
mod keys;
mod operating;
mod people;
mod retractions;
mod rounds;

use serde_json::Value;

use crate::cli::{Cli, Command};
use crate::client::{Client, json};
use crate::output::Form;
use crate::{Failure, Tool};

/// Whom to ask, and how to print.
struct Asked {
    url: Option<String>,
    key: Option<String>,
    form: Form,
}

impl Asked {
    fn client<'a>(&self, tool: &'a Tool) -> Result<Client<'a>, Failure> {
        Client::new(tool, self.url.clone(), self.key.clone())
    }
}

pub(crate) async fn run(tool: &mut Tool, cli: Cli) -> Result<(), Failure> {
    let form = if cli.json { Form::Json } else { Form::People };
    let asked = Asked { url: cli.url, key: cli.key, form };
    match cli.command {
        Command::Keys(keys) => keys::keys(tool, &asked, keys).await,
        Command::Audit { day } => keys::audit(tool, &asked, day).await,
        Command::Quarantine(quarantine) => operating::quarantine(tool, &asked, quarantine).await,
        Command::Notification(notification) => operating::notification(tool, &asked, notification).await,
        Command::Dead(dead) => dead::dead(tool, &asked, dead).await,
        Command::Rounds(rounds) => rounds::rounds(tool, &asked, rounds).await,
        Command::Endpoints(endpoints) => endpoints::endpoints(tool, &asked, *endpoints).await,
        Command::Users(users) => people::users(tool, &asked, users).await,
        Command::Connections(connections) => people::connections(tool, &asked, connections).await,
        Command::Link { reference, user, return_url, scopes, required_scopes, language, demo } => {
            let wish = people::Link { reference, user, return_url, scopes, required_scopes, language, demo };
            people::link(tool, &asked, wish).await
        }
        Command::Backfills(backfills) => backfills::backfills(tool, &asked, backfills).await,
        Command::Retractions(retractions) => retractions::retractions(tool, &asked, retractions).await,
        Command::Backfill { connection, from, to, services, details, preview, wait } => {
            let wish = data::Wish { from, to, services, details, preview };
            data::backfill(tool, &asked, &connection, wish, wait).await
        }
        Command::Refresh { connection, services } => data::refresh(tool, &asked, &connection, services).await,
        Command::Disconnect { connection } => people::disconnect(tool, &asked, &connection).await,
        Command::Erase { user, yes } => people::erase(tool, &asked, &user, yes).await,
        Command::Erasure { erasure, verify } => people::erasure(tool, &asked, &erasure, verify).await,
        Command::Erasures { user, reference } => people::erasures(tool, &asked, user, reference).await,
        Command::Completeness { user, to, from, connection } => {
            let question = [("from", from), ("to", to), ("connection", connection)];
            data::completeness(tool, &asked, &user, &question).await
        }
        Command::Export { user, to } => data::export(tool, &asked, &user, &to).await,
    }
}

/// All members of a list, page by page.
async fn all(
    client: &Client<'_>,
    path: &str,
    name: &str,
    mut query: Vec<(&str, Option<String>)>,
) -> Result<Vec<Value>, Failure> {
    let mut members = Vec::new();
    query.push(("cursor", None));
    loop {
        let mut page = json(&client.get(&format!("{path}{}", crate::client::query(&query))).await?)?;
        if let Some(more) = page[name].as_array_mut() {
            members.append(more);
        }
        match page["next"].as_str() {
            None => return Ok(members),
            Some(next) => {
                if let Some(cursor) = query.last_mut() {
                    cursor.1 = Some(next.to_owned());
                }
            }
        }
    }
}
