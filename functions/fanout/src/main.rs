//! The function `fanout`: see the library.

use afferent_function::{Env, Rim, StartError, init_logging, trace};
use aws_lambda_events::dynamodb::Event;
use lambda_runtime::{LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    init_logging();
    let env = Env::process();
    let fanout = fanout::Fanout::start(&env, &Rim::lambda(&env)?).await?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Event>| {
        let LambdaEvent { payload, context } = event;
        trace::invoked(context.xray_trace_id.as_deref(), fanout.handle(payload))
    }))
    .await
}
