//! The function `ingest`: see the library.

use afferent_function::{Env, Rim, StartError, init_logging, trace};
use lambda_http::{Request, RequestExt as _, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StartError> {
    init_logging();
    let env = Env::process();
    let ingest = ingest::Ingest::start(&env, &Rim::lambda(&env)?).await?;
    lambda_http::run(service_fn(|request: Request| {
        let own = request.lambda_context_ref().and_then(|context| context.xray_trace_id.clone());
        trace::invoked(own.as_deref(), ingest.handle(request))
    }))
    .await
}
