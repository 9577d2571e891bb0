//! The words of the command line.

mod endpoints;
mod words;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use endpoints::{Endpoints, Members, Span};

/// What has no page: keys, quarantine, dead letters, people and their data.
#[derive(Debug, Parser)]
#[command(name = "afferent", version, arg_required_else_help = true)]
pub struct Cli {
    /// Where the API is, such as https://….lambda-url.eu-west-1.on.aws
    #[arg(long, env = "AFFERENT_URL", global = true)]
    pub url: Option<String>,
    /// A key to it, afk_…
    #[arg(long, env = "AFFERENT_KEY", global = true, hide_env_values = true)]
    pub key: Option<String>,
    /// Prints JSON, as the API answers.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Keys to the API.
    #[command(subcommand)]
    Keys(Keys),
    /// The writes that were asked for on a UTC day.
    Audit {
        /// YYYY-MM-DD; today unless it is said.
        #[arg(long)]
        day: Option<String>,
    },
    /// Notifications that could not be acted upon.
    #[command(subcommand)]
    Quarantine(Quarantine),
    /// One notification.
    #[command(subcommand)]
    Notification(Notification),
    /// Messages that no function could handle, in the dead-letter queues. Needs AWS credentials.
    #[command(subcommand)]
    Dead(Dead),
    /// Visits to every account, because of something that concerns them all.
    #[command(subcommand)]
    Rounds(Rounds),
    /// Who receives events.
    #[command(subcommand)]
    Endpoints(Box<Endpoints>),
    /// People.
    #[command(subcommand)]
    Users(Users),
    /// Their links to Withings accounts.
    #[command(subcommand)]
    Connections(Connections),
    /// Makes a hosted link for a person.
    Link {
        /// What you call the person.
        reference: String,
        /// Where the person goes afterwards: one of the key's return addresses.
        #[arg(long)]
        return_url: Option<String>,
        /// A permission to ask for, such as user.metrics; may be given more than once. All of them without it.
        #[arg(long = "scope")]
        scopes: Vec<String>,
        /// One of Withings' demonstration people consents.
        #[arg(long)]
        demo: bool,
    },
    /// Reads a past of a connection.
    Backfill {
        /// The connection.
        connection: String,
        /// From here on: a day (2025-01-31) or an instant.
        #[arg(long)]
        from: String,
        /// Up to here; now unless it is said.
        #[arg(long)]
        to: Option<String>,
        /// A service, such as getmeas; may be given more than once. All of them without it.
        #[arg(long = "service")]
        services: Vec<String>,
        /// The series of days and nights too: a call a day.
        #[arg(long)]
        details: bool,
        /// Only says what it would take.
        #[arg(long)]
        preview: bool,
        /// Waits until it is over.
        #[arg(long)]
        wait: bool,
    },
    /// Has a connection read now.
    Refresh {
        /// The connection.
        connection: String,
        /// A service, such as getmeas; may be given more than once. All of them without it.
        #[arg(long = "service")]
        services: Vec<String>,
    },
    /// Ends a connection at Withings; what was read stays.
    Disconnect {
        /// The connection.
        connection: String,
    },
    /// Erases a person: everything that was read, and the link. Cannot be undone.
    Erase {
        /// The user.
        user: String,
        /// Says that you mean it.
        #[arg(long)]
        yes: bool,
    },
    /// The receipt of an erasure.
    Erasure {
        /// The erasure.
        erasure: String,
        /// Looks again whether anything is left.
        #[arg(long)]
        verify: bool,
    },
    /// Whether anything is missing of a person, and how that is known. Ends with 1 if something may be.
    Completeness {
        /// The user.
        user: String,
        /// Up to this instant; now unless it is said.
        #[arg(long)]
        to: Option<String>,
    },
    /// Writes all that is held about a person into a file, as lines of JSON.
    Export {
        /// The user.
        user: String,
        /// The file; it must not be there yet.
        #[arg(long)]
        to: PathBuf,
    },
}

/// A stack in AWS, or in an emulator.
#[derive(Clone, Debug, Args)]
pub struct StackArgs {
    /// The stack's name.
    #[arg(long)]
    pub stack: String,
    /// Where the AWS services are, for a stack on one machine.
    #[arg(long)]
    pub endpoint_url: Option<String>,
    /// Where SQS is, if elsewhere.
    #[arg(long)]
    pub sqs_url: Option<String>,
}

/// What is done with keys.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Makes a key and shows it this once. With --stack it is written into the table itself, without a key: the first one.
    Create {
        /// What you call it.
        #[arg(long)]
        label: String,
        /// admin, write, read, endpoint:<id> or user:<id>; may be given more than once.
        #[arg(long = "grant", required = true)]
        grants: Vec<String>,
        /// Where people may be sent back to after consenting; may be given more than once.
        #[arg(long = "return-url")]
        return_urls: Vec<String>,
        /// From when on it is not taken any more (RFC 3339).
        #[arg(long)]
        expires: Option<String>,
        /// Requests a minute, 1 to 6000.
        #[arg(long)]
        rate: Option<u32>,
        /// The stack into whose table it is written. Needs AWS credentials.
        #[arg(long)]
        stack: Option<String>,
        /// Where DynamoDB is, for a stack on one machine.
        #[arg(long, requires = "stack")]
        endpoint_url: Option<String>,
    },
    /// Lists the keys.
    List,
    /// Revokes a key.
    Revoke {
        /// Its id, key_…
        id: String,
    },
}

/// What is done with the quarantine.
#[derive(Debug, Subcommand)]
pub enum Quarantine {
    /// Lists what was put away.
    List {
        #[command(flatten)]
        of: Of,
    },
    /// Has some of it sorted again, now that what was wrong is mended.
    Replay {
        /// Notifications.
        ids: Vec<String>,
        /// All of the days and the reason, instead of single ones.
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        #[command(flatten)]
        of: Of,
    },
}

/// Which of the quarantine.
#[derive(Clone, Debug, Args)]
pub struct Of {
    /// The last UTC day of their receipt, YYYY-MM-DD; today unless it is said.
    #[arg(long)]
    pub day: Option<String>,
    /// How many days up to that one.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=400))]
    pub days: u16,
    /// Only of this reason, such as unknown_user.
    #[arg(long)]
    pub reason: Option<String>,
}

/// What is done with a notification.
#[derive(Debug, Subcommand)]
pub enum Notification {
    /// Follows it through: pulls, records, events, deliveries.
    Follow {
        /// Its id, ntf_…
        id: String,
    },
}

/// A queue with a dead-letter queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Line {
    /// What Withings sent.
    Pulls,
    /// Backfill, sweeps, care.
    Backfill,
    /// To endpoints.
    Deliveries,
}

/// What is done with dead letters.
#[derive(Debug, Subcommand)]
pub enum Dead {
    /// How many there are in each queue.
    List {
        #[command(flatten)]
        stack: StackArgs,
    },
    /// Moves those of a queue back to where they came from.
    Redrive {
        /// The queue; all of them without it.
        #[arg(long)]
        queue: Option<Line>,
        #[command(flatten)]
        stack: StackArgs,
    },
}

/// What is done with rounds.
#[derive(Debug, Subcommand)]
pub enum Rounds {
    /// Lists them, the newest first.
    List,
    /// Shows one, and how far it is.
    Show {
        /// The round.
        round: String,
    },
    /// Ends one that runs.
    Cancel {
        /// The round.
        round: String,
    },
    /// The callback URL has another secret: moves every subscription.
    Callback {
        /// Waits until it is over.
        #[arg(long)]
        wait: bool,
    },
    /// The tables were restored from a backup: raises every journal's epoch, renews every token pair, and reads again what
    /// came after the backup.
    Restored {
        /// The instant whose state the tables have (RFC 3339).
        #[arg(long)]
        since: String,
        /// Waits until it is over.
        #[arg(long)]
        wait: bool,
    },
}

/// What is done with users.
#[derive(Debug, Subcommand)]
pub enum Users {
    /// Lists them.
    List {
        /// Only the one of this reference.
        #[arg(long)]
        reference: Option<String>,
    },
    /// Makes one; one that is there stays.
    Create {
        /// What you call the person.
        reference: String,
        /// The person's time zone, as IANA names it.
        #[arg(long)]
        timezone: Option<String>,
    },
    /// Shows one with its connections.
    Show {
        /// The user.
        user: String,
    },
}

/// What is done with connections.
#[derive(Debug, Subcommand)]
pub enum Connections {
    /// Lists those of all users.
    List,
    /// Shows one, with its services.
    Show {
        /// The connection.
        connection: String,
    },
    /// Writes the token pairs of the connections that live into a file, in the form that an import takes. Whoever refreshes
    /// a pair first owns it: the other side's dies. For people who move elsewhere. Needs AWS credentials.
    Export {
        /// The file; it must not be there yet. Only you may read it.
        #[arg(long)]
        to: PathBuf,
        /// Says that you mean it.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        stack: StackArgs,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_words_fit_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_belongs_together_is_asked_for_together() {
        for wrong in [
            "afferent keys create --label a",
            "afferent keys create --label a --grant read --endpoint-url http://127.0.0.1:1",
            "afferent quarantine replay ntf_1 --all",
            "afferent dead list",
            "afferent quarantine list --days 0",
            "afferent",
        ] {
            assert!(Cli::try_parse_from(wrong.split(' ')).is_err(), "{wrong}");
        }
    }
}
