//! The whole stack on one machine, without Docker or an account.
//!
//! What `infra/template.yaml` describes, run in two ways. [`Stack`] runs it in real time: the real bootstrap
//! binaries as processes, AWS's protocols on loopback ports, data in a folder. [`Simulation`] runs it under
//! virtual time: the same handlers and the real AWS SDK in one process, no sockets, time and chance handed in.
//! Event sources, schedules, DynamoDB, SQS and the front door are the same code in both.
//!
//! What may not live here: any rule of Afferent's own. This folder plays AWS, and nothing else.

pub mod clock;
mod crash;
mod due;
pub mod dynamodb;
mod endpoint;
mod front;
mod functions;
mod invoke;
pub mod lambda;
mod log;
mod mail;
mod meter;
mod metrics;
pub mod network;
mod schedule;
mod secrets;
mod simulation;
pub mod sources;
mod stack;
pub mod template;
mod traces;
mod wiring;

pub use front::Front;
pub use functions::{Functions, Handler};
pub use invoke::{Invoke, InvokeError};
pub use log::Log;
pub use mail::{MAIL_PATH, Mail, MailFault, Sent};
pub use meter::{Bill, Meter, Use};
pub use metrics::{Metrics, Minute};
pub use secrets::{Secrets, SecretsError};
pub use simulation::{CALLBACK_SECRET, FRONT_HOST, Setup, Simulation, Ticks};
pub use stack::{Options, Ports, Stack, StackError};
pub use traces::planted::plant;
