//! Dead letters on their way back, where SQS lists a move late, has one already, or refuses one.

use local_sqs::Draft;
use serde_json::{Value, json};

use crate::Operator;
use crate::scripted::{Said, Scripted, moves, refusal};

const BEGIN: &str = "StartMessageMoveTask";
const LIST: &str = "ListMessageMoveTasks";

fn begun() -> Said {
    (200, json!({"TaskHandle": "task-1"}))
}

/// With a dead letter of each of these queues.
async fn start(queues: &[&str]) -> Operator {
    let operator = Operator::start().await;
    let rig = &operator.rig;
    for queue in queues {
        rig.stack.sqs.send(&rig.name(&format!("{queue}-dead")), Draft::of("s3cret")).unwrap();
    }
    operator
}

/// Has them moved: what is told of each queue, and what was not done.
async fn redrive(operator: &Operator, aws: &Scripted, words: &[&str]) -> (Value, Option<String>) {
    let stack = operator.rig.stack.template.place.stack.clone();
    let words = [&["dead", "redrive", "--json", "--stack", &stack][..], words].concat();
    let (text, ended) = operator.run_at(aws.aws(), &words).await;
    let told: Value = serde_json::from_str(&text).unwrap();
    (told["queues"].clone(), ended.err().map(|failure| failure.to_string()))
}

const WAIT: [&str; 3] = ["--queue", "pulls", "--wait"];

/// What is told of the one queue after that.
fn told(result: &str, moved: Option<u64>) -> Value {
    json!([{"queue": "pulls", "messages": 1, "result": result, "moved": moved}])
}

#[tokio::test(start_paused = true)]
async fn a_move_that_ended_before_is_not_taken_for_the_one_that_was_begun() {
    let operator = start(&["pulls"]).await;
    let mut listed = vec![moves(Some(("COMPLETED", 100, 7))); 3];
    listed.extend([moves(Some(("RUNNING", 200, 0))), moves(Some(("COMPLETED", 200, 1)))]);
    let aws = Scripted::new(&operator, [(LIST, listed), (BEGIN, vec![begun()])]);
    assert_eq!(redrive(&operator, &aws, &WAIT).await, (told("moved", Some(1)), None));
    assert_eq!((aws.count(BEGIN), aws.count(LIST)), (1, 5));
}

#[tokio::test(start_paused = true)]
async fn a_move_that_is_under_way_is_waited_for_and_no_other_is_begun() {
    let operator = start(&["pulls"]).await;
    let listed = vec![moves(Some(("RUNNING", 100, 0))), moves(Some(("COMPLETED", 100, 1)))];
    let aws = Scripted::new(&operator, [(LIST, listed)]);
    assert_eq!(redrive(&operator, &aws, &WAIT).await, (told("moved", Some(1)), None));
    assert_eq!(aws.count(BEGIN), 0);
    // SQS has one that it did not list before, so it refuses another.
    let listed = vec![moves(None), moves(Some(("RUNNING", 100, 0))), moves(Some(("FAILED", 100, 0)))];
    let aws = Scripted::new(&operator, [(LIST, listed), (BEGIN, vec![refusal("InvalidParameterValue")])]);
    let (queues, failure) = redrive(&operator, &aws, &WAIT).await;
    assert_eq!((queues, aws.count(BEGIN)), (told("failed", Some(0)), 1));
    assert!(failure.unwrap().contains("not all were moved"));
}

#[tokio::test(start_paused = true)]
async fn a_move_that_is_never_listed_is_not_waited_for_without_end() {
    let operator = start(&["pulls"]).await;
    let aws = Scripted::new(&operator, [(LIST, vec![moves(None)]), (BEGIN, vec![begun()])]);
    let began = operator.rig.stack.clock.now();
    let (queues, failure) = redrive(&operator, &aws, &WAIT).await;
    assert_eq!(operator.rig.stack.clock.now().since(began).as_secs(), 60);
    assert_eq!(queues, told("unknown", None));
    assert!(failure.unwrap().contains("SQS lists no move of pulls"));
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_refused_does_not_hide_what_was_begun_of_another() {
    let operator = start(&["pulls", "deliveries"]).await;
    let answers = vec![refusal("AccessDeniedException"), begun()];
    let aws = Scripted::new(&operator, [(LIST, vec![moves(None)]), (BEGIN, answers)]);
    let (queues, failure) = redrive(&operator, &aws, &[]).await;
    let results = [("pulls", 1, "refused"), ("backfill", 0, "empty"), ("deliveries", 1, "moving")];
    let expected =
        results.map(|(queue, messages, result)| json!({"queue": queue, "messages": messages, "result": result}));
    assert_eq!(queues, json!(expected));
    assert_eq!(failure.unwrap(), "the dead letters of pulls are not moved: AccessDeniedException: no");
}
