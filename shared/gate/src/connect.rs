//! From a code to a token pair, and from a pair to a connection.

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::backfill::Depth;
use afferent_domain::budget::Lane;
use afferent_domain::connection::{Scopes, State, Subscriptions};
use afferent_domain::id::{ConnectionId, UserId};
use afferent_domain::record::SyncKind;
use afferent_domain::{Clock, Dice, Timestamp};
use afferent_secrets::{Seals, Unsealable};
use afferent_store::StoreError;
use afferent_store::connections::{AccountKey, Connection, Connections};
use afferent_store::records::Records;
use afferent_store::tokens::Pair;
use afferent_withings::answer::token::{Token, read, read_nonce};
use afferent_withings::{Body, Request, Secret, auth};

use crate::gate::{CallError, Gate};

impl Gate {
    /// The first pair for an authorisation code, which dies 30 s after the person consented. Sent once: what it uses
    /// up may be used up already. `redirect_uri` is the one that the person was sent with, byte for byte.
    ///
    /// # Errors
    /// [`CallError`]; a code that is dead, used or of another redirect is a [`CallError::Withings`] of the class
    /// [`afferent_withings::Class::InvalidCode`].
    pub async fn exchange(
        &self,
        code: &Secret,
        redirect_uri: &str,
        call: Duration,
        until: Timestamp,
    ) -> Result<Token, CallError> {
        let request = auth::token_by_code(self.app(), code, redirect_uri);
        Ok(read(&self.once_within(call, Lane::Auth, &request, None, until).await?)?)
    }

    /// Refreshes the account's pair if Withings issued it longer ago than `older_than`; whether it did.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn renew(
        &self,
        account: &AccountKey,
        lane: Lane,
        older_than: Duration,
        until: Timestamp,
    ) -> Result<bool, CallError> {
        self.tokens.renew(self, account, lane, older_than, until).await
    }

    /// A nonce, good for one signed call.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn nonce(&self, lane: Lane, until: Timestamp) -> Result<String, CallError> {
        Ok(read_nonce(&self.signed(lane, &auth::nonce(self.app(), self.now()), until).await?)?)
    }

    /// Makes a call of the application's own, which carries its secret or a signature instead of a token.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn signed(&self, lane: Lane, request: &Request, until: Timestamp) -> Result<Body, CallError> {
        self.once(lane, request, None, until).await
    }
}

/// A person who consented, and what with.
#[derive(Clone, Debug)]
pub struct Consent {
    /// What the customer calls the person.
    pub reference: String,
    /// The application, region and Withings' userid.
    pub account: AccountKey,
    /// The access token.
    pub access_token: Secret,
    /// The refresh token.
    pub refresh_token: Secret,
    /// How long the access token lives from now on.
    pub expires_in: Duration,
    /// What was granted; none if that is not known.
    pub scopes: Scopes,
    /// The person's time zone, if it is known.
    pub tz: Option<String>,
}

/// Why somebody could not be connected.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A table is out of reach; nothing was stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] Unsealable),
}

/// Connects people.
pub struct Connector {
    /// The table.
    pub connections: Connections,
    /// Where the public record goes.
    pub records: Records,
    /// How much of the past a first connection brings.
    pub depth: Depth,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub dice: Arc<dyn Dice>,
}

impl Connector {
    /// Connects, and begins all that follows from it: subscriptions, replay, sweeps, the first backfill (or filling the
    /// gap since the link died), the public record. Connecting again keeps the ids, which are derived from the
    /// reference and the userid. What follows takes no longer than `patience`; the account's care does the rest.
    ///
    /// # Errors
    /// [`ConnectError`]; then the person is not connected.
    pub async fn connect_within(
        &self,
        patience: Duration,
        seals: &Seals,
        consent: &Consent,
    ) -> Result<Connection, ConnectError> {
        let connection = self.store(seals, consent, true).await?;
        let rest = follow_up(&self.connections, &self.records, &connection, self.depth, self.clock.now());
        match tokio::time::timeout(patience, rest).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(connection = %connection.id, %error, "what follows waits for the next care")
            }
            Err(_) => tracing::warn!(connection = %connection.id, "what follows waits for the next care"),
        }
        Ok(connection)
    }

    /// Stores the connection and nothing else: nobody reads or subscribes for it until a notification comes.
    ///
    /// # Errors
    /// [`ConnectError`]; then the person is not connected.
    pub async fn connect_quietly(&self, seals: &Seals, consent: &Consent) -> Result<Connection, ConnectError> {
        self.store(seals, consent, false).await
    }

    /// Keeps the pair of somebody who consented and is not to be connected, if the account's link lives for others:
    /// nobody says that their pair outlives this one.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn keep_pair(&self, seals: &Seals, consent: &Consent) -> Result<(), ConnectError> {
        let others = self.connections.of_account(&consent.account).await?;
        if others.iter().any(|other| other.state == State::Connected) {
            self.connections.replace_pair(&consent.account, &self.pair(seals, consent)?).await?;
        }
        Ok(())
    }

    fn pair(&self, seals: &Seals, consent: &Consent) -> Result<Pair, Unsealable> {
        let (now, owner) = (self.clock.now(), consent.account.to_string());
        Ok(Pair {
            access: seals.seal(&owner, &consent.access_token, &*self.dice)?.0,
            refresh: seals.seal(&owner, &consent.refresh_token, &*self.dice)?.0,
            expires: now + consent.expires_in,
            refreshed: now,
        })
    }

    async fn store(&self, seals: &Seals, consent: &Consent, duties: bool) -> Result<Connection, ConnectError> {
        let (now, pair) = (self.clock.now(), self.pair(seals, consent)?);
        let fresh = Connection {
            id: ConnectionId::derive(&[&consent.reference, &consent.account.userid]),
            user: UserId::derive(&[&consent.reference]),
            account: consent.account.clone(),
            tz: consent.tz.clone(),
            connected: now,
            first_connected: now,
            state: State::Connected,
            scopes: consent.scopes.clone(),
            subscriptions: Subscriptions::default(),
            followed_up: false,
        };
        self.connections.connect(&fresh, &consent.reference, &pair, duties).await?;
        tracing::info!(connection = %fresh.id, region = fresh.account.region, "connected a person");
        // As the table has it: it may have been there before.
        Ok(self.connections.get(&fresh.id).await.ok().flatten().unwrap_or(fresh))
    }
}

/// Does what follows from connecting, unless it is done: sweeps, the first backfill or the gap, and the public record.
/// Called right after connecting and by the account's care, so that a crash in between costs nothing.
///
/// # Errors
/// DynamoDB fails; then it is to be called again.
pub async fn follow_up(
    connections: &Connections,
    records: &Records,
    connection: &Connection,
    depth: Depth,
    now: Timestamp,
) -> Result<(), StoreError> {
    records.bring(connection.fact(), now, SyncKind::Live).await?;
    if !connection.followed_up {
        let first = connection.connected == connection.first_connected;
        connections.begin_reading(connection, first, depth, now).await?;
        connections.set_followed_up(connection).await?;
    }
    Ok(())
}
