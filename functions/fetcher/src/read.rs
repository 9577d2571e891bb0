//! Reading: one plan after the other, page by page, and what the answers prove.
//!
//! What a page brought is stored before the next call is made, and before the cursor moves. A read that is cut
//! short says how far it came ([`Progress`]), and the next one goes on from there.

mod progress;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::budget::Lane;
use afferent_domain::id::{ConnectionId, PullId, RecordId, UserId};
use afferent_domain::mark::{Evidence, PADDING_SECS};
use afferent_domain::notification::Window;
use afferent_domain::record::SyncKind;
use afferent_domain::service::Service;
use afferent_gate::{Answered as Sent, CallError};
use afferent_metrics::{Metric, count};
use afferent_normalise::{Context, Of, normalise};
use afferent_store::connections::Connection;
use afferent_withings::{Body, Error, Problem, Request, Span, Unsupported, answer, auth, data};

use crate::Fetcher;
use crate::plan::Plan;
use crate::write::{CLOCKS_APART, Details, Storing};

use progress::kept;
pub(crate) use progress::{Progress, widened};

/// What a signed service is read for that is asked without a window.
const LOOKBACK: Duration = DAY;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The most pages of one read. A server that always says `more` must not hold an invocation for ever.
const MAX_PAGES: usize = 1_000;

/// How often a read is begun anew because rows moved, or somebody else stored something newer.
const MAX_ROUNDS: usize = 3;

/// The most records of a first page that are compared with it again.
const MOST_ROWS: usize = 300;

/// What is read for whom, why, and until when.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) service: Service,
    pub(crate) lane: Lane,
    /// The backfill run that it is part of.
    pub(crate) run: Option<&'a str>,
    /// Whether the details of what is new or changed are to be read, however old it is.
    pub(crate) details: bool,
    /// Whether what is stored and does not come is put in doubt.
    pub(crate) compare: bool,
    pub(crate) pull: &'a PullId,
    pub(crate) until: Timestamp,
}

/// What came of reading a service.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// One per read that was completed.
    pub(crate) evidence: Vec<Evidence>,
    /// The greatest `modified` of reads that were completed.
    pub(crate) cursor: Option<i64>,
    /// Every record that an answer contained.
    pub(crate) found: BTreeSet<RecordId>,
    /// Answers that came.
    pub(crate) calls: usize,
    /// Facts in them.
    pub(crate) facts: usize,
    /// Facts that were new or changed, also those of reads that were cut short.
    pub(crate) written: usize,
    /// Rows that could not be understood.
    pub(crate) problems: usize,
    /// Something is there that cannot be read yet.
    pub(crate) later: bool,
    /// How far a read came that was cut short.
    pub(crate) progress: Option<Progress>,
}

/// Who wants a window read.
#[derive(Clone, Copy)]
pub(crate) enum Asked {
    /// Nobody but us.
    ByOurselves,
    /// Entries of a mark.
    ByEntries {
        /// Whether Withings said that there is something in the window.
        named: bool,
        /// Reads that began before are not good enough for all of them.
        since: Timestamp,
    },
}

impl Asked {
    const fn is_named(self) -> bool {
        matches!(self, Self::ByEntries { named: true, .. })
    }

    fn is_answered(self, plan: &Plan, evidence: &[Evidence]) -> bool {
        let (Self::ByEntries { since, .. }, Some(window)) = (self, plan.whole) else { return false };
        let covers = |whole: &Window| whole.start <= window.start && whole.end >= window.end;
        evidence.iter().any(|read| read.began >= since && read.whole.iter().any(covers))
    }
}

/// What one answer was.
struct Answered {
    rows: BTreeSet<(RecordId, Option<i64>)>,
    newest: Option<i64>,
    stale: bool,
}

impl Fetcher {
    /// Reads a window of the service whole. What was stored before a failure stays stored.
    ///
    /// # Errors
    /// Why it stopped; `reading.progress` then says where to go on (`resume`).
    pub(crate) async fn read_window(
        &self,
        task: Task<'_>,
        window: Window,
        resume: Option<Progress>,
        reading: &mut Reading,
    ) -> Result<(), CallError> {
        self.read_plans(task, window, Asked::ByOurselves, resume, reading).await
    }

    /// The same for the entries of a mark: plans that were read whole since the last of them came are left out.
    pub(crate) async fn read_plans(
        &self,
        task: Task<'_>,
        window: Window,
        asked: Asked,
        mut resume: Option<Progress>,
        reading: &mut Reading,
    ) -> Result<(), CallError> {
        let began = self.clock.now();
        if task.service.is_signal() {
            self.read_signals(task, window, reading).await?;
        } else {
            let mut plans: VecDeque<Plan> =
                self.plans(task.connection, task.service, window, asked.is_named()).await?.into();
            while let Some(plan) = plans.pop_front() {
                if asked.is_answered(&plan, &reading.evidence) {
                    continue;
                }
                let progress = resume.take_if(|progress| progress.is_of(&plan.span));
                match self.read_plan(task, &plan, progress, reading).await {
                    Err(CallError::Withings(Error::TooLong)) if plan.halves().is_some() => {
                        plan.halves().into_iter().flatten().rev().for_each(|half| plans.push_front(half));
                    }
                    other => other?,
                }
            }
        }
        // Between the days and nights that were asked for there is nothing to read.
        let whole = vec![window.padded(PADDING_SECS)];
        reading.evidence.push(Evidence { began, whole, ..Evidence::default() });
        Ok(())
    }

    /// Reads a plan to its last page. Rows may move under the offset while pages are read, and one of them be
    /// missed; so after several pages the first is read again, and if it has changed, all of them.
    pub(crate) async fn read_plan(
        &self,
        task: Task<'_>,
        plan: &Plan,
        resume: Option<Progress>,
        reading: &mut Reading,
    ) -> Result<(), CallError> {
        let problems = reading.problems;
        let mut at = resume.unwrap_or_else(|| Progress::begin(&plan.span, self.clock.now()));
        let changed = at.changed.iter().map(|secs| Timestamp::from_secs(*secs)).collect();
        let mut evidence = Evidence { began: at.began, changed, ..Evidence::default() };
        reading.found.append(&mut at.found);
        let mut span = plan.span.clone();
        for _ in 0..MAX_ROUNDS {
            let stale = match self.read_pages(task, plan, &span, &mut at, reading, &mut evidence).await {
                Ok(stale) => stale,
                Err(error) => {
                    reading.progress = kept(task, at, plan, &evidence, &reading.found);
                    return Err(error);
                }
            };
            // A little more is asked for than the first time: Withings refuses the same arguments within 10 s.
            span = widened(&span);
            if stale {
                tokio::time::sleep(CLOCKS_APART).await;
                at = Progress::begin(&span, at.began);
                continue;
            }
            if at.pages > 1 {
                let request = self.request(task, &span).await?;
                let again = match self.take(task, plan, &request, reading, &mut evidence).await {
                    Ok(again) => again,
                    Err(error) => {
                        // Goes on with the last page.
                        reading.progress = kept(task, at, plan, &evidence, &reading.found);
                        return Err(error);
                    }
                };
                if again.stale || !at.first.is_subset(&again.rows) {
                    span = widened(&span);
                    at = Progress::begin(&span, at.began);
                    continue;
                }
            }
            // Not page by page: rows come in an order of their own, and the cursor covers all below it.
            reading.cursor = reading.cursor.max(at.newest);
            match plan.whole {
                Some(window) => evidence.whole.push(window),
                None => evidence.since_last = true,
            }
            // A row that could not be understood is there all the same.
            if task.compare && reading.problems == problems {
                self.compare(task, plan, &reading.found, evidence.began).await?;
            }
            reading.evidence.push(evidence);
            return Ok(());
        }
        Err(CallError::Withings(Error::Lacks("pages that stand still")))
    }

    /// Reads on from `at` to the last page; tells whether something was stored meanwhile that may be newer.
    async fn read_pages(
        &self,
        task: Task<'_>,
        plan: &Plan,
        span: &Span,
        at: &mut Progress,
        reading: &mut Reading,
        evidence: &mut Evidence,
    ) -> Result<bool, CallError> {
        let mut stale = false;
        loop {
            let mut request = self.request(task, span).await?;
            if at.offset > 0 {
                request = request.page(at.offset);
            }
            let Sent { body, sent } =
                self.gate.answered(&task.connection.account, task.lane, &request, task.until).await?;
            if at.pages == 0 {
                // Not when it began to wait for its turn.
                (at.began, evidence.began) = (sent, sent);
            }
            let next = body.page()?;
            let answered = self.bring(task, plan, &body, sent, reading, evidence).await?;
            stale |= answered.stale;
            at.newest = at.newest.max(answered.newest);
            if at.pages == 0 {
                at.first = answered.rows.into_iter().take(MOST_ROWS).collect();
            }
            at.pages += 1;
            if !next.more {
                return Ok(stale);
            }
            if at.pages >= MAX_PAGES {
                return Err(CallError::Withings(Error::Lacks("a last page")));
            }
            at.offset = next.offset;
        }
    }

    async fn take(
        &self,
        task: Task<'_>,
        plan: &Plan,
        request: &Request,
        reading: &mut Reading,
        evidence: &mut Evidence,
    ) -> Result<Answered, CallError> {
        let Sent { body, sent } = self.gate.answered(&task.connection.account, task.lane, request, task.until).await?;
        self.bring(task, plan, &body, sent, reading, evidence).await
    }

    /// Stores what one answer brought.
    async fn bring(
        &self,
        task: Task<'_>,
        plan: &Plan,
        body: &Body,
        sent: Timestamp,
        reading: &mut Reading,
        evidence: &mut Evidence,
    ) -> Result<Answered, CallError> {
        let of = match task.service {
            Service::SleepGet => Of::Nights(&plan.nights),
            _ => Of::Nothing,
        };
        let mut brought = normalise(&self.context(task.connection, task.run), task.service, body, of);
        if let (Some(_), Some(window)) = (task.service.longest_window_s(), plan.whole) {
            // An interval that reaches over the window's end brings the first minutes of an hour not asked for.
            brought
                .facts
                .retain(|fact| fact.series.is_none() || window.contains(Timestamp::from_millis(fact.effective_ms)));
        }
        reading.calls += 1;
        reading.facts += brought.facts.len();
        reading.problems += tell(task, &brought.problems);
        let rows = brought.facts.iter().map(|fact| (fact.record.clone(), fact.source.modified)).collect();
        reading.found.extend(brought.facts.iter().map(|fact| fact.record.clone()));
        let stored = self.store(brought.facts, self.storing(task, sent)).await?;
        reading.written += stored.changed.len();
        evidence.changed.extend(stored.changed);
        Ok(Answered { rows, newest: brought.newest_modified, stale: stored.stale })
    }

    pub(crate) fn storing<'a>(&self, task: Task<'a>, sent: Timestamp) -> Storing<'a> {
        let details = task.service.details().filter(|service| self.signals || !service.is_signal());
        let since = match task.run {
            _ if task.details => Timestamp::default(),
            // What happens while the person connects is a run's to find or a notification's, whichever is first.
            Some(_) => task.connection.connected - DAY,
            None => Timestamp::from_millis(i64::MAX),
        };
        Storing {
            synckind: if task.run.is_some() { SyncKind::Backfill } else { SyncKind::Live },
            pull: Some(task.pull),
            sent,
            details: details.map(|service| Details {
                connection: task.connection,
                service,
                pull: task.pull,
                lane: task.lane,
                since,
            }),
        }
    }

    async fn request(&self, task: Task<'_>, span: &Span) -> Result<Request, CallError> {
        if task.service != Service::AnswersGet {
            return data::read(task.service, span).map_err(unsupported);
        }
        let (start, end) = match span {
            Span::Window { start, end } => (*start, Some(*end)),
            _ => (self.clock.now() - LOOKBACK, None),
        };
        let account = &task.connection.account;
        let userid = account.userid.parse().map_err(|_| CallError::Withings(Error::Lacks("userid")))?;
        let nonce = auth::nonce(self.gate.app(), self.clock.now());
        let nonce = self.gate.call(account, task.lane, &nonce, task.until).await?;
        let nonce = answer::token::read_nonce(&nonce)?;
        Ok(data::answers(self.gate.app(), &nonce, userid, start, end))
    }

    pub(crate) fn context(&self, connection: &Connection, run: Option<&str>) -> Context {
        Context {
            user: connection.user.clone(),
            connection: connection.id.clone(),
            timezone: connection.tz.clone(),
            now: self.clock.now(),
            run: run.map(str::to_owned),
        }
    }

    /// The context of what belongs to no person.
    pub(crate) fn nobody(&self) -> Context {
        let connection = ConnectionId::from(UserId::app().as_str());
        Context { user: UserId::app(), connection, timezone: None, now: self.clock.now(), run: None }
    }
}

/// Says what of an answer could not be read: each row that was lost, and once each field that is of another type than it
/// should be. How many rows were lost.
pub(crate) fn tell(task: Task<'_>, problems: &[Problem]) -> usize {
    let (connection, service) = (&task.connection.id, task.service.name());
    let mut fields: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut rows = 0;
    for problem in problems {
        match problem.of_type() {
            Some(field) => *fields.entry(field).or_default() += 1,
            None => {
                rows += 1;
                tracing::warn!(%connection, service, %problem, "a row could not be understood");
            }
        }
    }
    for ((field, found), times) in &fields {
        tracing::warn!(%connection, service, field, found, times, "a field is of another type than documented, and counts as missing");
    }
    count(Metric::RowsMisread, rows);
    count(Metric::FieldsMisread, fields.into_values().sum());
    rows
}

/// A request that we cannot make is our own mistake.
pub(crate) fn unsupported(_: Unsupported) -> CallError {
    CallError::Withings(Error::Transport(afferent_http::HttpError::Request))
}
