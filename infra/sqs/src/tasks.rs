//! Message move tasks: back from a dead-letter queue to where the messages came from, or elsewhere.
//!
//! A task here is over when its call returns, whatever rate was asked for: it moves what is visible. AWS works
//! on for a while and takes along what becomes visible meanwhile.

use std::collections::HashMap;

use afferent_domain::Timestamp;

use crate::errors::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::state::State;

/// A task that ran. Tasks are not kept over a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    pub source: String,
    pub destination: Option<String>,
    pub rate: Option<i64>,
    pub moved: usize,
    pub to_move: usize,
    pub started: Timestamp,
    pub handle: String,
}

impl State {
    /// Moves the visible messages of the dead-letter queue `source` (an ARN). A moved message is a new one: its
    /// id, age and count start again (AWS: "Redrive: considered as new messages").
    pub fn move_messages(
        &mut self,
        source: &str,
        destination: Option<String>,
        rate: Option<i64>,
        now: Timestamp,
    ) -> Result<String> {
        let no_queue = || Error::new(ErrorKind::ResourceNotFound, "The resource that you specified doesn't exist.");
        let name = self.name_of_arn(source).ok_or_else(no_queue)?;
        let is_dead_letter_queue = |policy: &crate::attributes::Redrive| policy.target == source;
        if !self.queues.values().any(|queue| queue.settings.redrive.as_ref().is_some_and(is_dead_letter_queue)) {
            return Err(Error::value("SourceArn", source, "Source queue must be configured as a Dead Letter Queue."));
        }
        if let Some(rate) = rate
            && !(1..=500).contains(&rate)
        {
            return Err(Error::value("MaxNumberOfMessagesPerSecond", rate, "Must be between 1 and 500."));
        }
        let fixed = match &destination {
            Some(arn) => Some(self.name_of_arn(arn).ok_or_else(no_queue)?),
            None => None,
        };
        let messages = self.queue(&name, now)?.drain_visible();
        let to_move = messages.len();
        let mut homes: HashMap<Option<String>, Option<String>> = HashMap::new();
        let mut moved = 0;
        for message in messages {
            let home = homes.entry(message.dead_from.clone()).or_insert_with_key(|from| {
                fixed.clone().or_else(|| from.as_deref().and_then(|from| self.name_of_arn(from)))
            });
            match home.clone() {
                Some(home) => {
                    let (number, id) = self.identity();
                    let fresh = Message {
                        number,
                        id,
                        sent: now,
                        visible: now,
                        first_received: None,
                        received: None,
                        receives: 0,
                        dead_from: None,
                        ..message
                    };
                    self.queue(&home, now)?.add(fresh, now);
                    moved += 1;
                }
                // Sent here by hand, or from a queue that is no more: it stays.
                None => self.queue(&name, now)?.add(message, now),
            }
        }
        let handle = format!("task-{}", self.number());
        let source = source.to_owned();
        self.tasks.push(Task { source, destination, rate, moved, to_move, started: now, handle: handle.clone() });
        Ok(handle)
    }
}
