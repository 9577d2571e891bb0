//! The stack with everything around it that a demonstration or a test needs: a simulated Withings with a
//! sample person, a receiver of webhooks, and the items that connect them.
//!
//! | module | is |
//! |---|---|
//! | [`seed`] | what a customer would have set up: a connection, an endpoint, a key |
//! | [`receiver`] | a customer's endpoint, which verifies every signature |
//! | [`world`] | the simulated Withings, and the diary that lets it remember over a restart |
//! | [`tally`] | how much of everything there is, from the tables |
//! | [`scene`] | all of it started together |

pub mod receiver;
pub mod scene;
pub mod seed;
pub mod tally;
pub mod world;
