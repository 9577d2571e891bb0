//! What is asked again, and what is told of what was not done.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use afferent_http::{Answer, Call, Http, Sending};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::Operator;

/// An API that is busy with the act for so many answers.
struct Busy {
    api: Arc<dyn Http>,
    times: AtomicU32,
    names: Mutex<Vec<String>>,
}

impl Busy {
    fn new(operator: &Operator, times: u32) -> Arc<Self> {
        let api = operator.rig.stack.network.clone();
        Arc::new(Self { api, times: times.into(), names: Mutex::default() })
    }
}

impl Http for Busy {
    fn send(&self, call: Call) -> Sending<'_> {
        let name = call.request.headers()["idempotency-key"].to_str().unwrap().to_owned();
        self.names.lock().unwrap().push(name);
        if self.times.load(Ordering::SeqCst) == 0 {
            return self.api.send(call);
        }
        self.times.fetch_sub(1, Ordering::SeqCst);
        let problem = json!({
            "type": "urn:afferent:problem:idempotency-under-way", "title": "Conflict", "status": 409, "detail": "it is being done",
        });
        let body = Bytes::from(problem.to_string());
        let answer = Answer { status: StatusCode::CONFLICT, headers: HeaderMap::new(), body, truncated: false };
        Box::pin(async move { Ok(answer) })
    }
}

const CREATE: [&str; 6] = ["keys", "create", "--label", "app", "--grant", "read"];

#[tokio::test(start_paused = true)]
async fn an_act_that_an_earlier_try_holds_is_waited_for_and_asked_for_under_the_same_name() {
    let operator = Operator::start().await;
    let busy = Busy::new(&operator, 3);
    let began = operator.rig.stack.clock.now();
    operator.run_over(busy.clone(), &CREATE).await.1.unwrap();
    assert_eq!(operator.rig.stack.clock.now().since(began).as_secs(), 15, "three looks, 5 s apart");
    let names = busy.names.lock().unwrap().clone();
    assert_eq!(names.len(), 4);
    assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
}

#[tokio::test(start_paused = true)]
async fn an_act_that_is_held_for_longer_than_a_function_can_hold_it_is_given_up() {
    let operator = Operator::start().await;
    let began = operator.rig.stack.clock.now();
    let failure = operator.run_over(Busy::new(&operator, u32::MAX), &CREATE).await.1.unwrap_err();
    let waited = operator.rig.stack.clock.now().since(began).as_secs();
    assert!((61..=120).contains(&waited), "{waited} s");
    assert_eq!(failure.to_string(), "it is being done (409)");
}

#[tokio::test(start_paused = true)]
async fn a_program_is_told_of_a_refusal_as_the_api_said_it() {
    let operator = Operator::start().await;
    let failure = operator.run(&["endpoints", "show", "ep_none"]).await.1.unwrap_err();
    let said: Value = serde_json::from_str(&failure.to_json()).unwrap();
    assert_eq!((&said["type"], &said["status"]), (&json!("urn:afferent:problem:not-found"), &json!(404)));
    assert_eq!((&said["title"], &said["detail"]), (&json!("Not Found"), &json!("there is no such endpoint")));
    let failure = operator.run(&["keys", "create", "--label", "a", "--grant", "all"]).await.1.unwrap_err();
    let said: Value = serde_json::from_str(&failure.to_json()).unwrap();
    assert_eq!((&said["field"], said["expected"].is_string()), (&json!("grants[0]"), true));
}

#[test]
fn what_was_not_done_is_on_standard_error_as_one_object_of_json_or_a_line_for_people() {
    let tool = |words: &[&str]| Command::new(env!("CARGO_BIN_EXE_afferent")).env_clear().args(words).output().unwrap();
    let done = tool(&["keys", "list", "--json"]);
    assert_eq!((done.status.code(), done.stdout.is_empty()), (Some(1), true));
    let said: Value = serde_json::from_slice(&done.stderr).unwrap();
    assert_eq!((&said["type"], &said["status"]), (&json!("about:blank"), &Value::Null));
    assert!(said["detail"].as_str().unwrap().contains("AFFERENT_URL is not set"), "{said}");
    let done = tool(&["keys", "list"]);
    let text = String::from_utf8(done.stderr).unwrap();
    assert!(text.starts_with("afferent: AFFERENT_URL is not set"), "{text}");
}
