//! What names mean in a template: parameters, pseudo parameters, conditions, and the other resources.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::TemplateError;

/// Where a stack is. The same for the whole life of a data folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The stack's name, which the names of its resources begin with.
    pub stack: String,
    /// The region that ARNs name.
    pub region: String,
    /// The account that ARNs name: 12 digits.
    pub account: String,
    /// What queue URLs begin with, without a slash at its end.
    pub sqs_url: String,
    /// What function URLs begin with, without a slash at its end.
    pub functions_url: String,
    /// What parameters are here in place of the template's defaults. Those that a template does not know are passed over.
    pub parameters: BTreeMap<String, String>,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            stack: "afferent".to_owned(),
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            sqs_url: "http://127.0.0.1:9324".to_owned(),
            functions_url: "http://127.0.0.1:8000".to_owned(),
            parameters: BTreeMap::new(),
        }
    }
}

/// The names of one template.
pub(super) struct Scope<'a> {
    place: &'a Place,
    parameters: BTreeMap<String, String>,
    conditions: Option<&'a Map<String, Value>>,
    resources: &'a Map<String, Value>,
}

/// A resource's `Type`.
pub(super) fn kind(resource: &Value) -> &str {
    resource["Type"].as_str().unwrap_or("(no type)")
}

impl<'a> Scope<'a> {
    pub(super) fn new(
        document: &'a Value,
        place: &'a Place,
        given: &BTreeMap<String, String>,
    ) -> Result<Self, TemplateError> {
        let empty = || TemplateError::new("Resources", "the template has no resources");
        let resources = document["Resources"].as_object().ok_or_else(empty)?;
        let declared = document["Parameters"].as_object();
        let knows = |name: &String| declared.is_some_and(|declared| declared.contains_key(name));
        if let Some(unknown) = given.keys().find(|name| !knows(name)) {
            return Err(TemplateError::new(format!("Parameters.{unknown}"), "the template has no such parameter"));
        }
        let mut parameters = BTreeMap::new();
        for (name, parameter) in declared.into_iter().flatten() {
            let value = match given.get(name).or_else(|| place.parameters.get(name)) {
                Some(value) => value.clone(),
                None => scalar(&parameter["Default"])
                    .ok_or_else(|| TemplateError::new(format!("Parameters.{name}"), "needs a value"))?,
            };
            parameters.insert(name.clone(), value);
        }
        Ok(Self { place, parameters, conditions: document["Conditions"].as_object(), resources })
    }

    pub(super) fn parameters(&self) -> &BTreeMap<String, String> {
        &self.parameters
    }

    pub(super) fn resources(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.resources.iter().map(|(logical, resource)| (logical.as_str(), resource))
    }

    /// Whether the resource's `Condition`, if it has one, holds.
    pub(super) fn is_made(&self, logical: &str, resource: &Value) -> Result<bool, TemplateError> {
        match resource["Condition"].as_str() {
            None => Ok(true),
            Some(name) => self.condition(&format!("Resources.{logical}.Condition"), name),
        }
    }

    /// The value with every intrinsic function in it worked out. `None` is `AWS::NoValue`: the property
    /// counts as not written.
    pub(super) fn resolve(&self, at: &str, value: &Value) -> Result<Option<Value>, TemplateError> {
        match value {
            Value::Array(items) => {
                let items: Result<Vec<_>, _> = items.iter().map(|item| self.resolve(at, item)).collect();
                Ok(Some(Value::Array(items?.into_iter().flatten().collect())))
            }
            Value::Object(map) => match map.iter().next() {
                Some((name, argument)) if map.len() == 1 && (name == "Ref" || name.starts_with("Fn::")) => {
                    self.call(at, name, argument)
                }
                _ => {
                    let mut resolved = Map::new();
                    for (name, value) in map {
                        if let Some(value) = self.resolve(&format!("{at}.{name}"), value)? {
                            resolved.insert(name.clone(), value);
                        }
                    }
                    Ok(Some(Value::Object(resolved)))
                }
            },
            plain => Ok(Some(plain.clone())),
        }
    }

    fn call(&self, at: &str, name: &str, argument: &Value) -> Result<Option<Value>, TemplateError> {
        let parts = || argument.as_array().map(Vec::as_slice);
        match (name, argument, parts()) {
            ("Ref", Value::String(name), _) if name == "AWS::NoValue" => Ok(None),
            ("Ref", Value::String(name), _) => self.reference(at, name).map(|text| Some(text.into())),
            ("Fn::GetAtt", _, Some([Value::String(resource), Value::String(attribute)])) => {
                self.attribute(at, resource, attribute).map(|text| Some(text.into()))
            }
            ("Fn::Sub", Value::String(text), _) => self.substitute(at, text, &Map::new()).map(|text| Some(text.into())),
            ("Fn::Sub", _, Some([Value::String(text), Value::Object(own)])) => {
                self.substitute(at, text, own).map(|text| Some(text.into()))
            }
            ("Fn::If", _, Some([Value::String(condition), then, otherwise])) => {
                self.resolve(at, if self.condition(at, condition)? { then } else { otherwise })
            }
            ("Fn::Join", _, Some([Value::String(between), Value::Array(items)])) => {
                let items: Result<Vec<_>, _> = items.iter().map(|item| self.text(at, item)).collect();
                Ok(Some(items?.join(between).into()))
            }
            _ => Err(TemplateError::new(at, format!("{name} is not understood here"))),
        }
    }

    /// The value as one text.
    fn text(&self, at: &str, value: &Value) -> Result<String, TemplateError> {
        self.resolve(at, value)?
            .as_ref()
            .and_then(scalar)
            .ok_or_else(|| TemplateError::new(at, "should be a text, a number, true or false"))
    }

    /// `${Name}`, `${Resource.Attribute}`, and `${!Literal}` for a literal `${Literal}`.
    fn substitute(&self, at: &str, text: &str, own: &Map<String, Value>) -> Result<String, TemplateError> {
        let (mut out, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) =
                after.split_once('}').ok_or_else(|| TemplateError::new(at, "Fn::Sub has a ${ without its }"))?;
            out.push_str(before);
            out.push_str(&match (name.strip_prefix('!'), own.get(name), name.split_once('.')) {
                (Some(literal), _, _) => format!("${{{literal}}}"),
                (None, Some(value), _) => self.text(at, value)?,
                (None, None, Some((resource, attribute))) => self.attribute(at, resource, attribute)?,
                (None, None, None) => self.reference(at, name)?,
            });
            rest = after;
        }
        Ok(out + rest)
    }

    fn reference(&self, at: &str, name: &str) -> Result<String, TemplateError> {
        let place = self.place;
        match name {
            "AWS::StackName" => return Ok(place.stack.clone()),
            "AWS::Region" => return Ok(place.region.clone()),
            "AWS::AccountId" => return Ok(place.account.clone()),
            "AWS::Partition" => return Ok("aws".to_owned()),
            "AWS::URLSuffix" => return Ok("amazonaws.com".to_owned()),
            _ => {}
        }
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.clone());
        }
        // SAM: the alias that it makes of `AutoPublishAlias`. On one machine a function has one version.
        if let Some(function) = name.strip_suffix(".Alias") {
            return self.arn(function, self.resource(at, function)?);
        }
        let resource = self.resource(at, name)?;
        match kind(resource) {
            "AWS::SQS::Queue" => Ok(self.queue_url(&self.name(name, resource)?)),
            "AWS::SecretsManager::Secret" => self.arn(name, resource),
            "AWS::DynamoDB::Table" | "AWS::Serverless::Function" | "AWS::Logs::LogGroup" | "AWS::IAM::Role" => {
                self.name(name, resource)
            }
            kind => Err(TemplateError::new(at, format!("a Ref to a {kind} is not understood here"))),
        }
    }

    fn attribute(&self, at: &str, name: &str, attribute: &str) -> Result<String, TemplateError> {
        // SAM makes a resource `<Function>Url` for each function URL.
        if let ("FunctionUrl", Some(function)) = (attribute, name.strip_suffix("Url"))
            && let Some(resource) = self.resources.get(function)
        {
            return Ok(self.function_url(&self.name(function, resource)?));
        }
        let resource = self.resource(at, name)?;
        match (kind(resource), attribute) {
            (_, "Arn") => self.arn(name, resource),
            ("AWS::SQS::Queue", "QueueName") => self.name(name, resource),
            ("AWS::SQS::Queue", "QueueUrl") => Ok(self.queue_url(&self.name(name, resource)?)),
            ("AWS::DynamoDB::Table", "StreamArn") => Ok(format!("{}/stream/local", self.arn(name, resource)?)),
            (kind, attribute) => {
                Err(TemplateError::new(at, format!("the attribute {attribute} of a {kind} is not understood here")))
            }
        }
    }

    fn resource(&self, at: &str, name: &str) -> Result<&'a Value, TemplateError> {
        self.resources.get(name).ok_or_else(|| TemplateError::new(at, format!("nothing is called {name}")))
    }

    /// What a resource is called: its name property, else the stack's name and its logical id.
    pub(super) fn name(&self, logical: &str, resource: &Value) -> Result<String, TemplateError> {
        let property = match kind(resource) {
            "AWS::SQS::Queue" => "QueueName",
            "AWS::DynamoDB::Table" => "TableName",
            "AWS::Serverless::Function" => "FunctionName",
            "AWS::Logs::LogGroup" => "LogGroupName",
            "AWS::IAM::Role" => "RoleName",
            _ => "Name",
        };
        match &resource["Properties"][property] {
            Value::Null => Ok(format!("{}-{logical}", self.place.stack)),
            value => self.text(&format!("Resources.{logical}.Properties.{property}"), value),
        }
    }

    /// A resource's ARN. A secret's ends in a dash and six characters, which on AWS are random.
    pub(super) fn arn(&self, logical: &str, resource: &Value) -> Result<String, TemplateError> {
        let Place { region, account, .. } = self.place;
        let name = self.name(logical, resource)?;
        Ok(match kind(resource) {
            "AWS::SQS::Queue" => format!("arn:aws:sqs:{region}:{account}:{name}"),
            "AWS::DynamoDB::Table" => format!("arn:aws:dynamodb:{region}:{account}:table/{name}"),
            "AWS::Serverless::Function" => format!("arn:aws:lambda:{region}:{account}:function:{name}"),
            "AWS::SecretsManager::Secret" => format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}-local1"),
            "AWS::IAM::Role" => format!("arn:aws:iam::{account}:role/{name}"),
            "AWS::Logs::LogGroup" => format!("arn:aws:logs:{region}:{account}:log-group:{name}:*"),
            kind => {
                return Err(TemplateError::new(
                    format!("Resources.{logical}"),
                    format!("the ARN of a {kind} is not understood here"),
                ));
            }
        })
    }

    pub(super) fn queue_url(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.place.sqs_url, self.place.account)
    }

    fn function_url(&self, name: &str) -> String {
        format!("{}/function-url/{name}/", self.place.functions_url)
    }

    fn condition(&self, at: &str, name: &str) -> Result<bool, TemplateError> {
        let condition = self.conditions.and_then(|conditions| conditions.get(name));
        self.holds(at, condition.ok_or_else(|| TemplateError::new(at, format!("no condition is called {name}")))?)
    }

    fn holds(&self, at: &str, condition: &Value) -> Result<bool, TemplateError> {
        let single = condition.as_object().filter(|map| map.len() == 1).and_then(|map| map.iter().next());
        match single {
            Some((name, Value::String(other))) if name == "Condition" => self.condition(at, other),
            Some((name, Value::Array(parts))) => match (name.as_str(), parts.as_slice()) {
                ("Fn::Equals", [one, other]) => Ok(self.text(at, one)? == self.text(at, other)?),
                ("Fn::Not", [other]) => self.holds(at, other).map(|holds| !holds),
                ("Fn::And", parts) => {
                    let all: Result<Vec<_>, _> = parts.iter().map(|part| self.holds(at, part)).collect();
                    Ok(all?.into_iter().all(|holds| holds))
                }
                ("Fn::Or", parts) => {
                    let all: Result<Vec<_>, _> = parts.iter().map(|part| self.holds(at, part)).collect();
                    Ok(all?.into_iter().any(|holds| holds))
                }
                _ => Err(TemplateError::new(at, "the condition is not understood")),
            },
            _ => Err(TemplateError::new(at, "the condition is not understood")),
        }
    }
}

/// A text, number or boolean as CloudFormation passes it on: as a text.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        _ => None,
    }
}
