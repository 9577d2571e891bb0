use bytes::Bytes;
use http::Request;
use withings_simulator::{Fault, FaultKind, Settings};

use crate::bench::{Bench, seconds};

fn fault(kind: FaultKind) -> Fault {
    Fault { service: Some("measure".to_owned()), action: None, count: 1, after_effect: false, kind }
}

async fn fetch(bench: &Bench) -> http::Response<Bytes> {
    let request = Request::post("/measure").header("authorization", format!("Bearer {}", bench.tokens.access_token));
    bench.simulator.handle(request.body(Bytes::from("action=getmeas")).unwrap()).await
}

#[tokio::test(start_paused = true)]
async fn the_next_call_of_a_service_fails_as_told() {
    let bench = Bench::new(Settings::default());
    bench.simulator.fail(fault(FaultKind::Status { status: 522, error: "Timeout".to_owned() }));
    bench.simulator.fail(fault(FaultKind::Http(502)));
    bench.simulator.fail(fault(FaultKind::Truncated));
    bench.simulator.fail(fault(FaultKind::NotJson));
    bench.simulator.fail(fault(FaultKind::Hang));
    let other = bench.call("/v2/user", &[("action", "getdevice")]).await;
    assert_eq!(other["status"], 0, "another service is not hit");
    assert_eq!(&fetch(&bench).await.body()[..], br#"{"body":{},"error":"Timeout","status":522}"#);
    assert_eq!(fetch(&bench).await.status(), 502);
    for _ in 0..2 {
        let response = fetch(&bench).await;
        assert_eq!(response.status(), 200);
        assert!(serde_json::from_slice::<serde_json::Value>(response.body()).is_err());
    }
    assert!(tokio::time::timeout(seconds(600), fetch(&bench)).await.is_err());
    assert_eq!(fetch(&bench).await.status(), 200);
    let statuses: Vec<Option<i64>> = bench.simulator.calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [Some(0), Some(522), None, None, None, None, Some(0)]);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_whose_answer_is_lost_has_rotated_the_tokens() {
    let bench = Bench::new(Settings::default());
    let kind = FaultKind::Http(504);
    bench.simulator.fail(Fault {
        service: Some("v2/oauth2".to_owned()),
        action: None,
        count: 1,
        after_effect: true,
        kind,
    });
    let body = format!(
        "action=requesttoken&client_id=sim-client&client_secret=sim-secret&grant_type=refresh_token&refresh_token={}",
        bench.tokens.refresh_token
    );
    assert_eq!(bench.raw(http::Method::POST, "/v2/oauth2", body.clone()).await.status(), 504);
    tokio::time::sleep(seconds(8 * 3_600)).await;
    let answer: serde_json::Value =
        serde_json::from_slice(bench.raw(http::Method::POST, "/v2/oauth2", body).await.body()).unwrap();
    assert_eq!(answer["status"], 503);
}
