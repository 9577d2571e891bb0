//! Why a server may not be reached, for whoever registered it.

use super::Special;

/// Why a server may not be reached. The text is for the owner of the endpoint: it names the rule, and never an
/// address or a name of the operator's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// Not an absolute URL of the two schemes.
    #[error("the URL does not have the form https://host/path or https://host:port/path")]
    Form,
    /// Programs that read URLs by different rules would call different hosts, or some of them none.
    #[error("the URL is not read in the same way by all programs")]
    Ambiguous,
    /// Plain http outside the networks that the operator allows.
    #[error("plain http is not used over public networks: use https")]
    Plain,
    /// A user or a password.
    #[error("the URL holds a user or a password: use a header instead")]
    Credentials,
    /// A port that is not on the list.
    #[error("the port is not one of those that may be used")]
    Port,
    /// Neither a name of the DNS nor an address.
    #[error(
        "the host is not a name of the DNS: parts of 1 to 63 letters, digits, hyphens and underscores, with single \
         dots between them and none at the end, in all at most 253"
    )]
    Name,
    /// An IPv4 address in octal, hexadecimal, with fewer than four numbers, or otherwise not as usual.
    #[error("an IPv4 address is written as four decimal numbers from 0 to 255, without zeros before them")]
    Spelling,
    /// Brackets that hold no IPv6 address.
    #[error("the brackets hold no IPv6 address")]
    Brackets,
    /// An IPv6 address with a zone.
    #[error("an address with a zone (%) means something on one machine only")]
    Zone,
    /// The name stands for no address.
    #[error("the name stands for no address")]
    NoAddress,
    /// An address, or one of them, that is not public.
    #[error("the host has an address that is not public: {0}")]
    Address(Special),
}
