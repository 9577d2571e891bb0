//! The one way to Withings: a token, a slot of the budget, one request, the slot back.

mod guard;

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::budget::Lane;
use afferent_domain::{Clock, Timestamp};
use afferent_function::Rim;
use afferent_function::trace::{self, Kind, Span};
use afferent_metrics::{Called, Metric, count, observe_ms};
use afferent_secrets::Seals;
use afferent_store::StoreError;
use afferent_store::budget::{Budget, BudgetError};
use afferent_store::connections::{AccountKey, Connections};
use afferent_withings::{App, Auth, Body, Class, Client, Error, Request, Secret};

use guard::Guard;

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
    /// The account's tokens cannot be sealed or opened with the keys there are. That is our own fault, and no reason
    /// to send the person to consent again.
    #[error("the account's tokens cannot be opened with the keys there are")]
    Sealed,
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

/// An answer, and when its call was sent.
#[derive(Debug)]
pub struct Answered {
    /// The body.
    pub body: Body,
    /// When the slot was claimed, and the call sent.
    pub sent: Timestamp,
}

/// The gate.
pub struct Gate {
    withings: Client,
    app: App,
    budget: Budget,
    pub(crate) tokens: Tokens,
    guard: Guard,
    clock: Arc<dyn Clock>,
}

impl Gate {
    /// The gate of one application.
    #[must_use]
    pub fn new(
        withings: Client,
        app: App,
        seals: impl Into<Seals>,
        budget: Budget,
        connections: Connections,
        rim: &Rim,
    ) -> Self {
        let (tokens, guard) = (Tokens::new(connections, seals.into(), rim), Guard::new(rim.clock.clone()));
        Self { withings, app, budget, tokens, guard, clock: rim.clock.clone() }
    }

    /// The application.
    #[must_use]
    pub const fn app(&self) -> &App {
        &self.app
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
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
        self.answered(account, lane, request, until).await.map(|answered| answered.body)
    }

    /// The same, and when the call was sent: what changed at Withings before is in the answer.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn answered(
        &self,
        account: &AccountKey,
        lane: Lane,
        request: &Request,
        until: Timestamp,
    ) -> Result<Answered, CallError> {
        if request.auth() != Auth::Bearer {
            return self.once_for(None, CALL, lane, request, None, until).await;
        }
        let access = self.tokens.access(self, account, lane, until).await?;
        match self.once_for(Some(account), CALL, lane, request, Some(&access.token), until).await {
            Err(CallError::Withings(error)) if error.class() == Class::Unauthorized => {
                let Access { token, .. } = self.tokens.refreshed(self, account, access.generation, lane, until).await?;
                self.once_for(Some(account), CALL, lane, request, Some(&token), until).await
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
        self.once_within(CALL, lane, request, token, until).await
    }

    /// The same for a call that may take no longer than `call`.
    pub(crate) async fn once_within(
        &self,
        call: Duration,
        lane: Lane,
        request: &Request,
        token: Option<&Secret>,
        until: Timestamp,
    ) -> Result<Body, CallError> {
        self.once_for(None, call, lane, request, token, until).await.map(|answered| answered.body)
    }

    async fn once_for(
        &self,
        account: Option<&AccountKey>,
        call: Duration,
        lane: Lane,
        request: &Request,
        token: Option<&Secret>,
        until: Timestamp,
    ) -> Result<Answered, CallError> {
        let give_up = until - call;
        let mut pass = self.guard.pass(account, request, give_up).await.map_err(CallError::Spent)?;
        let claim = self.budget.claim(lane, call, give_up).await?;
        pass.sent(claim.call_ends);
        let sent = self.clock.now();
        // The claim's own write may have been slow: what it took is not the call's any more.
        let deadline = claim.call_ends.since(self.clock.now());
        let answer = Span::new(Kind::Client, "call").around(self.asked(request, token, deadline)).await;
        let answered = self.clock.now();
        tally(request, answered.since(sent), answer.as_ref().err());
        if let Err(error) = self.budget.release(claim, answered).await {
            tracing::warn!(%error, "a slot of the budget was not given back and lapses by itself");
        }
        let class = answer.as_ref().err().map(Error::class);
        pass.answered(answered, if let Some(Class::SameArguments { wait }) = class { wait } else { Duration::ZERO });
        if let Some(Class::TooManyRequests { wait }) = class {
            tracing::warn!(
                wait_ms = wait.as_millis(),
                lane = lane.name(),
                "Withings refused a call: too many requests"
            );
            self.budget.refused(lane, answered + wait).await?;
        }
        Ok(Answered { body: answer?, sent })
    }

    async fn asked(&self, request: &Request, token: Option<&Secret>, deadline: Duration) -> Result<Body, Error> {
        trace::tell("action", request.action());
        let answer = self.withings.call(request, token, deadline).await;
        if let Err(error) = &answer {
            trace::tell("error", error.class().name());
            trace::failed();
        }
        answer
    }
}

/// Counts a call.
fn tally(request: &Request, took: Duration, refusal: Option<&Error>) {
    let called = Called::of(request.path(), request.action());
    count(Metric::Calls, 1);
    count(Metric::CallsOf(called), 1);
    observe_ms(Metric::CallDuration, took);
    if let Some(refusal) = refusal {
        count(Metric::Refusals, 1);
        count(Metric::RefusalsOf(called), 1);
        count(Metric::LimitsHit, usize::from(matches!(refusal.class(), Class::TooManyRequests { .. })));
    }
}
