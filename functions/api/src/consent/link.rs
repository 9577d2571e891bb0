//! Hosted links: made with a key, opened by a person.

use afferent_domain::Timestamp;
use afferent_domain::id::PullId;
use afferent_domain::link::Refusal;
use afferent_domain::secret::Secret;
use afferent_store::StoreError;
use afferent_store::links::{Found, Link};
use afferent_store::states::Ask;

use super::{Browser, Consents, Invitation, Outcome, Whom, Wish};
use crate::problem::Problem;
use crate::wish::named;

/// A link that was made.
#[derive(Debug)]
pub(crate) struct HostedLink {
    /// What it may be called where its token must not be seen.
    pub(crate) id: String,
    /// The only sight of its address.
    pub(crate) url: String,
    pub(crate) expires: Timestamp,
}

/// What a link shows to whoever opens it.
#[derive(Debug)]
pub(crate) enum Look {
    /// The page that asks.
    Ask(Link),
    /// It is too late, or there is no such link.
    Over(Outcome),
}

/// Where Continue leads.
#[derive(Debug)]
pub(crate) enum Onward {
    /// To Withings.
    To(Invitation),
    /// It is too late, or there is no such link, or it was continued too often.
    Over(Outcome),
    /// Something is out of reach, or the person is being erased; with whom it is told to, if that is known.
    Failed(Problem, Option<Whom>),
}

impl Consents {
    /// Makes a link. `called_at` is where the function was called.
    pub(crate) async fn make_link(&self, wish: &Wish, called_at: &str) -> Result<HostedLink, Problem> {
        self.unless_erasing(&wish.reference).await?;
        let link = Link {
            reference: wish.reference.clone(),
            scopes: named(&wish.scopes),
            required: named(&wish.required),
            return_url: wish.return_url.clone(),
            language: wish.language,
            demo: wish.demo,
        };
        let opened = self.connector.connections.open_link(&link, self.rim.clock.now(), &*self.rim.dice).await?;
        Ok(HostedLink {
            id: format!("lnk_{}", opened.hash.get(..32).unwrap_or_default()),
            url: format!("{}/v1/link/{}", self.public_url(called_at), opened.token.reveal()),
            expires: opened.dies,
        })
    }

    /// What a link shows. Uses nothing up.
    pub(crate) async fn look(&self, token: &Secret) -> Result<Look, StoreError> {
        Ok(match self.connector.connections.link(token, self.rim.clock.now()).await? {
            Found::Open(link) => Look::Ask(link),
            Found::Ended(link) => Look::Over(Outcome::refused(Refusal::TokenConsumed, Some(Whom::unnamed(link)))),
            Found::Expired(link) => Look::Over(Outcome::refused(Refusal::TokenExpired, Some(Whom::unnamed(link)))),
            Found::Unknown => Look::Over(Outcome::refused(Refusal::TokenExpired, None)),
        })
    }

    /// The person goes on: where to. The link stays open until the person is back, at this `browser`.
    pub(crate) async fn proceed(&self, token: &Secret, browser: &Browser, called_at: &str) -> Onward {
        let link = match self.look(token).await {
            Ok(Look::Ask(link)) => link,
            Ok(Look::Over(outcome)) => return Onward::Over(outcome),
            Err(error) => return Onward::Failed(error.into(), None),
        };
        let Some(mark) = browser.marked_for(token) else {
            tracing::warn!(result = Refusal::OtherBrowser.name(), "a link was continued without its page");
            return Onward::Over(Outcome::refused(Refusal::OtherBrowser, Some(Whom::unnamed(link))));
        };
        let whom = Whom::from(link.clone());
        match self.lead_on(link, token, mark, called_at).await {
            Ok(Some(invitation)) => Onward::To(invitation),
            Ok(None) => Onward::Over(Outcome::refused(Refusal::TokenConsumed, Some(Whom { reference: None, ..whom }))),
            Err(problem) => Onward::Failed(problem, Some(whom)),
        }
    }

    /// `None` if the link ended just now, or was continued too often.
    async fn lead_on(
        &self,
        link: Link,
        token: &Secret,
        mark: String,
        called_at: &str,
    ) -> Result<Option<Invitation>, Problem> {
        let hash = afferent_domain::link::hash(token);
        let Some(dies) = self.connector.connections.continue_link(&hash, self.rim.clock.now()).await? else {
            return Ok(None);
        };
        let ask = Ask {
            reference: link.reference,
            scopes: link.scopes,
            required: link.required,
            redirect_uri: self.redirect_uri(called_at),
            return_url: link.return_url,
            link: Some(hash),
            browser: Some(mark),
            language: link.language,
        };
        self.send_to_consent(&ask, link.demo, dies).await.map(Some)
    }

    /// The person does not want to: that ends the link.
    pub(crate) async fn decline(&self, token: &Secret) -> Result<Outcome, StoreError> {
        let link = match self.look(token).await? {
            Look::Ask(link) => link,
            Look::Over(outcome) => return Ok(outcome),
        };
        let now = self.rim.clock.now();
        let name = PullId::draw(now, &*self.rim.dice);
        let hash = afferent_domain::link::hash(token);
        let first = self.connector.connections.end_link(&hash, name.as_str(), now).await?;
        let (refusal, whom) = match first {
            true => (Refusal::Denied, link.into()),
            false => (Refusal::TokenConsumed, Whom::unnamed(link)),
        };
        tracing::info!(result = refusal.name(), "a person declined on the page of a link");
        Ok(Outcome::refused(refusal, Some(whom)))
    }
}
