//! The runtime API, with a real program under it, in real time.

#![allow(clippy::unwrap_used, reason = "a failed `unwrap` is a failed test")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::trace::Trace;
use afferent_local::lambda::{Processes, Settings};
use afferent_local::{Invoke, InvokeError, Options, Stack};
use bytes::Bytes;
use serde_json::{Value, json};

/// The folder of the examples: beside this test's own folder.
fn programs() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples")
}

/// A stack that runs.
async fn started(options: Options) -> Stack {
    let mut stack = Stack::start(options).await.unwrap();
    stack.run();
    stack
}

async fn stack() -> Stack {
    let template = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/probe.yaml").into();
    started(Options { template, ..Options::new(programs()) }).await
}

async fn ask(processes: &Arc<Processes>, order: &str) -> Result<Value, InvokeError> {
    let payload = Bytes::from(json!({"do": order}).to_string());
    let answer = processes.invoke("afferent-probe", payload).await?;
    Ok(serde_json::from_slice(&answer).unwrap())
}

#[tokio::test]
async fn a_process_is_kept_for_the_next_invocation() {
    let stack = stack().await;
    let one = ask(&stack.processes, "").await.unwrap();
    let other = ask(&stack.processes, "").await.unwrap();
    assert_eq!(one["pid"], other["pid"]);
    assert_eq!(one["arn"], "arn:aws:lambda:us-east-1:000000000000:function:afferent-probe");
    assert!(one["deadline_ms"].as_u64().unwrap() > 1_700_000_000_000);
    stack.stop().await;
}

#[tokio::test]
async fn invocations_at_once_get_a_process_each_and_no_more_than_are_reserved() {
    let stack = stack().await;
    let (one, other) = tokio::join!(ask(&stack.processes, ""), ask(&stack.processes, ""));
    assert_ne!(one.unwrap()["pid"], other.unwrap()["pid"]);
    let all = futures_util::future::join_all((0..6).map(|_| ask(&stack.processes, ""))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(stack.processes.running("afferent-probe").len(), 2);
    stack.stop().await;
}

#[tokio::test]
async fn a_process_sees_the_template_s_variables_and_lambda_s_and_nothing_of_ours() {
    let stack = stack().await;
    let answer = ask(&stack.processes, "").await.unwrap();
    let has = |name: &str| answer["variables"].as_array().unwrap().iter().any(|variable| variable == name);
    for name in ["QUEUE", "EVERYWHERE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS", "PATH"]
    {
        assert!(has(name), "{name}");
    }
    assert!(!has("CARGO_MANIFEST_DIR") && !has("HOME"));
    stack.stop().await;
}

#[tokio::test]
async fn an_invocation_is_told_its_trace_and_whether_it_is_recorded() {
    for sampled in [true, false] {
        let template = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/probe.yaml").into();
        let options = Options { template, ..Options::new(programs()) };
        let functions = Settings { sampled, ..options.functions };
        let stack = started(Options { functions, ..options }).await;
        let [one, other] = [ask(&stack.processes, "").await.unwrap(), ask(&stack.processes, "").await.unwrap()];
        let header = one["trace"].as_str().unwrap();
        assert!(header.contains(";Lineage="), "{header}");
        assert_eq!(Trace::of_header(header).is_some(), sampled, "{header}");
        assert_ne!(one["trace"], other["trace"]);
        stack.stop().await;
    }
}

#[tokio::test]
async fn an_error_is_the_function_s_and_leaves_the_process_alive() {
    let stack = stack().await;
    let before = ask(&stack.processes, "").await.unwrap();
    assert!(matches!(ask(&stack.processes, "fail").await, Err(InvokeError::Failed(_))));
    assert_eq!(ask(&stack.processes, "").await.unwrap()["pid"], before["pid"]);
    stack.stop().await;
}

#[tokio::test]
async fn a_process_that_ends_is_replaced() {
    let stack = stack().await;
    let before = ask(&stack.processes, "").await.unwrap();
    assert_eq!(ask(&stack.processes, "crash").await, Err(InvokeError::Crashed));
    assert_ne!(ask(&stack.processes, "").await.unwrap()["pid"], before["pid"]);
    stack.stop().await;
}

#[tokio::test]
async fn a_process_is_killed_at_the_function_s_timeout() {
    let stack = stack().await;
    let pid = ask(&stack.processes, "").await.unwrap()["pid"].as_u64().unwrap();
    assert_eq!(ask(&stack.processes, "sleep").await, Err(InvokeError::TimedOut));
    assert!(gone(pid).await);
    assert_ne!(ask(&stack.processes, "").await.unwrap()["pid"], pid);
    stack.stop().await;
}

#[tokio::test]
async fn what_a_process_writes_is_in_the_log() {
    let stack = stack().await;
    ask(&stack.processes, "speak").await.unwrap();
    for _ in 0..100 {
        if stack.log.tail().iter().any(|line| line.text == "a line for the log") {
            return stack.stop().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the line did not arrive");
}

#[tokio::test]
async fn an_invocation_goes_on_when_its_caller_goes_away() {
    let stack = stack().await;
    let pid = ask(&stack.processes, "").await.unwrap()["pid"].as_u64().unwrap();
    let hasty = tokio::time::timeout(Duration::from_millis(100), ask(&stack.processes, "sleep")).await;
    assert!(hasty.is_err());
    assert_eq!(stack.processes.running("afferent-probe"), [u32::try_from(pid).unwrap()]);
    stack.stop().await;
    assert!(gone(pid).await);
}

#[tokio::test]
async fn stopping_the_stack_ends_its_processes() {
    let stack = stack().await;
    let pid = ask(&stack.processes, "").await.unwrap()["pid"].as_u64().unwrap();
    stack.stop().await;
    assert!(gone(pid).await);
}

/// Whether the process ends within some seconds. (A zombie that waits to be reaped has ended.)
async fn gone(pid: u64) -> bool {
    for _ in 0..200 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if stat.is_empty() || stat.contains(") Z ") {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

/// Not a test: what the next test kills. It starts a stack and a process of it, says which, and stays.
#[tokio::test]
#[ignore = "run by another test"]
async fn a_stack_that_waits_to_be_killed() {
    let stack = stack().await;
    let pid = ask(&stack.processes, "").await.unwrap()["pid"].as_u64().unwrap();
    println!("pid={pid}.");
    tokio::time::sleep(Duration::from_secs(60)).await;
    drop(stack);
}

#[tokio::test]
async fn the_processes_of_a_stack_that_is_killed_end_by_themselves() {
    use std::io::Read;
    let mut host = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "a_stack_that_waits_to_be_killed", "--nocapture"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = host.stdout.take().unwrap();
    let pid = tokio::task::spawn_blocking(move || {
        let (mut said, mut buffer) = (String::new(), [0; 256]);
        loop {
            let read = stdout.read(&mut buffer).unwrap();
            assert!(read > 0, "the host ended: {said}");
            said.push_str(&String::from_utf8_lossy(&buffer[..read]));
            let rest = said.split_once("pid=").map(|(_, rest)| rest);
            if let Some((pid, _)) = rest.and_then(|rest| rest.split_once('.')) {
                return pid.parse::<u64>().unwrap();
            }
        }
    })
    .await
    .unwrap();
    assert!(!std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().is_empty());
    host.kill().unwrap();
    host.wait().unwrap();
    assert!(gone(pid).await);
}

#[tokio::test]
async fn messages_wake_the_function_and_what_it_answers_decides_about_them() {
    let stack = stack().await;
    stack.sqs.send("afferent-Queue", local_sqs::Draft::of("hello")).unwrap();
    for _ in 0..200 {
        if stack.sqs.messages("afferent-Queue", 1).unwrap().is_empty() {
            return stack.stop().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the message was not worked off");
}

#[tokio::test]
async fn a_stack_that_is_started_again_on_its_data_has_what_it_had() {
    let data = std::env::temp_dir().join(format!("afferent-local-{}", std::process::id()));
    let options = || Options {
        template: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kept.yaml").into(),
        data: Some(data.clone()),
        ..Options::new(programs())
    };
    let put = br#"{"TableName":"afferent-Kept","Item":{"key":{"S":"a"},"value":{"N":"1.10"}}}"#;
    let get = br#"{"TableName":"afferent-Kept","Key":{"key":{"S":"a"}}}"#;
    let first = started(options()).await;
    assert_eq!(first.dynamodb.handle("DynamoDB_20120810.PutItem", put).status, 200);
    first.sqs.send("afferent-Waiting", local_sqs::Draft::of("hello")).unwrap();
    let secret = first.secrets.value("afferent/kept").unwrap();
    assert!(secret.contains(r#""current":"1""#) && secret.len() > 64);
    first.stop().await;
    let second = started(options()).await;
    let item = second.dynamodb.handle("DynamoDB_20120810.GetItem", get);
    let item: Value = serde_json::from_slice(&item.body).unwrap();
    assert_eq!(item, json!({"Item": {"key": {"S": "a"}, "value": {"N": "1.1"}}}));
    assert_eq!(second.sqs.messages("afferent-Waiting", 2).unwrap().len(), 1);
    assert_eq!(second.secrets.value("afferent/kept"), Some(secret));
    second.stop().await;
    std::fs::remove_dir_all(data).unwrap();
}
