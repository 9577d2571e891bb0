//! The way to AWS itself, with the credentials of whoever runs the tool.

mod letters;
mod moves;

use std::collections::BTreeMap;
use std::io::Write as _;

use afferent_aws::{Aws, Service};
use afferent_store::keys::Keys;
use afferent_store::keys::audit::Entry;
use aws_sdk_sqs::Client as Sqs;

use crate::cli::{Line, StackArgs};
use crate::{Failure, Tool};

pub(crate) use letters::{DeadLetters, dead_letters, letters};
pub(crate) use moves::{Move, Moved, moved, redrive};

/// The queues that have a dead-letter queue.
pub(crate) const LINES: [Line; 3] = [Line::Pulls, Line::Backfill, Line::Deliveries];

impl Line {
    /// The queue's name without the stack's.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pulls => "pulls",
            Self::Backfill => "backfill",
            Self::Deliveries => "deliveries",
        }
    }
}

impl Tool {
    /// AWS, where the environment or the command line says it is.
    pub(crate) fn aws(&self, endpoint_url: Option<&str>) -> Result<Aws, Failure> {
        if let Some(aws) = &self.aws {
            return Ok(aws.clone());
        }
        // Named on the command line, it goes before all that the environment says.
        let near = endpoint_url.is_some();
        let given = |name: &str| match (name, endpoint_url) {
            ("AWS_ENDPOINT_URL", Some(url)) => Some(url.to_owned()),
            (name, Some(_)) if name.starts_with("AWS_ENDPOINT_URL_") => None,
            // An emulator takes any.
            ("AWS_REGION", _) => (self.variable)("AWS_REGION")
                .or_else(|| (self.variable)("AWS_DEFAULT_REGION"))
                .or_else(|| near.then(|| "eu-west-1".to_owned())),
            ("AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY", Some(_)) => {
                (self.variable)(name).or_else(|| Some("local".to_owned()))
            }
            _ => (self.variable)(name),
        };
        Aws::from_env(given).map_err(|error| {
            Failure::new(format!(
                "{error}: AWS credentials are needed (`aws configure export-credentials --format env` prints them)"
            ))
        })
    }

    pub(crate) fn sqs(&self, stack: &StackArgs) -> Result<Sqs, Failure> {
        let url = stack.sqs_url.as_deref().or(stack.endpoint_url.as_deref());
        Ok(Sqs::new(&self.aws(url)?.config(Service::Sqs)))
    }
}

/// An act that goes past the API, and is noted in the audit log as if it had not: before it is done, and after it.
pub(crate) struct Act<'a> {
    table: &'a Keys,
    entry: Entry,
}

impl<'a> Act<'a> {
    /// Notes that it begins; what cannot be noted is not done.
    pub(crate) async fn begin(
        tool: &Tool,
        table: &'a Keys,
        label: &str,
        method: &str,
        route: &str,
    ) -> Result<Self, Failure> {
        let at = tool.clock.now();
        let entry = Entry {
            id: Entry::draw(at, &*tool.dice),
            at,
            key: None,
            label: label.to_owned(),
            method: method.to_owned(),
            route: route.to_owned(),
            ids: BTreeMap::default(),
            request: String::new(),
            end: None,
        };
        let noted = table.begin_entry(&entry).await;
        noted
            .map_err(|error| Failure::new(format!("the audit log cannot be written, so nothing was done: {error}")))?;
        Ok(Self { table, entry })
    }

    /// Notes how it ended. It is done, whatever becomes of the note.
    pub(crate) async fn end(self, tool: &Tool, status: u16) {
        if let Err(error) = self.table.end_entry(&self.entry, status, tool.clock.now()).await {
            let told = writeln!(std::io::stderr(), "afferent: it was done, and the audit log does not say so: {error}");
            // Nobody is there to be told.
            drop(told);
        }
    }
}
