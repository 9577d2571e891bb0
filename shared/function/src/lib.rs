//! What every function's `main` needs: its environment, its log, and the rim it runs on.

mod edge;
mod env;
mod log;
mod otlp;
mod rim;
pub mod trace;

pub use afferent_metrics::Stdout;
pub use edge::Edge;
pub use env::{Env, EnvError};
pub use log::{MOST_VERBOSE, init_logging};
pub use rim::{NoHttp, Rim, SystemClock, SystemDice};

/// Why a function could not start. Lambda shows it as an init error.
pub type StartError = Box<dyn std::error::Error + Send + Sync>;
