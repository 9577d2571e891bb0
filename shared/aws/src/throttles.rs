//! Counts the answers of AWS that said: not so fast. The SDK tries again by itself, so nobody else sees them.

use afferent_metrics::{Metric, count};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// The codes: those that the SDK takes for throttling (`aws-runtime`, `retries::classifiers`), as far as DynamoDB and
/// SQS send them.
const CODES: [&str; 7] = [
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "ThrottledException",
    "Throttling",
];

/// To be added to the clients of DynamoDB and SQS.
#[derive(Clone, Copy, Debug)]
pub struct Throttles;

impl Intercept for Throttles {
    fn name(&self) -> &'static str {
        "Throttles"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(answer) = context.response()
            && !answer.status().is_success()
            && answer.body().bytes().is_some_and(is_throttling)
        {
            count(Metric::Throttled, 1);
        }
        Ok(())
    }
}

/// Whether the error in `body` (`{"__type":"com.amazonaws…#Code","message":"…"}`) is one of them. A cancelled transaction
/// names the code among its reasons.
fn is_throttling(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return false };
    let ends = |code: &str| [format!("#{code}\""), format!("\"{code}\"")];
    CODES.iter().flat_map(|code| ends(code)).any(|code| text.contains(&code)) || text.contains("\"ThrottlingError\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_says_not_so_fast_is_told_from_others() {
        for (body, throttling) in [
            (
                r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"x"}"#,
                true,
            ),
            (r#"{"__type":"com.amazon.coral.availability#ThrottlingException"}"#, true),
            (r#"{"__type":"com.amazonaws.sqs#RequestThrottled","message":"x"}"#, true),
            (
                r##"{"__type":"a#TransactionCanceledException","CancellationReasons":[{"Code":"ThrottlingError"}]}"##,
                true,
            ),
            (r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}"#, false),
            ("", false),
        ] {
            assert_eq!(is_throttling(body.as_bytes()), throttling, "{body}");
        }
    }
}
