//! Why a call to AWS failed, in words that may be logged.

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// The codes whose messages name actions and resources, and no values.
const WITH_MESSAGE: &[&str] = &[
    "AWS.SimpleQueueService.NonExistentQueue",
    "AccessDeniedException",
    "ExpiredTokenException",
    "QueueDoesNotExist",
    "ResourceNotFoundException",
    "UnrecognizedClientException",
];

/// The cause of a failure: AWS's code, or what happened on the way. Never a body: the answer to a refused
/// write holds the item that was found, with all its values. Nor most messages: a `ValidationException` may
/// quote what it did not like.
pub fn cause<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    match error {
        SdkError::ConstructionFailure(_) => "the request could not be built".to_owned(),
        SdkError::TimeoutError(_) => "no answer came in time".to_owned(),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => "the connection timed out".to_owned(),
        SdkError::DispatchFailure(_) => "the service could not be reached".to_owned(),
        SdkError::ResponseError(_) => "the answer could not be read".to_owned(),
        SdkError::ServiceError(refused) => {
            let code = refused.err().code().unwrap_or("an error without a code");
            match refused.err().message().filter(|_| WITH_MESSAGE.contains(&code)) {
                Some(message) => format!("{code}: {message}"),
                None => code.to_owned(),
            }
        }
        _ => "an error of an unknown kind".to_owned(),
    }
}
