//! The way back of dead letters: SQS moves them, one task at a time for each queue.

use aws_sdk_sqs::Client as Sqs;
use aws_sdk_sqs::types::ListMessageMoveTasksResultEntry as Task;

use super::letters::{DeadLetters, failed};
use crate::Failure;

const RUNNING: &str = "RUNNING";

/// A move that goes on, whoever began it.
pub(crate) struct Move {
    /// Tasks of the queue that started then or before are other ones, in milliseconds of SQS's clock.
    after: i64,
}

/// How far a move is: how many messages it has moved.
pub(crate) enum Moved {
    /// SQS does not list it yet.
    Unlisted,
    /// It goes on.
    Running(u64),
    /// It is over.
    Done(u64),
    /// It ended before its end.
    Failed(u64),
}

/// Has them moved back to where they came from, unless that is under way. Without a dead letter there is no move.
pub(crate) async fn redrive(sqs: &Sqs, dead: &DeadLetters) -> Result<Option<Move>, Failure> {
    let newest = newest(sqs, dead).await?;
    if let Some(task) = newest.as_ref().filter(|task| task.status() == Some(RUNNING)) {
        return Ok(Some(Move::of(task)));
    }
    if dead.messages == 0 {
        return Ok(None);
    }
    let after = newest.map_or(i64::MIN, |task| task.started_timestamp());
    match sqs.start_message_move_task().source_arn(&dead.arn).send().await {
        Ok(_) => Ok(Some(Move { after })),
        // Somebody else may have begun one meanwhile, or the answer to an earlier try of this one was lost.
        Err(error) => match self::newest(sqs, dead).await?.filter(|task| task.started_timestamp() > after) {
            Some(task) => Ok(Some(Move::of(&task))),
            None => Err(failed(&format!("the dead letters of {} are not moved", dead.line.name()))(error)),
        },
    }
}

/// How far a move is.
pub(crate) async fn moved(sqs: &Sqs, dead: &DeadLetters, begun: &Move) -> Result<Moved, Failure> {
    let newest = newest(sqs, dead).await?;
    let Some(task) = newest.filter(|task| task.started_timestamp() > begun.after) else { return Ok(Moved::Unlisted) };
    let count = u64::try_from(task.approximate_number_of_messages_moved()).unwrap_or(0);
    Ok(match task.status() {
        Some(RUNNING) => Moved::Running(count),
        Some("COMPLETED") => Moved::Done(count),
        _ => Moved::Failed(count),
    })
}

/// The newest move of a queue.
async fn newest(sqs: &Sqs, dead: &DeadLetters) -> Result<Option<Task>, Failure> {
    let what = format!("it is not known how far the dead letters of {} are", dead.line.name());
    let tasks = sqs.list_message_move_tasks().source_arn(&dead.arn).max_results(1).send().await;
    Ok(tasks.map_err(failed(&what))?.results.unwrap_or_default().into_iter().next())
}

impl Move {
    fn of(task: &Task) -> Self {
        Self { after: task.started_timestamp() - 1 }
    }
}
