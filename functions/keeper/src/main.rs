//! The function `keeper`: see the library.

use afferent_function::{Env, Rim, StartError, init_logging, trace};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    init_logging();
    let env = Env::process();
    let keeper = keeper::Keeper::start(&env, &Rim::lambda(&env)?).await?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| {
        let LambdaEvent { payload, context } = event;
        trace::invoked(context.xray_trace_id.as_deref(), keeper.handle(payload))
    }))
    .await
}
