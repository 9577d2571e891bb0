//! Notices about endpoints: what their health asks for becomes a standing, an event and a letter.
//!
//! In this order, each step such that doing it again changes nothing: an endpoint that must not go on is disabled, and
//! what waits for it is to be cancelled; the events go into the journal; the letters go out; a notice is noted as given.
//! So whoever dies in between leaves the endpoint among those that are looked after, and the next run goes on: an event
//! comes once, a letter at least once. A letter that does not go out keeps the later notices about its own endpoint
//! waiting, and nothing else: no other letter, no event, no standing.

use std::sync::Arc;
use std::time::Duration;

use afferent_domain::contact::EmailAddress;
use afferent_domain::endpoint::{Cause, Endpoint, Standing};
use afferent_domain::event::Draft;
use afferent_domain::health::{Health, Stop};
use afferent_domain::id::{EndpointId, JobId, UserId};
use afferent_domain::job::{Job, Kind, MOST_PER_MINUTE, Progress, State};
use afferent_domain::notice::{Notice, Subject};
use afferent_domain::{Dice, Timestamp};
use afferent_function::{Env, EnvError, Rim};
use afferent_mail::{Letter, Mail, MailError};
use afferent_metrics::{Metric, count};
use afferent_store::StoreError;
use futures_util::future::join_all;

use crate::{Keeper, begin_elsewhere};

/// How long endpoints are looked at, then notices journalled, then letters written: each for so long, of the 55 s that
/// the function has. What is left is next minute's.
const WORK: Duration = Duration::from_secs(12);

const MINUTE: Duration = Duration::from_secs(60);

/// How many endpoints are looked after at once.
const AT_ONCE: usize = 8;

/// How long after its notice a letter is tried that SES refuses: 60 times, once a minute. Time for whoever reads the log
/// to verify the sender or to correct the contact; not for ever, because no minute mends a dead address, and its endpoint
/// would have to be looked after for good. While SES takes no letter at all, it is tried without end.
const REFUSED_FOR: Duration = Duration::from_secs(60 * 60);

/// Who writes to whom.
pub(crate) struct Post {
    /// The way out; `None` in a stack without a sender.
    mail: Option<Mail>,
    /// Who gets the letters about endpoints without a contact of their own.
    contact: Option<EmailAddress>,
    dice: Arc<dyn Dice>,
}

impl Post {
    /// Reads `MAIL_FROM`, the sender of letters, without which none go out; and `CONTACT`, who gets those about endpoints
    /// without a contact of their own. Both may be empty.
    ///
    /// # Errors
    /// One of them is no email address.
    pub(crate) fn from_env(env: &Env, rim: &Rim) -> Result<Self, EnvError> {
        let address = |name: &str, text: Option<String>| -> Result<Option<EmailAddress>, EnvError> {
            let unusable = |_| EnvError::Unusable { name: name.to_owned(), expected: "an email address, or empty" };
            text.map(|text| EmailAddress::parse(&text).map_err(unusable)).transpose()
        };
        let from = address("MAIL_FROM", env.optional("MAIL_FROM"))?;
        let contact = address("CONTACT", env.optional("CONTACT"))?;
        Ok(Self { mail: from.map(|from| Mail::new(&rim.aws, from)), contact, dice: Arc::clone(&rim.dice) })
    }
}

/// An endpoint with something to tell.
struct Case {
    endpoint: Endpoint,
    health: Health,
    notices: Vec<(Notice, Draft)>,
}

impl Case {
    fn subject(&self) -> Subject<'_> {
        Subject::new(&self.endpoint, &self.health)
    }

    fn drafts(&self) -> impl Iterator<Item = Draft> {
        self.notices.iter().map(|(_, draft)| draft.clone())
    }
}

impl Keeper {
    /// Gives the notices that are due; how many. Trouble with one endpoint stops no other.
    pub(crate) async fn notices(&self) -> Result<usize, lambda_runtime::Error> {
        let began = self.clock.now();
        let mut watched = self.outbox.endpoints().watched().await?;
        watched.retain(|(_, health)| {
            health.must_stop(began).is_some() || health.owed.is_some() || !health.warnings_due().is_empty()
        });
        // Not always the same ones first: while AWS is slow, a run does not come to the last.
        begin_elsewhere(&mut watched, began, MINUTE);
        let (mut cases, mut outcome) = (Vec::new(), Ok(()));
        for watched in watched.chunks(AT_ONCE) {
            if self.clock.now().since(began) > WORK {
                tracing::warn!("not every endpoint with a notice could be looked at in time");
                break;
            }
            for case in join_all(watched.iter().map(|(id, _)| self.open_case(id, began))).await {
                match case {
                    Ok(case) => cases.extend(case),
                    Err(error) => outcome = outcome.and(Err(error.into())),
                }
            }
        }
        if cases.is_empty() {
            return outcome.map(|()| 0);
        }
        outcome = outcome.and(self.journal(&mut cases).await);
        let (mut given, begin) = (0, self.clock.now());
        for cases in cases.chunks(AT_ONCE) {
            if self.clock.now().since(begin) > WORK {
                tracing::warn!("not every letter could be written in time");
                break;
            }
            for written in join_all(cases.iter().map(|case| self.close_case(case))).await {
                match written {
                    Ok(notices) => given += notices,
                    Err(error) => outcome = outcome.and(Err(error)),
                }
            }
        }
        outcome.map(|()| given)
    }

    /// Journals the notices of some cases at once; where that fails, case by case, so that trouble with one stops no other.
    /// What is left in `cases` is journalled.
    async fn journal(&self, cases: &mut Vec<Case>) -> Result<(), lambda_runtime::Error> {
        let (begin, mut outcome, mut deliveries) = (self.clock.now(), Ok(()), Vec::new());
        let mut all = std::mem::take(cases).into_iter();
        // Those whose turn is yet to come, one by one before the others.
        let mut turns: Vec<Vec<Case>> = Vec::new();
        loop {
            let some = turns.pop().unwrap_or_else(|| all.by_ref().take(AT_ONCE).collect());
            if some.is_empty() {
                break;
            }
            if self.clock.now().since(begin) > WORK {
                tracing::warn!("not every notice could be journalled in time");
                break;
            }
            let drafts = some.iter().flat_map(Case::drafts).collect();
            match self.outbox.commit_app(drafts, None).await {
                Ok(keys) => {
                    deliveries.extend(keys);
                    cases.extend(some);
                }
                Err(error) if some.len() > 1 => {
                    tracing::warn!(%error, "notices are journalled one by one");
                    turns.extend(some.into_iter().map(|case| vec![case]));
                }
                Err(error) => {
                    let endpoint = some.first().map(|case| case.endpoint.endpoint.as_str());
                    tracing::error!(%error, endpoint, "a notice is not journalled yet");
                    outcome = outcome.and(Err(error.into()));
                }
            }
        }
        // What has no message is missed by the due index.
        outcome.and(self.outbox.announce(&deliveries).await.map_err(Into::into))
    }

    /// What is to be told of an endpoint, as it is and not as the index shows it; and does what must be done before.
    async fn open_case(&self, id: &EndpointId, now: Timestamp) -> Result<Option<Case>, StoreError> {
        let endpoints = self.outbox.endpoints();
        let Some(whole) = endpoints.whole(id).await? else {
            // Deleted, and a try that was under way failed afterwards.
            endpoints.forget_health(id).await?;
            return Ok(None);
        };
        let mut case = Case { endpoint: whole.endpoint, health: whole.health, notices: Vec::new() };
        let due = case.subject().due(now);
        if due.is_empty() && !case.endpoint.is_enabled() {
            // Disabled by its owner, who needs no letter for that.
            endpoints.reset_health(id, None).await?;
        }
        for notice in &due {
            if let Notice::Disabled { cause, since } = *notice
                && !self.disable(&case, cause, since, now).await?
            {
                // Somebody else has enabled, disabled or deleted it meanwhile: it is looked at again next minute.
                return Ok(None);
            }
        }
        case.notices = due.into_iter().map(|notice| (notice, notice.event(&case.subject(), now))).collect();
        Ok((!case.notices.is_empty()).then_some(case))
    }

    /// Disables an endpoint and has what waits for it cancelled; `false` if it does not stand any more as it did.
    async fn disable(&self, case: &Case, cause: Cause, since: Timestamp, now: Timestamp) -> Result<bool, StoreError> {
        let (endpoints, id) = (self.outbox.endpoints(), &case.endpoint.endpoint);
        // From here on no success of a try that is under way makes this forgotten halfway.
        let noted = endpoints.note_stop(id, Stop { cause, at: since }).await?;
        if !noted && case.health.stop.is_none() {
            return Ok(false);
        }
        if case.endpoint.is_enabled() {
            let note = case.health.failing_since.map(|since| format!("nothing was delivered since {since}"));
            let standing = Standing::Disabled { cause, note, since_ms: since };
            if !endpoints.set_standing(id, &case.endpoint.standing, &standing).await? {
                return Ok(false);
            }
            tracing::warn!(endpoint = %id, cause = cause.as_str(), "an endpoint was disabled");
        }
        let job = Job {
            job: JobId::derive(&["cancel", id.as_str(), &since.as_millis().to_string()]),
            endpoint: id.clone(),
            kind: Kind::Cancel,
            preview: false,
            // However old: what was sent again waits under the time at which it was first made.
            since_ms: case.endpoint.created_ms,
            until_ms: now,
            per_minute: MOST_PER_MINUTE,
            created_ms: now,
            state: State::Running,
            progress: Progress::default(),
        };
        endpoints.begin_job(&job).await?;
        Ok(true)
    }

    /// Writes the letters about an endpoint, in their order, and notes each notice as given; how many.
    async fn close_case(&self, case: &Case) -> Result<usize, lambda_runtime::Error> {
        let (endpoints, id) = (self.outbox.endpoints(), &case.endpoint.endpoint);
        for (notice, draft) in &case.notices {
            self.write_letter(case, notice, draft).await?;
            match notice {
                // Of a row that is over, all warnings are noted at once, with the last.
                Notice::Warning { number, row } => match case.health.owed.filter(|owed| owed.since == *row) {
                    Some(owed) if *number == *owed.warnings().end() => endpoints.note_owed_given(id, *row).await?,
                    Some(_) => {}
                    None => drop(endpoints.note_warned(id, *row, *number).await?),
                },
                Notice::Disabled { .. } | Notice::Enabled { .. } => endpoints.reset_health(id, None).await?,
            }
        }
        Ok(case.notices.len())
    }

    /// Sends the letter of a notice. `Ok` says that there is no more to do for it, an error that it is to be tried again.
    async fn write_letter(&self, case: &Case, notice: &Notice, draft: &Draft) -> Result<(), lambda_runtime::Error> {
        let (endpoint, event_type) = (&case.endpoint.endpoint, notice.event_type());
        let contact = case.endpoint.contact.as_ref().or(self.post.contact.as_ref());
        let (Some(mail), Some(contact)) = (&self.post.mail, contact) else {
            let why = if contact.is_none() { "nobody to write to" } else { "no sender" };
            tracing::warn!(%endpoint, event_type, rev = draft.rev, why, "a notice goes out without a letter");
            return Ok(());
        };
        let words = notice.letter(&case.subject());
        let letter = Letter { to: contact.clone(), subject: words.subject, text: words.text };
        match mail.send(&letter).await {
            Ok(()) => tracing::info!(%endpoint, event_type, rev = draft.rev, "a letter about an endpoint went out"),
            Err(error @ MailError::Refused(_)) if self.is_stale(draft).await? => {
                count(Metric::LettersFailed, 1);
                tracing::error!(%error, %endpoint, event_type, rev = draft.rev, "a letter is given up");
            }
            Err(error) => {
                count(Metric::LettersFailed, 1);
                tracing::error!(%error, %endpoint, event_type, rev = draft.rev, "a letter did not go out yet");
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Whether the notice was journalled so long ago that a refused letter is given up.
    async fn is_stale(&self, draft: &Draft) -> Result<bool, StoreError> {
        let (now, user) = (self.clock.now(), UserId::app());
        // The event is there: this finds it.
        let journalled = self.outbox.events().append(&user, vec![draft.clone()], now, &*self.post.dice).await?;
        Ok(journalled.first().is_some_and(|event| now.since(event.at) >= REFUSED_FOR))
    }
}
