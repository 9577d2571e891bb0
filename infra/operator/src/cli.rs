//! The words of the command line.

mod endpoints;
mod operating;
mod people;
mod words;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use endpoints::{Endpoints, Members, Span};
pub use operating::{Dead, Line, Notification, Of, Quarantine, Retractions, Rounds};
pub use people::{Backfills, Connections, Users};

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
        #[arg(required_unless_present = "user", conflicts_with = "user")]
        reference: Option<String>,
        /// The person's user, usr_…, instead.
        #[arg(long)]
        user: Option<String>,
        /// Where the person goes afterwards: one of the key's return addresses.
        #[arg(long)]
        return_url: Option<String>,
        /// A permission to ask for, such as user.metrics; may be given more than once. All of them without it.
        #[arg(long = "scope")]
        scopes: Vec<String>,
        /// A permission without which the person is not to be connected; may be given more than once.
        #[arg(long = "required-scope")]
        required_scopes: Vec<String>,
        /// The language of the page, such as de; the browser's unless it is said.
        #[arg(long)]
        language: Option<String>,
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
    /// The pasts that are read, or were.
    #[command(subcommand)]
    Backfills(Backfills),
    /// Records that Withings no longer shows, held until somebody looks.
    #[command(subcommand)]
    Retractions(Retractions),
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
    /// The erasures of a person, the newest first.
    Erasures {
        /// The id that the user had.
        #[arg(long, required_unless_present = "reference", conflicts_with = "reference")]
        user: Option<String>,
        /// What you called the person.
        #[arg(long)]
        reference: Option<String>,
    },
    /// Whether anything is missing of a person, and how that is known. Ends with 1 if something may be.
    Completeness {
        /// The user.
        user: String,
        /// Up to this instant; now unless it is said.
        #[arg(long)]
        to: Option<String>,
        /// Of what is dated from this day or instant on; from when the person was first connected unless it is said.
        #[arg(long)]
        from: Option<String>,
        /// Of this connection alone.
        #[arg(long)]
        connection: Option<String>,
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
            "afferent link",
            "afferent link person-1 --user usr_1",
            "afferent erasures",
            "afferent erasures --user usr_1 --reference person-1",
            "afferent",
        ] {
            assert!(Cli::try_parse_from(wrong.split(' ')).is_err(), "{wrong}");
        }
    }
}
