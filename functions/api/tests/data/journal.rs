//! A user's journal over HTTP.

use afferent_domain::event::Draft;
use afferent_domain::record::Fact;
use afferent_store::events::Events;
use afferent_store::records::escaped_len;

use crate::stack::Stack;

/// Texts that DynamoDB holds packed, and an answer does not.
const LONG: usize = 250_000;

#[tokio::test(start_paused = true)]
async fn events_that_are_large_come_in_pages_that_lambda_can_answer_with() {
    const EVENTS: u64 = 40;
    let stack = Stack::start().await;
    stack.register().await;
    let client = afferent_store::client(&stack.simulation.rim.aws);
    let (now, dice) = (stack.simulation.clock.now(), &*stack.simulation.dice);
    let events = Events::new(client, "afferent-events".to_owned());
    for number in 0..EVENTS {
        let long = |fact: &mut Fact| fact.source.comment = Some("a".repeat(LONG));
        let record = stack.put("ecg_signal", i64::try_from(number).unwrap(), long).await;
        let draft = Draft::of_record(&serde_json::to_string(&record).unwrap()).unwrap();
        events.append(&stack.user, vec![draft], now, dice).await.unwrap();
    }
    let (mut after, mut told, mut pages) = (0, Vec::new(), 0);
    loop {
        let answer = stack.get(&format!("events?after={after}&limit=100")).await;
        assert_eq!(answer.status, 200, "after {after}");
        assert!(escaped_len(&answer.text) < 4_100_000);
        let page = answer.json();
        let Some(next) = page["next"].as_str() else { break };
        let numbers = page["events"].as_array().unwrap().iter().map(|event| event["sequence"].as_str().unwrap());
        told.extend(numbers.map(|number| number.parse::<u64>().unwrap()));
        after = next.parse().unwrap();
        pages += 1;
    }
    assert_eq!(told, (1..=EVENTS).collect::<Vec<_>>());
    assert!(pages > 2, "{pages}: ten megabytes do not fit into fewer");
}
