use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use proptest::prelude::*;

use super::*;
use crate::status::UNSAID_WAIT;

fn answer(status: u16, body: &[u8]) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body),
        truncated: false,
    }
}

fn fixture(name: &str) -> Result<Body, Error> {
    let path = format!("{}/../../tests/fixtures/withings/{name}.json", env!("CARGO_MANIFEST_DIR"));
    body(&answer(200, &std::fs::read(path).unwrap()))
}

fn class(name: &str) -> Class {
    fixture(name).unwrap_err().class()
}

#[test]
fn every_recorded_failure_has_its_class() {
    let seconds = Duration::from_secs;
    assert_eq!(class("error_401_invalid_token"), Class::Unauthorized);
    assert_eq!(class("error_401_no_token"), Class::Unauthorized);
    assert_eq!(class("error_403_insufficient_scope"), Class::Scope);
    assert_eq!(class("error_503_invalid_code"), Class::InvalidCode);
    assert_eq!(class("error_503_invalid_params_generic"), Class::Invalid);
    assert_eq!(class("error_503_invalid_refresh_token"), Class::InvalidRefreshToken);
    assert_eq!(class("error_522_timeout"), Class::Retry);
    assert_eq!(class("error_601_same_arguments"), Class::SameArguments { wait: seconds(9) });
    assert_eq!(class("error_601_too_many_requests"), Class::TooManyRequests { wait: seconds(43) });
    assert_eq!(class("error_2554_unknown_action"), Class::Invalid);
    assert_eq!(class("error_no_error_text"), Class::Scope);
    assert_eq!(class("notify_get_error_286"), Class::Invalid);
    assert_eq!(class("notify_revoke_error_294"), Class::Invalid);
    assert_eq!(class("notify_subscribe_error_293"), Class::Invalid);
    assert_eq!(class("notify_subscribe_error_343"), Class::Invalid);
}

#[test]
fn pages_are_followed_by_more_alone() {
    let page = |name| fixture(name).unwrap().page().unwrap();
    assert_eq!(page("getmeas_page1"), Page { more: true, offset: 5 });
    assert_eq!(page("getmeas_page2"), Page { more: false, offset: 0 });
    assert_eq!(page("sleep_getsummary_page1"), Page { more: true, offset: 300 });
    assert_eq!(page("sleep_getsummary_page2"), Page { more: false, offset: 0 });
    assert!(!page("getintradayactivity_empty_array").more);
}

#[test]
fn more_without_an_offset_is_an_error_rather_than_an_end() {
    let body = body(&answer(200, br#"{"status":0,"body":{"more":true}}"#)).unwrap();
    assert_eq!(body.page(), Err(Error::Lacks("offset")));
}

#[test]
fn an_answer_that_is_none_is_told_and_tried_again() {
    for (status, text, expected) in [
        (200, &b"<html>maintenance</html>"[..], Error::NotJson),
        (200, b"", Error::NotJson),
        (200, b"{\"status\":0,\"body\":{\"measur", Error::NotJson),
        (200, b"[1]", Error::NotJson),
        (200, b"{\"body\":{}}", Error::NotJson),
        (502, b"Bad Gateway", Error::Http(502)),
        (500, b"{\"status\":0,\"body\":{}}", Error::Http(500)),
        (302, b"", Error::Http(302)),
    ] {
        let error = body(&answer(status, text)).unwrap_err();
        assert_eq!((error, error.class()), (expected, Class::Retry));
    }
    let long = Answer { truncated: true, ..answer(200, b"{\"status\":0}") };
    assert_eq!(body(&long), Err(Error::TooLong));
}

#[test]
fn withings_own_words_count_whatever_http_says() {
    let error = body(&answer(429, br#"{"status":"601","error":"Too Many Requests"}"#)).unwrap_err();
    assert_eq!(error.class(), Class::TooManyRequests { wait: UNSAID_WAIT });
}

#[test]
fn an_error_tells_no_text_of_withings() {
    let error = body(&answer(200, br#"{"status":503,"error":"invalid refresh_token 19ff9a5f"}"#)).unwrap_err();
    assert_eq!(error.class(), Class::InvalidRefreshToken);
    assert!(!format!("{error} {error:?}").contains("19ff9a5f"));
}

proptest! {
    #[test]
    fn no_answer_makes_opening_panic(status in 100_u16..1000, text in "\\PC{0,120}", wait in any::<i64>()) {
        let _ = body(&answer(status, text.as_bytes()));
        let text = format!(r#"{{"status":601,"body":{{"wait_seconds":{wait}}}}}"#);
        prop_assert!(body(&answer(200, text.as_bytes())).is_err());
    }
}
