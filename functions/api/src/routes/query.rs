//! Parameters that a route does not know are refused by name. Routes that take a query read it themselves and refuse what
//! they do not know; here stands which those are, so that all others refuse whatever comes.

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::problem::Problem;

/// Routes that take a query, by method and path. The document is not there when the function runs, so a test compares.
const TAKE: &[(&str, &str)] = &[
    ("DELETE", "/v1/users/{user}/devices/{mac}"),
    ("GET", "/v1/audit"),
    ("GET", "/v1/connections"),
    ("GET", "/v1/connections/{connection}/backfills"),
    ("GET", "/v1/connections/{connection}/retractions"),
    ("GET", "/v1/endpoints"),
    ("GET", "/v1/endpoints/{endpoint}/deliveries"),
    ("GET", "/v1/endpoints/{endpoint}/jobs"),
    ("GET", "/v1/erasures"),
    ("GET", "/v1/erasures/{erasure}"),
    ("GET", "/v1/event-types"),
    ("GET", "/v1/fhir/r4/Device"),
    ("GET", "/v1/fhir/r4/Device/{device}"),
    ("GET", "/v1/fhir/r4/Observation"),
    ("GET", "/v1/fhir/r4/Observation/{observation}"),
    ("GET", "/v1/fhir/r4/Patient"),
    ("GET", "/v1/fhir/r4/Patient/{patient}"),
    ("GET", "/v1/fhir/r4/Patient/{patient}/$everything"),
    ("GET", "/v1/fhir/r4/metadata"),
    ("GET", "/v1/keys"),
    ("GET", "/v1/notifications"),
    ("GET", "/v1/users"),
    ("GET", "/v1/users/{user}/completeness"),
    ("GET", "/v1/users/{user}/connections"),
    ("GET", "/v1/users/{user}/events"),
    ("GET", "/v1/users/{user}/export"),
    ("GET", "/v1/users/{user}/latest"),
    ("GET", "/v1/users/{user}/records"),
    ("GET", "/v1/users/{user}/series"),
    ("GET", "/v1/users/{user}/summaries/{summary}"),
    ("POST", "/v1/fhir/r4/Device/_search"),
    ("POST", "/v1/fhir/r4/Observation/_search"),
    ("POST", "/v1/fhir/r4/Patient/_search"),
];

/// Where people come, with whatever their mail program or Withings puts behind the address.
const OPEN: [&str; 2] = ["/v1/link/{token}", "/v1/oauth/callback"];

/// Refuses the parameters of a route that takes none.
pub(super) async fn refuse_unknown(request: Request, next: Next) -> Response {
    match unknown(&request) {
        Some(name) => Problem::field(name, "absent: nothing is known here").into_response(),
        None => next.run(request).await,
    }
}

/// The first parameter of a request to a route that takes none.
fn unknown(request: &Request) -> Option<String> {
    let query = request.uri().query()?;
    let path = request.extensions().get::<MatchedPath>()?.as_str();
    let (name, _) = form_urlencoded::parse(query.as_bytes()).next().filter(|_| !takes(request.method(), path))?;
    Some(name.into_owned())
}

fn takes(method: &Method, path: &str) -> bool {
    // HEAD is answered as GET.
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    OPEN.contains(&path) || TAKE.contains(&(method, path))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn the_routes_that_take_a_query_are_those_of_the_document() {
        let document: Value = serde_json::from_str(&crate::document()).unwrap();
        let mut documented = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                if parameters.into_iter().any(|parameter| parameter["in"] == "query") {
                    documented.insert((method.to_uppercase(), path.clone()));
                }
            }
        }
        let known = TAKE.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned()));
        assert_eq!(known.collect::<BTreeSet<_>>(), documented);
        assert!(OPEN.iter().all(|path| document["paths"][path].is_object()));
    }
}
