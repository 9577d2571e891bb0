//! The words about endpoints.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::words::{Instant, duration, instant, rate};

/// What is done with endpoints.
#[derive(Debug, Subcommand)]
pub enum Endpoints {
    /// Registers one and shows its secret.
    Create {
        /// The address of a server, or with --queue the URL of an SQS queue.
        destination: String,
        /// The destination is a queue.
        #[arg(long)]
        queue: bool,
        #[command(flatten)]
        members: Members,
        /// A secret of one's own, whsec_…; drawn if there is none.
        #[arg(long, env = "ENDPOINT_SECRET", hide_env_values = true)]
        secret: Option<String>,
    },
    /// Changes what is given and leaves the rest.
    Change {
        /// The endpoint.
        endpoint: String,
        /// Where events go from now on.
        #[arg(long)]
        url: Option<String>,
        #[command(flatten)]
        members: Members,
    },
    /// Lists them, the oldest first.
    List,
    /// Shows one, how it fares, and its secrets without what they are.
    Show {
        /// The endpoint.
        endpoint: String,
    },
    /// Shows the secret that signs.
    Secret {
        /// The endpoint.
        endpoint: String,
    },
    /// Replaces the secret.
    Rotate {
        /// The endpoint.
        endpoint: String,
        /// How long the older ones go on signing, such as 0, 90m, 24h or 7d; a day unless it is said.
        #[arg(long, value_parser = duration)]
        overlap: Option<Duration>,
        /// A secret of one's own, whsec_…; drawn if there is none.
        #[arg(long, env = "ENDPOINT_SECRET", hide_env_values = true)]
        secret: Option<String>,
    },
    /// Lets a secret sign no more, at once.
    Revoke {
        /// The endpoint.
        endpoint: String,
        /// The secret's number.
        number: u16,
    },
    /// Sends an example of an event type.
    Test {
        /// The endpoint.
        endpoint: String,
        /// The type.
        #[arg(long = "type", default_value = "webhook.test")]
        event_type: String,
    },
    /// Enables one, and counts what it missed.
    Enable {
        /// The endpoint.
        endpoint: String,
    },
    /// Disables one, and cancels what waits.
    Disable {
        /// The endpoint.
        endpoint: String,
        /// Why.
        #[arg(long)]
        note: Option<String>,
    },
    /// Deletes one with its secrets, and cancels what waits.
    Delete {
        /// The endpoint.
        endpoint: String,
    },
    /// Lists its deliveries, the newest first; or shows one with every attempt.
    Deliveries {
        /// The endpoint.
        endpoint: String,
        /// The event of the one to show.
        event: Option<String>,
        /// Only those that stand so.
        #[arg(long)]
        state: Option<Standing>,
        /// How many at most, from 1 to 200; 50 unless it is said.
        #[arg(long)]
        limit: Option<u16>,
    },
    /// Delivers one event again.
    Resend {
        /// The endpoint.
        endpoint: String,
        /// The event.
        event: String,
    },
    /// Cancels a delivery that waits, or a job that runs.
    Cancel {
        /// The endpoint.
        endpoint: String,
        /// The event of the delivery, evt_…, or the job, job_….
        what: String,
    },
    /// Delivers again what ended without being delivered since then, but not what was cancelled or refused one by one.
    Recover {
        /// The endpoint.
        endpoint: String,
        #[command(flatten)]
        span: Span,
    },
    /// Delivers what the endpoint would want now and has no delivery of.
    Replay {
        /// The endpoint.
        endpoint: String,
        #[command(flatten)]
        span: Span,
    },
    /// Lists its jobs, or shows one.
    Jobs {
        /// The endpoint.
        endpoint: String,
        /// The one to show.
        job: Option<String>,
    },
}

/// The members of an endpoint that are more than an address.
#[derive(Debug, Args)]
pub struct Members {
    /// A pattern of event types, such as body_weight.*; may be given more than once.
    #[arg(long = "type")]
    pub types: Vec<String>,
    /// A user whose events it gets; may be given more than once. All users' unless it is said.
    #[arg(long = "user")]
    pub users: Vec<String>,
    /// withings, standard-webhooks, or one's own waits in seconds such as 5,300.
    #[arg(long)]
    pub policy: Option<String>,
    /// full or thin; lists of fields come by --from.
    #[arg(long)]
    pub payload: Option<String>,
    /// What of a backfill: events, marker or none.
    #[arg(long)]
    pub backfill: Option<String>,
    /// How often it may be called: requests/seconds, such as 10/1.
    #[arg(long, value_parser = rate)]
    pub rate: Option<(u32, u32)>,
    /// Who is told when it fails.
    #[arg(long)]
    pub contact: Option<String>,
    /// What it is called.
    #[arg(long)]
    pub description: Option<String>,
    /// A file of JSON with any members, headers too; what is given otherwise goes before.
    #[arg(long)]
    pub from: Option<PathBuf>,
}

/// What a job is about.
#[derive(Debug, Args)]
pub struct Span {
    /// From when on: 2026-11-21T07:00:00Z, or 90m, 24h, 3d ago.
    #[arg(long, value_parser = instant)]
    pub since: Instant,
    /// And before this; now unless it is said.
    #[arg(long, value_parser = instant)]
    pub until: Option<Instant>,
    /// How many are sent in a minute at most.
    #[arg(long)]
    pub per_minute: Option<u32>,
    /// Only counts.
    #[arg(long)]
    pub preview: bool,
}

/// How deliveries stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Standing {
    /// Not ended yet.
    Waiting,
    /// Taken by the receiver.
    Delivered,
    /// Tried as often as the policy says.
    Exhausted,
    /// Older than three days.
    Expired,
    /// By its owner, or because the endpoint wants no more.
    Cancelled,
    /// Ended and not delivered.
    Undelivered,
}

impl Standing {
    /// As the API has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Exhausted => "exhausted",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Undelivered => "undelivered",
        }
    }
}
