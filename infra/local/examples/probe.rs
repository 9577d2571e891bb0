//! A bootstrap for the tests of the runtime API: it does what its event asks for.

use std::io::Write as _;
use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(handle)).await
}

/// Writes a line in the embedded metric format.
fn measure() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let line = format!(
        r#"{{"Calls":3,"Stack":"probe","_aws":{{"CloudWatchMetrics":[{{"Dimensions":[["Stack"]],"Metrics":[{{"Name":"Calls","Unit":"Count"}}],"Namespace":"Afferent"}}],"Timestamp":{now}}}}}"#
    );
    let _ = writeln!(std::io::stdout(), "{line}");
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    // The front door's events carry their order in the path.
    let order = event.payload["rawPath"].as_str().map(|path| path.trim_start_matches('/').to_owned());
    let order = order.or_else(|| event.payload["do"].as_str().map(str::to_owned)).unwrap_or_default();
    match order.as_str() {
        "sleep" => tokio::time::sleep(Duration::from_secs(60)).await,
        "fail" => return Err("asked to".into()),
        "crash" => std::process::abort(),
        "measure" => measure(),
        "speak" => eprintln!("a line for the log"),
        _ => {}
    }
    let variables: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
    Ok(json!({
        "pid": std::process::id(),
        "variables": variables,
        "arn": event.context.invoked_function_arn,
        "deadline_ms": event.context.deadline,
        "event": event.payload,
        "trace": event.context.xray_trace_id,
    }))
}
