//! The tool against a whole stack: six functions, their tables and queues, and a simulated Withings, under virtual time.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use afferent_aws::Aws;
use afferent_http::Http;
use afferent_local::{FRONT_HOST, Setup};
use afferent_operator::{Cli, Failure, Tool};
use clap::Parser as _;
use serde_json::{Value, json};
use stack_tests::Rig;
use withings_simulator::Notify;

mod asking;
mod dead;
mod endpoints;
mod held;
mod import;
mod moves;
mod people;
mod runbooks;
mod scripted;

/// What the tool printed.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whoever sits at the command line.
pub struct Operator {
    rig: Rig,
    key: String,
}

impl Operator {
    /// With an admin key, made as the first one is.
    async fn start() -> Self {
        let off = ["SweepUpdates", "SweepRecent", "SweepMonth", "SweepEverything"].map(|tier| (tier, "off"));
        let parameters: BTreeMap<String, String> = off
            .iter()
            .chain(&[("BackfillDays", "0")])
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let rig = Rig::of(Setup { parameters, ..Setup::default() }, Default::default()).await;
        let mut operator = Self { rig, key: String::new() };
        let stack = operator.rig.stack.template.place.stack.clone();
        let made = operator.json(&["keys", "create", "--label", "first", "--grant", "admin", "--stack", &stack]).await;
        operator.key = made["text"].as_str().unwrap().to_owned();
        operator.sleep(1).await;
        operator
    }

    /// Runs the tool; what it printed, and how it ended.
    async fn run(&self, words: &[&str]) -> (String, Result<(), Failure>) {
        self.run_over(self.rig.stack.network.clone(), words).await
    }

    /// The same with another way to the API.
    async fn run_over(&self, http: Arc<dyn Http>, words: &[&str]) -> (String, Result<(), Failure>) {
        self.run_with(http, self.rig.stack.rim.aws.clone(), &self.key, words).await
    }

    /// The same with another key.
    async fn run_as(&self, key: &str, words: &[&str]) -> (String, Result<(), Failure>) {
        self.run_with(self.rig.stack.network.clone(), self.rig.stack.rim.aws.clone(), key, words).await
    }

    /// The same with another way to AWS.
    async fn run_at(&self, aws: Aws, words: &[&str]) -> (String, Result<(), Failure>) {
        self.run_with(self.rig.stack.network.clone(), aws, &self.key, words).await
    }

    async fn run_with(
        &self,
        http: Arc<dyn Http>,
        aws: Aws,
        key: &str,
        words: &[&str],
    ) -> (String, Result<(), Failure>) {
        let url = format!("https://{FRONT_HOST}");
        let mut line = vec!["afferent", "--url", &url];
        if !key.is_empty() {
            line.extend(["--key", key]);
        }
        line.extend(words);
        let printed = Printed::default();
        let mut tool = Tool {
            http,
            variable: Box::new(|_| None),
            aws: Some(aws),
            clock: self.rig.stack.clock.clone(),
            dice: self.rig.stack.dice.clone(),
            out: Box::new(printed.clone()),
            bars: false,
        };
        let ended = tool.run(Cli::try_parse_from(line).unwrap()).await;
        let text = String::from_utf8(printed.0.lock().unwrap().clone()).unwrap();
        (text, ended)
    }

    /// Runs it with `--json`.
    async fn json(&self, words: &[&str]) -> Value {
        let (text, ended) = self.run(&[words, &["--json"]].concat()).await;
        ended.unwrap();
        serde_json::from_str(&text).unwrap()
    }

    async fn refused(&self, words: &[&str]) -> String {
        self.run(words).await.1.unwrap_err().to_string()
    }

    async fn sleep(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

/// A new file in a folder that is the test's own.
fn file(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("operator-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(name);
    let _ = std::fs::remove_file(&file);
    file
}

#[tokio::test(start_paused = true)]
async fn the_first_key_is_made_without_one_and_makes_and_revokes_others() {
    let operator = Operator::start().await;
    let made = operator.json(&["keys", "create", "--label", "app", "--grant", "read", "--rate", "60"]).await;
    assert_eq!((&made["grants"], &made["rate"]), (&json!(["read"]), &json!(60)));
    operator.sleep(1).await;
    let (text, ended) = operator.run(&["keys", "list"]).await;
    ended.unwrap();
    assert!(text.starts_with("key ") && text.contains("first") && text.contains("app"), "{text}");
    operator.json(&["keys", "revoke", made["key"].as_str().unwrap()]).await;
    let list = operator.json(&["keys", "list"]).await;
    assert_eq!(list["keys"][1]["state"], "revoked");
    let audit = operator.json(&["audit"]).await;
    let routes: Vec<_> =
        audit["entries"].as_array().unwrap().iter().map(|entry| entry["method"].as_str().unwrap()).collect();
    assert_eq!(routes, ["DELETE", "POST", "POST"], "the one that was made without a key too");
    assert!(operator.refused(&["keys", "revoke", "key_none"]).await.contains("there is no such key (404)"));
    assert!(
        operator.refused(&["keys", "create", "--label", "a", "--grant", "all"]).await.contains("grants[0] should be")
    );
    assert!(operator.refused(&["keys", "revoke", "../users"]).await.contains("is no id"));
}

#[tokio::test(start_paused = true)]
async fn a_notification_is_followed_to_its_deliveries() {
    let operator = Operator::start().await;
    let rig = &operator.rig;
    let groups = rig.person.weigh_in(rig.stack.clock.now().as_secs() - 5, 71_655);
    rig.withings.add(rig.person.userid, groups, Notify::Yes).unwrap();
    operator.sleep(300).await;
    let list = operator.json(&["quarantine", "list"]).await;
    assert_eq!(list["notifications"], json!([]));
    let client = &rig.client;
    let table = rig.name("notifications");
    let all = client.scan().table_name(table).send().await.unwrap();
    let id = all.items()[0]["notification"].as_s().unwrap().clone();
    let followed = operator.json(&["notification", "follow", &id]).await;
    assert_eq!((&followed["notification"]["state"], &followed["complete"]), (&json!("satisfied"), &json!(true)));
    assert_eq!(followed["pulls"].as_array().unwrap().len(), 1);
    let records = followed["records"].as_array().unwrap();
    let record = records.iter().find(|record| record["kind"] == "body_weight").unwrap();
    assert_eq!((&record["because"], &record["rev"]), (&json!("pull"), &json!(1)));
    let delivery = &record["event"]["deliveries"][0];
    assert_eq!((&delivery["state"], &delivery["attempts"]), (&json!("delivered"), &json!(1)));
    assert!(!followed.to_string().contains("71.6"), "no value");
}
