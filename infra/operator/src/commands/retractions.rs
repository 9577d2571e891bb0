//! Records that Withings no longer shows, held until somebody looks.

use serde_json::json;

use super::{Asked, all};
use crate::cli::Retractions;
use crate::client::segment;
use crate::{Failure, Tool};

const COLUMNS: [&str; 8] = ["retraction", "service", "state", "records", "known", "since", "due", "kinds"];

pub(super) async fn retractions(tool: &mut Tool, asked: &Asked, retractions: Retractions) -> Result<(), Failure> {
    let client = asked.client(tool)?;
    let of = |connection: &str| Ok::<_, Failure>(format!("/v1/connections/{}/retractions", segment(connection)?));
    let (connection, retraction, verdict) = match retractions {
        Retractions::List { connection } => {
            let pages = vec![("limit", Some("100".to_owned()))];
            let rows = all(&client, &of(&connection)?, "retractions", pages).await?;
            return tool.list(asked.form, "retractions", rows, &COLUMNS);
        }
        Retractions::Approve { connection, retraction } => (connection, retraction, "approve"),
        Retractions::Reject { connection, retraction } => (connection, retraction, "reject"),
    };
    let path = format!("{}/{}/{verdict}", of(&connection)?, segment(&retraction)?);
    let text = client.post(&path, &json!({})).await?;
    tool.show(asked.form, &text)
}
