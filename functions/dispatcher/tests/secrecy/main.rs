//! What never appears in the log of attempts or of the function. A program of its own: whether a line is logged at all
//! is decided once for a process.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

#[path = "../delivery/stack.rs"]
#[expect(dead_code, reason = "this test needs little of it")]
mod stack;

use afferent_domain::endpoint::{Destination, EndpointUrl, Headers};
use afferent_local::Log;
use afferent_local::network::Reply;
use stack::{HOST, Stack, ep_1, header, pass};
use tracing_subscriber::filter::LevelFilter;

const HEADER: &str = "Bearer header-of-the-owner-that-nobody-else-sees";
const TOKEN: &str = "token-in-the-address-of-the-endpoint";
/// Too short to be taken for a token by its looks.
const SHORT: &str = "hunter22";

#[tokio::test(start_paused = true)]
async fn no_secret_no_token_and_no_health_value_is_logged_though_the_receiver_echoes_them_all() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_max_level(LevelFilter::INFO);
    let _logging = tracing::subscriber::set_default(subscriber.finish());
    let stack = Stack::start().await;
    let url = EndpointUrl::parse(&format!("https://{HOST}/hook?key={TOKEN}")).unwrap();
    stack.change("ep_1", |endpoint| endpoint.destination = Destination::Http { url }).await;
    let given = [("authorization", HEADER), ("x-api-key", SHORT)];
    let headers = Headers::new(given.map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap();
    stack.endpoints.put_headers(&ep_1(), Some(&stack.seal("ep_1", headers.to_json()))).await.unwrap();
    let secret = stack.secret.reveal();
    let echo = vec![
        ("set-cookie", HEADER.to_owned()),
        ("server", format!("x {TOKEN}")),
        ("via", secret.clone()),
        ("www-authenticate", SHORT.to_owned()),
    ];
    let body = format!("{secret} {TOKEN} {HEADER} {SHORT}");
    let data = r#"cannot store {"user":"usr_1", "record":"rec_1", "value": 81.25}"#;
    stack.receiver.next([Reply::Full(500, echo, body.into()), Reply::Echo(500), Reply::Full(500, vec![], data.into())]);
    stack.receiver.always(Reply::Status(200));
    let key = stack.deliver("rec_1").await;
    pass(30).await;
    let sent = stack.receiver.seen();
    assert!(sent[1].request.body().windows(5).any(|part| part == b"81.25"), "it is there to be echoed");
    assert_eq!(header(&sent[1], "x-api-key"), SHORT);

    let request = stack.receiver.seen().remove(0);
    let signature = header(&request, "webhook-signature")["v1,".len()..].to_owned();
    let attempts = format!("{:?}", stack.attempts(&key).await);
    let logged = log.text();
    assert!(attempts.contains("[redacted]") && attempts.contains("status: 500"), "{attempts}");
    assert_eq!(attempts.matches("[an echo of the request]").count(), 2, "{attempts}");
    assert!(logged.contains("a webhook was sent") && logged.contains(key.event.as_str()), "{logged}");
    let bare = &secret["whsec_".len()..];
    for secret in [bare, TOKEN, &HEADER["Bearer ".len()..], SHORT, &signature, "81.25", "usr_1"] {
        assert!(!attempts.contains(secret), "{secret} is in the log of attempts");
        assert!(!logged.contains(secret), "{secret} is in the log");
    }
}
