//! From a code to a token pair, and from a pair to a connection.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use afferent_domain::backfill::{BadDepth, Depth};
use afferent_domain::budget::Lane;
use afferent_domain::connection::{Scopes, State, Subscriptions};
use afferent_domain::id::{ConnectionId, UserId};
use afferent_domain::record::SyncKind;
use afferent_domain::{Clock, Dice, Timestamp};
use afferent_secrets::{Sealed, Seals, Unsealable};
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

/// How often it is looked whether an account may be connected, where its pair changes between the look and the storing.
const LOOKS: u32 = 4;

/// How many connections a user may have. Whatever is asked of a user is looked up connection by connection, and an erasure
/// names each in one item. Of two at once both may find room.
pub const MOST_CONNECTIONS: u16 = 100;

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
    /// Whether the account may be this user's alone: then there is no connection while another user's lives.
    pub alone: bool,
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
    /// The account is to be one user's alone, and lives for another one.
    #[error("the Withings account is connected for another user")]
    Taken,
    /// The user has [`MOST_CONNECTIONS`].
    #[error(
        "the user has {MOST_CONNECTIONS} connections, and nobody may have more: is one reference used for many people?"
    )]
    TooMany,
}

/// What an imported connection brings of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// Nothing.
    Nothing,
    /// What it missed since it last lived here; nothing, if it never did.
    Gap,
    /// So much, as after a first consent.
    Reach(Depth),
}

impl History {
    /// Whether it is read as after a first consent, and how deep.
    const fn plan(self) -> (bool, Depth) {
        match self {
            Self::Nothing => (true, Depth::Days(0)),
            Self::Gap => (false, Depth::Days(0)),
            Self::Reach(depth) => (true, depth),
        }
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("none"),
            Self::Gap => f.write_str("gap"),
            Self::Reach(Depth::Days(days)) => write!(f, "{days}"),
            Self::Reach(Depth::Everything) => f.write_str("everything"),
        }
    }
}

impl FromStr for History {
    type Err = BadDepth;

    fn from_str(text: &str) -> Result<Self, BadDepth> {
        match text {
            "none" => Ok(Self::Nothing),
            "gap" => Ok(Self::Gap),
            _ => text.parse().map(Self::Reach),
        }
    }
}

/// What came of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// It is connected. What follows (subscriptions, sweeps, the past, the public record) is the account's care, which
    /// is due now.
    Connected(Connection),
    /// It lives already; nothing was changed, its tokens least of all.
    Already(Connection),
}

/// A pair that leaves. Whoever refreshes it first owns the chain from then on, and cuts the other one off.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The access token; worthless after `expires`.
    pub access_token: Secret,
    /// The refresh token.
    pub refresh_token: Secret,
    /// When the access token dies.
    pub expires: Timestamp,
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
    /// reference and the userid. What follows is left to the account's care when all of it has taken `patience`.
    ///
    /// # Errors
    /// [`ConnectError`]; then the person is not connected.
    pub async fn connect_within(
        &self,
        patience: Duration,
        seals: &Seals,
        consent: &Consent,
    ) -> Result<Connection, ConnectError> {
        let until = self.clock.now() + patience;
        let connection = self.store(seals, consent, true).await?;
        let rest = follow_up(&self.connections, &self.records, &connection, self.depth, self.clock.now());
        match tokio::time::timeout(until.since(self.clock.now()), rest).await {
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
    /// nobody says that their pair outlives this one. Whether it does.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn keep_pair(&self, seals: &Seals, consent: &Consent) -> Result<bool, ConnectError> {
        let others = self.connections.of_account(&consent.account).await?;
        let lives = others.iter().any(|other| other.state == State::Connected);
        if lives {
            self.connections.replace_pair(&consent.account, &self.pair(seals, consent)?, &consent.scopes).await?;
        }
        Ok(lives)
    }

    /// Connects somebody who consented elsewhere, by a pair that was brought. A pair that the account has and that
    /// lives for another user stays, because the brought one may be older. Nothing is called: whether Withings takes the
    /// pair shows at the first call of the account's care, and one that it does not take ends the link as any dead pair
    /// does.
    ///
    /// # Errors
    /// [`ConnectError`]; then the person is not connected.
    pub async fn import(
        &self,
        seals: &Seals,
        consent: &Consent,
        history: Option<History>,
    ) -> Result<Imported, ConnectError> {
        let fresh = self.fresh(consent).await?;
        if let Some(known) = self.connections.get(&fresh.id).await?.filter(|known| known.state == State::Connected) {
            return Ok(Imported::Already(known));
        }
        self.has_room(&fresh).await?;
        let pair = self.pair(seals, consent)?;
        let history = history.unwrap_or(History::Reach(self.depth)).to_string();
        for _ in 0..LOOKS {
            // Before the others: who consents after this brings another pair.
            let seen = self.connections.seen(&fresh.account).await?;
            let others = self.others(&fresh, consent.alone).await?;
            // Where nobody knew the account, a pair that is there when this is stored came with another import just now.
            let keep = others.is_empty() || others.iter().any(|other| other.state == State::Connected);
            let ground = (seen, keep, consent.alone);
            if let Some(stored) = self.connections.import(&fresh, &consent.reference, &pair, ground, &history).await? {
                tracing::info!(connection = %fresh.id, region = fresh.account.region, stored, "imported a connection");
                return Ok(Imported::Connected(self.connections.get(&fresh.id).await?.unwrap_or(fresh)));
            }
        }
        Err(StoreError::Conflict { operation: "TransactWriteItems" }.into())
    }

    /// Whether the user has [`MOST_CONNECTIONS`].
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn is_full(&self, user: &UserId) -> Result<bool, StoreError> {
        Ok(self.connections.count_of_user(user, MOST_CONNECTIONS).await? >= MOST_CONNECTIONS)
    }

    /// Whether the user may have this connection: one that was there may always come back.
    async fn has_room(&self, fresh: &Connection) -> Result<(), ConnectError> {
        let is_new = self.is_full(&fresh.user).await? && self.connections.get(&fresh.id).await?.is_none();
        if is_new { Err(ConnectError::TooMany) } else { Ok(()) }
    }

    /// The connections of the account that is about to be connected, unless it is to be `alone` and another user's lives.
    async fn others(&self, fresh: &Connection, alone: bool) -> Result<Vec<Connection>, ConnectError> {
        let others = self.connections.of_account(&fresh.account).await?;
        let taken = |other: &Connection| other.user != fresh.user && other.state == State::Connected;
        if alone && others.iter().any(taken) { Err(ConnectError::Taken) } else { Ok(others) }
    }

    /// The account's pair, opened; `None` if it has none that lives.
    ///
    /// Dangerous: the pair is one chain, and there is one owner of it. As soon as the other side refreshes, the pair
    /// here dies (8 h later at the latest), and the person is asked to connect again; and the other way round. Disconnect
    /// nothing here either: that revokes the consent, and the exported pair with it. For an operator who moves people
    /// away, never for an answer of the API.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn export_pair(&self, seals: &Seals, account: &AccountKey) -> Result<Option<Exported>, ConnectError> {
        let Some(stored) = self.connections.tokens(account).await?.filter(|stored| !stored.dead) else {
            return Ok(None);
        };
        let (owner, now) = (account.to_string(), self.clock.now());
        let pair = stored.pair;
        Ok(Some(Exported {
            access_token: seals.open(&owner, &Sealed(pair.access), now).await?,
            refresh_token: seals.open(&owner, &Sealed(pair.refresh), now).await?,
            expires: pair.expires,
        }))
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
        let (pair, fresh) = (self.pair(seals, consent)?, self.fresh(consent).await?);
        self.has_room(&fresh).await?;
        for _ in 0..LOOKS {
            let mut seen = None;
            if consent.alone {
                seen = Some(self.connections.seen(&fresh.account).await?);
                self.others(&fresh, true).await?;
            }
            if self.connections.connect_if(&fresh, &consent.reference, &pair, duties, seen).await? {
                tracing::info!(connection = %fresh.id, region = fresh.account.region, "connected a person");
                // As the table has it: it may have been there before.
                return Ok(self.connections.get(&fresh.id).await.ok().flatten().unwrap_or(fresh));
            }
        }
        Err(StoreError::Conflict { operation: "TransactWriteItems" }.into())
    }

    /// The connection as if it were the first time. Without a time zone of its own it has the user's.
    async fn fresh(&self, consent: &Consent) -> Result<Connection, StoreError> {
        let (now, user) = (self.clock.now(), UserId::derive(&[&consent.reference]));
        let tz = match &consent.tz {
            Some(tz) => Some(tz.clone()),
            None => self.connections.user(&user).await?.and_then(|user| user.tz),
        };
        Ok(Connection {
            id: ConnectionId::derive(&[&consent.reference, &consent.account.userid]),
            user,
            account: consent.account.clone(),
            tz,
            connected: now,
            first_connected: now,
            state: State::Connected,
            scopes: consent.scopes.clone(),
            subscriptions: Subscriptions::default(),
            followed_up: false,
        })
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
        let history = connections.history(connection).await?.and_then(|history| history.parse::<History>().ok());
        let consented = (connection.connected == connection.first_connected, depth);
        let (first, depth) = history.map_or(consented, History::plan);
        connections.begin_reading(connection, first, depth, now).await?;
        connections.set_followed_up(connection).await?;
    }
    Ok(())
}
