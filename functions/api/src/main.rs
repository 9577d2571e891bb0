//! The function `api`: see the library.

use afferent_function::{Env, Rim, StartError, init_logging};
use lambda_http::service_fn;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    init_logging();
    let env = Env::process();
    let api = api::Api::start(&env, &Rim::lambda(&env)?).await?;
    lambda_http::run(service_fn(|request| api.handle(request))).await
}
