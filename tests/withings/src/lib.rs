//! A Withings that behaves as the real one is known to, on any clock.
//!
//! [`Simulator::handle`] answers every call of the Health Data API from the simulator's state, and the
//! control API under `/control` that changes this state. In real time it stands behind [`router`] on a
//! loopback port; in a simulation the in-memory network hands it requests, on a paused tokio clock. Either way a
//! change of a fact is announced by the [`Notifier`] on Withings' own schedule of tries.
//!
//! Where Withings' documents are silent or contradict each other, the behaviour is a field of [`Settings`]
//! that says so; the default is what was recorded or reported, else the likeliest reading.

mod answer;
mod calls;
mod control;
mod data;
mod faults;
mod intake;
mod lapses;
mod limiter;
mod notice;
mod notifier;
mod request;
pub mod sample;
mod server;
mod services;
mod settings;
mod simulator;
mod snapshot;
mod state;
mod subscriptions;
mod tokens;

pub use calls::{CallRecord, Stats};
pub use data::{
    ActivityDay, Burial, Device, Ecg, Fact, Facts, Goals, IntradaySample, Measure, MeasureGroup, Night, Stage, Stetho,
    SurveyAnswer, WeightGoal, Workout,
};
pub use faults::{Fault, FaultKind};
pub use intake::Intake;
pub use lapses::Lapse;
pub use notice::{BedEvent, Notice, ProfileAction};
pub use notifier::{CYCLES, Fate, NotificationRecord, Notifier, NotifierStats, Outcome, TRIES_PER_CYCLE, Try};
pub use server::router;
pub use settings::{
    AutoConsent, CallbackRules, ClientApp, Delivery, DuplicateGuard, EmptySeries, Knobs, LastUpdate, Latency,
    MissingScope, Pages, Settings,
};
pub use simulator::Simulator;
pub use snapshot::Snapshot;
pub use state::{ControlError, NewUser, Notify, State, User};
pub use subscriptions::Subscription;
pub use tokens::TokenPair;

/// A Withings user id, as `userid` in answers and notifications.
pub type Userid = i64;
