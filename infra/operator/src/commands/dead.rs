//! Messages that no function could handle.

use std::io::Write as _;
use std::time::Duration;

use aws_sdk_sqs::Client as Sqs;
use serde_json::{Value, json};

use super::Asked;
use crate::cli::{Dead, Line, StackArgs};
use crate::cloud::{DeadLetters, LINES, Move, Moved, dead_letters, letters, moved, redrive};
use crate::output::Form;
use crate::{Failure, Tool};

/// How often it is looked how far a move is.
const LOOK: Duration = Duration::from_secs(5);

/// How many looks SQS has to list a move that was begun.
const UNLISTED: u32 = 12;

pub(super) async fn dead(tool: &mut Tool, asked: &Asked, dead: Dead) -> Result<(), Failure> {
    match dead {
        Dead::List { stack } => list(tool, asked, &stack).await,
        Dead::Redrive { queue, wait, stack } => {
            let lines = queue.map_or_else(|| LINES.to_vec(), |line| vec![line]);
            back(tool, asked, &stack, lines, wait).await
        }
    }
}

async fn list(tool: &mut Tool, asked: &Asked, stack: &StackArgs) -> Result<(), Failure> {
    let sqs = tool.sqs(stack)?;
    let bar = tool.bar("looking", u64::try_from(LINES.len()).ok());
    let (mut queues, mut all, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for line in LINES {
        let dead = dead_letters(&sqs, &stack.stack, line).await?;
        let found = if dead.messages > 0 { letters(&sqs, &dead).await } else { Ok(Vec::new()) };
        // Who may only count them is told how many there are.
        let found = found.map_err(|failure| failures.push(failure.to_string())).ok();
        let mut queue = json!({"queue": line.name(), "messages": dead.messages});
        match asked.form {
            Form::Json => queue["letters"] = found.into(),
            Form::People => all.extend(found.unwrap_or_default().into_iter().map(|mut letter| {
                letter["queue"] = line.name().into();
                letter
            })),
        }
        queues.push(queue);
        bar.more(1);
    }
    drop(bar);
    tool.list(asked.form, "queues", queues, &["queue", "messages"])?;
    if !all.is_empty() {
        writeln!(tool.out)?;
        tool.list(asked.form, "letters", all, &["queue", "message", "type", "about", "sent", "receives"])?;
    }
    none(&failures)
}

/// Moves the dead letters of these queues back to where they came from. A queue that fails keeps none of the others back.
async fn back(tool: &mut Tool, asked: &Asked, stack: &StackArgs, lines: Vec<Line>, wait: bool) -> Result<(), Failure> {
    let sqs = tool.sqs(stack)?;
    let mut queues = Vec::new();
    for line in lines {
        queues.push(dead_letters(&sqs, &stack.stack, line).await?);
    }
    let mut begun = Vec::new();
    for dead in queues {
        let one = redrive(&sqs, &dead).await;
        begun.push((dead, one));
    }
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for (dead, one) in begun {
        let (result, count) = match one {
            Ok(None) => ("empty", Value::Null),
            Ok(Some(_)) if !wait => ("moving", Value::Null),
            Ok(Some(begun)) => over(tool, &sqs, &dead, &begun).await.unwrap_or_else(|failure| {
                failures.push(failure.to_string());
                ("unknown", Value::Null)
            }),
            Err(failure) => {
                failures.push(failure.to_string());
                ("refused", Value::Null)
            }
        };
        let mut row = json!({"queue": dead.line.name(), "messages": dead.messages, "result": result});
        if wait {
            row["moved"] = count;
        }
        rows.push(row);
    }
    if rows.iter().any(|row| row["result"] == "failed") {
        failures.push("not all were moved; `afferent dead list` shows what is left".to_owned());
    }
    let columns: &[&str] =
        if wait { &["queue", "messages", "result", "moved"] } else { &["queue", "messages", "result"] };
    tool.list(asked.form, "queues", rows, columns)?;
    none(&failures)
}

/// Waits until a move is over: how it ended, and how many it moved.
async fn over(tool: &Tool, sqs: &Sqs, dead: &DeadLetters, begun: &Move) -> Result<(&'static str, Value), Failure> {
    let bar = tool.bar(&format!("moving {}", dead.line.name()), Some(dead.messages));
    let mut looks = 0;
    loop {
        match moved(sqs, dead, begun).await? {
            Moved::Unlisted if looks == UNLISTED => {
                let line = dead.line.name();
                return Err(Failure::new(format!(
                    "SQS lists no move of {line}; `afferent dead list` shows what is left"
                )));
            }
            Moved::Unlisted => looks += 1,
            Moved::Running(count) => bar.at(count),
            Moved::Done(count) => return Ok(("moved", count.into())),
            Moved::Failed(count) => return Ok(("failed", count.into())),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether there was no failure.
fn none(failures: &[String]) -> Result<(), Failure> {
    if failures.is_empty() { Ok(()) } else { Err(Failure::new(failures.join("; "))) }
}
