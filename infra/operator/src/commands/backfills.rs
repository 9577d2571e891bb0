//! The pasts that are read, or were.

use serde_json::json;

use super::{Asked, all};
use crate::cli::Backfills;
use crate::client::segment;
use crate::{Failure, Tool};

const COLUMNS: [&str; 6] = ["run", "state", "start", "end", "services", "percent"];

pub(super) async fn backfills(tool: &mut Tool, asked: &Asked, backfills: Backfills) -> Result<(), Failure> {
    let client = asked.client(tool)?;
    let of = |connection: &str| Ok::<_, Failure>(format!("/v1/connections/{}/backfills", segment(connection)?));
    let text = match backfills {
        Backfills::List { connection } => {
            let pages = vec![("limit", Some("100".to_owned()))];
            let mut rows = all(&client, &of(&connection)?, "backfills", pages).await?;
            if asked.form.is_for_people() {
                // How far a run is, as a column of the table.
                rows.iter_mut().for_each(|row| row["percent"] = row["progress"]["percent"].clone());
            }
            return tool.list(asked.form, "backfills", rows, &COLUMNS);
        }
        Backfills::Show { connection, run } => client.get(&format!("{}/{}", of(&connection)?, segment(&run)?)).await?,
        Backfills::Cancel { connection, run } => {
            client.post(&format!("{}/{}/cancel", of(&connection)?, segment(&run)?), &json!({})).await?
        }
    };
    tool.show(asked.form, &text)
}
