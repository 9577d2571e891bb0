//! The program itself: over HTTP, and killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::persistence::Folder;

/// A running `local-sqs`, killed (never asked) at the end.
struct Program {
    child: Child,
    address: String,
}

impl Program {
    fn start(folder: &Folder) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_local-sqs"))
            .args(["--port", "0", "--store"])
            .arg(folder.0.join("queues.sqlite"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = serde_json::from_str::<Value>(&line).unwrap()["url"].as_str().unwrap().to_owned();
        Self { child, address: url.trim_start_matches("http://").to_owned() }
    }

    fn call(&self, operation: &str, body: &Value) -> Value {
        let body = body.to_string();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "POST / HTTP/1.1\r\nHost: {}\r\nX-Amz-Target: AmazonSQS.{operation}\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len(),
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn what_the_program_accepted_survives_kill_9() {
    let folder = Folder::new("killed");
    let program = Program::start(&folder);
    let made = program.call("CreateQueue", &json!({ "QueueName": "q" }));
    assert_eq!(made["QueueUrl"], format!("http://{}/000000000000/q", program.address));
    for body in ["in flight", "deleted", "visible"] {
        program.call("SendMessage", &json!({ "QueueUrl": "q", "MessageBody": body }));
    }
    let take = json!({ "QueueUrl": "q", "VisibilityTimeout": 43_000, "MaxNumberOfMessages": 2 });
    let taken = program.call("ReceiveMessage", &take);
    let handle = |i: usize| json!({ "QueueUrl": "q", "ReceiptHandle": taken["Messages"][i]["ReceiptHandle"] });
    program.call("DeleteMessage", &handle(1));
    drop(program);

    let program = Program::start(&folder);
    let left = program.call("ReceiveMessage", &take);
    assert_eq!(left["Messages"][0]["Body"], "visible");
    assert_eq!(left["Messages"].as_array().unwrap().len(), 1);
    program.call("DeleteMessage", &handle(0));
    let counts = program.call("GetQueueAttributes", &json!({ "QueueUrl": "q", "AttributeNames": ["All"] }));
    assert_eq!(counts["Attributes"]["ApproximateNumberOfMessagesNotVisible"], "1");
}
