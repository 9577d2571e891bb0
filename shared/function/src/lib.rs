//! What every function's `main` needs: its environment, its log, and the rim it runs on.

mod env;
mod log;
mod rim;

pub use afferent_metrics::{Edge, Stdout};
pub use env::{Env, EnvError};
pub use log::{MOST_VERBOSE, init_logging};
pub use rim::{NoHttp, Rim, SystemClock, SystemDice};

/// Why a function could not start. Lambda shows it as an init error.
pub type StartError = Box<dyn std::error::Error + Send + Sync>;
