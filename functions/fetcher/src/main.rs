//! The function `fetcher`: see the library.

use afferent_function::{Env, Rim, StartError, init_logging, trace};
use lambda_runtime::{LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    init_logging();
    let env = Env::process();
    let rim = Rim::lambda(&env)?.reaching(afferent_http::Client::new()?);
    let fetcher = fetcher::Fetcher::start(&env, &rim).await?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<_>| {
        let LambdaEvent { payload, context } = event;
        trace::invoked(context.xray_trace_id.as_deref(), fetcher.handle(payload))
    }))
    .await
}
