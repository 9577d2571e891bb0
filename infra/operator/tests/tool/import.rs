//! People who connected elsewhere, by a file.

use std::fmt::Write as _;

use afferent_local::dynamodb::Fault;
use serde_json::{Value, json};

use crate::{Operator, file};

fn entry(reference: &str, userid: u32) -> Value {
    json!({"reference_id": reference, "userid": userid, "refresh_token": "r3fresh", "backfill": "none"})
}

/// A file with a line for each of these.
fn written(name: &str, entries: &[Value]) -> String {
    let path = file(name);
    let text = entries.iter().fold(String::new(), |mut text, entry| {
        writeln!(text, "{entry}").unwrap();
        text
    });
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_file_is_imported_by_hundreds_and_what_there_was_no_table_for_is_asked_for_again() {
    let operator = Operator::start().await;
    let mut entries: Vec<Value> = (0..101).map(|number| entry(&format!("person-{number}"), 5_000 + number)).collect();
    entries[7]["reference_id"] = json!("anna");
    entries[8]["userid"] = json!(0);
    let path = written("people.ndjson", &entries);
    // The SDK tries four times: the first time it is out of reach.
    operator.rig.stack.dynamodb.faults().next(Fault::Failed, "TransactWriteItems", "anna", 4);
    let (text, ended) = operator.run(&["connections", "import", &path, "--json"]).await;
    assert_eq!(ended.unwrap_err().to_string(), "1 of 101 were refused");
    assert!(!text.contains("r3fresh"), "no token is shown");
    let told: Value = serde_json::from_str(&text).unwrap();
    let told = told["connections"].as_array().unwrap();
    assert_eq!(told.len(), 101);
    for (index, outcome) in told.iter().enumerate() {
        assert_eq!(outcome["reference_id"], entries[index]["reference_id"], "in the order of the file");
        let expected = if index == 8 { "refused" } else { "imported" };
        assert_eq!(outcome["result"], expected, "{outcome}");
        assert_eq!(outcome["line"], index + 1);
    }
    assert_eq!(told[8]["problem"]["field"], "userid");
    let audit = operator.json(&["audit"]).await;
    let asked = audit["entries"].as_array().unwrap().iter().filter(|one| one["route"] == "/v1/connections/import");
    assert_eq!(asked.count(), 3, "a hundred, those of them that were left, and the last one");
    // Giving the file again changes nothing.
    let (text, _) = operator.run(&["connections", "import", &path, "--json"]).await;
    let told: Value = serde_json::from_str(&text).unwrap();
    let again = told["connections"].as_array().unwrap().iter().filter(|one| one["result"] == "already");
    assert_eq!(again.count(), 100);
}

#[tokio::test(start_paused = true)]
async fn what_stays_out_of_reach_is_given_up_and_told() {
    let operator = Operator::start().await;
    let path = written("away.ndjson", &[entry("anna", 5_000), entry("ben", 5_001)]);
    operator.rig.stack.dynamodb.faults().next(Fault::Failed, "TransactWriteItems", "anna", 10_000);
    let (text, ended) = operator.run(&["connections", "import", &path]).await;
    assert_eq!(ended.unwrap_err().to_string(), "1 of 2 were refused");
    assert!(text.contains("a table is out of reach") && text.contains("imported"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_the_api_cannot_read_is_refused_alone_by_its_line_and_the_others_are_imported() {
    let operator = Operator::start().await;
    let mut entries: Vec<Value> = (0..150).map(|number| entry(&format!("person-{number}"), 5_000 + number)).collect();
    entries[0]["reference_id"] = json!({"refresh_token": "s3cret"});
    entries[40]["userid"] = json!("s3cret");
    entries[41]["scopes"] = json!(["user.metrics", "s3cret"]);
    entries[99]["expires_at"] = json!("s3cret");
    entries[149].as_object_mut().unwrap().remove("refresh_token");
    let wrong = [(0, "reference_id"), (40, "userid"), (41, "scopes[1]"), (99, "expires_at"), (149, "refresh_token")];
    let path = written("unreadable.ndjson", &entries);
    // The lines of the file are counted, and not only those that hold something.
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("\n{text}")).unwrap();
    let (text, ended) = operator.run(&["connections", "import", &path, "--json"]).await;
    assert_eq!(ended.unwrap_err().to_string(), "5 of 150 were refused");
    assert!(!text.contains("r3fresh") && !text.contains("s3cret"), "nothing that a line holds is shown");
    let told: Value = serde_json::from_str(&text).unwrap();
    for (index, outcome) in told["connections"].as_array().unwrap().iter().enumerate() {
        let field = wrong.iter().find(|(at, _)| *at == index).map(|(_, field)| *field);
        assert_eq!(outcome["line"], index + 2);
        assert_eq!(outcome["result"], if field.is_some() { "refused" } else { "imported" }, "{outcome}");
        assert_eq!(outcome["problem"]["field"].as_str(), field);
        let detail = outcome["problem"]["detail"].as_str().unwrap_or_default();
        assert!(detail.starts_with(&field.map_or(String::new(), |field| format!("{field} should be "))), "{outcome}");
    }
    // People see the line too.
    let (text, _) = operator.run(&["connections", "import", &path]).await;
    let line = text.lines().find(|line| line.starts_with("42 ")).unwrap();
    assert!(line.contains("person-40") && line.contains("refused") && line.contains("userid should be"), "{line}");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_read_is_told_by_its_line_and_imports_nobody() {
    let operator = Operator::start().await;
    let path = file("broken.ndjson");
    std::fs::write(&path, format!("{}\n\n[\"s3cret\"]\n", entry("anna", 5_000))).unwrap();
    let refused = operator.refused(&["connections", "import", path.to_str().unwrap()]).await;
    assert!(refused.starts_with("line 3 of ") && !refused.contains("s3cret"), "{refused}");
    std::fs::write(&path, "\n").unwrap();
    assert!(operator.refused(&["connections", "import", path.to_str().unwrap()]).await.contains("has no lines"));
    assert!(operator.refused(&["connections", "import", "/nowhere/at/all"]).await.contains("cannot be read"));
    assert_eq!(operator.json(&["users", "list", "--reference", "anna"]).await["users"], json!([]));
    // A refusal of the whole is told too, with what is not known of any.
    let path = written("refused.ndjson", &[entry("anna", 5_000)]);
    let reader = operator.json(&["keys", "create", "--label", "r", "--grant", "read"]).await;
    operator.sleep(1).await;
    let key = reader["text"].as_str().unwrap();
    let (text, ended) = operator.run_as(key, &["connections", "import", &path]).await;
    assert!(ended.unwrap_err().to_string().contains("(403)"));
    assert!(text.contains("anna") && text.contains("unknown"), "{text}");
}
