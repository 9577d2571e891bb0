//! The operator's tool: what has no page yet, on the command line.
//!
//! Almost everything goes over the HTTP API with a key, so it can do what the key may and no more. Three things go to AWS
//! itself, with the credentials of whoever runs it: the first admin key (`keys create --stack`), the dead-letter queues
//! (`dead`), and the token pairs of connections that move elsewhere (`connections export`).
//!
//! `cli` has the words, `client` the way to the API, `cloud` the way to AWS, `output` and `progress` what is seen, and
//! `commands` one file per noun; `failure` is what is told of what was not done.

mod cli;
mod client;
mod cloud;
mod commands;
mod failure;
mod output;
mod progress;

use std::io::Write;
use std::sync::Arc;

use afferent_aws::Aws;
use afferent_domain::{Clock, Dice};
use afferent_http::Http;

pub use cli::Cli;
pub use failure::Failure;

/// What an environment variable holds, if it is set.
pub type Variable = dyn Fn(&str) -> Option<String> + Send + Sync;

/// What the tool works with; a test brings its own.
pub struct Tool {
    /// The way to the API.
    pub http: Arc<dyn Http>,
    /// The environment.
    pub variable: Box<Variable>,
    /// The way to AWS; built from the environment when it is first needed, if there is none.
    pub aws: Option<Aws>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub dice: Arc<dyn Dice>,
    /// Where results go.
    pub out: Box<dyn Write + Send>,
    /// Whether progress is shown, on standard error.
    pub bars: bool,
}

impl Tool {
    /// Does what was asked.
    ///
    /// # Errors
    /// [`Failure`], for the person who asked.
    pub async fn run(&mut self, cli: Cli) -> Result<(), Failure> {
        commands::run(self, cli).await
    }
}
