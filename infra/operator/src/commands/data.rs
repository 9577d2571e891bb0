//! Reading at Withings, and what was read.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::Asked;
use crate::client::{Client, json as read, query, segment};
use crate::{Failure, Tool};

/// How often a run is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// What past is wanted.
pub(super) struct Wish {
    pub(super) from: String,
    pub(super) to: Option<String>,
    pub(super) services: Vec<String>,
    pub(super) details: bool,
    pub(super) preview: bool,
}

pub(super) async fn backfill(
    tool: &mut Tool,
    asked: &Asked,
    connection: &str,
    wish: Wish,
    wait: bool,
) -> Result<(), Failure> {
    let path = format!("/v1/connections/{}/backfills", segment(connection)?);
    let mut body = json!({"start_date": wish.from, "details": wish.details, "preview": wish.preview});
    if let Some(to) = wish.to {
        body["end_date"] = json!(to);
    }
    if !wish.services.is_empty() {
        body["services"] = json!(wish.services);
    }
    let client = asked.client(tool)?;
    let mut text = client.post(&path, &body).await?;
    let run = read(&text)?;
    if let (true, Some(id)) = (wait && !wish.preview, run["run"].as_str()) {
        text = over(tool, &client, &format!("{path}/{}", segment(id)?)).await?;
    }
    let state = read(&text)?["state"].as_str().unwrap_or_default().to_owned();
    drop(client);
    tool.show(asked.form, &text)?;
    match state.as_str() {
        "failed" | "cancelled" => Err(Failure::new(format!("the run is {state}"))),
        _ => Ok(()),
    }
}

/// Waits until a run is over.
async fn over(tool: &Tool, client: &Client<'_>, path: &str) -> Result<String, Failure> {
    let mut bar = None;
    loop {
        let text = client.get(path).await?;
        let run = read(&text)?;
        if run["state"] != "running" {
            return Ok(text);
        }
        let slices = |name: &str| run["progress"][name].as_u64().unwrap_or(0);
        // Their number is only known once they are planted.
        bar.get_or_insert_with(|| tool.bar("reading the past", Some(slices("slices")))).at(slices("slices_done"));
        tokio::time::sleep(LOOK).await;
    }
}

pub(super) async fn refresh(
    tool: &mut Tool,
    asked: &Asked,
    connection: &str,
    services: Vec<String>,
) -> Result<(), Failure> {
    let body = if services.is_empty() { json!({}) } else { json!({"services": services}) };
    let text = asked.client(tool)?.post(&format!("/v1/connections/{}/refresh", segment(connection)?), &body).await?;
    tool.show(asked.form, &text)
}

pub(super) async fn completeness(
    tool: &mut Tool,
    asked: &Asked,
    user: &str,
    question: &[(&str, Option<String>)],
) -> Result<(), Failure> {
    let path = format!("/v1/users/{}/completeness{}", segment(user)?, query(question));
    let text = asked.client(tool)?.get(&path).await?;
    let complete = read(&text)?["complete"] == true;
    tool.show(asked.form, &text)?;
    if complete { Ok(()) } else { Err(Failure::new("something may be missing; `why` says what")) }
}

/// Joins the pages of an export. The lines go into the file as they came: no number is read and written again.
pub(super) async fn export(tool: &mut Tool, asked: &Asked, user: &str, to: &Path) -> Result<(), Failure> {
    let path = format!("/v1/users/{}/export", segment(user)?);
    if to.exists() {
        return Err(Failure::new(format!("{} is there already: name a new file", to.display())));
    }
    // Beside it until it is whole, so that what has the name is never a part.
    let part = to.with_added_extension("part");
    let taken = |error: std::io::Error| Failure::new(format!("{} cannot be written: {error}", part.display()));
    let mut file = new_file(&part).map_err(taken)?;
    let written = pages(tool, &asked.client(tool)?, &path, &mut file, &taken).await;
    drop(file);
    let lines = match written {
        Ok(lines) => lines,
        Err(failure) => {
            // A part is of no use: the next export begins anew.
            drop(std::fs::remove_file(&part));
            return Err(failure);
        }
    };
    std::fs::rename(&part, to).map_err(taken)?;
    tool.show(asked.form, &json!({"user": user, "file": to, "lines": lines}).to_string())
}

/// Writes all pages; how many lines they had.
async fn pages(
    tool: &Tool,
    client: &Client<'_>,
    path: &str,
    file: &mut File,
    taken: &impl Fn(std::io::Error) -> Failure,
) -> Result<u64, Failure> {
    let bar = tool.bar("lines", None);
    let (mut cursor, mut lines) = (None, 0_u64);
    loop {
        let page = client.get(&format!("{path}{}", query(&[("cursor", cursor)]))).await?;
        let (body, end) = split(&page)?;
        file.write_all(body.as_bytes()).map_err(taken)?;
        let count = u64::try_from(body.lines().count()).unwrap_or(0);
        lines += count;
        bar.more(count);
        cursor = end;
        if cursor.is_none() {
            file.sync_all().map_err(taken)?;
            return Ok(lines);
        }
    }
}

/// A page without its last line, which says where the next one begins.
fn split(page: &str) -> Result<(&str, Option<String>), Failure> {
    let trimmed = page.trim_end();
    let at = trimmed.rfind('\n').map_or(0, |at| at + 1);
    let (body, last) = trimmed.split_at(at);
    let last = read(last)?;
    if last["type"] != "end" {
        return Err(Failure::new("a page of the export has no end: it was cut off; ask again"));
    }
    Ok((body, last["next"].as_str().map(str::to_owned)))
}

/// A file that is not there yet and that nobody else may read.
pub(super) fn new_file(path: &Path) -> std::io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_where_the_next_one_begins_and_one_without_its_end_is_refused() {
        let page = "{\"type\":\"record\",\"data\":{\"value\":81.20}}\n{\"type\":\"end\",\"next\":\"abc\"}\n";
        let (body, next) = split(page).unwrap();
        assert_eq!((body, next.as_deref()), ("{\"type\":\"record\",\"data\":{\"value\":81.20}}\n", Some("abc")));
        assert_eq!(split("{\"type\":\"end\",\"next\":null}\n").unwrap(), ("", None));
        assert!(split("{\"type\":\"record\",\"data\":{}}\n").is_err());
        assert!(split("").is_err());
    }
}
