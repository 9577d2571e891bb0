use afferent_domain::Timestamp;
use afferent_domain::service::Service;

use super::*;
use afferent_domain::secret::{App, Secret};

fn app() -> App {
    App { client_id: "my-client".to_owned(), client_secret: Secret::new("test-secret"), callback_url: None }
}

#[test]
fn a_window_is_in_seconds_and_days_are_days() {
    let at = Timestamp::from_secs;
    let window = Span::Window { start: at(10), end: at(20) };
    let days = Span::Days { first: "2026-09-15".to_owned(), last: "2026-09-16".to_owned() };
    let form = |service, span: &Span| data::read(service, span).unwrap().form();
    assert_eq!(form(Service::Getmeas, &Span::Since(at(5))), "action=getmeas&category=1&lastupdate=5");
    assert_eq!(form(Service::HeartList, &window), "action=list&startdate=10&enddate=20");
    assert!(form(Service::Getactivity, &days).ends_with("&startdateymd=2026-09-15&enddateymd=2026-09-16"));
    assert!(form(Service::SleepGet, &window).contains("data_fields=hr%2Crr%2Csnoring%2Csdnn_1%2Crmssd"));
    assert_eq!(form(Service::Getdevice, &Span::Whole), "action=getdevice");
    assert_eq!(form(Service::Getgoals, &Span::Whole), "action=getgoals");
    let signal = data::signal(Service::StethoGet, 41_000_000).unwrap();
    assert_eq!((signal.path(), &*signal.form()), ("/v2/stetho", "action=get&signalid=41000000"));
}

#[test]
fn a_span_that_a_service_does_not_take_is_refused() {
    let at = Timestamp::from_secs;
    for service in [Service::SleepGet, Service::Getintradayactivity] {
        assert_eq!(data::read(service, &Span::Since(at(5))), Err(Unsupported(service)));
        assert_eq!(data::read(service, &Span::Whole), Err(Unsupported(service)));
    }
    let window = Span::Window { start: at(1), end: at(2) };
    for service in Service::ALL {
        let spans = [Span::Since(at(1)), window.clone(), Span::Whole];
        let taken = spans.iter().any(|span| data::read(service, span).is_ok());
        let otherwise = [Service::AnswersGet, Service::HeartGet, Service::StethoGet].contains(&service);
        assert_eq!(taken, !otherwise, "{service}");
        assert_eq!(data::signal(service, 31_000_001).is_ok(), service.is_signal());
    }
}

#[test]
fn the_lists_of_fields_hold_no_blank() {
    for list in [fields::ACTIVITY, fields::INTRADAY, fields::WORKOUTS, fields::SLEEP, fields::SLEEP_SUMMARY] {
        assert!(list.split(',').all(|name| !name.is_empty() && !name.contains(char::is_whitespace)), "{list}");
    }
}

#[test]
fn a_signed_call_carries_its_signature_and_no_secret() {
    let request = data::answers(&app(), "nonce-1", 7, Timestamp::from_secs(5), None);
    assert_eq!(request.auth(), Auth::Application);
    assert_eq!(request.parameter("signature").unwrap().len(), 64);
    assert!(!request.form().contains("test-secret"));
    let nonce = auth::nonce(&app(), Timestamp::from_secs(1_700_000_000));
    assert_eq!(nonce.parameter("signature"), Some("c0ddb7b5ca04283d58877c5d05a24b2c5ad29e41d9e8fad09e9a9499272de736"));
}

#[test]
fn a_request_prints_names_and_no_values() {
    let request = auth::token_by_refresh(&app(), &Secret::new("refresh-me"));
    let form = "action=requesttoken&client_id=my-client&client_secret=test-secret&grant_type=refresh_token\
                &refresh_token=refresh-me";
    assert_eq!(request.form(), form);
    let printed = format!("{request:?}");
    assert!(!printed.contains("refresh-me") && !printed.contains("test-secret"), "{printed}");
}

#[test]
fn subscribing_is_per_category_and_53_is_signed() {
    let url = "https://hooks.example.org/withings/9f3c?a=b";
    assert_eq!(
        notify::subscribe(url, 1).form(),
        "action=subscribe&callbackurl=https%3A%2F%2Fhooks.example.org%2Fwithings%2F9f3c%3Fa%3Db&appli=1"
    );
    assert_eq!(notify::subscribe_application(&app(), "n", url).auth(), Auth::Application);
    assert_eq!(notify::list().form(), "action=list");
    assert_eq!(notify::revoke(url, 44).parameter("appli"), Some("44"));
}

#[test]
fn the_authorise_url_has_its_scopes_with_commas_and_the_redirect_as_it_is_registered() {
    let state = Secret::new("0123abcd");
    let redirect = "https://hooks.example.org/v1/oauth/callback/";
    let scopes = ["user.info", "user.metrics"];
    let url = auth::authorize_url("https://account.withings.com", "my-client", &scopes, redirect, &state, false);
    let expected = "https://account.withings.com/oauth2_user/authorize2?response_type=code&client_id=my-client\
                    &scope=user.info%2Cuser.metrics\
                    &redirect_uri=https%3A%2F%2Fhooks.example.org%2Fv1%2Foauth%2Fcallback%2F&state=0123abcd";
    assert_eq!(url, expected);
    let demo = auth::authorize_url("https://account.withings.com/", "my-client", &scopes, redirect, &state, true);
    assert_eq!(demo, format!("{expected}&mode=demo"));
}

/// The signatures were computed apart from this program, with Python's hmac.
#[test]
fn signed_calls_show_neither_secret_nor_token() {
    let revoke = auth::revoke(&app(), "nonce-1", "90001001");
    assert_eq!(
        revoke.form(),
        "action=revoke&client_id=my-client&nonce=nonce-1\
         &signature=98e6479406a8c8ed65ba1ae37873558c5ab78e4d3e5ab29b86d895c18cc6c31b&userid=90001001"
    );
    let activation = user::Activation {
        email: "person@example.org",
        short_name: "PER",
        gender: 1,
        birthdate: 631_152_000,
        preflang: "en_EN",
        unit_pref: r#"{"weight":1}"#,
        timezone: "Europe/Lisbon",
        external_id: "person-1",
        measures: "[]",
        macs: &["00:24:e4:12:34:56"],
    };
    let activate = user::activate(&app(), "nonce-1", &activation);
    assert_eq!(
        activate.parameter("signature"),
        Some("0c0f5939a2a23ad56103f3893e0613dd1549670c2d9b1e772b654adf5892a041")
    );
    assert_eq!(activate.parameter("mac_addresses"), Some(r#"["00:24:e4:12:34:56"]"#));
    let subscribe = notify::subscribe_application(&app(), "nonce-1", "https://hooks.example.org/withings/x");
    assert_eq!(
        subscribe.parameter("signature"),
        Some("9e0b0a52057027a66f2628d763cf16990dd575c43d2396c3166e646f2f07833e")
    );
    for request in [revoke, activate, subscribe] {
        assert_eq!(request.auth(), Auth::Application);
        assert!(!request.form().contains("test-secret"));
    }
}

#[test]
fn linking_a_device_is_the_persons_own_call() {
    assert_eq!(
        user::link(&["00:24:e4:12:34:56", "x"]).form(),
        "action=link&mac_addresses=%5B%2200%3A24%3Ae4%3A12%3A34%3A56%22%2C%22x%22%5D"
    );
    assert_eq!(user::unlink("x").form(), "action=unlink&mac_address=x");
    assert_eq!(user::link(&["x"]).auth(), Auth::Bearer);
}
