//! What the functions' programs count is on a page, over HTTP, in real time.

#![allow(clippy::unwrap_used, reason = "a failed `unwrap` is a failed test")]

use std::net::SocketAddr;
use std::time::Duration;

use afferent_local::{Options, Stack};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The body of what the front door answers to a GET.
async fn get(front: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(front).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// The sums of a metric, by the minute.
fn sums(all: &Value, namespace: &str, of: &str, name: &str) -> Vec<u64> {
    let is_it = |metric: &&Value| metric["namespace"] == namespace && metric["of"] == of && metric["name"] == name;
    let minutes = all["metrics"].as_array().unwrap().iter().find(is_it).map(|metric| metric["minutes"].clone());
    minutes.unwrap_or(json!([])).as_array().unwrap().iter().map(|minute| minute[1].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn what_a_program_counts_and_what_aws_would_measure_is_shown_and_passed_on_to_the_log() {
    let test = std::env::current_exe().unwrap();
    let programs = test.parent().unwrap().parent().unwrap().join("examples");
    let template = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/probe.yaml").into();
    let mut stack = Stack::start(Options { template, ..Options::new(programs) }).await.unwrap();
    stack.run();
    for order in ["measure", "fail", "measure"] {
        get(stack.front, &format!("/function-url/afferent-probe/{order}")).await;
    }
    for _ in 0..200 {
        let all: Value = serde_json::from_str(&get(stack.front, "/metrics.json").await).unwrap();
        let total = |namespace, of, name| sums(&all, namespace, of, name).iter().sum::<u64>();
        if total("Afferent", "", "Calls") == 6 {
            assert_eq!(total("AWS/Lambda", "afferent-probe", "Invocations"), 3);
            assert_eq!(total("AWS/Lambda", "afferent-probe", "Errors"), 1);
            assert!(!sums(&all, "AWS/SQS", "afferent-Queue", "ApproximateAgeOfOldestMessage").is_empty());
            let page = get(stack.front, "/metrics").await;
            assert!(page.contains("<svg") && page.contains("<b>Calls</b>"), "{page}");
            assert!(stack.log.tail().iter().any(|line| line.text.contains("\"_aws\"")), "the log has the line too");
            return stack.stop().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("what was counted did not arrive");
}
