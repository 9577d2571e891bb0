//! Dead-letter queues, and what lies in them.

use std::collections::BTreeMap;

use afferent_aws::cause;
use afferent_domain::Timestamp;
use afferent_store::duties::{Owner, UnknownOwner};
use aws_sdk_sqs::Client as Sqs;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName as Attribute, QueueAttributeName};
use serde_json::{Value, json};

use crate::Failure;
use crate::cli::Line;

/// How often it is looked into a queue: a look shows ten messages at most, and not always others.
const LOOKS: usize = 10;

/// How many looks that show nothing new are enough.
const IN_VAIN: usize = 3;

/// A dead-letter queue.
pub(crate) struct DeadLetters {
    pub(crate) line: Line,
    url: String,
    pub(super) arn: String,
    pub(crate) messages: u64,
}

pub(super) fn failed<E>(what: &str) -> impl Fn(aws_sdk_sqs::error::SdkError<E>) -> Failure
where
    E: std::error::Error + aws_sdk_sqs::error::ProvideErrorMetadata + 'static,
{
    move |error| Failure::new(format!("{what}: {}", cause(&error)))
}

/// How many messages lie in a stack's dead-letter queue.
pub(crate) async fn dead_letters(sqs: &Sqs, stack: &str, line: Line) -> Result<DeadLetters, Failure> {
    let name = format!("{stack}-{}-dead", line.name());
    let url = sqs.get_queue_url().queue_name(&name).send().await;
    let url = url.map_err(failed(&format!("the queue {name} cannot be found; --stack should be the stack's name")))?;
    let url = url.queue_url().unwrap_or_default().to_owned();
    let attributes = sqs
        .get_queue_attributes()
        .queue_url(&url)
        .attribute_names(QueueAttributeName::QueueArn)
        .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
        .send()
        .await
        .map_err(failed(&format!("the queue {name} does not say how many messages it has")))?;
    let of =
        |name: QueueAttributeName| attributes.attributes().and_then(|all| all.get(&name)).cloned().unwrap_or_default();
    Ok(DeadLetters {
        line,
        url,
        arn: of(QueueAttributeName::QueueArn),
        messages: of(QueueAttributeName::ApproximateNumberOfMessages).parse().unwrap_or(0),
    })
}

/// Some of the messages, the oldest first: what they are about, and nothing that they say. They stay visible, so looking does
/// not keep them from being moved; SQS counts it as a receive.
pub(crate) async fn letters(sqs: &Sqs, dead: &DeadLetters) -> Result<Vec<Value>, Failure> {
    let what = format!("the dead letters of {} cannot be looked at", dead.line.name());
    let (mut found, mut in_vain) = (BTreeMap::new(), 0);
    for _ in 0..LOOKS {
        let look = sqs.receive_message().queue_url(&dead.url).max_number_of_messages(10).visibility_timeout(0);
        let look = look
            .message_system_attribute_names(Attribute::SentTimestamp)
            .message_system_attribute_names(Attribute::ApproximateReceiveCount);
        let seen = look.send().await.map_err(failed(&what))?;
        let before = found.len();
        for one in seen.messages.unwrap_or_default() {
            found.entry(one.message_id.clone()).or_insert_with(|| letter(&one));
        }
        in_vain = if found.len() == before { in_vain + 1 } else { 0 };
        if in_vain == IN_VAIN || u64::try_from(found.len()).is_ok_and(|count| count >= dead.messages) {
            break;
        }
    }
    let mut letters: Vec<Value> = found.into_values().collect();
    letters.sort_by_key(|letter| letter["sent"].as_str().unwrap_or_default().to_owned());
    Ok(letters)
}

fn letter(message: &Message) -> Value {
    let number = |name| message.attributes()?.get(&name)?.parse::<i64>().ok();
    let sent = number(Attribute::SentTimestamp).map(|ms| Timestamp::from_millis(ms).to_string());
    let (kind, about) = told(message.body().unwrap_or_default());
    let receives = number(Attribute::ApproximateReceiveCount);
    json!({"message": message.message_id(), "type": kind, "about": about, "sent": sent, "receives": receives})
}

/// The type of a message, and what it is about (`docs/messages.md`): of one that is none of ours, nothing.
fn told(body: &str) -> (&'static str, Option<String>) {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    match body["type"].as_str() {
        Some("notification") => ("notification", text("id")),
        Some("wake") => ("wake", text("connection")),
        Some("duty") => {
            let owner = whose(body["owner"].as_str().unwrap_or_default());
            ("duty", text("item").map(|item| format!("{owner} {item}")))
        }
        Some("replay") => ("replay", text("notification")),
        None if body["event"].is_string() => ("delivery", text("event")),
        _ => ("unknown", None),
    }
}

/// Whose duty it is: an id of ours, never one of Withings'.
fn whose(owner: &str) -> String {
    match owner.parse::<Owner>() {
        Ok(Owner::Connection(id)) => id.to_string(),
        Ok(Owner::Erasure(id)) => id.to_string(),
        Ok(Owner::Account(_)) => "account".to_owned(),
        Ok(Owner::Application(_)) => "application".to_owned(),
        Err(UnknownOwner) => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_message_its_type_and_an_id_are_told_and_nothing_that_it_says() {
        for (body, kind, about) in [
            (r#"{"v":1,"type":"notification","id":"ntf_1","body":"userid=1&appli=1"}"#, "notification", "ntf_1"),
            (r#"{"v":1,"type":"wake","connection":"con_1","service":"getmeas"}"#, "wake", "con_1"),
            (r#"{"v":1,"type":"replay","notification":"ntf_1"}"#, "replay", "ntf_1"),
            (r#"{"v":1,"event":"evt_1","endpoint":"ep_1"}"#, "delivery", "evt_1"),
        ] {
            assert_eq!(told(body), (kind, Some(about.to_owned())), "{body}");
        }
        for other in ["", "s3cret", r#"{"type":"s3cret"}"#, "[]", r#"{"event":7}"#] {
            assert_eq!(told(other), ("unknown", None), "{other}");
        }
    }

    #[test]
    fn of_a_duty_it_is_told_whose_it_is_without_the_id_of_a_person_at_withings() {
        for (owner, item, about) in [
            ("connection#con_1", "sweep#getmeas", "con_1 sweep#getmeas"),
            ("connection#con_1", "slice#run_1#00007", "con_1 slice#run_1#00007"),
            ("account#cl1ent#eu#90001001", "care", "account care"),
            ("account#90001001", "care", "unknown care"),
            ("app#cl1ent", "care", "application care"),
            ("erasure#era_1", "erasure", "era_1 erasure"),
            ("90001001", "replay", "unknown replay"),
        ] {
            let body = json!({"v": 1, "type": "duty", "owner": owner, "item": item}).to_string();
            assert_eq!(told(&body), ("duty", Some(about.to_owned())), "{body}");
        }
        assert_eq!(told(r#"{"v":2,"type":"duty"}"#), ("duty", None));
    }
}
