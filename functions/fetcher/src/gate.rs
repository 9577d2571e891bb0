//! The one way to Withings: a token, a slot of the budget, one request, the slot back.

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::budget::Lane;
use afferent_domain::{Clock, Timestamp};
use afferent_function::Rim;
use afferent_secrets::Sealer;
use afferent_store::StoreError;
use afferent_store::budget::{Budget, BudgetError};
use afferent_store::connections::{AccountKey, Connections};
use afferent_withings::{App, Auth, Body, Class, Client, Error, Request, Secret};

use crate::tokens::{Access, Tokens};

/// How long one call may take. Withings' own gateway gives up after a minute; most answers take a second.
pub const CALL: Duration = Duration::from_secs(30);

/// Why a call brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The budget has no slot in the time there is; the first one is free then.
    #[error("no call to Withings is free before {0}")]
    Spent(Timestamp),
    /// Withings, or the way to it.
    #[error(transparent)]
    Withings(#[from] Error),
    /// The account has no usable token pair: the person must connect again.
    #[error("the account has no usable tokens")]
    Reauthorise,
    /// Somebody else is refreshing the tokens and is not done in the time there is.
    #[error("the tokens are being refreshed by another invocation")]
    Refreshing,
    /// A table is out of reach.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<BudgetError> for CallError {
    fn from(error: BudgetError) -> Self {
        match error {
            BudgetError::Spent(until) => Self::Spent(until),
            BudgetError::Store(error) => Self::Store(error),
        }
    }
}

/// The gate.
pub struct Gate {
    withings: Client,
    pub(crate) app: App,
    pub(crate) budget: Budget,
    pub(crate) tokens: Tokens,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Gate {
    pub(crate) fn new(
        withings: Client,
        app: App,
        sealer: Sealer,
        budget: Budget,
        connections: Connections,
        rim: &Rim,
    ) -> Self {
        Self { withings, app, budget, tokens: Tokens::new(connections, sealer, rim), clock: rim.clock.clone() }
    }

    /// Makes the call on behalf of `account`. A dead access token is refreshed once, and the call made once
    /// more; every other failure is the caller's.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call(
        &self,
        account: &AccountKey,
        lane: Lane,
        request: &Request,
        until: Timestamp,
    ) -> Result<Body, CallError> {
        if request.auth() != Auth::Bearer {
            return self.once(lane, request, None, until).await;
        }
        let access = self.tokens.access(self, account, lane, until).await?;
        match self.once(lane, request, Some(&access.token), until).await {
            Err(CallError::Withings(error)) if error.class() == Class::Unauthorized => {
                let Access { token, .. } = self.tokens.refreshed(self, account, access.generation, lane, until).await?;
                self.once(lane, request, Some(&token), until).await
            }
            answer => answer,
        }
    }

    /// One request under one slot.
    pub(crate) async fn once(
        &self,
        lane: Lane,
        request: &Request,
        token: Option<&Secret>,
        until: Timestamp,
    ) -> Result<Body, CallError> {
        let claim = self.budget.claim(lane, CALL, until - CALL).await?;
        // The claim's own write may have been slow: what it took is not the call's any more.
        let deadline = claim.call_ends.since(self.clock.now());
        let answer = self.withings.call(request, token, deadline).await;
        let answered = self.clock.now();
        if let Err(error) = self.budget.release(claim, answered).await {
            tracing::warn!(%error, "a slot of the budget was not given back and lapses by itself");
        }
        if let Err(Class::TooManyRequests { wait }) = answer.as_ref().map_err(Error::class) {
            tracing::warn!(
                wait_ms = wait.as_millis(),
                lane = lane.name(),
                "Withings refused a call: too many requests"
            );
            self.budget.hold(answered + wait).await?;
        }
        Ok(answer?)
    }
}
