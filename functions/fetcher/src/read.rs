//! Which calls a service needs, page by page, and what they prove.
//!
//! A service with `lastupdate` is read from its cursor first; then each window that a notification named and
//! that showed nothing new is read whole. A service without it is read by those windows. What a read brought
//! is stored before the next call is made, and before the cursor moves.

use std::collections::BTreeSet;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::budget::Lane;
use afferent_domain::id::{ConnectionId, RecordId, UserId};
use afferent_domain::mark::{Entry, Evidence, PADDING_SECS, satisfied};
use afferent_domain::notification::{Window, day_window};
use afferent_domain::record::SyncKind;
use afferent_domain::service::Service;
use afferent_normalise::{Context, normalise};
use afferent_store::connections::Connection;
use afferent_store::marks::Mark;
use afferent_withings::{Body, Error, Request, Span, answer, auth, data};

use crate::Fetcher;
use crate::accept::zone;
use crate::gate::CallError;

/// How far back of the newest `modified` the next `lastupdate` goes: rows are modified while a pull runs,
/// and a row that is read again unchanged writes nothing.
const OVERLAP: Duration = Duration::from_secs(15 * 60);

/// What a service without `lastupdate` is read for when no window was named.
const LOOKBACK_SECS: i64 = 24 * 3600;

/// The most pages of one read. A server that always says `more` must not hold an invocation for ever.
const MAX_PAGES: usize = 1_000;

/// How often a read of several pages is begun anew because rows moved.
const MAX_ROUNDS: usize = 3;

/// What came of reading a service.
#[derive(Debug, Default)]
pub struct Reading {
    /// One per read that was completed.
    pub evidence: Vec<Evidence>,
    /// The new cursor.
    pub cursor: Option<i64>,
    /// Answers that came.
    pub pages: usize,
    /// Facts in them.
    pub facts: usize,
    /// Rows that could not be understood.
    pub problems: usize,
    /// Why it stopped before the end.
    pub failure: Option<CallError>,
}

impl Reading {
    /// How many facts were new or changed.
    #[must_use]
    pub fn changed(&self) -> usize {
        self.evidence.iter().map(|evidence| evidence.changed.len()).sum()
    }
}

/// Whether a window was asked for just now: Withings refuses the same arguments within 10 s, so the second
/// look asks for a little more.
#[derive(Clone, Copy)]
enum Look {
    First,
    Again,
}

/// What is read for whom, and until when.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) service: Service,
    pub(crate) until: Timestamp,
}

/// What the pages of one read were.
#[derive(Default)]
struct Pages {
    count: usize,
    /// The records of the first page, each as of its last change.
    first: BTreeSet<(RecordId, Option<i64>)>,
    newest: Option<i64>,
}

/// What one answer was.
struct Taken {
    rows: BTreeSet<(RecordId, Option<i64>)>,
    newest: Option<i64>,
}

/// One read: what to ask, and the window that it reads whole.
struct Plan {
    span: Span,
    whole: Option<Window>,
}

impl Fetcher {
    /// Reads the service for the mark's entries. What was stored before a failure stays stored; the evidence is of
    /// the reads that were completed.
    pub(crate) async fn read(&self, task: Task<'_>, mark: &Mark) -> Reading {
        let mut reading = Reading { cursor: mark.cursor, ..Reading::default() };
        if let Err(failure) = self.read_all(task, mark, &mut reading).await {
            reading.failure = Some(failure);
        }
        reading
    }

    async fn read_all(&self, task: Task<'_>, mark: &Mark, reading: &mut Reading) -> Result<(), CallError> {
        let Task { connection, service, .. } = task;
        if service == Service::Getdevice {
            // Every device, whatever was named. It has no arguments to vary, so the one look comes late enough.
            let settled = mark.entries.iter().map(Entry::settled).max().unwrap_or_default();
            tokio::time::sleep(settled.since(self.clock.now())).await;
            let plan = Plan { span: Span::Whole, whole: Some(Window::new(0, i64::MAX)) };
            return self.read_span(task, &plan, reading).await;
        }
        let since = since(connection, mark);
        if service.uses_lastupdate() {
            let plan = Plan { span: Span::Since(since), whole: None };
            self.read_span(task, &plan, reading).await?;
        } else {
            for plan in self.windows(connection, service, &mark.entries, Look::First) {
                self.read_span(task, &plan, reading).await?;
            }
        }
        let left: Vec<Entry> =
            mark.entries.iter().filter(|entry| !satisfied(entry, &reading.evidence)).cloned().collect();
        let Some(settled) = left.iter().map(Entry::settled).max() else { return Ok(()) };
        // Nothing new where something was announced: give it time to settle, and look at the whole of it.
        tokio::time::sleep(settled.since(self.clock.now())).await;
        if service.uses_lastupdate() && left.iter().any(|entry| entry.window.is_none()) {
            let plan = Plan { span: Span::Since(since - Duration::from_secs(1)), whole: None };
            self.read_span(task, &plan, reading).await?;
        }
        let named: Vec<Entry> = left.into_iter().filter(|entry| !satisfied(entry, &reading.evidence)).collect();
        if named.is_empty() {
            return Ok(());
        }
        for plan in self.windows(connection, service, &named, Look::Again) {
            self.read_span(task, &plan, reading).await?;
        }
        Ok(())
    }

    /// The reads that cover the entries' windows: padded, merged, and cut to what the service takes.
    fn windows(&self, connection: &Connection, service: Service, entries: &[Entry], look: Look) -> Vec<Plan> {
        let now = self.clock.now().as_secs();
        let recent = Window::new(now - LOOKBACK_SECS, now);
        let by_hour = service.longest_window_s().is_some();
        let more = match (look, by_hour) {
            (Look::First, _) => 0,
            (Look::Again, false) => 1,
            (Look::Again, true) => 3600,
        };
        let windows = entries.iter().map(|entry| entry.window.unwrap_or(recent).padded(PADDING_SECS + more));
        // Widened before they are merged: two of one hour are one call.
        let windows = windows.map(|window| if by_hour { whole_hours(window) } else { window });
        merged(windows.collect())
            .into_iter()
            .flat_map(|window| cut(window, service.longest_window_s()))
            .map(|window| plan(service, window, connection))
            .collect()
    }

    /// Reads a span to its last page. Rows may move under the offset while pages are read, and one of them be
    /// missed; so after several pages the first is read again, and if it has changed, all of them.
    async fn read_span(&self, task: Task<'_>, plan: &Plan, reading: &mut Reading) -> Result<(), CallError> {
        let mut evidence = Evidence { began: self.clock.now(), ..Evidence::default() };
        let mut newest = None;
        let mut span = plan.span.clone();
        for _ in 0..MAX_ROUNDS {
            let request = self.request(task, &span).await?;
            let pages = self.read_pages(task, plan, request, reading, &mut evidence).await?;
            newest = newest.max(pages.newest);
            if pages.count > 1 {
                // A little more is asked for than the first time: Withings refuses the same arguments within 10 s.
                span = widened(&span);
                let request = self.request(task, &span).await?;
                let body = self.gate.call(&task.connection.account, Lane::Live, &request, task.until).await?;
                let again = self.take(task, plan, &body, reading, &mut evidence).await?;
                if !pages.first.is_subset(&again.rows) {
                    span = widened(&span);
                    continue;
                }
            }
            // Not page by page: rows come in an order of their own, and the cursor covers all below it.
            reading.cursor = reading.cursor.max(newest);
            match plan.whole {
                Some(window) => evidence.whole.push(window),
                None => evidence.since_last = true,
            }
            reading.evidence.push(evidence);
            return Ok(());
        }
        Err(CallError::Withings(Error::Lacks("pages that stand still")))
    }

    async fn read_pages(
        &self,
        task: Task<'_>,
        plan: &Plan,
        mut request: Request,
        reading: &mut Reading,
        evidence: &mut Evidence,
    ) -> Result<Pages, CallError> {
        let mut pages = Pages::default();
        loop {
            let body = self.gate.call(&task.connection.account, Lane::Live, &request, task.until).await?;
            let next = body.page()?;
            let taken = self.take(task, plan, &body, reading, evidence).await?;
            pages.newest = pages.newest.max(taken.newest);
            if pages.count == 0 {
                pages.first = taken.rows;
            }
            pages.count += 1;
            if !next.more {
                return Ok(pages);
            }
            if pages.count == MAX_PAGES {
                return Err(CallError::Withings(Error::Lacks("a last page")));
            }
            request = request.page(next.offset);
        }
    }

    /// Stores what one answer brought.
    async fn take(
        &self,
        task: Task<'_>,
        plan: &Plan,
        body: &Body,
        reading: &mut Reading,
        evidence: &mut Evidence,
    ) -> Result<Taken, CallError> {
        let mut brought = normalise(&self.context(task.connection), task.service, body, &[]);
        if let (Some(_), Some(window)) = (task.service.longest_window_s(), plan.whole) {
            // An interval that reaches over the window's end brings the first minutes of an hour not asked for.
            brought
                .facts
                .retain(|fact| fact.series.is_none() || window.contains(Timestamp::from_millis(fact.effective_ms)));
        }
        reading.pages += 1;
        reading.facts += brought.facts.len();
        reading.problems += brought.problems.len();
        for problem in &brought.problems {
            tracing::warn!(connection = %task.connection.id, service = task.service.name(), %problem, "a row could not be understood");
        }
        let rows = brought.facts.iter().map(|fact| (fact.record.clone(), fact.source.modified)).collect();
        evidence.changed.extend(self.store(brought.facts, SyncKind::Live).await?);
        Ok(Taken { rows, newest: brought.newest_modified })
    }

    async fn request(&self, task: Task<'_>, span: &Span) -> Result<Request, CallError> {
        let unsupported = |_| CallError::Withings(Error::Transport(afferent_http::HttpError::Request));
        if task.service != Service::AnswersGet {
            return data::read(task.service, span).map_err(unsupported);
        }
        let (start, end) = match span {
            Span::Window { start, end } => (*start, Some(*end)),
            _ => (self.clock.now() - Duration::from_secs(LOOKBACK_SECS.unsigned_abs()), None),
        };
        let account = &task.connection.account;
        let userid = account.userid.parse().map_err(|_| CallError::Withings(Error::Lacks("userid")))?;
        let nonce = auth::nonce(&self.gate.app, self.clock.now());
        let nonce = self.gate.call(account, Lane::Live, &nonce, task.until).await?;
        let nonce = answer::token::read_nonce(&nonce)?;
        Ok(data::answers(&self.gate.app, &nonce, userid, start, end))
    }

    pub(crate) fn context(&self, connection: &Connection) -> Context {
        Context {
            user: connection.user.clone(),
            connection: connection.id.clone(),
            timezone: connection.tz.clone(),
            now: self.clock.now(),
            run: None,
        }
    }

    /// The context of what belongs to no person.
    pub(crate) fn nobody(&self) -> Context {
        let connection = ConnectionId::from(UserId::app().as_str());
        Context { user: UserId::app(), connection, timezone: None, now: self.clock.now(), run: None }
    }
}

/// The same span and a little more: a second, or a day where it is asked by days.
fn widened(span: &Span) -> Span {
    let second = Duration::from_secs(1);
    match span {
        Span::Since(at) => Span::Since(*at - second),
        Span::Window { start, end } => Span::Window { start: *start - second, end: *end },
        Span::Days { first, last } => {
            let before = first.parse::<jiff::civil::Date>().and_then(jiff::civil::Date::yesterday);
            Span::Days { first: before.map_or_else(|_| first.clone(), |day| day.to_string()), last: last.clone() }
        }
        Span::Whole => Span::Whole,
    }
}

/// From where `lastupdate` reads: the cursor less the overlap, or, before the first pull, the connection.
fn since(connection: &Connection, mark: &Mark) -> Timestamp {
    mark.cursor.map_or(connection.connected, Timestamp::from_secs) - OVERLAP
}

/// Windows without overlaps, in order.
fn merged(mut windows: Vec<Window>) -> Vec<Window> {
    windows.sort();
    let mut merged: Vec<Window> = Vec::new();
    for window in windows {
        match merged.last_mut() {
            Some(last) if window.start <= last.end => last.end = last.end.max(window.end),
            _ => merged.push(window),
        }
    }
    merged
}

/// The window widened to whole UTC hours: samples are records by the hour, and half an hour would overwrite
/// the whole one.
fn whole_hours(window: Window) -> Window {
    let (start, end) =
        afferent_normalise::whole_hours(Timestamp::from_secs(window.start), Timestamp::from_secs(window.end));
    // The end of a window is included, and the next hour is not this one's.
    Window::new(start.as_secs(), end.as_secs() - 1)
}

/// The window in pieces of at most `longest` seconds (Withings would cut the rest off without a word).
fn cut(window: Window, longest: Option<i64>) -> Vec<Window> {
    let Some(longest) = longest.filter(|longest| *longest > 0) else { return vec![window] };
    let mut pieces = Vec::new();
    let mut start = window.start;
    loop {
        let end = window.end.min(start.saturating_add(longest - 1));
        pieces.push(Window { start, end });
        if end >= window.end {
            return pieces;
        }
        start = end + 1;
    }
}

/// The read of one window. Services that are asked by local day are asked for every day that the window
/// touches, and a day more on both sides: rows carry their own time zones.
fn plan(service: Service, window: Window, connection: &Connection) -> Plan {
    if !service.windows_are_days() {
        let (start, end) = (Timestamp::from_secs(window.start), Timestamp::from_secs(window.end));
        return Plan { span: Span::Window { start, end }, whole: Some(window) };
    }
    let tz = zone(connection);
    let day = |secs: i64, days: i64| {
        let at = jiff::Timestamp::from_second(secs).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        at.to_zoned(tz.clone()).date().saturating_add(jiff::Span::new().days(days))
    };
    let (first, last) = (day(window.start, -1), day(window.end, 1));
    let whole = day_window(first, &tz).zip(day_window(last, &tz));
    Plan {
        span: Span::Days { first: first.to_string(), last: last.to_string() },
        whole: whole.map(|(first, last)| Window::new(first.start, last.end)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_that_touch_are_read_once() {
        let windows = vec![Window::new(50, 60), Window::new(0, 10), Window::new(5, 20)];
        assert_eq!(merged(windows), [Window::new(0, 20), Window::new(50, 60)]);
    }

    #[test]
    fn a_window_is_cut_into_pieces_without_gap_or_overlap() {
        let pieces = cut(Window::new(0, 25), Some(10));
        assert_eq!(pieces, [Window::new(0, 9), Window::new(10, 19), Window::new(20, 25)]);
        assert_eq!(cut(Window::new(0, 25), None), [Window::new(0, 25)]);
    }
}
