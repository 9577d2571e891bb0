//! The one way to Withings, for every function that calls it.
//!
//! | module | does |
//! |---|---|
//! | [`connect`] | codes into token pairs, pairs into connections |
//! | [`gate`] | one call: an access token, a slot of the budget, one request, the slot back |
//! | [`place`] | which Withings is called, and how often |
//! | [`mod@tiers`] | how often what is swept |
//! | [`tokens`] | access tokens, refreshed under a lease |

pub mod connect;
pub mod gate;
pub mod place;
pub mod tiers;
pub mod tokens;

pub use connect::{ConnectError, Connector, Consent, Exported, History, Imported, MOST_CONNECTIONS, follow_up};
pub use gate::{Answered, CALL, CallError, Gate};
pub use place::Place;
pub use tiers::tiers;
pub use tokens::{Access, Tokens};
