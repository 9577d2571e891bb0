//! The ways in which a receiver misbehaves.

/// How a receiver misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Nobody listens at its port.
    Refused,
    /// Resets the connection when the first byte of a request has come.
    ResetAfterAccept,
    /// Resets the connection in the middle of a body.
    ResetMidBody,
    /// Has a certificate that it signed itself.
    SelfSigned,
    /// Speaks no TLS at the port of an https URL.
    Garbage,
    /// Has a name that stands for nothing.
    Unresolvable,
    /// Accepts and never answers.
    Silent,
    /// Answers at once and sends its body byte by byte.
    Trickle,
    /// Has a body of 1 GiB.
    Huge,
    /// Answers 500.
    ServerError,
    /// Answers 429 with `retry-after: 120`.
    TooManyRequests,
    /// Redirects to itself.
    RedirectLoop,
    /// Redirects to an address inside whoever follows: [`crate::INSIDE`].
    RedirectInside,
    /// Answers with a packed body, unasked, that is a thousand times as large unpacked.
    GzipBomb,
    /// Sends headers and never ends them.
    EndlessHeaders,
    /// Sends `100 Continue` again and again, as fast as it can.
    Continues,
    /// Sends its headers byte by byte.
    SlowHeaders,
    /// Answers as HTTP/0.9 did: a body without a status.
    Gibberish,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::Refused,
        Self::ResetAfterAccept,
        Self::ResetMidBody,
        Self::SelfSigned,
        Self::Garbage,
        Self::Unresolvable,
        Self::Silent,
        Self::Trickle,
        Self::Huge,
        Self::ServerError,
        Self::TooManyRequests,
        Self::RedirectLoop,
        Self::RedirectInside,
        Self::GzipBomb,
        Self::EndlessHeaders,
        Self::Continues,
        Self::SlowHeaders,
        Self::Gibberish,
    ];

    /// Whether it is at an https URL.
    #[must_use]
    pub fn is_https(self) -> bool {
        matches!(self, Self::SelfSigned | Self::Garbage | Self::Unresolvable)
    }
}
