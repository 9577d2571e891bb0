//! What `infra/template.yaml` says, read as CloudFormation and SAM would read it.
//!
//! The local stack takes its queues, tables, time limits and event sources from the very file that is
//! deployed, so the two cannot drift. What the stack relies on and does not understand is an error; types of
//! resources that have no meaning on one machine (roles, log groups, alarms) are passed over by name.

mod alarm;
mod function;
mod reader;
mod resources;
mod scope;
mod yaml;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

pub use alarm::{Alarm, Query, QuerySource};
pub use function::{Function, QueueSource, Schedule, Source, StreamSource};
pub use resources::{Index, Projection, Queue, Redrive, Secret, SecretValue, Table};
pub use scope::Place;

use scope::Scope;

/// Types of resources that mean nothing on one machine.
const PASSED_OVER: &[&str] = &[
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    "AWS::ApplicationInsights::Application",
    "AWS::Budgets::Budget",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::KMS::Alias",
    "AWS::KMS::Key",
    "AWS::Kinesis::Stream",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::Logs::MetricFilter",
    "AWS::Logs::QueryDefinition",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SQS::QueuePolicy",
];

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The file cannot be read.
    #[error("the template cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// The file is no YAML.
    #[error("the template is no YAML: {0}")]
    Yaml(#[from] serde_norway::Error),
    /// Something that the stack relies on is missing, or is not understood.
    #[error("{at}: {why}")]
    Unusable {
        /// Where in the template: names joined by dots.
        at: String,
        /// What is wrong with it.
        why: String,
    },
}

impl TemplateError {
    fn new(at: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Unusable { at: at.into(), why: why.into() }
    }
}

/// The resources of one stack, with every reference resolved.
#[derive(Clone, Debug)]
pub struct Template {
    /// Where the stack is: its name, region, account and addresses.
    pub place: Place,
    /// What every parameter is: what was given, or its default.
    pub parameters: BTreeMap<String, String>,
    /// The functions, in the order of their logical ids.
    pub functions: Vec<Function>,
    /// The queues, dead-letter queues among them.
    pub queues: Vec<Queue>,
    /// The tables.
    pub tables: Vec<Table>,
    /// The secrets.
    pub secrets: Vec<Secret>,
    /// The alarms that can be judged on one machine.
    pub alarms: Vec<Alarm>,
}

impl Template {
    /// Reads the template at `path`.
    ///
    /// # Errors
    /// See [`Template::parse`]; also, if the file cannot be read.
    pub fn read(path: &Path, place: &Place, parameters: &BTreeMap<String, String>) -> Result<Self, TemplateError> {
        Self::parse(&std::fs::read_to_string(path)?, place, parameters)
    }

    /// Reads a template's text. `parameters` go before the template's defaults; names that the template does
    /// not know are an error, as at CloudFormation.
    ///
    /// # Errors
    /// The text is no YAML, a parameter has no value, or something that the stack relies on is not understood.
    pub fn parse(text: &str, place: &Place, parameters: &BTreeMap<String, String>) -> Result<Self, TemplateError> {
        let document = yaml::parse(text)?;
        let scope = Scope::new(&document, place, parameters)?;
        let globals =
            document.pointer("/Globals/Function").cloned().unwrap_or_else(|| Value::Object(Default::default()));
        let mut template = Self {
            place: place.clone(),
            parameters: scope.parameters().clone(),
            functions: vec![],
            queues: vec![],
            tables: vec![],
            secrets: vec![],
            alarms: vec![],
        };
        let mut urls = Vec::new();
        for (logical, resource) in scope.resources() {
            if !scope.is_made(logical, resource)? {
                continue;
            }
            match scope::kind(resource) {
                "AWS::Serverless::Function" => {
                    template.functions.push(function::read(&scope, logical, resource, &globals)?);
                }
                "AWS::SQS::Queue" => template.queues.push(resources::queue(&scope, logical, resource)?),
                "AWS::Lambda::Url" => urls.push(function::of_url(&scope, logical, resource)?),
                "AWS::DynamoDB::Table" => template.tables.push(resources::table(&scope, logical, resource)?),
                "AWS::SecretsManager::Secret" => {
                    template.secrets.push(resources::secret(&scope, logical, resource)?);
                }
                // Nothing relies on an alarm: one that names what is not here is passed over.
                "AWS::CloudWatch::Alarm" => template.alarms.extend(alarm::read(&scope, logical, resource).ok()),
                kind if PASSED_OVER.contains(&kind) => {}
                kind => {
                    return Err(TemplateError::new(
                        format!("Resources.{logical}"),
                        format!("the local stack has no {kind}"),
                    ));
                }
            }
        }
        for function in &mut template.functions {
            function.has_url |= urls.contains(&function.arn) || urls.contains(&function.name);
        }
        Ok(template)
    }

    /// The function whose logical id or name or binary is `name`.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|f| f.name == name || f.binary == name || f.logical == name)
    }

    /// The queue whose name or ARN is `name`.
    #[must_use]
    pub fn queue(&self, name: &str) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.name == name || queue.arn == name || queue.logical == name)
    }
}
