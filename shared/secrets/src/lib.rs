//! Secrets from Secrets Manager, and what is sealed under them.
//!
//! Tokens and endpoint secrets lie in DynamoDB, sealed with AES-256-GCM under a key that only the functions
//! that need it may read. The owner's id is associated data, so that one owner's sealed text is worthless
//! in another's item. Keys have versions: a new one seals, all of them open.

mod seal;
mod seals;

use afferent_aws::{Aws, Service, cause};
use afferent_domain::secret::{App, Secret};
use afferent_metrics::{Metric, count};
use aws_sdk_secretsmanager::Client;
use serde::Deserialize;

pub use seal::{Sealed, Sealer, Unsealable};
pub use seals::Seals;

/// A secret that cannot be had. Names the secret, never its content.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SecretsError {
    /// Secrets Manager refused or is out of reach.
    #[error("Secrets Manager did not give {name}: {cause}")]
    Unreachable {
        /// The secret's ARN or name.
        name: String,
        /// What Secrets Manager or the network said.
        cause: String,
    },
    /// Its content is not of the shape that is needed.
    #[error("the secret {name} should be {expected}")]
    Shape {
        /// The secret's ARN or name.
        name: String,
        /// What would be right.
        expected: &'static str,
    },
}

/// Reads the application's id and secret: `{"client_id":"…","client_secret":"…"}`, and the optional `callback_url`.
///
/// # Errors
/// The secret cannot be had or has another shape.
pub async fn application(aws: &Aws, arn: &str) -> Result<App, SecretsError> {
    counted(read_application(aws, arn).await)
}

async fn read_application(aws: &Aws, arn: &str) -> Result<App, SecretsError> {
    #[derive(Deserialize)]
    struct Shape {
        client_id: String,
        client_secret: String,
        #[serde(default)]
        callback_url: String,
    }
    let text = read(aws, arn).await?;
    let shape: Shape = serde_json::from_str(text.reveal()).map_err(|_| SecretsError::Shape {
        name: arn.to_owned(),
        expected: r#"{"client_id":"…","client_secret":"…"}"#,
    })?;
    Ok(App {
        client_id: shape.client_id,
        client_secret: Secret::new(shape.client_secret),
        callback_url: Some(shape.callback_url).filter(|url| !url.is_empty()).map(Secret::new),
    })
}

/// Reads sealing keys: `{"current":"2","1":"…","2":"…"}`, each key at least 32 characters of chance.
///
/// # Errors
/// The secret cannot be had or has another shape.
pub async fn sealer(aws: &Aws, arn: &str) -> Result<Sealer, SecretsError> {
    counted(read_sealer(aws, arn).await)
}

async fn read_sealer(aws: &Aws, arn: &str) -> Result<Sealer, SecretsError> {
    let text = read(aws, arn).await?;
    Sealer::from_json(text.reveal()).ok_or_else(|| SecretsError::Shape {
        name: arn.to_owned(),
        expected: r#"{"current":"1","1":"…"} with keys of at least 32 characters"#,
    })
}

fn counted<T>(result: Result<T, SecretsError>) -> Result<T, SecretsError> {
    count(Metric::SecretsFailed, usize::from(result.is_err()));
    result
}

async fn read(aws: &Aws, arn: &str) -> Result<Secret, SecretsError> {
    let unreachable = |cause: String| SecretsError::Unreachable { name: arn.to_owned(), cause };
    let answer = Client::new(&aws.config(Service::SecretsManager))
        .get_secret_value()
        .secret_id(arn)
        .send()
        .await
        .map_err(|error| unreachable(cause(&error)))?;
    answer.secret_string.map(Secret::new).ok_or_else(|| unreachable("the secret is not text".to_owned()))
}
