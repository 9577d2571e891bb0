//! Secrets Manager, as far as it is used here: `GetSecretValue` and `PutSecretValue` of the template's secrets. What is put
//! lasts as long as the process.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use afferent_domain::Dice;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use serde_json::{Map, Value, json};

use crate::dynamodb::Answer;
use crate::template::{Secret, SecretValue};
use crate::traces::planted;

/// Why the secrets cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file that keeps them cannot be read or written.
    #[error("the file of secrets cannot be used: {0}")]
    File(#[from] std::io::Error),
    /// The template's `SecretStringTemplate` is no JSON object.
    #[error("the secret {0} has a template that is no JSON object")]
    Template(String),
}

/// The values of all secrets. Clones share them.
#[derive(Clone)]
pub struct Secrets {
    values: Arc<RwLock<Vec<(Secret, String)>>>,
}

impl Secrets {
    /// Makes the template's secrets. Those that CloudFormation would generate are drawn once and kept in
    /// `file`; `given` values, by name, go before everything else.
    ///
    /// # Errors
    /// The file cannot be read or written, or a template cannot be used.
    pub fn make(
        secrets: &[Secret],
        file: Option<&Path>,
        given: &BTreeMap<String, String>,
        dice: &dyn Dice,
    ) -> Result<Self, SecretsError> {
        let mut kept: BTreeMap<String, String> = match file.map(std::fs::read) {
            Some(Ok(text)) => serde_json::from_slice(&text).map_err(std::io::Error::from)?,
            Some(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => BTreeMap::new(),
        };
        let (mut values, mut drawn) = (Vec::new(), false);
        for secret in secrets {
            let value = match (given.get(&secret.name), &secret.value) {
                (Some(value), _) | (None, SecretValue::Given(value)) => value.clone(),
                (None, SecretValue::Generated { template, key, length }) => match kept.get(&secret.name) {
                    Some(value) => value.clone(),
                    None => {
                        let mut object: Map<String, Value> =
                            serde_json::from_str(template).map_err(|_| SecretsError::Template(secret.name.clone()))?;
                        object.insert(key.clone(), draw(*length, dice).into());
                        let value = Value::Object(object).to_string();
                        kept.insert(secret.name.clone(), value.clone());
                        drawn = true;
                        value
                    }
                },
            };
            planted::secret(&secret.name, &value);
            values.push((secret.clone(), value));
        }
        if let (Some(file), true) = (file, drawn) {
            keep(file, &kept)?;
        }
        Ok(Self { values: Arc::new(RwLock::new(values)) })
    }

    /// The value of the secret of that name or ARN.
    #[must_use]
    pub fn value(&self, id: &str) -> Option<String> {
        self.find(id).map(|(_, value)| value)
    }

    /// Gives the secret of that name or ARN another value; `false` if there is none.
    pub fn put(&self, id: &str, value: &str) -> bool {
        let mut values = self.values.write().unwrap_or_else(PoisonError::into_inner);
        match values.iter_mut().find(|(secret, _)| is_called(secret, id)) {
            Some((secret, kept)) => {
                planted::secret(&secret.name, value);
                value.clone_into(kept);
                true
            }
            None => false,
        }
    }

    fn find(&self, id: &str) -> Option<(Secret, String)> {
        self.values().iter().find(|(secret, _)| is_called(secret, id)).cloned()
    }

    fn values(&self) -> RwLockReadGuard<'_, Vec<(Secret, String)>> {
        self.values.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one request of the AWS JSON protocol.
    #[must_use]
    pub fn handle(&self, target: &str, body: &[u8]) -> Answer {
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let refuse = |kind: &str, message: &str| Answer {
            status: 400,
            body: json!({"__type": kind, "message": message}).to_string().into_bytes(),
        };
        let id = request["SecretId"].as_str().unwrap_or_default();
        match target {
            "secretsmanager.GetSecretValue" => {}
            "secretsmanager.PutSecretValue" => match request["SecretString"].as_str() {
                Some(value) => drop(self.put(id, value)),
                None => return refuse("InvalidRequestException", "You must provide SecretString."),
            },
            _ => return refuse("InvalidRequestException", "Only GetSecretValue and PutSecretValue are offered here."),
        }
        match self.find(id) {
            None => refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret."),
            Some((secret, value)) => Answer {
                status: 200,
                body: json!({
                    "ARN": secret.arn,
                    "Name": secret.name,
                    "VersionId": "00000000-0000-4000-8000-000000000001",
                    "VersionStages": ["AWSCURRENT"],
                    "SecretString": value,
                    "CreatedDate": 0.0,
                })
                .to_string()
                .into_bytes(),
            },
        }
    }

    /// The HTTP service.
    pub fn router(&self) -> Router {
        let secrets = self.clone();
        let answer = async move |headers: HeaderMap, body: Bytes| {
            let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
            let answer = secrets.handle(target, &body);
            let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.1")], answer.body).into_response()
        };
        Router::new().route("/", post(answer))
    }
}

fn is_called(secret: &Secret, id: &str) -> bool {
    secret.name == id || secret.arn == id
}

/// `length` letters and digits.
fn draw(length: usize, dice: &dyn Dice) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let character = |_| char::from(ALPHABET[usize::try_from(dice.between(0, 61)).unwrap_or(0)]);
    (0..length).map(character).collect()
}

/// Readable by nobody but the owner.
fn keep(file: &Path, values: &BTreeMap<String, String>) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let fresh = file.with_extension("new");
    let mut out = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    out.write_all(&serde_json::to_vec(values)?)?;
    std::fs::rename(fresh, file)
}
