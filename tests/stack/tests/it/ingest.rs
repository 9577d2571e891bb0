//! The front door for Withings.

use afferent_local::FRONT_HOST;
use http::{Method, StatusCode};
use stack_tests::{Rig, callback};

#[tokio::test(start_paused = true)]
async fn a_notification_is_answered_200_once_it_is_queued() {
    let rig = Rig::start(1).await;
    assert_eq!(rig.post("userid=1&appli=1").await.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn head_and_get_answer_200_even_if_no_aws_service_is_in_reach() {
    let rig = Rig::start(1).await;
    rig.stack.sqs.out_of_reach(true);
    for method in [Method::HEAD, Method::GET] {
        assert_eq!(rig.request(method, &callback(), b"").await.status(), StatusCode::OK);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_is_answered_404_whatever_the_method() {
    let rig = Rig::start(1).await;
    for method in [Method::HEAD, Method::GET, Method::POST, Method::PUT] {
        let url = format!("https://{FRONT_HOST}/withings/wrong");
        assert_eq!(rig.request(method, &url, b"userid=1&appli=1").await.status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_over_16_kib_is_answered_413_and_one_of_16_kib_is_taken() {
    let rig = Rig::start(1).await;
    let url = callback();
    let body = |length: usize| vec![b'a'; length];
    assert_eq!(rig.request(Method::POST, &url, &body(16 * 1024)).await.status(), StatusCode::OK);
    assert_eq!(rig.request(Method::POST, &url, &body(16 * 1024 + 1)).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(start_paused = true)]
async fn a_queue_out_of_reach_is_answered_503_within_two_seconds_so_that_withings_tries_again() {
    let rig = Rig::start(1).await;
    rig.stack.sqs.out_of_reach(true);
    let began = rig.stack.clock.now();
    assert_eq!(rig.post("userid=1&appli=1").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(rig.stack.clock.now().since(began).as_secs() < 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_else_is_ever_answered_400_or_more() {
    let rig = Rig::start(1).await;
    for (method, body) in [
        (Method::POST, &b""[..]),
        (Method::POST, b"\xff\xfe not text"),
        (Method::POST, b"{\"appli\":1}"),
        (Method::PUT, b"userid=1"),
        (Method::DELETE, b""),
    ] {
        assert_eq!(rig.request(method, &callback(), body).await.status(), StatusCode::OK);
    }
}
