//! Codes, token pairs and nonces, and when each of them dies.
//!
//! Withings, access and refresh tokens: an access token lives 3 h, a refresh token a year. A refresh issues a
//! new pair; the *old refresh token* dies 8 h later or when the new access token is first used, whichever is
//! first. All links of one user to one application share a chain of generations (inferred from
//! reports that two links collide).

use std::collections::BTreeMap;
use std::time::Duration;

use afferent_domain::clock::{Dice, Timestamp};
use ring::digest;
use serde::{Deserialize, Serialize};

use crate::Userid;

/// How long an access token lives.
pub(crate) const ACCESS_LIFE: Duration = Duration::from_secs(10_800);
/// How long a refresh token lives.
const REFRESH_LIFE: Duration = Duration::from_secs(365 * 86_400);
/// How long a refresh token outlives its use, while its successor is not used.
const GRACE: Duration = Duration::from_secs(8 * 3_600);
/// How long an authorisation code lives.
pub(crate) const CODE_LIFE: Duration = Duration::from_secs(30);
/// How long a code from user `activate` lives.
pub(crate) const ACTIVATION_CODE_LIFE: Duration = Duration::from_secs(600);
/// How long a nonce lives.
const NONCE_LIFE: Duration = Duration::from_secs(1_800);

/// What every code and token begins with, so that one that got into a log is found. (Withings' own have no mark.)
const MARK: &str = "70ce4070ce40";

/// A new pair, as `requesttoken` answers it.
#[derive(Clone, Debug, Serialize)]
pub struct TokenPair {
    /// Whose.
    pub userid: Userid,
    /// 40 hexadecimal digits.
    pub access_token: String,
    /// 40 hexadecimal digits.
    pub refresh_token: String,
    /// Comma separated.
    pub scope: String,
    /// Seconds.
    pub expires_in: u64,
}

/// Who a call is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Caller {
    pub(crate) client_id: String,
    pub(crate) userid: Userid,
    pub(crate) scope: String,
}

impl Caller {
    pub(crate) fn may(&self, scope: &str) -> bool {
        self.scope.split(',').any(|granted| granted.trim() == scope)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Token {
    caller: Caller,
    generation: u64,
    dies: Timestamp,
    /// Whether an access token was used, so that its predecessors are gone already.
    used: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Code {
    caller: Caller,
    redirect_uri: Option<String>,
    dies: Timestamp,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tokens {
    access: BTreeMap<String, Token>,
    refresh: BTreeMap<String, Token>,
    codes: BTreeMap<String, Code>,
    nonces: BTreeMap<String, (String, Timestamp)>,
    drawn: u64,
}

impl Tokens {
    /// A secret of 40 hexadecimal digits; never the same twice, whatever the dice.
    fn draw(&mut self, dice: &dyn Dice) -> String {
        self.drawn += 1;
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(&self.drawn.to_be_bytes());
        hash.update(&dice.roll().to_be_bytes());
        let chance = hash.finish().as_ref().iter().take(14).map(|byte| format!("{byte:02x}")).collect::<String>();
        format!("{MARK}{chance}")
    }

    /// A code for the redirect.
    pub(crate) fn code(
        &mut self,
        caller: Caller,
        redirect_uri: Option<String>,
        life: Duration,
        now: Timestamp,
        dice: &dyn Dice,
    ) -> String {
        let code = self.draw(dice);
        self.codes.insert(code.clone(), Code { caller, redirect_uri, dies: now + life });
        code
    }

    /// Uses up a code. `None` if it is unknown, used, too old, another client's or for another redirect.
    pub(crate) fn redeem(
        &mut self,
        code: &str,
        client_id: &str,
        redirect_uri: Option<&str>,
        now: Timestamp,
        dice: &dyn Dice,
    ) -> Option<TokenPair> {
        let code = self.codes.remove(code)?;
        let fits = code.redirect_uri.is_none() || code.redirect_uri.as_deref() == redirect_uri;
        let alive = now < code.dies && code.caller.client_id == client_id && fits;
        alive.then(|| self.issue(code.caller, now, dice))
    }

    /// A new pair: the next generation of the chain of (client, user). The older ones live on until it is used.
    pub(crate) fn issue(&mut self, caller: Caller, now: Timestamp, dice: &dyn Dice) -> TokenPair {
        let (access_token, refresh_token) = (self.draw(dice), self.draw(dice));
        let token = |dies| Token { caller: caller.clone(), generation: self.drawn, dies, used: false };
        let (access, refresh) = (token(now + ACCESS_LIFE), token(now + REFRESH_LIFE));
        self.access.insert(access_token.clone(), access);
        self.refresh.insert(refresh_token.clone(), refresh);
        let Caller { userid, scope, .. } = caller;
        TokenPair { userid, access_token, refresh_token, scope, expires_in: ACCESS_LIFE.as_secs() }
    }

    /// Uses a refresh token; from now on it has 8 h. `None` if it is dead.
    pub(crate) fn refresh(
        &mut self,
        refresh_token: &str,
        client_id: &str,
        now: Timestamp,
        dice: &dyn Dice,
    ) -> Option<TokenPair> {
        let token = self.refresh.get_mut(refresh_token)?;
        if token.caller.client_id != client_id || now >= token.dies {
            return None;
        }
        token.dies = token.dies.min(now + GRACE);
        let caller = token.caller.clone();
        Some(self.issue(caller, now, dice))
    }

    /// Who holds this access token, whether or not it still lives. Uses nothing.
    pub(crate) fn holder(&self, access_token: &str) -> Option<&Caller> {
        self.access.get(access_token).map(|token| &token.caller)
    }

    /// Uses an access token: all older refresh tokens of its chain die, and if `old_access_dies` the older
    /// access tokens too. `None` if it is dead itself.
    pub(crate) fn use_access(&mut self, access_token: &str, now: Timestamp, old_access_dies: bool) -> Option<Caller> {
        let token = self.access.get_mut(access_token).filter(|token| now < token.dies)?;
        let (caller, generation) = (token.caller.clone(), token.generation);
        if std::mem::replace(&mut token.used, true) {
            return Some(caller);
        }
        let kept = |token: &Token| {
            token.generation >= generation
                || token.caller.userid != caller.userid
                || token.caller.client_id != caller.client_id
        };
        self.refresh.retain(|_, token| kept(token));
        if old_access_dies {
            self.access.retain(|_, token| kept(token));
        }
        Some(caller)
    }

    /// The scopes of the newest living grant of a user to a client.
    pub(crate) fn grant(&self, client_id: &str, userid: Userid, now: Timestamp) -> Option<&Caller> {
        let of_chain = self
            .refresh
            .values()
            .filter(|token| token.caller.client_id == client_id && token.caller.userid == userid && now < token.dies);
        of_chain.max_by_key(|token| token.generation).map(|token| &token.caller)
    }

    /// Kills everything of a user, at one client or at all.
    pub(crate) fn revoke(&mut self, userid: Userid, client_id: Option<&str>) {
        let kept = |caller: &Caller| {
            caller.userid != userid || client_id.is_some_and(|client_id| caller.client_id != client_id)
        };
        self.access.retain(|_, token| kept(&token.caller));
        self.refresh.retain(|_, token| kept(&token.caller));
        self.codes.retain(|_, code| kept(&code.caller));
    }

    /// A nonce for a signature.
    pub(crate) fn nonce(&mut self, client_id: &str, now: Timestamp, dice: &dyn Dice) -> String {
        let nonce = self.draw(dice);
        self.nonces.insert(nonce.clone(), (client_id.to_owned(), now + NONCE_LIFE));
        nonce
    }

    /// Uses up a nonce; whether it was good.
    pub(crate) fn use_nonce(&mut self, nonce: &str, client_id: &str, now: Timestamp) -> bool {
        self.nonces.remove(nonce).is_some_and(|(owner, dies)| owner == client_id && now < dies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Dice for Fixed {
        fn roll(&self) -> u64 {
            4
        }
    }

    const START: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn caller() -> Caller {
        Caller { client_id: "client".to_owned(), userid: 7, scope: "user.metrics,user.activity".to_owned() }
    }

    fn later(seconds: u64) -> Timestamp {
        START + Duration::from_secs(seconds)
    }

    #[test]
    fn a_code_lives_thirty_seconds_and_is_used_once() {
        let mut tokens = Tokens::default();
        let code = tokens.code(caller(), None, CODE_LIFE, START, &Fixed);
        assert!(tokens.redeem(&code, "client", None, later(29), &Fixed).is_some());
        assert!(tokens.redeem(&code, "client", None, later(29), &Fixed).is_none());
        let code = tokens.code(caller(), None, CODE_LIFE, START, &Fixed);
        assert!(tokens.redeem(&code, "client", None, later(30), &Fixed).is_none());
        let code = tokens.code(caller(), Some("https://a/".to_owned()), CODE_LIFE, START, &Fixed);
        assert!(tokens.redeem(&code, "client", Some("https://a"), START, &Fixed).is_none());
    }

    #[test]
    fn an_access_token_lives_three_hours() {
        let mut tokens = Tokens::default();
        let pair = tokens.issue(caller(), START, &Fixed);
        assert_eq!(tokens.use_access(&pair.access_token, later(10_799), true), Some(caller()));
        assert_eq!(tokens.use_access(&pair.access_token, later(10_800), true), None);
    }

    #[test]
    fn a_used_refresh_token_lives_until_the_new_access_token_is_first_used() {
        let mut tokens = Tokens::default();
        let old = tokens.issue(caller(), START, &Fixed);
        let new = tokens.refresh(&old.refresh_token, "client", later(10), &Fixed).unwrap();
        // The answer was lost: the old one still works.
        let newer = tokens.refresh(&old.refresh_token, "client", later(20), &Fixed).unwrap();
        assert!(tokens.use_access(&newer.access_token, later(21), true).is_some());
        assert!(tokens.refresh(&old.refresh_token, "client", later(22), &Fixed).is_none());
        assert!(tokens.refresh(&new.refresh_token, "client", later(22), &Fixed).is_none());
        assert!(tokens.use_access(&old.access_token, later(22), true).is_none());
        assert!(tokens.refresh(&newer.refresh_token, "client", later(22), &Fixed).is_some());
    }

    #[test]
    fn a_used_refresh_token_dies_after_eight_hours_at_the_latest() {
        let mut tokens = Tokens::default();
        let old = tokens.issue(caller(), START, &Fixed);
        assert!(tokens.refresh(&old.refresh_token, "client", START, &Fixed).is_some());
        // A second use does not prolong it.
        assert!(tokens.refresh(&old.refresh_token, "client", later(8 * 3_600 - 1), &Fixed).is_some());
        assert!(tokens.refresh(&old.refresh_token, "client", later(8 * 3_600), &Fixed).is_none());
    }

    #[test]
    fn a_nonce_is_used_once_and_within_thirty_minutes() {
        let mut tokens = Tokens::default();
        let nonce = tokens.nonce("client", START, &Fixed);
        assert!(tokens.use_nonce(&nonce, "client", later(1_799)));
        assert!(!tokens.use_nonce(&nonce, "client", later(1_799)));
        let nonce = tokens.nonce("client", START, &Fixed);
        assert!(!tokens.use_nonce(&nonce, "client", later(1_800)));
    }
}
