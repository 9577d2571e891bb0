//! Quarantine, and one notification.

use afferent_domain::Timestamp;
use serde_json::{Value, json};

use super::{Asked, all};
use crate::cli::{Notification, Of, Quarantine};
use crate::client::segment;
use crate::{Failure, Tool};

pub(super) async fn quarantine(tool: &mut Tool, asked: &Asked, quarantine: Quarantine) -> Result<(), Failure> {
    match quarantine {
        Quarantine::List { of } => {
            let rows = put_away(tool, asked, &of).await?;
            tool.list(asked.form, "notifications", rows, &["notification", "received", "reason", "appli", "userid"])
        }
        Quarantine::Replay { ids, all: everything, of } => {
            let ids = match (ids.is_empty(), everything) {
                (false, _) => ids,
                (true, true) => ids_of(&put_away(tool, asked, &of).await?),
                (true, false) => {
                    return Err(Failure::new(
                        "name the notifications, or give --all (with --reason, --day and --days)",
                    ));
                }
            };
            let client = asked.client(tool)?;
            let bar = tool.bar("replaying", u64::try_from(ids.len()).ok());
            let mut rows = Vec::new();
            for id in &ids {
                let path = format!("/v1/notifications/{}/replay", segment(id)?);
                // One that has moved on meanwhile is no reason to leave the others.
                let outcome = match client.post(&path, &json!({})).await {
                    Ok(_) => json!({"notification": id, "result": "asked"}),
                    Err(failure) => json!({"notification": id, "result": "refused", "problem": failure.to_string()}),
                };
                rows.push(outcome);
                bar.more(1);
            }
            drop(bar);
            let refused = rows.iter().filter(|row| row["result"] == "refused").count();
            tool.list(asked.form, "notifications", rows, &["notification", "result", "problem"])?;
            if refused == 0 { Ok(()) } else { Err(Failure::new(format!("{refused} of {} were refused", ids.len()))) }
        }
    }
}

fn ids_of(rows: &[Value]) -> Vec<String> {
    rows.iter().filter_map(|row| row["notification"].as_str()).map(str::to_owned).collect()
}

/// What was put away on the days, the newest first.
async fn put_away(tool: &Tool, asked: &Asked, of: &Of) -> Result<Vec<Value>, Failure> {
    let client = asked.client(tool)?;
    let last = of.day.clone().unwrap_or_else(|| today(tool.clock.now()));
    let mut day: jiff::civil::Date =
        last.parse().map_err(|_| Failure::new("--day should be a UTC day such as 2026-11-21"))?;
    let bar = tool.bar("reading days", Some(u64::from(of.days)));
    let mut found = Vec::new();
    for _ in 0..of.days {
        let query = vec![
            ("state", Some("quarantined".to_owned())),
            ("limit", Some("100".to_owned())),
            ("day", Some(day.to_string())),
        ];
        let rows = all(&client, "/v1/notifications", "notifications", query).await?;
        found.extend(
            rows.into_iter().filter(|row| of.reason.is_none() || row["reason"].as_str() == of.reason.as_deref()),
        );
        bar.more(1);
        day = day.yesterday().map_err(|_| Failure::new("--days reaches before all calendars"))?;
    }
    Ok(found)
}

fn today(now: Timestamp) -> String {
    now.to_string().chars().take(10).collect()
}

pub(super) async fn notification(tool: &mut Tool, asked: &Asked, notification: Notification) -> Result<(), Failure> {
    let Notification::Follow { id } = notification;
    let text = asked.client(tool)?.get(&format!("/v1/notifications/{}", segment(&id)?)).await?;
    tool.show(asked.form, &text)
}
