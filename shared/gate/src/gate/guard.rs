//! Equal calls at least eleven seconds apart. Withings refuses the same call of an account within ten ("Same
//! arguments in less than 10 seconds", by status 601): that is no limit, and a slot spent on it is wasted.
//!
//! One process remembers only its own calls. Between processes the leases keep equal calls apart, or Withings'
//! refusal does, which stops that one call only.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afferent_domain::{Clock, Timestamp};
use afferent_store::connections::AccountKey;
use afferent_withings::Request;
use tokio::sync::OwnedMutexGuard;
use tokio::time::{sleep, timeout};

/// From an answer to the next equal call: Withings' ten seconds, and one for clocks and roads.
pub(crate) const APART: Duration = Duration::from_secs(11);

/// From when the call may be made. Whoever holds it makes it, or waits to.
type Door = Arc<tokio::sync::Mutex<Timestamp>>;

/// What is remembered of a call: of its arguments, which may hold secrets, the hash. Should two share one, the
/// second waits in vain.
type Key = (Option<AccountKey>, u64);

/// The calls under way, and those of the last eleven seconds.
pub(crate) struct Guard {
    clock: Arc<dyn Clock>,
    doors: Mutex<HashMap<Key, Door>>,
}

/// Leave to make a call, once.
pub(crate) struct Pass(OwnedMutexGuard<Timestamp>);

impl Guard {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, doors: Mutex::default() }
    }

    /// Waits until `request` may be made for `account`; to be asked before a slot is claimed.
    ///
    /// # Errors
    /// That is not before `give_up`, but at this instant.
    pub(crate) async fn pass(
        &self,
        account: Option<&AccountKey>,
        request: &Request,
        give_up: Timestamp,
    ) -> Result<Pass, Timestamp> {
        let door = self.door((account.cloned(), hash(request)));
        let patience = give_up.since(self.clock.now());
        let Ok(opens) = timeout(patience, door.lock_owned()).await else { return Err(give_up + APART) };
        if *opens >= give_up {
            return Err(*opens);
        }
        sleep(opens.since(self.clock.now())).await;
        Ok(Pass(opens))
    }

    /// The door of one call. Those that are open and that nobody stands at are forgotten, so that there are never
    /// more than calls in eleven seconds.
    fn door(&self, key: Key) -> Door {
        let now = self.clock.now();
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        doors.retain(|_, door| door.try_lock().map_or(true, |opens| *opens > now) || Arc::strong_count(door) > 1);
        doors.entry(key).or_default().clone()
    }
}

impl Pass {
    /// The call is sent and will be over by `ends`: should its caller be dropped, it counts as answered then.
    pub(crate) fn sent(&mut self, ends: Timestamp) {
        *self.0 = ends + APART;
    }

    /// It was answered at `at`; Withings may have asked to wait for longer.
    pub(crate) fn answered(mut self, at: Timestamp, wait: Duration) {
        *self.0 = at + wait.max(APART);
    }
}

fn hash(request: &Request) -> u64 {
    let mut hasher = DefaultHasher::new();
    (request.path(), request.form()).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use afferent_withings::Auth;
    use tokio::time::Instant;

    use super::*;

    struct Virtual(Instant);

    impl Clock for Virtual {
        fn now(&self) -> Timestamp {
            Timestamp::from_secs(1_000) + self.0.elapsed()
        }
    }

    fn guard() -> Arc<Guard> {
        Arc::new(Guard::new(Arc::new(Virtual(Instant::now()))))
    }

    fn request(from: i64) -> Request {
        Request::new("/measure", "getmeas", Auth::Bearer).with("lastupdate", from)
    }

    fn account(userid: &str) -> AccountKey {
        AccountKey { application: "app".to_owned(), region: "eu".to_owned(), userid: userid.to_owned() }
    }

    const LATER: Timestamp = Timestamp::from_secs(2_000);

    /// Makes a call that takes a second; tells when it was sent.
    async fn call(guard: &Guard, userid: &str, from: i64) -> Timestamp {
        let mut pass = guard.pass(Some(&account(userid)), &request(from), LATER).await.ok().unwrap();
        let at = guard.clock.now();
        pass.sent(at + Duration::from_secs(30));
        sleep(Duration::from_secs(1)).await;
        pass.answered(guard.clock.now(), Duration::ZERO);
        at
    }

    #[tokio::test(start_paused = true)]
    async fn an_equal_call_waits_until_eleven_seconds_after_the_answer_and_others_do_not_wait() {
        let guard = guard();
        let first = call(&guard, "1", 5).await;
        assert_eq!(call(&guard, "1", 6).await.since(first), Duration::from_secs(1));
        assert_eq!(call(&guard, "2", 5).await.since(first), Duration::from_secs(2));
        assert_eq!(call(&guard, "1", 5).await.since(first), Duration::from_secs(12));
    }

    #[tokio::test(start_paused = true)]
    async fn equal_calls_at_once_go_one_after_the_other() {
        let guard = guard();
        let calls = (0..3).map(|_| {
            let guard = guard.clone();
            tokio::spawn(async move { call(&guard, "1", 5).await })
        });
        let mut sent = Vec::new();
        for call in calls.collect::<Vec<_>>() {
            sent.push(call.await.unwrap().as_secs() - 1_000);
        }
        sent.sort_unstable();
        assert_eq!(sent, [0, 12, 24]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_cannot_wait_so_long_is_told_when_it_may_call() {
        let guard = guard();
        let first = call(&guard, "1", 5).await;
        let soon = guard.clock.now() + Duration::from_secs(5);
        let refused = guard.pass(Some(&account("1")), &request(5), soon).await;
        assert_eq!(refused.err(), Some(first + Duration::from_secs(12)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_withings_wants_later_waits_for_as_long_as_it_says() {
        let guard = guard();
        let pass = guard.pass(None, &request(5), LATER).await.ok().unwrap();
        let now = guard.clock.now();
        pass.answered(now, Duration::from_secs(188));
        let _pass = guard.pass(None, &request(5), LATER).await.ok().unwrap();
        assert_eq!(guard.clock.now().since(now), Duration::from_secs(188));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_was_not_sent_keeps_nobody_waiting() {
        let guard = guard();
        drop(guard.pass(None, &request(5), LATER).await);
        let now = guard.clock.now();
        let _pass = guard.pass(None, &request(5), LATER).await.ok().unwrap();
        assert_eq!(guard.clock.now(), now);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_of_long_ago_are_forgotten() {
        let guard = guard();
        for from in 0..1_000 {
            let pass = guard.pass(None, &request(from), LATER).await.ok().unwrap();
            pass.answered(guard.clock.now(), Duration::ZERO);
            sleep(Duration::from_secs(1)).await;
            assert!(guard.doors.lock().unwrap().len() <= 12);
        }
    }
}
