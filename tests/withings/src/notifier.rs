//! Sends notifications on Withings' own schedule of tries, sleeping by tokio's clock.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use afferent_domain::clock::{Clock, Dice};
use afferent_http::{Answer, Call, Http, HttpError, Sending};
use bytes::Bytes;
use http::{Method, Request, header};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::Userid;
use crate::notice::Notice;
use crate::settings::Settings;
use crate::subscriptions::{Subscription, Subscriptions};

/// The cycles: the pause before each, counted from the end of the one before, as a fixed part and the bounds
/// of a random part, in seconds (Withings, notification overview: "5 cycles of 2 tries, about 5 hours").
pub const CYCLES: [(u64, u64, u64); 5] =
    [(0, 0, 0), (10, 0, 0), (60, 60, 600), (3_600, 120, 1_200), (14_400, 180, 1_800)];

/// HTTP tries per cycle.
pub const TRIES_PER_CYCLE: u32 = 2;

/// What becomes of one notification, whatever the knobs say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is sent as it should be.
    Send,
    /// It is never sent.
    Drop,
    /// It is sent twice.
    Double,
    /// It waits until the next notification of its subscription was tried.
    Reorder,
    /// It is sent this many milliseconds late.
    Late(u64),
}

/// How a notification ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Tries go on.
    Pending,
    /// A try was answered below 400.
    Delivered,
    /// All ten tries failed. Withings never sends it again.
    Failed,
    /// Dropped by a fault.
    Dropped,
}

/// One HTTP try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Try {
    /// When it started, in epoch milliseconds.
    pub at_ms: i64,
    /// 1 to 5.
    pub cycle: u32,
    /// The HTTP status, `None` if nothing came back.
    pub status: Option<u16>,
}

/// One notification to one URL.
#[derive(Clone, Debug, Serialize)]
pub struct NotificationRecord {
    /// Counts from 0.
    pub number: u64,
    /// When the change happened, in epoch milliseconds.
    pub at_ms: i64,
    /// The category; 0 for an arbitrary body.
    pub appli: u16,
    /// Whom it is about.
    pub userid: Option<Userid>,
    /// Where it goes.
    pub url: String,
    /// The form body.
    pub body: String,
    /// What the faults made of it.
    pub fate: Fate,
    /// The tries so far.
    pub tries: Vec<Try>,
    /// How it ended.
    pub outcome: Outcome,
}

/// Counters of notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NotifierStats {
    /// Put on their way; one per subscription and copy.
    pub sent: u64,
    /// Answered below 400.
    pub delivered: u64,
    /// Given up after ten tries.
    pub failed: u64,
    /// Never sent, by a fault.
    pub dropped: u64,
    /// HTTP tries.
    pub tries: u64,
    /// Subscriptions cancelled because they failed too long.
    pub cancelled: u64,
}

impl NotifierStats {
    /// Notifications whose tries go on.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.sent - self.delivered - self.failed
    }
}

#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) subscriptions: Subscriptions,
    pub(crate) fates: VecDeque<Fate>,
    records: VecDeque<NotificationRecord>,
    stats: NotifierStats,
    numbered: u64,
    /// Reordered notifications that wait for a successor, by URL.
    held: Vec<(String, Arc<tokio::sync::Notify>)>,
}

impl Book {
    fn record(&mut self, number: u64) -> Option<&mut NotificationRecord> {
        let first = self.records.front()?.number;
        self.records.get_mut(usize::try_from(number.checked_sub(first)?).ok()?)
    }
}

/// Sends notifications.
pub struct Notifier {
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
    settings: Arc<RwLock<Arc<Settings>>>,
    http: RwLock<Arc<dyn Http>>,
    book: Mutex<Book>,
}

/// Before a network is connected nothing can be reached.
struct Unplugged;

impl Http for Unplugged {
    fn send(&self, _: Call) -> Sending<'_> {
        Box::pin(std::future::ready(Err(HttpError::Connect)))
    }
}

impl Notifier {
    pub(crate) fn new(clock: Arc<dyn Clock>, dice: Arc<dyn Dice>, settings: Arc<RwLock<Arc<Settings>>>) -> Self {
        let http: Arc<dyn Http> = Arc::new(Unplugged);
        Self { clock, dice, settings, http: RwLock::new(http), book: Mutex::default() }
    }

    pub(crate) fn connect(&self, http: Arc<dyn Http>) {
        *self.http.write().unwrap_or_else(PoisonError::into_inner) = http;
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The counters.
    pub fn stats(&self) -> NotifierStats {
        self.book().stats
    }

    /// The log of notifications, oldest first.
    pub fn records(&self) -> Vec<NotificationRecord> {
        self.book().records.iter().cloned().collect()
    }

    /// Empties the log; notifications under way go on. The counters stay.
    pub fn clear_records(&self) {
        self.book().records.clear();
    }

    /// What becomes of the next notifications, one each, before the knobs are asked.
    pub fn next_fates(&self, fates: impl IntoIterator<Item = Fate>) {
        self.book().fates.extend(fates);
    }

    /// All subscriptions.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.book().subscriptions.iter().cloned().collect()
    }

    /// What a HEAD of the URL is answered with; `None` if nothing comes back.
    pub(crate) async fn head(&self, url: &str) -> Option<http::StatusCode> {
        self.exchange(Method::HEAD, url, "").await.ok().map(|answer| answer.status)
    }

    /// Sends a notice to every subscription of its user and category. Must run inside tokio.
    pub(crate) fn announce(self: &Arc<Self>, notice: &Notice, granted: impl Fn(&str, Userid) -> bool) {
        let subscribed: Vec<Subscription> = {
            let book = self.book();
            let fits = |one: &&Subscription| one.appli == notice.appli && one.userid == notice.userid;
            book.subscriptions.iter().filter(fits).cloned().collect()
        };
        let body = notice.minimal.as_ref().filter(|_| self.settings().minimal_bodies).unwrap_or(&notice.body);
        for subscription in subscribed {
            if notice.userid.is_none_or(|userid| granted(&subscription.client_id, userid)) {
                let url = subscription.callbackurl.clone();
                self.post(&url, body, notice.appli, notice.userid, Some(subscription));
            }
        }
    }

    /// Sends any body to any URL, with all tries. Must run inside tokio.
    pub(crate) fn post(
        self: &Arc<Self>,
        url: &str,
        body: &str,
        appli: u16,
        userid: Option<Userid>,
        subscription: Option<Subscription>,
    ) {
        let settings = self.settings();
        let fate = self.book().fates.pop_front().unwrap_or_else(|| self.chance(&settings));
        let copies = if fate == Fate::Double { 2 } else { 1 };
        for _ in 0..copies {
            let number = {
                let mut book = self.book();
                let number = book.numbered;
                book.numbered += 1;
                let outcome = if fate == Fate::Drop { Outcome::Dropped } else { Outcome::Pending };
                let (url, body, at_ms) = (url.to_owned(), body.to_owned(), self.clock.now().as_millis());
                let tries = Vec::new();
                book.records.push_back(NotificationRecord {
                    number,
                    at_ms,
                    appli,
                    userid,
                    url,
                    body,
                    fate,
                    tries,
                    outcome,
                });
                while book.records.len() > settings.log_limit {
                    book.records.pop_front();
                }
                if fate == Fate::Drop {
                    book.stats.dropped += 1;
                    return;
                }
                book.stats.sent += 1;
                number
            };
            let (notifier, url, body) = (Arc::clone(self), url.to_owned(), body.to_owned());
            let subscription = subscription.clone();
            tokio::spawn(async move { notifier.run(number, url, body, fate, subscription).await });
        }
    }

    /// A fate by the knobs.
    fn chance(&self, settings: &Settings) -> Fate {
        let knobs = settings.delivery.knobs;
        let mut roll = self.dice.between(0, 999);
        for (per_mille, fate) in [
            (knobs.drop_per_mille, Fate::Drop),
            (knobs.double_per_mille, Fate::Double),
            (knobs.reorder_per_mille, Fate::Reorder),
            (knobs.late_per_mille, Fate::Late(self.dice.between(knobs.late_ms[0], knobs.late_ms[1]))),
        ] {
            match roll.checked_sub(u64::from(per_mille)) {
                None => return fate,
                Some(rest) => roll = rest,
            }
        }
        Fate::Send
    }

    /// One notification from its first try to its end.
    async fn run(&self, number: u64, url: String, body: String, fate: Fate, subscription: Option<Subscription>) {
        let settings = self.settings();
        let [least, most] = settings.delivery.delay_ms;
        sleep(Duration::from_millis(self.dice.between(least, most))).await;
        match fate {
            Fate::Late(late_ms) => sleep(Duration::from_millis(late_ms)).await,
            Fate::Reorder => self.hold(&url, settings.delivery.knobs.reorder_hold_ms).await,
            Fate::Send | Fate::Double | Fate::Drop => {}
        }
        let mut delivered = false;
        for (cycle, (fixed, low, high)) in (1..).zip(CYCLES) {
            let pause = Duration::from_secs(fixed) + Duration::from_millis(self.dice.between(low * 1000, high * 1000));
            sleep(pause).await;
            delivered = self.cycle(number, cycle, &url, &body, settings.delivery.try_gap_ms).await;
            self.release(&url);
            if delivered {
                break;
            }
        }
        let mut book = self.book();
        let outcome = if delivered { Outcome::Delivered } else { Outcome::Failed };
        if let Some(record) = book.record(number) {
            record.outcome = outcome;
        }
        book.stats.delivered += u64::from(delivered);
        book.stats.failed += u64::from(!delivered);
        if let Some(subscription) = subscription {
            let rules = &self.settings().delivery;
            let (days, failures) = (rules.cancel_after_days, rules.cancel_after_failures);
            let cancelled = book.subscriptions.note(&subscription, delivered, self.clock.now(), days, failures);
            book.stats.cancelled += u64::from(cancelled);
        }
    }

    /// The tries of one cycle; whether one succeeded.
    async fn cycle(&self, number: u64, cycle: u32, url: &str, body: &str, gap_ms: u64) -> bool {
        for attempt in 0..TRIES_PER_CYCLE {
            if attempt > 0 {
                sleep(Duration::from_millis(gap_ms)).await;
            }
            let at_ms = self.clock.now().as_millis();
            let status = self.exchange(Method::POST, url, body).await.ok().map(|answer| answer.status.as_u16());
            let mut book = self.book();
            book.stats.tries += 1;
            if let Some(record) = book.record(number) {
                record.tries.push(Try { at_ms, cycle, status });
            }
            // Anything below 400 succeeds, redirects included: a 3xx loses the notification.
            if status.is_some_and(|status| status < 400) {
                return true;
            }
        }
        false
    }

    /// Waits until another notification to the same URL was tried, or `most_ms` passed.
    async fn hold(&self, url: &str, most_ms: u64) {
        let turn = Arc::new(tokio::sync::Notify::new());
        self.book().held.push((url.to_owned(), Arc::clone(&turn)));
        // The default of 0 in the knobs still has to hold for something: a minute.
        let most = Duration::from_millis(if most_ms == 0 { 60_000 } else { most_ms });
        let _ = tokio::time::timeout(most, turn.notified()).await;
        self.book().held.retain(|(_, held)| !Arc::ptr_eq(held, &turn));
    }

    fn release(&self, url: &str) {
        for (_, turn) in self.book().held.iter().filter(|(held, _)| held == url) {
            turn.notify_one();
        }
    }

    async fn exchange(&self, method: Method, url: &str, body: &str) -> Result<Answer, HttpError> {
        let mut request = Request::builder().method(&method).uri(url).header(header::USER_AGENT, "withings-simulator");
        if method == Method::POST {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let request = request.body(Bytes::from(body.to_owned())).map_err(|_| HttpError::Request)?;
        let deadline = Duration::from_millis(self.settings().delivery.timeout_ms);
        let http = Arc::clone(&self.http.read().unwrap_or_else(PoisonError::into_inner));
        // The port keeps the deadline; so does Withings itself.
        let sending = http.send(Call { request, deadline, body_limit: 4096, stopwatch: None });
        tokio::time::timeout(deadline, sending).await.unwrap_or(Err(HttpError::Timeout))
    }
}
