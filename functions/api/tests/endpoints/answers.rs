//! Holding an answer against the OpenAPI document.

use lambda_http::http::{Method, StatusCode};
use serde_json::{Value, json};

/// An answer, as it is documented.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

/// The OpenAPI document.
pub(crate) struct Document(Value);

impl Document {
    pub(crate) fn read() -> Self {
        Self(serde_json::from_str(&api::document()).unwrap())
    }

    /// The operation that a request is for.
    fn operation(&self, method: &Method, path: &str) -> &Value {
        let paths = self.0["paths"].as_object().unwrap();
        let fits = |template: &str| {
            let (given, documented): (Vec<&str>, Vec<&str>) =
                (path.split('/').collect(), template.split('/').collect());
            given.len() == documented.len()
                && given.iter().zip(documented).all(|(given, part)| part.starts_with('{') || *given == part)
        };
        let candidates = paths.iter().filter(|(template, _)| fits(template));
        let (_, item) =
            candidates.min_by_key(|(template, _)| template.matches('{').count()).expect("a path of the document");
        &item[method.as_str().to_lowercase()]
    }

    /// Fails unless the answer is one that the document has.
    pub(crate) fn hold(&self, method: &Method, path: &str, answer: &Answer, content_type: Option<&str>) {
        let case = format!("{method} {path} -> {}", answer.status);
        let documented = &self.operation(method, path)["responses"][answer.status.as_str()];
        assert!(documented.is_object(), "{case} is not documented: {}", answer.body);
        let documented = match documented["$ref"].as_str() {
            Some(target) => self.0.pointer(target.trim_start_matches('#')).unwrap(),
            None => documented,
        };
        let Some(content) = documented.get("content") else {
            assert!(answer.body.is_null(), "{case} should hold nothing: {}", answer.body);
            return;
        };
        let schema = &content[content_type.unwrap_or_default()]["schema"];
        assert!(schema.is_object(), "{case} is not documented as {content_type:?}");
        let whole = json!({"components": self.0["components"], "allOf": [schema]});
        let validator = jsonschema::validator_for(&whole).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&answer.body).map(|error| format!("{error} at {}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{case}: {errors:#?} in {:#}", answer.body);
        self.has_no_other_members(&case, schema, &answer.body);
    }

    /// Fails if an answer's object has a member that its schema does not name.
    fn has_no_other_members(&self, case: &str, schema: &Value, body: &Value) {
        let Some(target) = schema["$ref"].as_str() else { return };
        let schema = self.0.pointer(target.trim_start_matches('#')).unwrap();
        let known = self.members(schema);
        for (name, _) in body.as_object().into_iter().flatten() {
            assert!(known.contains(name), "{case}: the member {name} is not documented");
        }
    }

    fn members(&self, schema: &Value) -> Vec<String> {
        let schema = match schema["$ref"].as_str() {
            Some(target) => self.0.pointer(target.trim_start_matches('#')).unwrap(),
            None => schema,
        };
        let own = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
        let parts = schema["allOf"].as_array().into_iter().flatten().flat_map(|part| self.members(part));
        own.chain(parts).collect()
    }
}
