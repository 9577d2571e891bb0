use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;
use withings_simulator::Settings;

use crate::bench::{Bench, START, URL, seconds};

#[tokio::test(start_paused = true)]
async fn a_measure_group_is_added_changed_and_deleted_over_http() {
    let bench = Bench::new(Settings::default());
    let user = format!("/users/{}", bench.userid);
    bench.control(Method::POST, &format!("{user}/subscriptions"), json!({ "callbackurl": URL, "applis": [1] })).await;
    let group = json!({ "date": START - 30, "measures": [{ "value": 71655, "type": 1, "unit": -3 }] });
    let added = bench.control(Method::POST, &format!("{user}/measures"), group).await;
    let path = format!("{user}/measures/{}", added["keys"][0]);
    sleep(seconds(5)).await;
    bench.control(Method::PATCH, &path, json!({ "attrib": 2 })).await;
    let row = bench.getmeas(&[]).await["body"]["measuregrps"][0].clone();
    assert_eq!((&row["attrib"], &row["modified"], &row["created"]), (&json!(2), &json!(START + 5), &json!(START)));
    bench.control(Method::DELETE, &format!("{path}?notify=no"), json!({})).await;
    assert_eq!(bench.getmeas(&[]).await["body"]["measuregrps"], json!([]));
    sleep(seconds(1)).await;
    let stats = bench.control(Method::GET, "/stats", json!({})).await;
    assert_eq!(stats["notifications"]["delivered"], 2);
    let calls = bench.control(Method::GET, "/calls", json!({})).await;
    assert_eq!((calls[0]["service"].as_str(), calls[0]["action"].as_str()), (Some("measure"), Some("getmeas")));
    assert_eq!(
        bench.control(Method::DELETE, &path, json!({})).await["error"],
        json!(format!("there is no {}", added["keys"][0]))
    );
}

#[tokio::test(start_paused = true)]
async fn settings_are_patched_and_keep_the_clients() {
    let bench = Bench::new(Settings::default());
    let patch = json!({ "limit": 5, "delivery": { "knobs": { "drop_per_mille": 1000 } } });
    let settings = bench.control(Method::PATCH, "/settings", patch).await;
    assert_eq!((&settings["limit"], &settings["window_s"]), (&json!(5), &json!(60)));
    assert!(!settings.to_string().contains("sim-secret"));
    assert_eq!(bench.simulator.settings().clients.len(), 1);
    let wrong = bench.raw(Method::PATCH, "/control/settings", r#"{"limt": 1}"#).await;
    assert_eq!(wrong.status(), 400);
}

#[tokio::test(start_paused = true)]
async fn the_sample_person_is_made_and_played_over_http() {
    let bench = Bench::new(Settings::default());
    let person = bench.control(Method::POST, "/sample?notify=no", json!({})).await;
    let user = format!("/users/{}", person["userid"]);
    let token = bench.control(Method::POST, &format!("{user}/tokens"), json!({})).await;
    let (today, access) = ("2026-09-16", token["access_token"].as_str());
    let window = [("action", "getactivity"), ("startdateymd", today), ("enddateymd", today)];
    let answer = bench.call_as(access, "/v2/measure", &window).await;
    assert_eq!(answer["body"]["activities"][0]["distance"], json!(7031.882));
    let played = bench.control(Method::POST, &format!("{user}/play/54"), json!({})).await;
    assert_eq!(played, json!({ "played": [54] }));
    let state = bench.control(Method::GET, "/state", json!({})).await;
    assert_eq!(state["users"][person["userid"].to_string()]["ecgs"].as_array().map(Vec::len), Some(2));
}

#[tokio::test(start_paused = true)]
async fn an_arbitrary_body_is_sent_to_a_subscriber_or_an_url() {
    let bench = Bench::new(Settings::default());
    bench.simulator.subscribe(bench.userid, None, &[1], URL).unwrap();
    let body = "foo=bar&userid=1&appli=1";
    bench.control(Method::POST, "/notify", json!({ "body": body, "userid": bench.userid, "appli": 1 })).await;
    bench.control(Method::POST, "/notify", json!({ "body": "garbage", "url": URL })).await;
    sleep(seconds(1)).await;
    assert_eq!(bench.network.posts(), [body, "garbage"]);
}

#[tokio::test]
async fn the_router_serves_the_api_and_the_control_api_on_one_port() {
    let bench = Bench::new(Settings::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = withings_simulator::router(Arc::clone(&bench.simulator));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let ask = async |request: String| {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        serde_json::from_str::<Value>(body).unwrap()
    };
    let form = format!("action=getdevice&access_token={}", bench.tokens.access_token);
    let head = "HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
    let answer = ask(format!("POST /v2/user {head}content-length: {}\r\n\r\n{form}", form.len())).await;
    assert_eq!(answer, json!({ "status": 0, "body": { "devices": [] } }));
    assert_eq!(ask(format!("GET /control/stats {head}\r\n")).await["calls"], 1);
    server.abort();
}
