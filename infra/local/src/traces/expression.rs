//! Which attributes of an item a write names: what a policy's condition on `dynamodb:Attributes` looks at.

use std::collections::BTreeSet;

use serde_json::Value;

/// What may stand in an expression without being an attribute (DynamoDB Developer Guide, "Update expressions",
/// "Condition and filter expressions, operators, and functions").
const WORDS: &[&str] = &["SET", "REMOVE", "ADD", "DELETE", "AND", "OR", "NOT", "BETWEEN", "IN"];
const FUNCTIONS: &[&str] = &[
    "attribute_exists",
    "attribute_not_exists",
    "attribute_type",
    "begins_with",
    "contains",
    "if_not_exists",
    "list_append",
    "size",
];

/// The top-level attributes that a write names: in its key or item, in what it changes and in its condition.
pub(super) fn attributes(write: &Value) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = ["Key", "Item"]
        .iter()
        .filter_map(|part| write[part].as_object())
        .flatten()
        .map(|(name, _)| name.clone())
        .collect();
    for part in ["UpdateExpression", "ConditionExpression"] {
        let text = write[part].as_str().unwrap_or_default();
        let words =
            text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '#' | ':' | '.' | '[')));
        for word in words {
            let top = word.split(['.', '[']).next().unwrap_or_default();
            let known = WORDS.contains(&top.to_ascii_uppercase().as_str()) || FUNCTIONS.contains(&top);
            if known || top.is_empty() || top.starts_with([':', '-']) || top.starts_with(|c: char| c.is_ascii_digit()) {
                continue;
            }
            let name =
                if top.starts_with('#') { write["ExpressionAttributeNames"][top].as_str().unwrap_or(top) } else { top };
            found.insert(name.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_attribute_is_found_under_its_own_name_and_nothing_else_is() {
        let write = json!({
            "Key": {"endpoint": {"S": "ep_1"}},
            "UpdateExpression": "SET #s = if_not_exists(failed, :zero) + :one, health.#inner = :now REMOVE line[0]",
            "ConditionExpression": "attribute_not_exists(#s) OR (size(tries) < :most AND #s IN (:a, :b))",
            "ExpressionAttributeNames": {"#s": "state", "#inner": "since"},
        });
        let names = ["endpoint", "failed", "health", "line", "state", "tries"];
        assert_eq!(attributes(&write), names.map(str::to_owned).into());
        assert_eq!(attributes(&json!({"Item": {"a": {}, "b": {}}})), ["a", "b"].map(str::to_owned).into());
    }
}
