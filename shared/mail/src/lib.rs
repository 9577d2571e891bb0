//! Letters to the contacts of endpoints, over SES.
//!
//! Plain text, one recipient each. Whether to send at all, to whom and how often is the caller's; a stack without a
//! sender has no [`Mail`].

use std::time::Duration;

use afferent_aws::{Aws, Service, cause};
use afferent_domain::contact::EmailAddress;
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::ProvideErrorMetadata as _;
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};

/// How long one letter may take, the SDK's retries included: letters are sent in runs of a minute, beside other work.
const TIMEOUT: Duration = Duration::from_secs(5);

const CHARSET: &str = "UTF-8";

/// One letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// To whom.
    pub to: EmailAddress,
    /// What it is about, in one line.
    pub subject: String,
    /// What it says.
    pub text: String,
}

/// A letter that SES did not take. Holds SES's code, never an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// SES does not take this letter: its recipient, its sender, its content, or that we may send in this name. The same letter meets the same answer
    /// until somebody changes something.
    #[error("SES refused the letter: {0}")]
    Refused(String),
    /// SES takes no letter at present: it is out of reach, throttles, or the account may not send.
    #[error("SES took no letter: {0}")]
    Unavailable(String),
}

/// The way to SES, and the sender of every letter.
#[derive(Clone, Debug)]
pub struct Mail {
    client: Client,
    from: EmailAddress,
}

impl Mail {
    /// Letters come from `from`, which must be an identity verified at SES, or of a domain that is.
    #[must_use]
    pub fn new(aws: &Aws, from: EmailAddress) -> Self {
        Self { client: Client::new(&aws.clone().within(TIMEOUT).config(Service::Ses)), from }
    }

    /// Sends a letter. A lost answer is an error too, so the same letter may arrive twice.
    ///
    /// # Errors
    /// SES did not take it: see [`MailError`].
    pub async fn send(&self, letter: &Letter) -> Result<(), MailError> {
        let unbuilt = |_| MailError::Refused("the request could not be built".to_owned());
        let text = |text: &str| Content::builder().data(text).charset(CHARSET).build().map_err(unbuilt);
        let message = Message::builder()
            .subject(text(&letter.subject)?)
            .body(Body::builder().text(text(&letter.text)?).build())
            .build();
        let sent = self
            .client
            .send_email()
            .from_email_address(self.from.as_str())
            .destination(Destination::builder().to_addresses(letter.to.as_str()).build())
            .content(EmailContent::builder().simple(message).build())
            .send()
            .await;
        sent.map(drop).map_err(|error| {
            let refused = matches!(
                error.as_service_error(),
                Some(
                    SendEmailError::BadRequestException(_)
                        | SendEmailError::MailFromDomainNotVerifiedException(_)
                        | SendEmailError::MessageRejected(_)
                        | SendEmailError::NotFoundException(_)
                )
            );
            // The role or the identity's policy does not allow it: nothing changes by asking again either.
            let refused = refused || error.code() == Some("AccessDeniedException");
            if refused { MailError::Refused(cause(&error)) } else { MailError::Unavailable(cause(&error)) }
        })
    }
}
