//! Tokens and nonces.

use crate::envelope::{Body, Error};
use crate::row::Row;
use afferent_domain::secret::Secret;

/// A token pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Withings' id of the account.
    pub userid: i64,
    /// Good for `expires_in_s`.
    pub access_token: Secret,
    /// Good for a year, or until the next pair is used.
    pub refresh_token: Secret,
    /// The access token's life, in seconds; three hours unless Withings says otherwise.
    pub expires_in_s: i64,
    /// What the user granted, perhaps less than was asked.
    pub scope: Vec<String>,
}

/// Reads the pair of `requesttoken`.
///
/// # Errors
/// [`Error::Lacks`].
pub fn read(body: &Body) -> Result<Token, Error> {
    let row = Row::of(body.json(), "").map_err(|_| Error::NotJson)?;
    let text = |name: &'static str| row.text(name).ok_or(Error::Lacks(name));
    Ok(Token {
        userid: row.int("userid").ok_or(Error::Lacks("userid"))?,
        access_token: Secret::new(text("access_token")?),
        refresh_token: Secret::new(text("refresh_token")?),
        expires_in_s: row.int("expires_in").unwrap_or(10_800),
        scope: row
            .text("scope")
            .unwrap_or_default()
            .split([',', ' '])
            .filter(|scope| !scope.is_empty())
            .map(str::to_owned)
            .collect(),
    })
}

/// Reads the nonce of `getnonce`.
///
/// # Errors
/// [`Error::Lacks`].
pub fn read_nonce(body: &Body) -> Result<String, Error> {
    Row::of(body.json(), "").ok().and_then(|row| row.text("nonce")).ok_or(Error::Lacks("nonce"))
}
