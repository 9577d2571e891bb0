use afferent_domain::Timestamp;
use afferent_domain::service::Service;

use super::*;
use afferent_domain::secret::{App, Secret};

fn app() -> App {
    App { client_id: "my-client".to_owned(), client_secret: Secret::new("test-secret") }
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
        assert_eq!(taken, service != Service::AnswersGet, "{service}");
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
