//! The Withings API: its requests, envelopes, answers and errors.
//!
//! A [`Request`] says what to ask; [`Client::call`] makes exactly one HTTP request of it and gives the [`Body`]
//! of a success or an [`Error`] with its [`Class`]. The budget, the token and every retry are the caller's.
//! [`answer`] reads bodies leniently: what one row lacks is a [`Problem`], never the end of the others.
//!
//! Source of every rule, unless it says otherwise: Withings' OpenAPI specification 2.0 and developer guide.

pub mod answer;
mod client;
mod envelope;
mod region;
mod request;
mod row;
mod sign;
mod status;

pub use afferent_domain::secret::{App, Secret};
pub use client::{BODY_LIMIT, Client};
pub use envelope::{Body, Error, Page, body};
pub use region::{Region, UnknownRegion};
pub use request::{Auth, Request, Span, Unsupported, auth, data, fields, notify, user};
pub use row::{Problem, Row, Why, number};
pub use sign::signature;
pub use status::{Class, MAX_WAIT, NotifyFault, UNSAID_WAIT, notify_fault};
