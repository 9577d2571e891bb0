use std::collections::BTreeSet;

use super::*;

fn wrong(json: &str) -> (String, String) {
    match New::from_json(json) {
        Err(RegistryError::Invalid { field, expected }) => (field, expected),
        other => panic!("it should be refused for a member: {other:?}"),
    }
}

fn with(members: &str) -> String {
    format!(r#"{{"url":"https://example.org/hooks",{members}}}"#)
}

#[test]
fn an_address_alone_is_an_endpoint_that_gets_everything() {
    let new = New::from_json(r#"{"url":"https://example.org/hooks"}"#).unwrap();
    assert_eq!(new, New::at("https://example.org/hooks").unwrap());
    assert_eq!((new.types, new.users), (vec![Pattern::every()], Users::All));
}

#[test]
fn every_member_is_read() {
    let json = with(
        r#""types":["body_weight.*"],"users":["usr_1"],"backfill":"marker","payload":{"fields":{"*":["value"]}},
           "policy":{"custom":{"waits_s":[1,2]}},"rate":{"requests":5,"per_s":1},"headers":{"Authorization":"Bearer a"},
           "contact":"ops@example.org","description":"ours","secret":"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA""#,
    );
    let endpoint = New::from_json(&json).unwrap().endpoint(EndpointId::from("ep_1"), Timestamp::default());
    assert_eq!(endpoint.types, [Pattern::parse("body_weight.*").unwrap()]);
    assert_eq!(endpoint.users, Users::Only(BTreeSet::from(["usr_1".into()])));
    assert_eq!((endpoint.backfill, endpoint.rate), (Backfill::Marker, Some(Rate::new(5, 1).unwrap())));
    assert!(matches!(endpoint.payload, Payload::Fields(_)) && matches!(endpoint.policy, RetryPolicy::Custom(_)));
    assert_eq!(endpoint.headers, ["authorization"]);
    assert_eq!(endpoint.contact.unwrap().as_str(), "ops@example.org");
    assert_eq!(endpoint.description.as_deref(), Some("ours"));
    let queue = r#"{"queue_url":"https://sqs.eu-west-1.amazonaws.com/123456789012/health"}"#;
    assert!(matches!(New::from_json(queue).unwrap().destination, Destination::Sqs { .. }));
}

#[test]
fn what_is_wrong_is_named_with_what_would_be_right() {
    for (json, field) in [
        ("[]".to_owned(), "the whole"),
        ("{}".to_owned(), "url"),
        (r#"{"url":"ftp://example.org"}"#.to_owned(), "url"),
        (r#"{"queue_url":"https://example.org/q"}"#.to_owned(), "queue_url"),
        (with(r#""queue_url":"https://sqs.eu-west-1.amazonaws.com/123456789012/q""#), "queue_url"),
        (with(r#""types":[]"#), "types"),
        (with(r#""types":"*""#), "types"),
        (with(r#""types":["*","Body Weight"]"#), "types[1]"),
        (with(r#""users":["anna"]"#), "users"),
        (with(r#""users":[]"#), "users"),
        (with(r#""backfill":"all""#), "backfill"),
        (with(r#""payload":{"fields":{}}"#), "payload"),
        (with(r#""policy":{"custom":{"waits_s":[0]}}"#), "policy"),
        (with(r#""rate":{"requests":0,"per_s":1}"#), "rate"),
        (with(r#""headers":{"webhook-id":"1"}"#), "headers"),
        (with(r#""contact":"nobody""#), "contact"),
        (with(r#""description":"""#), "description"),
        (with(r#""secret":"whsec_short""#), "secret"),
        (with(r#""adress":"typo""#), "adress"),
    ] {
        let (named, expected) = wrong(&json);
        assert_eq!(named, field, "{json}");
        assert!(!expected.is_empty());
    }
}

#[test]
fn nothing_that_was_given_is_repeated_for_it_may_be_a_secret() {
    for json in [
        with(r#""secret":"s3cret""#),
        with(r#""secret":{"is":"s3cret"}"#),
        with(r#""headers":{"authorization":"s3cret\n"}"#),
        with(r#""headers":["s3cret"]"#),
        with(r#""rate":"s3cret""#),
        r#"{"url":"https://me:s3cret@example.org"}"#.to_owned(),
        r#"{"url":"s3cret"#.to_owned(),
    ] {
        let (field, expected) = wrong(&json);
        assert!(!format!("{field}{expected}").contains("s3cret"), "{field}: {expected}");
    }
    let new = New::from_json(&with(r#""headers":{"x-key":"s3cret"}"#)).unwrap();
    assert!(!format!("{new:?}").contains("s3cret"));
}

#[test]
fn a_change_leaves_what_it_does_not_name_and_null_takes_away() {
    let json = with(r#""rate":{"requests":5,"per_s":1},"description":"ours","types":["ecg.*"],"headers":{"a":"b"}"#);
    let was = New::from_json(&json).unwrap().endpoint(EndpointId::from("ep_1"), Timestamp::default());
    assert_eq!(Change::from_json("{}").unwrap().of(&was), was);
    let change = Change::from_json(r#"{"rate":null,"headers":null,"description":null,"types":null}"#).unwrap();
    let now = change.of(&was);
    assert_eq!((now.rate, now.description, now.headers), (None, None, Vec::new()));
    assert_eq!(now.types, [Pattern::every()]);
    assert_eq!(now.destination, was.destination);
}

#[test]
fn a_change_of_the_secret_is_no_change_but_a_rotation() {
    let refused = Change::from_json(r#"{"secret":"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#).unwrap_err();
    assert!(refused.to_string().contains("rotated"), "{refused}");
}
