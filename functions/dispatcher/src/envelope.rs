//! What a message tells besides the delivery that it names.

use afferent_domain::Timestamp;
use afferent_domain::delivery::Alarm;
use afferent_domain::trace::Trace;
use aws_lambda_events::sqs::SqsMessage;

/// How the message came, as SQS tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// When SQS first gave it to anyone: from then its 12 h in flight count.
    pub(crate) first_receive: Option<Timestamp>,
    /// How often it was received, this time included.
    pub(crate) receives: u32,
    /// The trace of what sent it.
    pub(crate) trace: Option<Trace>,
}

impl Envelope {
    pub(crate) fn of(message: &SqsMessage) -> Self {
        let attribute = |name: &str| message.attributes.get(name).map(String::as_str);
        Self {
            first_receive: attribute("ApproximateFirstReceiveTimestamp")
                .and_then(|text| text.parse().ok())
                .map(Timestamp::from_millis),
            receives: attribute("ApproximateReceiveCount").and_then(|text| text.parse().ok()).unwrap_or(1),
            trace: attribute("AWSTraceHeader").and_then(Trace::of_header),
        }
    }

    /// The message as the alarm of a wait that begins at `now`.
    pub(crate) fn alarm(&self, now: Timestamp) -> Alarm {
        let age = self.first_receive.map(|first| now.since(first)).unwrap_or_default();
        Alarm { age, receives: self.receives }
    }
}
