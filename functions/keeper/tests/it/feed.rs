//! How the keeper feeds the queue of backfill on the simulated stack.

use std::collections::BTreeSet;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::backfill::place;
use afferent_domain::duty::Duty;
use afferent_domain::id::ConnectionId;
use afferent_domain::service::Service;
use afferent_function::Env;
use afferent_local::{Setup, Simulation, Ticks};
use afferent_queue::Pull;
use afferent_store::connections::{AccountKey, Connections};
use afferent_store::duties::{DutyKey, Owner};
use keeper::Keeper;
use local_sqs::Receive;
use serde_json::{Value, json};

/// Three minutes of this are 30 messages.
const LIMIT: usize = 10;

struct Stack {
    simulation: Simulation,
    keeper: Keeper,
    connections: Connections,
}

impl Stack {
    async fn start() -> Self {
        let parameters = [("WithingsLimit".to_owned(), LIMIT.to_string())].into();
        let simulation = Simulation::bare(Setup { ticks: Ticks::Off, parameters, ..Setup::default() }).await.unwrap();
        let environment = simulation.template.function("keeper").unwrap().environment.clone();
        let client = afferent_store::client(&simulation.rim.aws);
        Self {
            keeper: Keeper::start(&Env::of(environment), &simulation.rim).await.unwrap(),
            connections: Connections::new(client, "afferent-connections".to_owned()),
            simulation,
        }
    }

    fn now(&self) -> Timestamp {
        self.simulation.clock.now()
    }

    async fn minute(&self) -> Value {
        tokio::time::sleep(Duration::from_secs(60)).await;
        self.keeper.handle(json!({"task": "minute"})).await.unwrap()
    }

    /// Slices of a run of this connection.
    async fn slices(&self, connection: &str, count: u32) {
        let created = self.now();
        for number in 0..count {
            let duty = Duty::Slice { run: format!("run_{connection}"), number };
            self.add(connection, duty, place(created, number)).await;
        }
    }

    async fn sweeps(&self, count: u32) {
        for number in 0..count {
            self.add(&format!("con_swept_{number}"), Duty::Sweep(Service::Getmeas), self.now()).await;
        }
    }

    async fn add(&self, connection: &str, duty: Duty, due: Timestamp) {
        let key = DutyKey { owner: Owner::Connection(ConnectionId::from(connection)), duty };
        assert!(self.connections.add_duty(&key, due, Vec::new()).await.unwrap());
    }

    /// Receives and deletes whatever is on the queue.
    async fn work_off(&self) {
        let (sqs, queue) = (&self.simulation.sqs, "afferent-backfill");
        loop {
            let received = sqs.receive(queue, Receive { max: 10, wait_s: Some(0), visibility_s: None }).await.unwrap();
            if received.is_empty() {
                return;
            }
            received.iter().for_each(|message| sqs.delete(queue, &message.receipt_handle).unwrap());
        }
    }

    /// What is on a queue: the sort keys of the duties, a slice's with its connection.
    fn queued(&self, queue: &str) -> Vec<(String, String)> {
        let messages = self.simulation.sqs.messages(queue, 10_000).unwrap();
        let read = |body: &str| match Pull::from_body(body).unwrap() {
            Pull::Duty(duty) => (duty.owner, duty.item),
            other => panic!("{other:?}"),
        };
        messages.iter().map(|message| read(&message.body)).collect()
    }

    fn backfill(&self) -> Vec<(String, String)> {
        self.queued("afferent-backfill")
    }
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_topped_up_to_three_minutes_of_the_budget_and_nothing_is_queued_twice() {
    let stack = Stack::start().await;
    stack.slices("con_1", 100).await;
    assert_eq!(stack.minute().await["backfill"], 3 * LIMIT);
    assert_eq!(stack.minute().await["backfill"], 0, "nobody took any");
    stack.work_off().await;
    assert_eq!(stack.minute().await["backfill"], 3 * LIMIT);
    let numbers: BTreeSet<String> = stack.backfill().into_iter().map(|(_, item)| item).collect();
    let next: BTreeSet<String> = (30..60).map(|number| format!("slice#run_con_1#{number:05}")).collect();
    assert_eq!(numbers, next, "the newest that were not queued yet");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_lost_is_sent_again_after_a_while() {
    let stack = Stack::start().await;
    stack.slices("con_1", 1).await;
    assert_eq!(stack.minute().await["backfill"], 1);
    stack.work_off().await;
    assert_eq!(stack.minute().await["backfill"], 0);
    tokio::time::sleep(Duration::from_secs(15 * 60)).await;
    assert_eq!(stack.minute().await["backfill"], 1);
}

#[tokio::test(start_paused = true)]
async fn somebody_who_connects_late_gets_the_newest_data_before_the_old_data_of_others() {
    let stack = Stack::start().await;
    stack.slices("con_1", 500).await;
    assert_eq!(stack.minute().await["backfill"], 3 * LIMIT);
    stack.work_off().await;
    stack.slices("con_2", 9).await;
    stack.minute().await;
    let late = stack.backfill().into_iter().filter(|(owner, _)| owner == "connection#con_2").count();
    assert_eq!(late, 9);
}

#[tokio::test(start_paused = true)]
async fn sweeps_take_what_slices_leave_and_have_a_share_of_their_own() {
    let stack = Stack::start().await;
    stack.sweeps(100).await;
    stack.slices("con_1", 20).await;
    assert_eq!(stack.minute().await["backfill"], 3 * LIMIT);
    let sweeps = |stack: &Stack| stack.backfill().iter().filter(|(_, item)| item.starts_with("sweep")).count();
    assert_eq!(sweeps(&stack), 10);
    stack.work_off().await;
    stack.slices("con_2", 500).await;
    stack.minute().await;
    assert_eq!(sweeps(&stack), 1, "beside a backlog");
}

#[tokio::test(start_paused = true)]
async fn what_somebody_waits_for_does_not_wait_for_room() {
    let stack = Stack::start().await;
    stack.slices("con_1", 100).await;
    stack.minute().await;
    let account = AccountKey { application: "app".to_owned(), region: "eu".to_owned(), userid: "90001001".to_owned() };
    let key = DutyKey { owner: Owner::Account(account.clone()), duty: Duty::Care };
    stack.connections.add_duty(&key, stack.now(), Vec::new()).await.unwrap();
    stack.minute().await;
    assert!(stack.backfill().contains(&(account.to_string(), "care".to_owned())));
    assert!(stack.queued("afferent-pulls").is_empty(), "no notification is to stand behind it");
}
