//! From the stream of `records` to the journal, the deliveries and their messages.
//!
//! Each new image of a record becomes one event in its user's journal; each endpoint that wants it gets one
//! delivery and one message (`afferent-outbox` does all three). A removed record is an erasure: no event.
//!
//! Three kinds of failure, three answers:
//!
//! - A change that *can never* become an event (it cannot be read, or is too large) would fail the same way
//!   for the 23 hours that the stream tries. It is noted in the journal `_failed`, logged by its ids, and done.
//! - A change that *a later version* of the functions wrote is passed over, so that nobody else's waits behind it for a day:
//!   the daily comparison of `records` with the journals brings its event, once a version does that which understands it.
//! - *Infrastructure* fails the change for now. The answer names the first such change of the batch, and
//!   Lambda starts again from there; what was done after it is found done.

mod change;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use afferent_domain::Clock;
use afferent_domain::event::Draft;
use afferent_domain::id::UserId;
use afferent_function::trace::{Kind, Span};
use afferent_function::{Edge, Env, Rim, StartError, trace};
use afferent_metrics::{batch_failed, property};
use afferent_outbox::{Audience, Config, Outbox, Unsent};
use afferent_store::StoreError;
use afferent_store::events::Failure;
use aws_lambda_events::dynamodb::{Event, EventRecord};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use futures_util::future::join_all;

use change::{Change, read};

/// How many users' changes are journalled at once. Those of one user go one after the other.
const USERS_AT_ONCE: usize = 8;

/// A change of the batch, by its place there.
#[derive(Debug)]
struct Placed<T> {
    place: usize,
    what: T,
}

/// The function.
pub struct Fanout {
    outbox: Outbox,
    clock: Arc<dyn Clock>,
    edge: Edge,
}

/// A failed change that the answer cannot name. AWS never sends one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a change of the stream has no sequence number")]
pub struct MissingSequence;

/// Names every trace of the batch in the invocation's line of metrics, so that each is found by its own name.
fn name_traces<'a>(drafts: impl Iterator<Item = &'a Placed<Draft>>) {
    let traces: BTreeSet<String> = drafts.filter_map(|draft| Some(draft.what.trace?.id())).collect();
    if !traces.is_empty() {
        property("trace", traces.into_iter().collect::<Vec<_>>().join(" "));
    }
}

impl Fanout {
    /// Builds the function; calls nothing.
    ///
    /// # Errors
    /// A variable is missing.
    pub async fn start(env: &Env, rim: &Rim) -> Result<Self, StartError> {
        let outbox = Outbox::new(Config::from_env(env)?, rim);
        Ok(Self { outbox, clock: Arc::clone(&rim.clock), edge: rim.edge("fanout", env) })
    }

    /// Handles one batch of the stream.
    ///
    /// # Errors
    /// A change failed that has no sequence number.
    pub async fn handle(&self, event: Event) -> Result<DynamoDbEventResponse, lambda_runtime::Error> {
        let failed = self.edge.invocation(self.first_failed(&event.records)).await;
        let mut response = DynamoDbEventResponse::default();
        if let Some(place) = failed {
            let sequence = event.records.get(place).and_then(|record| record.change.sequence_number.clone());
            let mut failure = DynamoDbBatchItemFailure::default();
            failure.item_identifier = Some(sequence.filter(|number| !number.is_empty()).ok_or(MissingSequence)?);
            response.batch_item_failures.push(failure);
        }
        Ok(response)
    }

    /// Does all that can be done; the place of the first change that must come again.
    async fn first_failed(&self, records: &[EventRecord]) -> Option<usize> {
        let (mut users, mut unfit) = (Vec::<(UserId, Vec<Placed<Draft>>)>::new(), Vec::new());
        let mut index = HashMap::<UserId, usize>::new();
        for (place, record) in records.iter().enumerate() {
            match read(record, self.clock.now()) {
                Change::Event(what) => {
                    let at = *index.entry(what.user.clone()).or_insert_with(|| {
                        users.push((what.user.clone(), Vec::new()));
                        users.len() - 1
                    });
                    if let Some((_, drafts)) = users.get_mut(at) {
                        drafts.push(Placed { place, what: *what });
                    }
                }
                Change::Erasure => {}
                Change::Later(version) => {
                    let change = &record.event_id;
                    tracing::warn!(
                        change,
                        version,
                        "a later version wrote this record; the daily sweep brings its event"
                    );
                }
                Change::Unfit(what) => unfit.push(Placed { place, what }),
            }
        }
        name_traces(users.iter().flat_map(|(_, drafts)| drafts));
        let unnoted = self.note(unfit).await;
        let unsent = self.publish(users).await;
        let failed = unnoted.into_iter().chain(unsent).min();
        if failed.is_some() {
            batch_failed();
        }
        failed
    }

    /// Notes what can never become an event; the first place where that failed.
    async fn note(&self, unfit: Vec<Placed<Failure>>) -> Option<usize> {
        for Placed { place, what } in unfit {
            tracing::error!(
                user = what.user,
                record = what.record,
                change = what.change,
                reason = what.reason,
                "a change cannot become an event; it is noted in the journal _failed"
            );
            if let Err(error) = self.outbox.note(&what).await {
                tracing::error!(%error, change = what.change, "the note could not be stored; the change comes again");
                return Some(place);
            }
        }
        None
    }

    /// Journals and announces; the first place of what must come again.
    async fn publish(&self, users: Vec<(UserId, Vec<Placed<Draft>>)>) -> Option<usize> {
        let first = |drafts: &[Placed<Draft>]| drafts.first().map(|draft| draft.place);
        let all_first = users.iter().filter_map(|(_, drafts)| first(drafts)).min()?;
        let audience = match self.outbox.audience(users.iter().map(|(user, _)| user.clone())).await {
            Ok(audience) => audience,
            Err(error) => {
                tracing::error!(%error, "the endpoints could not be read; the batch comes again");
                return Some(all_first);
            }
        };
        let (mut failed, mut keys) = (None::<usize>, Vec::<Unsent>::new());
        let mut users = users.into_iter().peekable();
        while users.peek().is_some() {
            let some = users.by_ref().take(USERS_AT_ONCE);
            for (place, committed) in join_all(some.map(|(user, drafts)| self.commit(user, drafts, &audience))).await {
                match committed {
                    Ok(of_user) => keys.extend(of_user),
                    Err(_) => failed = Some(failed.map_or(place, |other| other.min(place))),
                }
            }
        }
        if let Err(error) = self.outbox.announce(&keys).await {
            tracing::error!(%error, deliveries = keys.len(), "deliveries are stored but not announced; they come again");
            return Some(all_first);
        }
        failed
    }

    async fn commit(
        &self,
        user: UserId,
        drafts: Vec<Placed<Draft>>,
        audience: &Audience,
    ) -> (usize, Result<Vec<Unsent>, StoreError>) {
        let place = drafts.first().map_or(0, |draft| draft.place);
        let drafts: Vec<Draft> = drafts.into_iter().map(|draft| draft.what).collect();
        // Several changes may be of several traces: the work for them is shown in the newest, and each delivery has its own.
        let newest = drafts.iter().rev().find_map(|draft| draft.trace);
        if let Some(trace) = newest {
            trace::link(trace);
        }
        let commit = Span::new(Kind::Internal, "events").around(self.outbox.commit(&user, drafts, audience));
        let committed = trace::carrying(newest, commit).await;
        if let Err(error) = &committed {
            tracing::error!(%error, user = user.as_str(), "changes of a user come again");
        }
        (place, committed)
    }
}
