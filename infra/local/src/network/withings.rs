//! The simulated Withings as a host of the simulation's network.

use std::sync::Arc;

use afferent_http::HttpError;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use withings_simulator::Simulator;

use super::Host;

/// The host name of the real Withings API, which the template's default names.
pub const WITHINGS_HOST: &str = "wbsapi.withings.net";

/// A simulated Withings that can be put into a network.
pub struct WithingsHost(pub Arc<Simulator>);

impl Host for WithingsHost {
    fn answer(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, HttpError>> {
        let simulator = Arc::clone(&self.0);
        Box::pin(async move { Ok(simulator.handle(request).await) })
    }
}
