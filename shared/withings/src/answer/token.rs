//! Tokens and nonces.

use std::time::Duration;

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

/// Withings: an access token lives three hours.
const LIFE_S: i64 = 10_800;

impl Token {
    /// The access token's life: what Withings says, if it makes sense. (Whoever believes too much meets a 401.)
    #[must_use]
    pub fn life(&self) -> Duration {
        let believed = Some(self.expires_in_s).filter(|life| (1..=LIFE_S).contains(life));
        Duration::from_secs(believed.unwrap_or(LIFE_S).unsigned_abs())
    }
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
        expires_in_s: row.int("expires_in").unwrap_or(LIFE_S),
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

#[cfg(test)]
mod tests {
    use afferent_domain::exact::Json;

    use super::*;

    fn token(members: &str) -> Result<Token, Error> {
        let text = format!(r#"{{"access_token":"a","refresh_token":"b"{members}}}"#);
        read(&Body::new(Json::parse(text.as_bytes()).unwrap()))
    }

    #[test]
    fn a_userid_is_a_number_or_a_text() {
        assert_eq!(token(r#","userid":5200000000"#).unwrap().userid, 5_200_000_000);
        assert_eq!(token(r#","userid":"90001001""#).unwrap().userid, 90_001_001);
        assert_eq!(token(""), Err(Error::Lacks("userid")));
    }

    #[test]
    fn a_partial_grant_is_kept_as_it_is_and_none_is_no_scope() {
        let scope = |text: &str| token(&format!(r#","userid":1,"scope":"{text}""#)).unwrap().scope;
        assert_eq!(scope("user.info,user.activity"), ["user.info", "user.activity"]);
        assert_eq!(scope("user.info user.activity"), ["user.info", "user.activity"]);
        assert_eq!(scope(""), Vec::<String>::new());
        assert_eq!(token(r#","userid":1"#).unwrap().scope, Vec::<String>::new());
    }

    #[test]
    fn a_life_that_makes_no_sense_is_three_hours() {
        let life = |text: &str| token(&format!(r#","userid":1,"expires_in":{text}"#)).unwrap().life().as_secs();
        assert_eq!(life("3600"), 3_600);
        for absurd in ["0", "-1", "99999999999", "\"soon\"", "null"] {
            assert_eq!(life(absurd), 10_800, "{absurd}");
        }
    }
}
