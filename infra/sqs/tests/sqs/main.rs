//! SQS's rules, each as a sentence, in virtual time.
#![allow(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

mod dead_letters;
mod deleting;
mod fairness;
mod faults;
mod limits;
mod model;
mod persistence;
mod process;
mod queues;
mod receiving;
mod sending;
mod size;
mod visibility;
mod wire;
mod world;
