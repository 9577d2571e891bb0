//! Making the template's tables.

use serde_json::{Value, json};

use super::{DynamoDb, DynoxideError};
use crate::template::Table;

impl DynamoDb {
    /// Makes the table, with its indexes, stream and TTL, unless it is there from an earlier run.
    ///
    /// # Errors
    /// DynamoDB refuses the definition.
    pub fn make(&self, table: &Table) -> Result<(), DynoxideError> {
        if self.inner.database.get_table_metadata(&table.name)?.is_some() {
            return Ok(());
        }
        let mut request = json!({
            "TableName": table.name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": table.attributes,
            "KeySchema": table.keys,
        });
        if !table.indexes.is_empty() {
            request["GlobalSecondaryIndexes"] = table
                .indexes
                .iter()
                .map(|index| json!({"IndexName": index.name, "KeySchema": index.keys, "Projection": index.projection}))
                .collect::<Vec<Value>>()
                .into();
        }
        if let Some(view) = &table.stream {
            request["StreamSpecification"] = json!({"StreamEnabled": true, "StreamViewType": view});
        }
        self.must("CreateTable", &request)?;
        if let Some(attribute) = &table.ttl {
            let specification = json!({"AttributeName": attribute, "Enabled": true});
            let request = json!({"TableName": table.name, "TimeToLiveSpecification": specification});
            self.must("UpdateTimeToLive", &request)?;
        }
        Ok(())
    }

    fn must(&self, operation: &str, request: &Value) -> Result<(), DynoxideError> {
        let answer = self.handle(operation, request.to_string().as_bytes());
        if answer.status == 200 {
            return Ok(());
        }
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let message = body["message"].as_str().or_else(|| body["Message"].as_str()).unwrap_or("refused");
        Err(DynoxideError::ValidationException(format!("{operation}: {message}")))
    }
}
