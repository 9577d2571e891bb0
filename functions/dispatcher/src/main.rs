//! The function `dispatcher`: see the library.

use afferent_function::{Env, Rim, StartError, init_logging};
use afferent_http::Client;
use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    init_logging();
    let env = Env::process();
    let rim = Rim::lambda(&env)?.reaching(Client::new()?);
    let dispatcher = dispatcher::Dispatcher::start(&env, &rim).await?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<SqsEvent>| dispatcher.handle(event.payload))).await
}
