//! How the AWS SDK is reached: region, credentials, endpoint, TLS, timeouts, clock.
//!
//! Built by hand instead of by `aws-config`: on Lambda the environment holds all there is to know, and the
//! credential chains, the SSO clients and a second TLS stack are cold-start time that buys nothing.
//! A hand-built client ignores `AWS_ENDPOINT_URL` unless told, so [`Aws::from_env`] reads it.

mod cause;
mod sends;
mod throttles;

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, SystemTimeSource};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

pub use cause::cause;
pub use sends::Sends;
pub use throttles::Throttles;

/// The roots that AWS's endpoints chain to (Amazon Root CA 1 to 4 and Starfield Services Root G2, from
/// <https://www.amazontrust.com/repository/>). Parsing a machine's 144 roots instead takes three quarters
/// of an SDK client's start.
const AMAZON_ROOTS: &[u8] = include_bytes!("../roots/amazon.pem");

/// How long one SDK operation may take, retries included. Below every function's timeout.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);

/// A setting that is missing or cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AwsError {
    /// The variable is not set; Lambda always sets it.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// The file with the roots cannot be read.
    #[error("the certificate bundle named by AWS_CA_BUNDLE cannot be read")]
    CaBundle,
    /// The TLS library refused the roots.
    #[error("the root certificates cannot be used")]
    Roots,
}

/// The services that have a client here, by the name that endpoint variables use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Simple Queue Service.
    Sqs,
    /// DynamoDB.
    DynamoDb,
    /// Secrets Manager.
    SecretsManager,
    /// Simple Email Service, version 2 of its API.
    Ses,
}

impl Service {
    const ALL: [Self; 4] = [Self::Sqs, Self::DynamoDb, Self::SecretsManager, Self::Ses];

    /// AWS SDKs and Tools Reference Guide, "Service-specific endpoints".
    fn variable(self) -> &'static str {
        match self {
            Self::Sqs => "AWS_ENDPOINT_URL_SQS",
            Self::DynamoDb => "AWS_ENDPOINT_URL_DYNAMODB",
            Self::SecretsManager => "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            Self::Ses => "AWS_ENDPOINT_URL_SESV2",
        }
    }
}

/// What every SDK client is made of. Cheap to clone: the clients share one connection pool.
#[derive(Clone, Debug)]
pub struct Aws {
    base: SdkConfig,
    endpoints: [Option<String>; Service::ALL.len()],
}

impl Aws {
    /// Reads `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
    /// `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_<SERVICE>` and `AWS_CA_BUNDLE` by `variable`.
    ///
    /// The credentials of a Lambda environment are fixed for its life, so they are read once.
    ///
    /// # Errors
    /// A variable that Lambda always sets is missing, or the roots cannot be used.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Self, AwsError> {
        let required = |name: &'static str| variable(name).ok_or(AwsError::Missing(name));
        let credentials = Credentials::new(
            required("AWS_ACCESS_KEY_ID")?,
            required("AWS_SECRET_ACCESS_KEY")?,
            variable("AWS_SESSION_TOKEN"),
            None,
            "environment",
        );
        let everywhere = variable("AWS_ENDPOINT_URL");
        let endpoints = Service::ALL.map(|service| variable(service.variable()).or_else(|| everywhere.clone()));
        let plain = endpoints.iter().all(|url| url.as_ref().is_some_and(|url| url.starts_with("http://")));
        let http_client = match variable("AWS_CA_BUNDLE") {
            None if plain => Builder::new().build_http(),
            bundle => https(bundle)?,
        };
        let mut aws = Self::new(
            required("AWS_REGION")?,
            credentials,
            http_client,
            SharedTimeSource::new(SystemTimeSource::new()),
        );
        aws.endpoints = endpoints;
        Ok(aws)
    }

    /// From parts: what a simulation uses, with an HTTP client that is a function and a virtual clock.
    #[must_use]
    pub fn new(
        region: String,
        credentials: Credentials,
        http_client: SharedHttpClient,
        time_source: SharedTimeSource,
    ) -> Self {
        let base = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client)
            .time_source(time_source)
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .retry_config(RetryConfig::standard().with_max_attempts(4))
            .timeout_config(TimeoutConfig::builder().operation_timeout(OPERATION_TIMEOUT).build())
            // Measures bytes per real second: meaningless for small JSON answers and fatal under a paused clock.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        Self { base, endpoints: Default::default() }
    }

    /// The same, with every service at `url`.
    #[must_use]
    pub fn at(mut self, url: &str) -> Self {
        self.endpoints = Service::ALL.map(|_| Some(url.to_owned()));
        self
    }

    /// The same, with another bound on one operation, retries included.
    #[must_use]
    pub fn within(mut self, timeout: Duration) -> Self {
        self.base = self
            .base
            .into_builder()
            .timeout_config(TimeoutConfig::builder().operation_timeout(timeout).connect_timeout(timeout).build())
            .build();
        self
    }

    /// The configuration for a client of `service`: `aws_sdk_sqs::Client::new(&aws.config(Service::Sqs))`.
    #[must_use]
    pub fn config(&self, service: Service) -> SdkConfig {
        let mut config = self.base.to_builder();
        config.set_endpoint_url(self.endpoints[service as usize].clone());
        config.build()
    }
}

fn https(bundle: Option<String>) -> Result<SharedHttpClient, AwsError> {
    let roots = match bundle {
        Some(path) => std::fs::read(path).map_err(|_| AwsError::CaBundle)?,
        None => AMAZON_ROOTS.to_vec(),
    };
    let trust = TrustStore::empty().with_pem_certificate(roots);
    let context = TlsContext::builder().with_trust_store(trust).build().map_err(|_| AwsError::Roots)?;
    Ok(Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(context).build_https())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lambda(name: &str) -> Option<String> {
        match name {
            "AWS_REGION" => Some("eu-west-1".to_owned()),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("test".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn the_amazon_roots_are_accepted_by_the_tls_library() {
        assert!(Aws::from_env(lambda).is_ok());
    }

    #[test]
    fn a_missing_variable_is_named() {
        let error = Aws::from_env(|name| lambda(name).filter(|_| name != "AWS_REGION")).unwrap_err();
        assert_eq!(error, AwsError::Missing("AWS_REGION"));
    }

    #[test]
    fn a_service_specific_endpoint_goes_before_the_general_one() {
        let aws = Aws::from_env(|name| match name {
            "AWS_ENDPOINT_URL" => Some("http://127.0.0.1:1".to_owned()),
            "AWS_ENDPOINT_URL_SQS" => Some("http://127.0.0.1:2".to_owned()),
            _ => lambda(name),
        })
        .unwrap();
        assert_eq!(aws.config(Service::Sqs).endpoint_url(), Some("http://127.0.0.1:2"));
        assert_eq!(aws.config(Service::DynamoDb).endpoint_url(), Some("http://127.0.0.1:1"));
        assert_eq!(aws.config(Service::Ses).endpoint_url(), Some("http://127.0.0.1:1"));
    }
}
