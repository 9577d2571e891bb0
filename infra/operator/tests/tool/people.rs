//! People: their links, what is read of them, what is kept, and their end.

use afferent_local::FRONT_HOST;
use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use crate::{Operator, file};

#[tokio::test(start_paused = true)]
async fn people_are_made_listed_shown_and_invited() {
    let operator = Operator::start().await;
    let made = operator.json(&["users", "create", "person-2", "--timezone", "Europe/Berlin"]).await;
    assert_eq!(made["reference_id"], "person-2");
    assert_eq!(operator.json(&["users", "list"]).await["users"].as_array().unwrap().len(), 2);
    let one = operator.json(&["users", "list", "--reference", "person-2"]).await;
    assert_eq!(one["users"][0]["user"], made["user"]);
    let user = operator.rig.connection.user.to_string();
    let shown = operator.json(&["users", "show", &user]).await;
    assert_eq!(shown["connections"][0]["connection"], operator.rig.connection.id.as_str());
    let all = operator.json(&["connections", "list"]).await;
    assert_eq!(all["connections"][0]["user"], json!(user));
    let shown = operator.json(&["connections", "show", operator.rig.connection.id.as_str()]).await;
    assert!(shown["services"].as_array().is_some_and(|services| !services.is_empty()), "{shown}");
    let link = operator.json(&["link", "person-2", "--scope", "user.metrics"]).await;
    assert!(link["link_url"].as_str().unwrap().starts_with("http"));
    let user = made["user"].as_str().unwrap();
    let link = operator.json(&["link", "--user", user, "--required-scope", "user.metrics", "--language", "de"]).await;
    let address = link["link_url"].as_str().unwrap();
    let (_, token) = address.rsplit_once('/').unwrap();
    let page = Request::get(format!("https://{FRONT_HOST}/v1/link/{token}")).body(Bytes::new()).unwrap();
    let page = operator.rig.stack.request(page).await;
    let page = String::from_utf8(page.body().to_vec()).unwrap();
    assert!(page.contains("lang=\"de\""), "{page}");
    let wrong = operator.refused(&["link", "--user", user, "--required-scope", "user.everything"]).await;
    assert!(wrong.contains("required_scopes"), "{wrong}");
    let refused = operator.refused(&["link", "person-2", "--return-url", "https://evil.example/"]).await;
    assert!(refused.contains("return_url should be"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_past_is_read_and_waited_for_and_everything_goes_into_a_file() {
    let operator = Operator::start().await;
    let connection = operator.rig.connection.id.to_string();
    let user = operator.rig.connection.user.to_string();
    let past = ["backfill", &connection, "--from", "2026-11-18", "--service", "getmeas"];
    let estimate = operator.json(&[&past[..], &["--preview"]].concat()).await;
    assert!(estimate["calls"].as_u64().unwrap() > 0);
    let run = operator.json(&[&past[..], &["--wait"]].concat()).await;
    assert_eq!((&run["state"], &run["progress"]["percent"]), (&json!("done"), &json!(100)));
    let asked = operator.json(&["refresh", &connection]).await;
    assert!(asked["services"].as_array().is_some_and(|services| !services.is_empty()), "{asked}");
    let to = file("export.ndjson");
    let told = operator.json(&["export", &user, "--to", to.to_str().unwrap()]).await;
    let text = std::fs::read_to_string(&to).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told["lines"], lines.len());
    assert!(lines.iter().all(|line| line["type"] != "end"), "the pages are joined");
    assert!(lines.iter().any(|line| line["type"] == "record" && line["data"]["kind"] == "body_weight"));
    let again = operator.refused(&["export", &user, "--to", to.to_str().unwrap()]).await;
    assert!(again.contains("is there already"), "{again}");
}

#[tokio::test(start_paused = true)]
async fn pasts_that_are_read_are_listed_shown_and_ended() {
    let operator = Operator::start().await;
    let connection = operator.rig.connection.id.to_string();
    let begun = operator.json(&["backfill", &connection, "--from", "2020-01-01"]).await;
    let run = begun["run"].as_str().unwrap();
    let (text, ended) = operator.run(&["backfills", "list", &connection]).await;
    ended.unwrap();
    assert!(text.starts_with("run ") && text.contains(run) && text.contains("running"), "{text}");
    let listed = operator.json(&["backfills", "list", &connection]).await;
    assert_eq!(listed["backfills"][0]["run"], run);
    assert_eq!(operator.json(&["backfills", "cancel", &connection, run]).await["run"], run);
    operator.sleep(120).await;
    let shown = operator.json(&["backfills", "show", &connection, run]).await;
    assert_eq!((&shown["state"], shown["progress"].is_object()), (&json!("cancelled"), true), "{shown}");
    assert!(operator.refused(&["backfills", "cancel", &connection, "run_none"]).await.contains("(404)"));
}

#[tokio::test(start_paused = true)]
async fn whether_anything_is_missing_is_the_exit_status_too() {
    let operator = Operator::start().await;
    let user = operator.rig.connection.user.to_string();
    let (text, ended) = operator.run(&["completeness", &user, "--json"]).await;
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["complete"], json!(false), "no sweep has run: nothing is proved");
    assert!(ended.unwrap_err().to_string().contains("may be missing"));
    let connection = operator.rig.connection.id.to_string();
    let question = ["completeness", &user, "--from", "2026-11-19T00:00:00Z", "--connection", &connection, "--json"];
    let told: Value = serde_json::from_str(&operator.run(&question).await.0).unwrap();
    assert_eq!((&told["from"], told["connections"].as_array().unwrap().len()), (&json!("2026-11-19T00:00:00.000Z"), 1));
    assert!(
        operator.refused(&["completeness", &user, "--connection", "con_other"]).await.contains("connection should be")
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_undone_is_only_done_when_it_is_meant() {
    let operator = Operator::start().await;
    let (user, connection) = (operator.rig.connection.user.to_string(), operator.rig.connection.id.to_string());
    assert!(operator.refused(&["erase", &user]).await.contains("--yes"));
    let stack = operator.rig.stack.template.place.stack.clone();
    let to = file("pairs.ndjson");
    let export = ["connections", "export", "--stack", &stack, "--to", to.to_str().unwrap()];
    assert!(operator.refused(&export).await.contains("--yes"));
    assert!(!to.exists());
    assert_eq!(operator.json(&[&export[..], &["--yes"]].concat()).await["connections"], 1);
    let entry: Value = serde_json::from_str(std::fs::read_to_string(&to).unwrap().trim()).unwrap();
    assert_eq!((&entry["reference_id"], &entry["backfill"]), (&json!("sample"), &json!("none")));
    assert!(entry["refresh_token"].as_str().is_some_and(|token| !token.is_empty()));
    let mut moved = entry.clone();
    moved["reference_id"] = json!("moved");
    std::fs::write(&to, format!("{entry}\n{moved}\n")).unwrap();
    let imported = operator.json(&["connections", "import", to.to_str().unwrap()]).await;
    let results = [&imported["connections"][0]["result"], &imported["connections"][1]["result"]];
    assert_eq!(results, ["already", "imported"], "what was written is what an import takes: {imported}");
    let audit = operator.json(&["audit"]).await;
    let noted = audit["entries"].as_array().unwrap().iter().any(|one| one["label"] == "afferent connections export");
    assert!(noted, "{audit}");
    assert_eq!(operator.json(&["disconnect", &connection]).await["connection"], json!(connection));
    let erasure = operator.json(&["erase", &user, "--yes"]).await;
    let receipt = operator.json(&["erasure", erasure["erasure"].as_str().unwrap(), "--verify"]).await;
    assert_eq!(receipt["erasure"], erasure["erasure"]);
    for of in [["--user", user.as_str()], ["--reference", "sample"]] {
        let listed = operator.json(&[&["erasures"][..], &of].concat()).await;
        assert_eq!(listed["erasures"][0]["erasure"], erasure["erasure"], "{listed}");
    }
}
