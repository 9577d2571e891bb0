//! Rounds of all accounts.

use std::time::Duration;

use serde_json::{Value, json};

use super::Asked;
use crate::cli::Rounds;
use crate::client::{Client, json as read, segment};
use crate::{Failure, Tool};

/// Between two looks at a round that is waited for: the keeper goes on with it every minute.
const LOOK: Duration = Duration::from_secs(20);

const COLUMNS: [&str; 7] = ["round", "cause", "state", "created", "accounts", "lost", "left"];

pub(super) async fn rounds(tool: &mut Tool, asked: &Asked, rounds: Rounds) -> Result<(), Failure> {
    match rounds {
        Rounds::List => {
            let mut list = read(&asked.client(tool)?.get("/v1/rounds").await?)?;
            let rows = list["rounds"].as_array_mut().map(std::mem::take).unwrap_or_default();
            tool.list(asked.form, "rounds", rows, &COLUMNS)
        }
        Rounds::Show { round } => {
            let text = asked.client(tool)?.get(&format!("/v1/rounds/{}", segment(&round)?)).await?;
            tool.show(asked.form, &text)
        }
        Rounds::Cancel { round } => {
            let text = asked.client(tool)?.post(&format!("/v1/rounds/{}/cancel", segment(&round)?), &json!({})).await?;
            tool.show(asked.form, &text)
        }
        Rounds::Callback { wait } => begin(tool, asked, &json!({"cause": "callback"}), wait).await,
        Rounds::Restored { since, wait } => {
            begin(tool, asked, &json!({"cause": "restored", "since": since}), wait).await
        }
    }
}

async fn begin(tool: &mut Tool, asked: &Asked, wish: &Value, wait: bool) -> Result<(), Failure> {
    let client = asked.client(tool)?;
    let mut text = client.post("/v1/rounds", wish).await?;
    if let (true, Some(id)) = (wait, read(&text)?["round"].as_str()) {
        text = over(tool, &client, &format!("/v1/rounds/{}", segment(id)?)).await?;
    }
    let round = read(&text)?;
    drop(client);
    tool.show(asked.form, &text)?;
    match (round["state"].as_str(), round["left"].as_u64()) {
        (Some("cancelled"), _) => Err(Failure::new("the round was cancelled")),
        (_, Some(left)) if left > 0 => {
            Err(Failure::new(format!("{left} accounts could not be cared for; their daily care goes on")))
        }
        _ => Ok(()),
    }
}

/// Waits until a round is over.
async fn over(tool: &Tool, client: &Client<'_>, path: &str) -> Result<String, Failure> {
    let bar = tool.bar("accounts", None);
    loop {
        let text = client.get(path).await?;
        let round = read(&text)?;
        bar.at(round["accounts"].as_u64().unwrap_or(0));
        if round["state"] != "running" {
            return Ok(text);
        }
        tokio::time::sleep(LOOK).await;
    }
}
