//! The words about what waits for somebody to look.

use clap::{Args, Subcommand, ValueEnum};

use super::StackArgs;

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
    /// How many there are in each queue, and which: without what they say.
    List {
        #[command(flatten)]
        stack: StackArgs,
    },
    /// Moves those of a queue back to where they came from.
    Redrive {
        /// The queue; all of them without it.
        #[arg(long)]
        queue: Option<Line>,
        /// Waits until they are moved.
        #[arg(long)]
        wait: bool,
        #[command(flatten)]
        stack: StackArgs,
    },
}

/// What is done with retractions.
#[derive(Debug, Subcommand)]
pub enum Retractions {
    /// Lists those of a connection that are not retracted yet, the oldest first: numbers, no values.
    List {
        /// The connection.
        connection: String,
    },
    /// Lets one through that is held: it is looked once more, and what is still missing is retracted.
    Approve {
        /// The connection.
        connection: String,
        /// The retraction.
        retraction: String,
    },
    /// Drops one that is held: the records stay.
    Reject {
        /// The connection.
        connection: String,
        /// The retraction.
        retraction: String,
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
