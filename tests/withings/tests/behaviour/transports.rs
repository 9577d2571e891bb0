use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use withings_simulator::{Measure, MeasureGroup, Notify, Settings};

use crate::bench::Bench;

#[tokio::test(start_paused = true)]
async fn parameters_come_in_the_query_a_form_or_json_and_the_token_in_a_header_or_among_them() {
    let bench = Bench::new(Settings::default());
    let weight = |date| MeasureGroup { date, measures: vec![Measure::new(1, 7, 1)], ..MeasureGroup::default() };
    bench.simulator.add(bench.userid, [weight(50), weight(70)], Notify::No).unwrap();
    let token = &bench.tokens.access_token;
    let url = "https://wbsapi.withings.net/measure";
    let query = "action=getmeas&startdate=60&enddate=70";
    let bearer = format!("Bearer {token}");
    let requests = [
        Request::get(format!("{url}?{query}")).header("authorization", &bearer).body(Bytes::new()),
        Request::post(format!("{url}?{query}")).header("authorization", &bearer).body(Bytes::new()),
        Request::post(url).header("authorization", &bearer).body(Bytes::from(query)),
        Request::post(url).body(Bytes::from(format!("{query}&access_token={token}"))),
        Request::get(format!("{url}?{query}&access_token={token}")).body(Bytes::new()),
        Request::post(format!("{url}?action=getmeas"))
            .header("authorization", &bearer)
            .header("content-type", "application/json")
            .body(Bytes::from(json!({ "startdate": 60, "enddate": "70", "meastypes": [1, 9] }).to_string())),
    ];
    for request in requests {
        let request = request.unwrap();
        let what = format!("{} {}", request.method(), request.uri().path());
        let response = bench.simulator.handle(request).await;
        let answer: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(answer["body"]["measuregrps"].as_array().map(Vec::len), Some(1), "{what}: {answer}");
    }
    let log = serde_json::to_string(&bench.simulator.calls()).unwrap();
    assert!(log.contains("\"enddate\":\"70\"") && !log.contains(token.as_str()));
}
