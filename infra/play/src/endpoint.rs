//! `endpoint`: what owners of endpoints ask for, against a stack that runs. Every rule is the registry's; this reads
//! words and shows answers.

mod show;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::id::{EndpointId, EventId, JobId};
use afferent_domain::signature::SigningSecret;
use afferent_play::scene::SceneError;
use afferent_registry::{Change, ListWish, New, Only, Registry, RegistryError, Rotation, Span};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use crate::plant::stack_at;
use crate::say;
use words::{ago, duration, rate};

/// Which stack, and how answers look.
#[derive(Args)]
pub(crate) struct Asked {
    /// Where the stack's AWS services are. Always given, so that nothing reaches AWS by accident.
    #[arg(long, global = true)]
    endpoint_url: Option<String>,
    /// The stack's name.
    #[arg(long, global = true, default_value = "afferent")]
    stack: String,
    /// Answers as one line of JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    wish: Wish,
}

#[derive(Subcommand)]
enum Wish {
    /// Registers an endpoint and shows its secret.
    Add {
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
        id: String,
        /// Where events go from now on.
        #[arg(long)]
        url: Option<String>,
        #[command(flatten)]
        members: Members,
    },
    /// Lists all endpoints.
    List,
    /// Shows one, how it fares, and its secrets without what they are.
    Show {
        /// The endpoint.
        id: String,
    },
    /// Shows the secret that signs.
    Secret {
        /// The endpoint.
        id: String,
    },
    /// Replaces the secret.
    Rotate {
        /// The endpoint.
        id: String,
        /// How long the older ones go on signing, such as 0, 90m, 24h or 7d; a day unless given.
        #[arg(long, value_parser = duration)]
        overlap: Option<Duration>,
        /// A secret of one's own, whsec_…; drawn if there is none.
        #[arg(long, env = "ENDPOINT_SECRET", hide_env_values = true)]
        secret: Option<String>,
    },
    /// Lets a secret sign no more, at once.
    Revoke {
        /// The endpoint.
        id: String,
        /// The secret's number.
        number: u16,
    },
    /// Sends an example of an event type.
    Test {
        /// The endpoint.
        id: String,
        /// The type.
        #[arg(long = "type", default_value = "webhook.test")]
        event_type: String,
    },
    /// Enables it, and counts what it missed.
    Enable {
        /// The endpoint.
        id: String,
    },
    /// Disables it, and cancels what waits.
    Disable {
        /// The endpoint.
        id: String,
        /// Why.
        #[arg(long)]
        note: Option<String>,
    },
    /// Deletes it with its secrets, and cancels what waits.
    Delete {
        /// The endpoint.
        id: String,
    },
    /// Lists its deliveries, the newest first; or shows one with every attempt.
    Deliveries {
        /// The endpoint.
        id: String,
        /// The event of the one to show.
        event: Option<String>,
        /// Only those that stand so.
        #[arg(long)]
        state: Option<Standing>,
        /// How many at most.
        #[arg(long)]
        limit: Option<u16>,
        /// Where the page before ended.
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Delivers one event again.
    Resend {
        /// The endpoint.
        id: String,
        /// The event.
        event: String,
    },
    /// Cancels a delivery that waits.
    CancelDelivery {
        /// The endpoint.
        id: String,
        /// The event.
        event: String,
    },
    /// Delivers again what ended without being delivered since then, but not what was cancelled or refused one by one.
    Recover {
        /// The endpoint.
        id: String,
        #[command(flatten)]
        span: When,
    },
    /// Delivers what the endpoint would want now and was never made a delivery of.
    Replay {
        /// The endpoint.
        id: String,
        #[command(flatten)]
        span: When,
    },
    /// Lists its jobs, or shows one.
    Jobs {
        /// The endpoint.
        id: String,
        /// The one to show.
        job: Option<String>,
    },
    /// Ends a job that runs.
    Cancel {
        /// The endpoint.
        id: String,
        /// The job.
        job: String,
    },
}

/// The members of an endpoint that are more than an address.
#[derive(Args)]
struct Members {
    /// A pattern of event types, such as body_weight.*; may be given more than once.
    #[arg(long = "type")]
    types: Vec<String>,
    /// A user whose events it gets; may be given more than once. All users' unless given.
    #[arg(long = "user")]
    users: Vec<String>,
    /// withings, standard-webhooks, or one's own waits in seconds such as 5,300.
    #[arg(long)]
    policy: Option<String>,
    /// full or thin; lists of fields come by --from.
    #[arg(long)]
    payload: Option<String>,
    /// What of a backfill: events, marker or none.
    #[arg(long)]
    backfill: Option<String>,
    /// How often it may be called: requests/seconds, such as 10/1.
    #[arg(long, value_parser = rate)]
    rate: Option<(u32, u32)>,
    /// Who is told when it fails.
    #[arg(long)]
    contact: Option<String>,
    /// What it is called.
    #[arg(long)]
    description: Option<String>,
    /// A file of JSON with any members, headers too; what is given otherwise goes before.
    #[arg(long)]
    from: Option<PathBuf>,
}

/// What a job is about.
#[derive(Args)]
struct When {
    /// From when on: 2026-11-21T07:00:00Z, or 90m, 24h, 3d ago.
    #[arg(long, value_parser = ago)]
    since: Timestamp,
    /// And before this; now unless given.
    #[arg(long, value_parser = ago)]
    until: Option<Timestamp>,
    /// How many are sent in a minute at most.
    #[arg(long)]
    per_minute: Option<u32>,
    /// Only counts.
    #[arg(long)]
    preview: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Standing {
    Waiting,
    Delivered,
    Exhausted,
    Expired,
    Cancelled,
    Undelivered,
}

impl From<Standing> for Only {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Waiting => Self::Waiting,
            Standing::Delivered => Self::Delivered,
            Standing::Exhausted => Self::Exhausted,
            Standing::Expired => Self::Expired,
            Standing::Cancelled => Self::Cancelled,
            Standing::Undelivered => Self::Undelivered,
        }
    }
}

impl From<When> for Span {
    fn from(when: When) -> Self {
        Self { since_ms: when.since, until_ms: when.until, per_minute: when.per_minute, preview: when.preview }
    }
}

pub(crate) async fn endpoint(asked: Asked) -> Result<ExitCode, SceneError> {
    let Some(url) = &asked.endpoint_url else {
        tracing::error!("--endpoint-url is missing: the address of the stack's AWS services");
        return Ok(ExitCode::FAILURE);
    };
    let registry = stack_at(url, &asked.stack)?.registry().await?;
    let answer = answer(&registry, asked.wish).await?;
    say(&if asked.json { answer.to_string() } else { show::lines(&answer) });
    Ok(ExitCode::SUCCESS)
}

async fn answer(registry: &Registry, wish: Wish) -> Result<Value, SceneError> {
    let ep = |id: String| EndpointId::from(id);
    let answer = match wish {
        Wish::Add { destination, queue, members, secret } => {
            let mut all = members.all()?;
            all.insert(if queue { "queue_url" } else { "url" }.to_owned(), destination.into());
            all.extend(secret.map(|secret| ("secret".to_owned(), secret.into())));
            let (endpoint, secret) = registry.register(New::from_json(&Value::from(all).to_string())?).await?;
            json!({"endpoint": endpoint, "secret": secret.reveal()})
        }
        Wish::Change { id, url, members } => {
            let mut all = members.all()?;
            all.extend(url.map(|url| ("url".to_owned(), url.into())));
            let change = Change::from_json(&Value::from(all).to_string())?;
            json!(registry.change(&ep(id), &change).await?)
        }
        Wish::List => json!({"endpoints": registry.list().await?}),
        Wish::Show { id } => json!(registry.get(&ep(id)).await?),
        Wish::Secret { id } => json!(registry.secret(&ep(id)).await?),
        Wish::Rotate { id, overlap, secret } => {
            let secret = secret.map(|text| SigningSecret::parse(&text)).transpose();
            let secret = secret
                .map_err(|error| RegistryError::Invalid { field: "secret".to_owned(), expected: error.to_string() })?;
            json!(registry.rotate(&ep(id), &Rotation { overlap, secret }).await?)
        }
        Wish::Revoke { id, number } => {
            registry.revoke(&ep(id.clone()), number).await?;
            json!({"secrets": registry.secrets(&ep(id)).await?})
        }
        Wish::Test { id, event_type } => json!({"event": registry.send_test(&ep(id), &event_type).await?}),
        Wish::Enable { id } => json!(registry.enable(&ep(id)).await?),
        Wish::Disable { id, note } => json!(registry.disable(&ep(id), note.as_deref()).await?),
        Wish::Delete { id } => {
            registry.delete(&ep(id.clone())).await?;
            json!({"deleted": id})
        }
        Wish::Deliveries { id, event: Some(event), .. } => {
            json!(registry.delivery(&EventId::from(event), &ep(id)).await?)
        }
        Wish::Deliveries { id, event: None, state, limit, cursor } => {
            let wish = ListWish { state: state.map(Only::from), cursor, limit };
            json!(registry.deliveries(&ep(id), &wish).await?)
        }
        Wish::Resend { id, event } => {
            registry.resend(&EventId::from(event.as_str()), &ep(id)).await?;
            json!({"event": event})
        }
        Wish::CancelDelivery { id, event } => {
            registry.cancel(&EventId::from(event.as_str()), &ep(id)).await?;
            json!({"cancelled": event})
        }
        Wish::Recover { id, span } => json!(registry.recover(&ep(id), span.into()).await?),
        Wish::Replay { id, span } => json!(registry.replay(&ep(id), span.into()).await?),
        Wish::Jobs { id, job: Some(job) } => json!(registry.job(&ep(id), &JobId::from(job)).await?),
        Wish::Jobs { id, job: None } => json!({"jobs": registry.jobs(&ep(id)).await?}),
        Wish::Cancel { id, job } => json!(registry.cancel_job(&ep(id), &JobId::from(job)).await?),
    };
    Ok(answer)
}

impl Members {
    /// The members as the registry reads them.
    fn all(self) -> std::io::Result<Map<String, Value>> {
        let mut all = match self.from {
            None => Map::new(),
            Some(file) => serde_json::from_str(&std::fs::read_to_string(file)?)?,
        };
        let mut set = |name: &str, value: Option<Value>| all.extend(value.map(|value| (name.to_owned(), value)));
        set("types", (!self.types.is_empty()).then(|| json!(self.types)));
        set("users", (!self.users.is_empty()).then(|| json!(self.users)));
        set("policy", self.policy.map(words::policy));
        set("payload", self.payload.map(Value::from));
        set("backfill", self.backfill.map(Value::from));
        set("rate", self.rate.map(|(requests, per_s)| json!({"requests": requests, "per_s": per_s})));
        set("contact", self.contact.map(Value::from));
        set("description", self.description.map(Value::from));
        Ok(all)
    }
}
