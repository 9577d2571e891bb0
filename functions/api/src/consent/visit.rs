//! What a browser brings back from Withings, taken to its end: once, however often the page is loaded.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::budget::Lane;
use afferent_domain::connection::Scopes;
use afferent_domain::id::PullId;
use afferent_domain::link::Language;
use afferent_gate::{CALL, CallError, ConnectError, Consent};
use afferent_metrics::{Metric, count};
use afferent_store::StoreError;
use afferent_store::connections::Connection;
use afferent_store::states::{Ask, Use, Visit};
use afferent_withings::{Class, auth};

use super::{Browser, Connected, Consents, FOLLOW_UP, Outcome, Ready, Refusal, VISIT, Visitor, Whom, has};

/// How long the exchange of the code itself may take.
pub(super) const EXCHANGE: Duration = Duration::from_secs(7);

/// When a visit ends, whatever it is at: a person who is told that it failed can try again, and one whose answer the
/// function's 15 s cut off is told nothing.
const END: Duration = Duration::from_secs(13);

/// How long keeping what came of a visit may take.
const KEEPING: Duration = Duration::from_secs(1);

/// After how long a visit without an outcome has none any more: the function's 15 s are over.
const BROKEN_OFF: Duration = Duration::from_secs(20);

/// Where a visit is.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// At its end.
    Over(Outcome),
    /// Another one with the same state, of the same browser, is still at it. The language is the customer's wish.
    UnderWay(Option<Language>),
}

impl Consents {
    /// Takes what a browser brings to its end. Whoever brings the same again, because a page was loaded twice, is told what
    /// came of it the first time.
    ///
    /// # Errors
    /// The table is out of reach, and it is not known whose state it is.
    pub(crate) async fn visit(&self, visitor: Visitor, browser: &Browser) -> Result<Arrival, StoreError> {
        let now = self.rim.clock.now();
        let over = |refusal, whom| Ok(Arrival::Over(Outcome::refused(refusal, whom)));
        let Some(state) = &visitor.state else { return over(Refusal::TokenExpired, None) };
        let name = PullId::draw(now, &*self.rim.dice);
        let (connections, marks) = (&self.connector.connections, browser.marks());
        let ask = match connections.use_state(state, name.as_str(), &marks, now).await? {
            Visit::First(ask) => ask,
            Visit::Used(ask, before) => return Ok(again(ask, before, now)),
            Visit::Expired(ask) => {
                let is_here = ask.browser.as_ref().is_none_or(|browser| marks.contains(browser));
                return over(Refusal::TokenExpired, Some(if is_here { ask.into() } else { Whom::nobody(ask) }));
            }
            Visit::Elsewhere(ask) => {
                tracing::warn!(result = Refusal::OtherBrowser.name(), "a person came back in another browser");
                return over(Refusal::OtherBrowser, Some(Whom::nobody(ask)));
            }
            Visit::Unknown => return over(Refusal::TokenExpired, None),
        };
        let result = self.arrive(&ask, &visitor, name.as_str(), now).await;
        let ended = match &result {
            Ok(connected) => Ok((connected.user.clone(), connected.connection.clone())),
            Err(refusal) => Err(*refusal),
        };
        match tokio::time::timeout(KEEPING, connections.end_use(state, name.as_str(), &ended)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "what came of a visit could not be kept"),
            Err(_) => tracing::error!("what came of a visit was perhaps not kept: it took too long"),
        }
        Ok(Arrival::Over(Outcome { result, whom: Some(ask.into()) }))
    }

    /// What the one use of a state comes to.
    async fn arrive(&self, ask: &Ask, visitor: &Visitor, name: &str, now: Timestamp) -> Result<Connected, Refusal> {
        // A link is used up by the first visit that it leads to, although each Continue opened a state of its own.
        if let Some(link) = &ask.link {
            match self.connector.connections.end_link(link, name, now).await {
                Ok(true) => {}
                Ok(false) => return Err(Refusal::TokenConsumed),
                Err(error) => {
                    tracing::error!(%error, "a link could not be ended, and nobody was connected");
                    return Err(Refusal::ProviderError);
                }
            }
        }
        let left = (now + END).since(self.rim.clock.now());
        let result = tokio::time::timeout(left, self.connect(ask, visitor, now)).await.unwrap_or_else(|_| {
            tracing::error!("a person consented, and connecting them took too long");
            Err(Refusal::ProviderError)
        });
        if let Err(refusal) = &result {
            // Whoever declines has chosen to.
            count(Metric::ConsentsFailed, usize::from(!matches!(refusal, Refusal::Denied)));
            tracing::warn!(result = refusal.name(), "a person was not connected");
        }
        result
    }

    async fn connect(&self, ask: &Ask, visitor: &Visitor, began: Timestamp) -> Result<Connected, Refusal> {
        match (&visitor.code, visitor.error.as_deref()) {
            (_, Some("access_denied")) => return Err(Refusal::Denied),
            (None, _) | (_, Some(_)) => return Err(Refusal::ProviderError),
            (Some(_), None) => {}
        }
        let Some(code) = &visitor.code else { return Err(Refusal::ProviderError) };
        let ready = self.ready().await.map_err(|error| {
            tracing::error!(%error, "a person could not be connected: the secrets cannot be had");
            Refusal::ProviderError
        })?;
        let exchanged = ready.gate.exchange(code, &ask.redirect_uri, EXCHANGE, began + VISIT).await;
        let token = exchanged.map_err(|error| {
            tracing::error!(%error, "the code of a person was not exchanged");
            match error {
                // It also says this when the redirect address is not the registered one.
                CallError::Withings(error) if error.class() == Class::InvalidCode => Refusal::TokenExpired,
                _ => Refusal::ProviderError,
            }
        })?;
        let consent = Consent {
            reference: ask.reference.clone(),
            account: self.account(ready.gate.app(), token.userid.to_string()),
            expires_in: token.life(),
            scopes: Scopes::new(token.scope),
            access_token: token.access_token,
            refresh_token: token.refresh_token,
            tz: None,
            alone: self.alone(),
        };
        let failed = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "a person consented and could not be connected");
            Refusal::ProviderError
        };
        // An answer that names no scope grants none: only of an imported pair it is not known.
        let lacks = !ask.required.names().all(|scope| has(&consent.scopes, scope));
        if lacks {
            self.let_go(ready, &consent).await.map_err(|error| failed(&error))?;
            return Err(Refusal::RequiredScopesMissing);
        }
        match self.connector.connect_within(FOLLOW_UP, &ready.seals, &consent).await {
            Ok(Connection { user, id, .. }) => Ok(Connected { user, connection: id }),
            Err(error @ (ConnectError::Taken | ConnectError::TooMany | ConnectError::Store(StoreError::Erasing))) => {
                self.let_go(ready, &consent).await.map_err(|error| failed(&error))?;
                Err(if matches!(error, ConnectError::Taken) { Refusal::DuplicateConnection } else { failed(&error) })
            }
            Err(error) => Err(failed(&error)),
        }
    }

    /// What becomes of the pair of somebody who is not connected: it is kept if the account lives for others, and the
    /// consent is taken back at Withings if it does not. That is tried once: what was asked for of the person was
    /// refused either way, and the pair is stored nowhere.
    pub(super) async fn let_go(&self, ready: &Ready, consent: &Consent) -> Result<(), ConnectError> {
        if self.connector.keep_pair(&ready.seals, consent).await? {
            return Ok(());
        }
        let until = self.rim.clock.now() + CALL + FOLLOW_UP;
        let (gate, userid) = (&ready.gate, &consent.account.userid);
        let revoked = async {
            let nonce = gate.nonce(Lane::OnDemand, until).await?;
            gate.signed(Lane::OnDemand, &auth::revoke(gate.app(), &nonce, userid), until).await
        };
        match tokio::time::timeout(FOLLOW_UP, revoked).await {
            Ok(Ok(_)) => tracing::info!("the consent of somebody who was not connected was taken back"),
            Ok(Err(error)) => tracing::warn!(%error, "the consent of somebody who was not connected stays at Withings"),
            Err(_) => tracing::warn!("the consent of somebody who was not connected perhaps stays at Withings"),
        }
        Ok(())
    }
}

/// What is told to whoever comes with a state that was used.
fn again(ask: Ask, before: Use, now: Timestamp) -> Arrival {
    let result = match before {
        Use::Elsewhere => return Arrival::Over(Outcome::refused(Refusal::TokenConsumed, Some(Whom::nobody(ask)))),
        Use::Begun(since) if now.since(since) < BROKEN_OFF => return Arrival::UnderWay(ask.language),
        Use::Begun(_) => Err(Refusal::TokenConsumed),
        Use::Ended(Ok((user, connection))) => Ok(Connected { user, connection }),
        Use::Ended(Err(refusal)) => Err(refusal),
    };
    Arrival::Over(Outcome { result, whom: Some(ask.into()) })
}
