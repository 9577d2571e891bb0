use local_sqs::{Draft, Receive, Sqs};

use crate::world::{counts, pass, s, with_limit};

const MANY: usize = 20_000;

fn ten() -> Receive {
    Receive { max: 10, wait_s: Some(0), visibility_s: Some(3600) }
}

async fn fly(sqs: &Sqs, messages: usize) -> Vec<String> {
    let mut handles = Vec::new();
    while handles.len() < messages {
        let received = sqs.receive("q", ten()).await.unwrap();
        handles.extend(received.into_iter().map(|message| message.receipt_handle));
    }
    handles
}

/// Scans instead of indices would make this take minutes.
#[tokio::test(start_paused = true)]
async fn tens_of_thousands_in_flight_slow_nothing_down() {
    let sqs = with_limit(MANY, &[]);
    for i in 0..MANY {
        let draft = Draft { group: Some(format!("ep_{}", i % 100)), ..Draft::of("x") };
        sqs.send("q", draft).unwrap();
    }
    let handles = fly(&sqs, MANY).await;
    assert_eq!(counts(&sqs, "q"), (0, MANY, 0));
    for handle in &handles {
        sqs.change_visibility("q", handle, 7200).unwrap();
    }
    pass(s(7200)).await;
    assert_eq!(counts(&sqs, "q"), (MANY, 0, 0));
    for handle in fly(&sqs, MANY).await {
        sqs.delete("q", &handle).unwrap();
    }
    assert_eq!(counts(&sqs, "q"), (0, 0, 0));
}
