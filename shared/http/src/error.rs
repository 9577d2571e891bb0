//! Why nothing came back.

use std::error::Error;
use std::io;

use afferent_domain::address::Forbidden;

/// Why nothing came back. The phase tells whose fault it is; no variant carries an address or a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The rule says that this URL, or what its name stands for, may not be reached. Nothing was sent.
    #[error("refused: {0}")]
    Refused(Forbidden),
    /// The host's name could not be resolved.
    #[error("the name of the host could not be resolved")]
    Resolve,
    /// The connection was refused, reset or could not be set up.
    #[error("the connection could not be set up")]
    Connect,
    /// This side has no way to the host's network, or no socket left.
    #[error("there is no way from here to the host's network")]
    Unreachable,
    /// The TLS handshake failed or the certificate is not trusted.
    #[error("the TLS handshake failed")]
    Tls,
    /// The deadline passed.
    #[error("no complete answer came before the deadline")]
    Timeout,
    /// The connection broke, or what came was no HTTP.
    #[error("the connection broke before the answer was complete")]
    Broken,
    /// The request itself could not be sent as it is.
    #[error("the request is not one that can be sent")]
    Request,
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The receiver's, or that of whoever registered it: its name, its addresses, its server.
    Receiver,
    /// The network's, on this side of the receiver.
    Network,
    /// Ours.
    Ours,
}

impl Fault {
    /// As the log of attempts has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Receiver => "receiver",
            Self::Network => "network",
            Self::Ours => "ours",
        }
    }
}

impl HttpError {
    /// Whose fault it is, as far as one call can tell. A name that does not resolve is its owner's fault; that our own
    /// resolver is down looks the same, but then every endpoint fails at once.
    #[must_use]
    pub fn fault(self) -> Fault {
        match self {
            Self::Refused(_) | Self::Resolve | Self::Connect | Self::Tls | Self::Timeout | Self::Broken => {
                Fault::Receiver
            }
            Self::Unreachable => Fault::Network,
            Self::Request => Fault::Ours,
        }
    }

    /// The class as the log of attempts has it: one word.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Request => "request",
        }
    }

    /// Which phase failed, from the chain of causes.
    pub(crate) fn of(error: &reqwest::Error) -> Self {
        if let Some(known) = causes(error).find_map(told) {
            return known;
        }
        match () {
            () if error.is_timeout() => Self::Timeout,
            () if error.is_connect() => causes(error).find_map(unconnected).unwrap_or(Self::Connect),
            () if error.is_builder() => Self::Request,
            () => Self::Broken,
        }
    }
}

/// The chain of causes. What an I/O error holds is a cause too; its own `source` skips that, and the TLS library's errors
/// are held by two of them.
fn causes<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause: &&'a (dyn Error + 'static)| {
        let held = (*cause).downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        held.map(|held| held as &(dyn Error + 'static)).or_else(|| (*cause).source())
    })
}

/// What a cause says by its type: our own resolver's error, or one of the TLS library.
fn told(cause: &(dyn Error + 'static)) -> Option<HttpError> {
    let ours = cause.downcast_ref::<HttpError>().copied();
    ours.or_else(|| cause.is::<rustls::Error>().then_some(HttpError::Tls))
}

/// Why a connection could not be set up.
fn unconnected(cause: &(dyn Error + 'static)) -> Option<HttpError> {
    /// No descriptor left in the process, and in the system (`EMFILE`, `ENFILE`): they have no kind of their own.
    const NO_DESCRIPTOR: [i32; 2] = [24, 23];
    let cause = cause.downcast_ref::<io::Error>()?;
    let descriptors = cause.raw_os_error().is_some_and(|code| NO_DESCRIPTOR.contains(&code));
    match cause.kind() {
        // Only a handshake reads while a connection is set up, so only there can the bytes end.
        io::ErrorKind::UnexpectedEof => Some(HttpError::Tls),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown | io::ErrorKind::AddrNotAvailable => {
            Some(HttpError::Unreachable)
        }
        _ if descriptors => Some(HttpError::Unreachable),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_that_breaks_off_is_one_that_failed() {
        assert_eq!(unconnected(&io::Error::from(io::ErrorKind::UnexpectedEof)), Some(HttpError::Tls));
        assert_eq!(unconnected(&io::Error::from(io::ErrorKind::ConnectionRefused)), None);
    }

    #[test]
    fn no_way_out_and_no_socket_left_are_not_the_receivers_fault() {
        for cause in [
            io::Error::from(io::ErrorKind::NetworkUnreachable),
            io::Error::from(io::ErrorKind::AddrNotAvailable),
            io::Error::from_raw_os_error(24),
        ] {
            assert_eq!(unconnected(&cause).map(HttpError::fault), Some(Fault::Network), "{cause}");
        }
    }

    #[test]
    fn a_refusal_says_which_rule_it_was() {
        let refused = HttpError::Refused(Forbidden::Plain);
        assert_eq!(refused.to_string(), "refused: plain http is not used over public networks: use https");
        assert_eq!((refused.class(), refused.fault().as_str()), ("refused", "receiver"));
    }
}
