//! Letters, over the real SDK and the local SES.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use afferent_aws::Aws;
use afferent_domain::contact::EmailAddress;
use afferent_local::{MAIL_PATH, MailFault, Options, Setup, Simulation, Stack};
use afferent_mail::{Letter, Mail, MailError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

fn letter() -> Letter {
    Letter {
        to: address("ops@example.org"),
        subject: "Zürich – it fails".to_owned(),
        text: "Line one\n\nLine two: ≥ 20 days\n".to_owned(),
    }
}

async fn stack() -> (Simulation, Mail) {
    let simulation = Simulation::bare(Setup::default()).await.unwrap();
    let mail = Mail::new(&simulation.rim.aws, address("afferent@example.com"));
    (simulation, mail)
}

#[tokio::test(start_paused = true)]
async fn a_letter_arrives_as_it_was_written() {
    let (simulation, mail) = stack().await;
    mail.send(&letter()).await.unwrap();
    let sent = simulation.mail.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].from.as_str(), sent[0].to.as_str()), ("afferent@example.com", "ops@example.org"));
    assert_eq!((&sent[0].subject, &sent[0].text), (&letter().subject, &letter().text));
    assert_eq!(sent[0].at, simulation.clock.now());
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_is_refused_is_told_from_a_service_that_takes_none_at_present() {
    let (simulation, mail) = stack().await;
    for (fault, code) in [(MailFault::Rejected, "MessageRejected"), (MailFault::Denied, "AccessDeniedException")] {
        simulation.mail.always(fault, "ops@example.org");
        let error = mail.send(&letter()).await.unwrap_err();
        assert!(matches!(&error, MailError::Refused(cause) if cause.starts_with(code)), "{fault:?}: {error}");
        simulation.mail.mend();
    }
    for fault in [MailFault::Throttled, MailFault::OutOfReach, MailFault::Suspended] {
        simulation.mail.always(fault, "");
        let error = mail.send(&letter()).await.unwrap_err();
        assert!(matches!(error, MailError::Unavailable(_)), "{fault:?}: {error}");
        simulation.mail.mend();
    }
    assert!(simulation.mail.sent().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_throttled_letter_is_tried_again_within_the_call() {
    let (simulation, mail) = stack().await;
    simulation.mail.next(MailFault::Throttled, "", 2);
    mail.send(&letter()).await.unwrap();
    assert_eq!(simulation.mail.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_never_answers_costs_five_seconds_and_no_more() {
    let (simulation, mail) = stack().await;
    simulation.mail.always(MailFault::Hangs, "");
    let began = Instant::now();
    assert!(matches!(mail.send(&letter()).await, Err(MailError::Unavailable(_))));
    assert_eq!(began.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn an_error_names_no_address() {
    let (simulation, mail) = stack().await;
    simulation.mail.always(MailFault::Rejected, "");
    let error = mail.send(&letter()).await.unwrap_err().to_string();
    assert!(!error.contains('@') && !error.contains("example"), "{error}");
}

#[tokio::test]
async fn over_a_socket_the_outbox_can_be_looked_at() {
    let template = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/local/tests/kept.yaml").into();
    let stack = Stack::start(Options { template, ..Options::new("none") }).await.unwrap();
    let aws = Aws::from_env(|name| match name {
        "AWS_REGION" => Some("eu-west-1".to_owned()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("local".to_owned()),
        "AWS_ENDPOINT_URL" => Some(stack.addresses.mail.clone()),
        _ => None,
    });
    Mail::new(&aws.unwrap(), address("afferent@example.com")).send(&letter()).await.unwrap();
    assert_eq!(stack.mail.sent().len(), 1);

    let mut socket = TcpStream::connect(stack.addresses.mail.strip_prefix("http://").unwrap()).await.unwrap();
    socket.write_all(format!("GET {MAIL_PATH} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
    let mut shown = String::new();
    socket.read_to_string(&mut shown).await.unwrap();
    assert!(shown.contains(r#""to":"ops@example.org""#) && shown.contains("Zürich – it fails"), "{shown}");
    stack.stop().await;
}
