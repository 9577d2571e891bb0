//! The words about people, their connections and what is read of their past.

use std::path::PathBuf;

use clap::Subcommand;

use super::StackArgs;

/// What is done with runs of backfill.
#[derive(Debug, Subcommand)]
pub enum Backfills {
    /// Lists those of a connection, the newest first.
    List {
        /// The connection.
        connection: String,
    },
    /// Shows one, and how far it is.
    Show {
        /// The connection.
        connection: String,
        /// The run, run_…
        run: String,
    },
    /// Ends one that runs; what was read stays.
    Cancel {
        /// The connection.
        connection: String,
        /// The run, run_…
        run: String,
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
    /// Connects people who connected elsewhere, by the lines of a file: each is an entry of POST /v1/connections/import, as
    /// `connections export` writes them. Who is connected already stays as they are, so a file may be given again.
    Import {
        /// The file; it holds tokens.
        file: PathBuf,
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
