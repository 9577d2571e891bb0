//! Connecting people who connected elsewhere, by the lines of a file.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::Asked;
use crate::client::{Client, json as read};
use crate::progress::Bar;
use crate::{Failure, Tool};

/// How many the API takes at once, and how long a body may be, in bytes (it takes 256 KB).
const AT_ONCE: usize = 100;
const BYTES: usize = 200 * 1024;

/// How often in a row it may have had no time for any of those it was asked for.
const TRIES: u32 = 5;

/// What the API says of one that it had no time for, or no table.
const UNAVAILABLE: &str = "unavailable";

/// How the field at fault begins where the API cannot read an entry, and what it is where it cannot tell which one: that the
/// body is JSON is sure.
const ENTRY: &str = "connections[";
const BODY: &str = "body";

/// A line of the file, and what came of it.
struct Line {
    /// From 1.
    number: u32,
    entry: Value,
    outcome: Option<Value>,
}

pub(super) async fn import(tool: &mut Tool, asked: &Asked, file: &Path) -> Result<(), Failure> {
    let mut lines = lines(file)?;
    let client = asked.client(tool)?;
    let bar = tool.bar("connections", u64::try_from(lines.len()).ok());
    let ended = all(&client, &mut lines, &bar).await;
    drop(bar);
    let rows: Vec<Value> = lines.into_iter().map(Line::told).collect();
    let refused = rows.iter().filter(|row| row["result"] == "refused").count();
    let count = rows.len();
    tool.list(asked.form, "connections", rows, &["line", "reference_id", "result", "user", "connection", "problem"])?;
    ended?;
    if refused == 0 { Ok(()) } else { Err(Failure::new(format!("{refused} of {count} were refused"))) }
}

/// Reads the file. What is wrong is told by the number of its line: the line itself holds tokens.
fn lines(file: &Path) -> Result<Vec<Line>, Failure> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| Failure::new(format!("{} cannot be read: {error}", file.display())))?;
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let entry: Option<Value> = serde_json::from_str(line).ok().filter(Value::is_object);
        let wrong = || Failure::new(format!("line {number} of {} should be a JSON object", file.display()));
        lines.push(Line { number, entry: entry.ok_or_else(wrong)?, outcome: None });
    }
    if lines.is_empty() { Err(Failure::new(format!("{} has no lines", file.display()))) } else { Ok(lines) }
}

/// Imports all of them, so many at once. A request with an entry that the API cannot read is refused whole: it is halved
/// until that entry is alone.
async fn all(client: &Client<'_>, lines: &mut [Line], bar: &Bar) -> Result<(), Failure> {
    let mut waiting = vec![lines];
    while let Some(lines) = waiting.pop() {
        let count = fitting(lines);
        let (batch, rest) = lines.split_at_mut(count);
        if !rest.is_empty() {
            waiting.push(rest);
        }
        match import_batch(client, batch, bar).await {
            Err(failure) if is_of_an_entry(&failure) => match batch {
                [line] => {
                    line.outcome = Some(unreadable(&failure));
                    bar.more(1);
                }
                many => {
                    let (first, second) = many.split_at_mut(many.len() / 2);
                    waiting.extend([second, first]);
                }
            },
            ended => ended?,
        }
    }
    Ok(())
}

/// Whether the API could not read one of the entries, and so has done nothing.
fn is_of_an_entry(failure: &Failure) -> bool {
    let field = failure.said("field").unwrap_or_default();
    failure.kind() == Some("bad-field") && (field.starts_with(ENTRY) || field == BODY)
}

/// The outcome of an entry that the API could not read when it came alone, as the API says it of others.
fn unreadable(failure: &Failure) -> Value {
    let field = failure.said("field").and_then(|field| field.split_once("].")).map_or("entry", |(_, field)| field);
    let detail = failure.said("expected").map(|expected| format!("{field} should be {expected}"));
    json!({"result": "refused", "problem": {"type": "bad-field", "field": field, "detail": detail}})
}

/// How many of them go at once: one at least.
fn fitting(lines: &[Line]) -> usize {
    let mut bytes = 0;
    let fits = |line: &&Line| {
        bytes += line.entry.to_string().len() + 1;
        bytes <= BYTES
    };
    lines.iter().take(AT_ONCE).take_while(fits).count().max(1)
}

/// Asks for a batch, and again for what there was no time for: each time under a new name, because it is another request.
async fn import_batch(client: &Client<'_>, batch: &mut [Line], bar: &Bar) -> Result<(), Failure> {
    let mut tries = 0;
    loop {
        let mut open: Vec<&mut Line> = batch.iter_mut().filter(|line| !line.is_over()).collect();
        if open.is_empty() || tries == TRIES {
            return Ok(());
        }
        if tries > 0 {
            tokio::time::sleep(Duration::from_secs(1 << tries)).await;
        }
        let entries: Vec<&Value> = open.iter().map(|line| &line.entry).collect();
        let answer = read(&client.post("/v1/connections/import", &json!({"connections": entries})).await?)?;
        let outcomes = answer["connections"].as_array();
        let outcomes = outcomes.filter(|all| all.len() == open.len() && all.iter().all(Value::is_object));
        let outcomes = outcomes.ok_or_else(|| Failure::new("the answer has not an outcome for each connection"))?;
        for (line, outcome) in open.iter_mut().zip(outcomes) {
            line.outcome = Some(outcome.clone());
        }
        let over = open.iter().filter(|line| line.is_over()).count();
        bar.more(u64::try_from(over).unwrap_or(0));
        tries = if over > 0 { 1 } else { tries + 1 };
    }
}

impl Line {
    /// Whether asking for it again would change nothing.
    fn is_over(&self) -> bool {
        self.outcome.as_ref().is_some_and(|outcome| outcome["problem"]["type"] != UNAVAILABLE)
    }

    /// What came of it. Of what there is no outcome, as of all after a failure, nobody knows: giving the file again is safe.
    fn told(self) -> Value {
        let mut told = self.outcome.unwrap_or_else(|| json!({"result": "unknown"}));
        // Of an entry that is wrong it may be anything, tokens too.
        told["reference_id"] = self.entry["reference_id"].as_str().into();
        told["line"] = self.number.into();
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bytes: usize) -> Line {
        Line { number: 1, entry: json!({"refresh_token": "x".repeat(bytes)}), outcome: None }
    }

    #[test]
    fn no_more_go_at_once_than_the_api_takes() {
        let many: Vec<Line> = (0..250).map(|_| line(10)).collect();
        assert_eq!(fitting(&many), AT_ONCE);
        let long: Vec<Line> = (0..250).map(|_| line(4_000)).collect();
        let count = fitting(&long);
        assert!((45..=55).contains(&count), "{count}");
        assert_eq!(fitting(&[line(BYTES)]), 1, "the API says what it makes of that");
    }

    #[test]
    fn what_is_told_of_a_line_is_its_number_and_nothing_that_it_holds_but_a_reference() {
        let entry = json!({"reference_id": {"refresh_token": "s3cret"}});
        let told = Line { number: 7, entry, outcome: None }.told();
        assert_eq!(told, json!({"line": 7, "reference_id": null, "result": "unknown"}));
        let problem = |field: &str| {
            let problem = json!({"type": "urn:afferent:problem:bad-field", "field": field, "expected": "u64"});
            Failure::of(problem, "")
        };
        for (field, told) in [
            ("connections[0].userid", "userid"),
            ("connections[0].scopes[1]", "scopes[1]"),
            ("connections[0]", "entry"),
            ("body", "entry"),
        ] {
            assert!(is_of_an_entry(&problem(field)));
            let expected = json!({"type": "bad-field", "field": told, "detail": format!("{told} should be u64")});
            assert_eq!(unreadable(&problem(field)), json!({"result": "refused", "problem": expected}));
        }
        assert!(!is_of_an_entry(&problem("connections")) && !is_of_an_entry(&Failure::new("connections[0]")));
    }
}
