//! Simple Email Service, as far as the functions use it: `SendEmail` of a plain text to one recipient (SES API v2
//! Reference). Letters go into an outbox, and nowhere else.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use afferent_domain::{Clock, Timestamp};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

/// The address of `SendEmail`. A GET of it shows the outbox, which SES has not.
pub const MAIL_PATH: &str = "/v2/email/outbound-emails";

/// A letter that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When.
    pub at: Timestamp,
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailFault {
    /// `TooManyRequestsException`. The SDK tries again by itself, so a few of these only cost time.
    Throttled,
    /// `MessageRejected`: the recipient is not verified in the sandbox, or is on the suppression list.
    Rejected,
    /// `AccessDeniedException`: the role may not send in the sender's name.
    Denied,
    /// `SendingPausedException`: the account may not send at present.
    Suspended,
    /// Nobody answers under the address. (Over a socket: 503.)
    OutOfReach,
    /// No answer ever comes.
    Hangs,
}

/// The outbox. Clones share it.
#[derive(Clone)]
pub struct Mail {
    clock: Arc<dyn Clock>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    sent: Vec<Sent>,
    faults: Vec<Rule>,
}

struct Rule {
    fault: MailFault,
    /// Part of the recipient's address; any if empty.
    to: String,
    /// How often; `None` without end.
    left: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendEmail {
    from_email_address: String,
    destination: Recipients,
    content: Content,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Recipients {
    to_addresses: [String; 1],
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    simple: Simple,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Simple {
    subject: Words,
    body: Texts,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Texts {
    text: Words,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Words {
    data: String,
}

impl Mail {
    /// An empty outbox.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, inner: Arc::default() }
    }

    /// Every letter so far, the oldest first.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        self.lock().sent.clone()
    }

    /// The next `times` letters to whom `to` is part of the address (any, if empty) meet the fault.
    pub fn next(&self, fault: MailFault, to: &str, times: u32) {
        self.lock().faults.push(Rule { fault, to: to.to_owned(), left: Some(times) });
    }

    /// From now on, letters to whom `to` is part of the address (any, if empty) meet the fault.
    pub fn always(&self, fault: MailFault, to: &str) {
        self.lock().faults.push(Rule { fault, to: to.to_owned(), left: None });
    }

    /// No more faults.
    pub fn mend(&self) {
        self.lock().faults.clear();
    }

    /// Answers one `SendEmail`; `None` breaks the connection.
    pub async fn send(&self, body: &[u8]) -> Option<Response<Bytes>> {
        let Ok(email) = serde_json::from_slice::<SendEmail>(body) else {
            return Some(refusal(400, "BadRequestException", "Only a simple text to one recipient is taken here."));
        };
        let SendEmail { from_email_address: from, destination: Recipients { to_addresses: [to] }, content } = email;
        let fault = self.lock().fault(&to);
        match fault {
            None => {}
            Some(MailFault::Throttled) => {
                return Some(refusal(429, "TooManyRequestsException", "Maximum sending rate exceeded."));
            }
            Some(MailFault::Rejected) => {
                return Some(refusal(400, "MessageRejected", &format!("Email address is not verified: {to}")));
            }
            Some(MailFault::Denied) => {
                return Some(refusal(403, "AccessDeniedException", "User is not authorized to perform: ses:SendEmail"));
            }
            Some(MailFault::Suspended) => {
                return Some(refusal(400, "SendingPausedException", "Sending is paused for this account."));
            }
            Some(MailFault::OutOfReach) => return None,
            Some(MailFault::Hangs) => std::future::pending().await,
        }
        let Simple { subject, body } = content.simple;
        let (at, mut inner) = (self.clock.now(), self.lock());
        inner.sent.push(Sent { at, from, to, subject: subject.data, text: body.text.data });
        Some(answer(200, None, &json!({"MessageId": format!("{:060}", inner.sent.len())})))
    }

    /// The HTTP service.
    pub fn router(&self) -> Router {
        let (outbox, mail) = (self.clone(), self.clone());
        let show = async move || answer(200, None, &outbox.to_json()).map(Body::from);
        let send = async move |body: Bytes| {
            let answered = mail.send(&body).await;
            answered.unwrap_or_else(|| refusal(503, "ServiceUnavailable", "Out of reach.")).map(Body::from)
        };
        Router::new().route(MAIL_PATH, get(show).post(send))
    }

    fn to_json(&self) -> Value {
        let letter = |sent: &Sent| {
            let Sent { at, from, to, subject, text } = sent;
            json!({"at": at.to_string(), "from": from, "to": to, "subject": subject, "text": text})
        };
        self.lock().sent.iter().map(letter).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn fault(&mut self, to: &str) -> Option<MailFault> {
        let rule = self.faults.iter_mut().find(|rule| to.contains(&rule.to) && rule.left != Some(0))?;
        rule.left = rule.left.map(|left| left - 1);
        Some(rule.fault)
    }
}

fn refusal(status: u16, kind: &'static str, message: &str) -> Response<Bytes> {
    answer(status, Some(kind), &json!({"message": message}))
}

/// AWS's REST protocol names the error in a header.
fn answer(status: u16, kind: Option<&'static str>, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    if let Some(kind) = kind {
        response.headers_mut().insert("x-amzn-errortype", http::HeaderValue::from_static(kind));
    }
    response
}
