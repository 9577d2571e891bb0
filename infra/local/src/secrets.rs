//! Secrets Manager, as far as functions and runbooks use it: the values of the template's secrets, their versions and the
//! stages of these. What is put lasts as long as the process.

mod versions;

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
use versions::{Version, Versions};

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
    values: Arc<RwLock<Vec<(Secret, Versions)>>>,
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
            values.push((secret.clone(), Versions::of(value)));
        }
        if let (Some(file), true) = (file, drawn) {
            keep(file, &kept)?;
        }
        Ok(Self { values: Arc::new(RwLock::new(values)) })
    }

    /// The value of the secret of that name or ARN.
    #[must_use]
    pub fn value(&self, id: &str) -> Option<String> {
        self.find(id).map(|(_, versions)| versions.current().value.clone())
    }

    /// Gives the secret of that name or ARN another value; `false` if there is none.
    pub fn put(&self, id: &str, value: &str) -> bool {
        let mut values = self.values.write().unwrap_or_else(PoisonError::into_inner);
        match values.iter_mut().find(|(secret, _)| is_called(secret, id)) {
            Some((secret, versions)) => {
                planted::secret(&secret.name, value);
                versions.put(value.to_owned());
                true
            }
            None => false,
        }
    }

    fn find(&self, id: &str) -> Option<(Secret, Versions)> {
        self.values().iter().find(|(secret, _)| is_called(secret, id)).cloned()
    }

    fn values(&self) -> RwLockReadGuard<'_, Vec<(Secret, Versions)>> {
        self.values.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one request of the AWS JSON protocol.
    #[must_use]
    pub fn handle(&self, target: &str, body: &[u8]) -> Answer {
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| request[name].as_str().unwrap_or_default();
        let id = text("SecretId");
        match target {
            "secretsmanager.PutSecretValue" => match request["SecretString"].as_str() {
                Some(value) => drop(self.put(id, value)),
                None => return refuse("InvalidRequestException", "You must provide SecretString."),
            },
            "secretsmanager.UpdateSecretVersionStage" => {
                let mut values = self.values.write().unwrap_or_else(PoisonError::into_inner);
                if let Some((_, versions)) = values.iter_mut().find(|(secret, _)| is_called(secret, id)) {
                    let (from, to) = (text("RemoveFromVersionId"), text("MoveToVersionId"));
                    if let Err(error) = versions.shift(text("VersionStage"), from, to) {
                        return refuse("InvalidParameterException", &error.to_string());
                    }
                }
            }
            _ => {}
        }
        let none = || refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
        let Some((secret, versions)) = self.find(id) else { return none() };
        let mut answer = json!({"ARN": secret.arn, "Name": secret.name});
        match target {
            "secretsmanager.GetSecretValue" => {
                let Some(version) = versions.find(text("VersionId"), text("VersionStage")) else { return none() };
                answer["SecretString"] = version.value.clone().into();
                answer["CreatedDate"] = 0.0.into();
                stand(&mut answer, version);
            }
            "secretsmanager.PutSecretValue" => stand(&mut answer, versions.current()),
            "secretsmanager.UpdateSecretVersionStage" => {}
            "secretsmanager.DescribeSecret" => {
                let stages = |version: &Version| (version.id.clone(), json!(version.stages));
                answer["VersionIdsToStages"] = versions.all().iter().map(stages).collect::<Map<_, _>>().into();
            }
            "secretsmanager.ListSecretVersionIds" => {
                let version = |version: &Version| json!({"VersionId": version.id, "VersionStages": version.stages});
                answer["Versions"] = versions.all().iter().map(version).collect();
            }
            _ => return refuse("InvalidRequestException", "This is not offered here."),
        }
        Answer { status: 200, body: answer.to_string().into_bytes() }
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

/// Says which version it is.
fn stand(answer: &mut Value, version: &Version) {
    answer["VersionId"] = version.id.clone().into();
    answer["VersionStages"] = json!(version.stages);
}

fn refuse(kind: &str, message: &str) -> Answer {
    Answer { status: 400, body: json!({"__type": kind, "message": message}).to_string().into_bytes() }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemDice;

    fn secrets() -> Secrets {
        let value = SecretValue::Given("right".to_owned());
        let secret =
            Secret { name: "afferent/withings".to_owned(), arn: "arn:aws:secretsmanager:withings".to_owned(), value };
        Secrets::make(&[secret], None, &BTreeMap::new(), &SystemDice::default()).unwrap()
    }

    fn ask(secrets: &Secrets, operation: &str, mut request: Value) -> (u16, Value) {
        request["SecretId"] = "afferent/withings".into();
        let answer = secrets.handle(&format!("secretsmanager.{operation}"), request.to_string().as_bytes());
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    #[test]
    fn a_wrong_value_is_put_and_the_version_before_it_is_brought_back_as_the_runbook_says() {
        let secrets = secrets();
        let (_, before) = ask(&secrets, "GetSecretValue", json!({}));
        let (status, wrong) = ask(&secrets, "PutSecretValue", json!({"SecretString": "nonsense"}));
        assert_eq!((status, wrong.get("SecretString")), (200, None), "what was put is not shown");
        assert_eq!(secrets.value("afferent/withings").unwrap(), "nonsense");
        let (_, listed) = ask(&secrets, "ListSecretVersionIds", json!({}));
        let previous = json!({"VersionId": before["VersionId"], "VersionStages": ["AWSPREVIOUS"]});
        assert_eq!(listed["Versions"][0], previous);
        let (_, described) = ask(&secrets, "DescribeSecret", json!({}));
        assert_eq!(described["VersionIdsToStages"][wrong["VersionId"].as_str().unwrap()], json!(["AWSCURRENT"]));
        let shift = json!({
            "VersionStage": "AWSCURRENT", "MoveToVersionId": before["VersionId"], "RemoveFromVersionId": wrong["VersionId"],
        });
        assert_eq!(ask(&secrets, "UpdateSecretVersionStage", shift).0, 200);
        assert_eq!(ask(&secrets, "GetSecretValue", json!({})), (200, before));
        let (_, wrong) = ask(&secrets, "GetSecretValue", json!({"VersionStage": "AWSPREVIOUS"}));
        assert_eq!(wrong["SecretString"], "nonsense");
    }

    #[test]
    fn what_is_not_there_or_not_offered_is_refused_as_secrets_manager_would() {
        let secrets = secrets();
        let (status, refused) = ask(&secrets, "GetSecretValue", json!({"VersionId": "another"}));
        assert_eq!((status, &refused["__type"]), (400, &"ResourceNotFoundException".into()));
        assert_eq!(ask(&secrets, "PutSecretValue", json!({})).0, 400);
        assert_eq!(ask(&secrets, "DeleteSecret", json!({})).1["__type"], "InvalidRequestException");
        let answer = secrets.handle("secretsmanager.PutSecretValue", br#"{"SecretId": "other", "SecretString": "x"}"#);
        assert_eq!(answer.status, 400);
        assert_eq!(secrets.value("other"), None);
    }
}
