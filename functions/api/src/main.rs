//! The function `api`: see the library.

use afferent_domain::address::Reach;
use afferent_function::{Env, Rim, StartError, init_logging, trace};
use afferent_http::{Client, Late};
use lambda_http::{Request, RequestExt as _, service_fn};
use mimalloc::MiMalloc;

/// An answer is thousands of small texts, made and dropped: the C library's allocator took a fifth of its time, and this one a
/// fraction of that (docs/benchmarks.md).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    init_logging();
    let env = Env::process();
    let networks = env.optional("ENDPOINT_NETWORKS").unwrap_or_default();
    let reach = Reach::parse(&networks, &env.optional("ENDPOINT_PORTS").unwrap_or_default())?;
    // Most requests call nobody but AWS.
    let withings = Late::new(Client::new);
    let endpoints = Late::new(move || Client::guarded(reach.clone()));
    let rim = Rim::lambda(&env)?.reaching(withings).delivering(endpoints);
    let api = api::Api::start(&env, &rim).await?;
    lambda_http::run(service_fn(|request: Request| {
        let own = request.lambda_context_ref().and_then(|context| context.xray_trace_id.clone());
        trace::invoked(own.as_deref(), api.handle(request))
    }))
    .await
}
