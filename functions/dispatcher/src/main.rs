//! The function `dispatcher`: see the library.

use afferent_domain::Timestamp;
use afferent_domain::address::Reach;
use afferent_function::{Env, Rim, StartError, init_logging, trace};
use afferent_http::Client;
use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    init_logging();
    let env = Env::process();
    let networks = env.optional("ENDPOINT_NETWORKS").unwrap_or_default();
    let reach = Reach::parse(&networks, &env.optional("ENDPOINT_PORTS").unwrap_or_default())?;
    let rim = Rim::lambda(&env)?.delivering(Client::guarded(reach)?);
    let dispatcher = dispatcher::Dispatcher::start(&env, &rim).await?;
    let handle = |event: LambdaEvent<SqsEvent>| {
        let ends = Timestamp::from_millis(i64::try_from(event.context.deadline).unwrap_or(i64::MAX));
        trace::invoked(event.context.xray_trace_id.as_deref(), dispatcher.handle_until(event.payload, ends))
    };
    lambda_runtime::run(service_fn(handle)).await
}
