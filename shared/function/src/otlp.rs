//! Spans on their way to a collector: OTLP over HTTP in its JSON form (OpenTelemetry Protocol Specification 1.x, "JSON Protobuf
//! Encoding"; the fields: `opentelemetry/proto/trace/v1/trace.proto`).
//!
//! It is written here, and not by OpenTelemetry's own crates: their exporters want a runtime or a thread of their own, which
//! Lambda freezes between invocations, and a dozen crates more for what is one document (`docs/decisions/0010-one-trace-is-carried.md`).

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afferent_domain::{Clock, Timestamp};
use afferent_http::{Call, Http};
use bytes::Bytes;
use http::{Request, Uri, header};
use serde_json::{Value, json};

use crate::trace::{Finished, Kind};
use crate::{Env, Rim};

/// How long an invocation waits for the collector at its end. It is beside the function (a layer), or what it is told
/// is not worth the time: Withings waits 2 s for an answer of `ingest`.
pub(crate) const PATIENCE: Duration = Duration::from_millis(300);

/// How long a collector that did not take spans is left alone: it must not slow every invocation.
const LEFT_ALONE: Duration = Duration::from_secs(60);

/// How much of the collector's answer is read.
const BODY_LIMIT: usize = 4 * 1024;

/// The way to a collector.
pub(crate) struct Exporter {
    http: Arc<dyn Http>,
    clock: Arc<dyn Clock>,
    url: Uri,
    resource: Value,
    /// From when on it is told again.
    again: Mutex<Timestamp>,
}

impl Exporter {
    /// To the collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names (its URL without `/v1/traces`); `None` if it names none, or
    /// there is no way to one.
    pub(crate) fn of(function: &str, stack: &str, rim: &Rim, env: &Env) -> Option<Self> {
        let http = Arc::clone(rim.collector.as_ref()?);
        let endpoint = env.optional("OTEL_EXPORTER_OTLP_ENDPOINT")?;
        let Ok(url) = format!("{}/v1/traces", endpoint.trim_end_matches('/')).parse() else {
            tracing::warn!("OTEL_EXPORTER_OTLP_ENDPOINT is no URL, and spans are not exported");
            return None;
        };
        let attributes = [
            attribute("service.name", format_args!("{stack}-{function}")),
            attribute("service.version", env!("CARGO_PKG_VERSION")),
            attribute("cloud.provider", "aws"),
            attribute("faas.name", env.optional("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default()),
        ];
        let (clock, resource) = (Arc::clone(&rim.clock), json!({"attributes": attributes}));
        Some(Self { http, clock, url, resource, again: Mutex::default() })
    }

    /// Tells the collector. Whatever comes of it, the invocation goes on.
    pub(crate) async fn export(&self, spans: Vec<Finished>) {
        if spans.is_empty() || self.clock.now() < *self.again.lock().unwrap_or_else(PoisonError::into_inner) {
            return;
        }
        let count = spans.len();
        let body = Bytes::from(document(&self.resource, &spans).to_string());
        let request = Request::post(&self.url).header(header::CONTENT_TYPE, "application/json").body(body);
        let Ok(request) = request else { return };
        let call = Call { request, deadline: PATIENCE, body_limit: BODY_LIMIT, stopwatch: None };
        let refused = match self.http.send(call).await {
            Ok(answer) if answer.status.is_success() => return,
            Ok(answer) => format!("it answered {}", answer.status.as_u16()),
            Err(error) => error.to_string(),
        };
        tracing::warn!(spans = count, error = refused, "the collector did not take spans; they are lost");
        *self.again.lock().unwrap_or_else(PoisonError::into_inner) = self.clock.now() + LEFT_ALONE;
    }
}

fn document(resource: &Value, spans: &[Finished]) -> Value {
    let spans: Vec<Value> = spans.iter().map(span).collect();
    let scope = json!({"name": "afferent", "version": env!("CARGO_PKG_VERSION")});
    json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": spans}]}]})
}

fn span(span: &Finished) -> Value {
    let link =
        |trace: &afferent_domain::trace::Trace| json!({"traceId": hex(trace.root()), "spanId": hex_64(trace.parent())});
    let mut written = json!({
        "traceId": hex(span.trace.root()),
        "spanId": hex_64(span.trace.parent()),
        "parentSpanId": hex_64(span.parent),
        "name": span.name,
        // SPAN_KIND_*
        "kind": match span.kind { Kind::Internal => 1, Kind::Server => 2, Kind::Client => 3, Kind::Consumer => 5 },
        "startTimeUnixNano": nanoseconds(span.began),
        "endTimeUnixNano": nanoseconds(span.ended),
        "attributes": span.attributes.iter().map(|(name, value)| attribute(name, value)).collect::<Vec<_>>(),
        "links": span.links.iter().map(link).collect::<Vec<_>>(),
    });
    if span.failed {
        // STATUS_CODE_ERROR
        written["status"] = json!({"code": 2});
    }
    written
}

fn attribute(name: &str, value: impl Display) -> Value {
    json!({"key": name, "value": {"stringValue": value.to_string()}})
}

fn hex(root: u128) -> String {
    format!("{root:032x}")
}

fn hex_64(span: u64) -> String {
    format!("{span:016x}")
}

/// 64-bit integers are texts in protobuf's JSON.
fn nanoseconds(at: Timestamp) -> String {
    format!("{}000000", at.as_millis())
}

#[cfg(test)]
mod tests {
    use afferent_domain::trace::Trace;

    use super::*;

    #[test]
    fn a_span_is_written_as_the_protocol_says() {
        let trace = Trace::new(0x5759_e988_bd86_2e3f_e1be_46a9_9427_2793, 0xabc).unwrap();
        let finished = Finished {
            trace,
            parent: 0x5399_5c3f_42cd_8ad8,
            name: "pull",
            kind: Kind::Internal,
            began: Timestamp::from_millis(1_795_244_400_001),
            ended: Timestamp::from_millis(1_795_244_400_250),
            attributes: vec![("pull", "pul_1".to_owned())],
            links: vec![trace.under(1)],
            failed: true,
        };
        assert_eq!(
            span(&finished),
            json!({
                "traceId": "5759e988bd862e3fe1be46a994272793",
                "spanId": "0000000000000abc",
                "parentSpanId": "53995c3f42cd8ad8",
                "name": "pull",
                "kind": 1,
                "startTimeUnixNano": "1795244400001000000",
                "endTimeUnixNano": "1795244400250000000",
                "attributes": [{"key": "pull", "value": {"stringValue": "pul_1"}}],
                "links": [{"traceId": "5759e988bd862e3fe1be46a994272793", "spanId": "0000000000000001"}],
                "status": {"code": 2},
            })
        );
    }
}
