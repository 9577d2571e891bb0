//! What goes wrong.

use std::sync::Arc;
use std::time::Duration;

use afferent_local::dynamodb::Fault;
use afferent_local::network::Reply;
use local_sqs::{Failure, Operation, Receive};

use crate::world::{FUNCTIONS, World};

const QUEUE: &str = "afferent-deliveries";

impl World {
    /// DynamoDB fails now and then, and invocations crash at any of their steps.
    pub fn begin_trouble(&self) {
        let dice = || Arc::clone(&self.simulation.dice);
        let faults = self.simulation.dynamodb.faults();
        faults.sometimes(Fault::Throttled, "", "", 30, dice());
        faults.sometimes(Fault::Conflict, "TransactWriteItems", "afferent-events", 150, dice());
        faults.sometimes(Fault::Failed, "PutItem", "afferent-events", 60, dice());
        faults.sometimes(Fault::AnswerLost, "PutItem", "afferent-events", 60, dice());
        faults.sometimes(Fault::Conflict, "UpdateItem", "afferent-deliveries", 20, dice());
        faults.sometimes(Fault::AnswerLost, "TransactWriteItems", "", 100, dice());
        faults.sometimes(Fault::AnswerLost, "UpdateItem", "afferent-deliveries", 60, dice());
        faults.sometimes(Fault::AnswerLost, "PutItem", "afferent-deliveries", 60, dice());
        faults.sometimes(Fault::AnswerLost, "UpdateItem", "afferent-endpoints", 60, dice());
        self.simulation.functions.crash_sometimes(40, dice());
    }

    pub fn end_trouble(&self) {
        self.simulation.dynamodb.faults().clear();
        self.simulation.functions.crash_sometimes(0, Arc::clone(&self.simulation.dice));
        self.simulation.sqs.heal();
        for receiver in self.receivers() {
            receiver.always(Reply::Status(200));
        }
    }

    /// Something of all that SQS does, and that functions do.
    pub async fn something_happens(&self) {
        let (sqs, roll) = (&self.simulation.sqs, |most| self.simulation.dice.between(0, most));
        match roll(7) {
            0 => sqs.duplicate_next(QUEUE, 3).unwrap(),
            1 => sqs.forget_deletes(QUEUE, 2).unwrap(),
            // Alarms that ring early.
            2 => sqs.release_in_flight().unwrap(),
            // An alarm that is lost.
            3 => self.lose().await,
            4 => sqs.fail_next(Operation::ChangeMessageVisibilityBatch, Failure::EntriesRefused, 2),
            5 => sqs.fail_next(Operation::ChangeMessageVisibilityBatch, Failure::Refused, 4),
            6 => sqs.fail_next(Operation::SendMessageBatch, Failure::AnswerLost, 1),
            _ => sqs.fail_next(Operation::SendMessageBatch, Failure::Refused, 4),
        }
        // A function dies where it stands, and is back a moment later.
        let dies = FUNCTIONS[usize::try_from(roll(2)).unwrap()];
        self.pass_ms(roll(3_000)).await;
        self.simulation.pause(dies);
        self.pass_ms(roll(2_000)).await;
        self.simulation.resume(dies);
    }

    async fn lose(&self) {
        let ask = Receive { max: 3, wait_s: Some(0), visibility_s: None };
        for message in self.simulation.sqs.receive(QUEUE, ask).await.unwrap_or_default() {
            self.simulation.sqs.delete(QUEUE, &message.receipt_handle).unwrap();
        }
    }

    /// What the receivers do with their next requests.
    pub fn moods(&self) {
        for receiver in &self.receivers()[..3] {
            let reply = match self.simulation.dice.between(0, 7) {
                0 => Reply::Status(500),
                1 => Reply::Reset,
                2 => Reply::After(Duration::from_secs(4), Box::new(Reply::Status(200))),
                3 => Reply::Full(503, vec![("retry-after", "120".to_owned())], bytes::Bytes::new()),
                _ => Reply::Status(200),
            };
            receiver.next([reply.clone(), reply]);
        }
    }

    async fn pass_ms(&self, millis: u64) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}
