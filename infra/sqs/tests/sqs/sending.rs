use local_sqs::{Attribute, Draft, ErrorKind, MAX_BYTES};

use crate::world::{bodies, counts, kind, pass, s, send, take_one, with_queue};

#[tokio::test(start_paused = true)]
async fn a_message_arrives_with_its_body_its_attributes_and_what_sqs_knows_about_it() {
    let sqs = with_queue(&[]);
    let draft = Draft {
        attributes: [("kind".to_owned(), Attribute::string("x"))].into(),
        group: Some("ep_1".into()),
        trace: Some(Attribute::string("Root=1-5759e988-bd862e3fe1be46a994272793")),
        ..Draft::of("héllo")
    };
    let id = sqs.send("q", draft).unwrap();
    pass(s(5)).await;
    let message = take_one(&sqs).await;
    assert_eq!((message.message_id.as_str(), message.body.as_str()), (id.as_str(), "héllo"));
    assert_eq!(message.attributes["kind"], Attribute::string("x"));
    assert_eq!(message.queue_arn, "arn:aws:sqs:us-east-1:000000000000:q");
    let expected = [
        ("AWSTraceHeader", "Root=1-5759e988-bd862e3fe1be46a994272793"),
        ("ApproximateFirstReceiveTimestamp", "1795219205000"),
        ("ApproximateReceiveCount", "1"),
        ("MessageGroupId", "ep_1"),
        ("SenderId", "000000000000"),
        ("SentTimestamp", "1795219200000"),
    ];
    assert_eq!(message.system, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

#[tokio::test(start_paused = true)]
async fn a_delayed_message_is_invisible_until_its_delay_has_passed() {
    let sqs = with_queue(&[]);
    sqs.send("q", Draft { delay_s: Some(900), ..Draft::of("later") }).unwrap();
    assert_eq!(counts(&sqs, "q"), (0, 0, 1));
    pass(s(899)).await;
    assert!(bodies(&sqs).await.is_empty());
    pass(s(1)).await;
    assert_eq!(bodies(&sqs).await, ["later"]);
}

#[tokio::test(start_paused = true)]
async fn the_delay_of_the_queue_holds_for_messages_without_one_of_their_own() {
    let sqs = with_queue(&[("DelaySeconds", "10")]);
    send(&sqs, "delayed");
    sqs.send("q", Draft { delay_s: Some(0), ..Draft::of("at once") }).unwrap();
    assert_eq!(bodies(&sqs).await, ["at once"]);
    pass(s(10)).await;
    assert_eq!(bodies(&sqs).await, ["delayed"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_out_of_bounds_is_refused_and_not_stored() {
    let sqs = with_queue(&[("MaximumMessageSize", "2048")]);
    let refused = |draft: Draft| kind(sqs.send("q", draft));
    assert_eq!(refused(Draft { delay_s: Some(901), ..Draft::of("x") }), ErrorKind::InvalidParameterValue);
    assert_eq!(refused(Draft { delay_s: Some(-1), ..Draft::of("x") }), ErrorKind::InvalidParameterValue);
    assert_eq!(refused(Draft::of("")), ErrorKind::MissingParameter);
    assert_eq!(refused(Draft::of("a\u{1}")), ErrorKind::InvalidMessageContents);
    assert_eq!(refused(Draft::of("x".repeat(2049))), ErrorKind::InvalidParameterValue);
    assert_eq!(refused(Draft { group: Some("g".repeat(129)), ..Draft::of("x") }), ErrorKind::InvalidParameterValue);
    assert_eq!(kind(sqs.send("none", Draft::of("x"))), ErrorKind::QueueDoesNotExist);
    assert_eq!(counts(&sqs, "q"), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_of_one_mebibyte_is_taken_and_attributes_count_towards_it() {
    let sqs = with_queue(&[]);
    let body = "x".repeat(MAX_BYTES);
    sqs.send("q", Draft::of(body.clone())).unwrap();
    let attributes = [("a".to_owned(), Attribute::string("b"))].into();
    assert_eq!(kind(sqs.send("q", Draft { attributes, ..Draft::of(body) })), ErrorKind::InvalidParameterValue);
}

#[tokio::test(start_paused = true)]
async fn a_message_older_than_the_retention_period_is_gone_even_in_flight() {
    let sqs = with_queue(&[("MessageRetentionPeriod", "60"), ("VisibilityTimeout", "100")]);
    send(&sqs, "in flight");
    take_one(&sqs).await;
    send(&sqs, "visible");
    pass(s(59)).await;
    assert_eq!(counts(&sqs, "q"), (1, 1, 0));
    pass(s(1)).await;
    assert_eq!(counts(&sqs, "q"), (0, 0, 0));
}
