//! The environment of a function's process: what Lambda sets, what the template sets, and nothing inherited
//! but what a program needs to be found and to run.

use std::collections::BTreeMap;

use crate::template::{Function, Place};
use crate::traces::calls::access_key;

/// Where the services are, as URLs.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// DynamoDB.
    pub dynamodb: String,
    /// SQS.
    pub sqs: String,
    /// Secrets Manager.
    pub secrets: String,
    /// SES.
    pub mail: String,
}

/// What a process keeps of this program's own environment.
const INHERITED: &[&str] = &["LD_LIBRARY_PATH", "LLVM_PROFILE_FILE", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR"];

/// Lambda Developer Guide, "Defined runtime environment variables". The credentials are fake and every
/// endpoint is on this machine, so that nothing can reach AWS by accident.
pub(super) fn of(
    function: &Function,
    place: &Place,
    addresses: &Addresses,
    more: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut environment: BTreeMap<String, String> =
        INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect();
    let key = access_key(&function.binary);
    let set = [
        ("AWS_ACCESS_KEY_ID", key.as_str()),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_REGION", &place.region),
        ("AWS_DEFAULT_REGION", &place.region),
        ("AWS_ENDPOINT_URL", &addresses.dynamodb),
        ("AWS_ENDPOINT_URL_DYNAMODB", &addresses.dynamodb),
        ("AWS_ENDPOINT_URL_SQS", &addresses.sqs),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &addresses.secrets),
        ("AWS_ENDPOINT_URL_SESV2", &addresses.mail),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_LAMBDA_FUNCTION_NAME", &function.name),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &format!("/aws/lambda/{}", function.name)),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "local"),
        ("AWS_LAMBDA_LOG_LEVEL", function.log_level.as_deref().unwrap_or("INFO")),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &function.memory_mb.to_string()),
        ("LANG", "en_US.UTF-8"),
        ("TZ", ":UTC"),
        ("_HANDLER", "bootstrap"),
    ];
    environment.extend(set.map(|(name, value)| (name.to_owned(), value.to_owned())));
    environment.extend(function.environment.clone());
    environment.extend(more.clone());
    environment
}
