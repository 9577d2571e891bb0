//! What every function's `main` needs: its environment, its log, and the rim it runs on.

mod env;
mod rim;

pub use env::{Env, EnvError};
pub use rim::{NoHttp, Rim, SystemClock, SystemDice};

/// Why a function could not start. Lambda shows it as an init error.
pub type StartError = Box<dyn std::error::Error + Send + Sync>;

/// Sends the log to stdout as Lambda wants it: `AWS_LAMBDA_LOG_FORMAT` and `AWS_LAMBDA_LOG_LEVEL` decide
/// form and level, and each line carries the request's id.
pub fn init_logging() {
    lambda_runtime::tracing::init_default_subscriber();
}
