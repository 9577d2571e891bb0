//! The function `api`: see the library.

use afferent_function::{Env, Rim, StartError, init_logging};
use lambda_http::service_fn;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    init_logging();
    let env = Env::process();
    let rim = Rim::lambda(&env)?.reaching(afferent_http::Client::new()?);
    let api = api::Api::start(&env, &rim).await?;
    lambda_http::run(service_fn(|request| api.handle(request))).await
}
