//! Who may come in: the key, what it allows, and what is noted of the visit.
//!
//! A request behind the door passes, in this order, [`authenticate`] (whose key it is, and whether it asks too often),
//! `idempotency` (a POST that names itself is done once), `audit` (whatever is no reading is noted, before it is done and
//! after), and then the route, whose extractor (`caller`) says what the key must be for.

mod aside;
mod audit;
mod authenticate;
mod caller;
mod idempotency;

pub(crate) use aside::{made, not_final};
pub(crate) use authenticate::authenticate;
pub(crate) use caller::{Admin, Caller, ConnectionReader, EndpointOwner, Reader, UserReader, Writer};
