//! The control API in Rust: what a test does to the simulated world. Over HTTP the same is in `web`.
//!
//! Every change sets `modified` to now, and, unless told not to, sends the notifications that Withings would.
//! Changes that notify must be made inside a tokio runtime: the tries run as tasks of it.

pub(crate) mod web;

use crate::data::{Burial, Fact, Goals};
use crate::intake::Intake;
use crate::lapses::Lapse;
use crate::notice::{self, BedEvent, Notice, ProfileAction};
use crate::state::{ControlError, NewUser, Notify, User};
use crate::tokens::{CODE_LIFE, Caller, TokenPair};
use crate::{Simulator, Userid};

/// Every scope there is.
pub(crate) const ALL_SCOPES: &str = "user.info,user.metrics,user.activity,user.sleepevents";

/// Every category that a user can be subscribed to.
const USER_APPLIS: [u16; 16] = [1, 2, 4, 16, 44, 46, 50, 51, 52, 54, 55, 58, 60, 61, 62, 63];

impl Simulator {
    /// Creates a user.
    ///
    /// # Errors
    /// If the id is taken or the time zone unknown.
    pub fn create_user(&self, new: NewUser) -> Result<Userid, ControlError> {
        let timezone = if new.timezone.is_empty() { "Europe/Lisbon".to_owned() } else { new.timezone };
        jiff::tz::TimeZone::get(&timezone).map_err(|_| ControlError::Invalid("unknown time zone".to_owned()))?;
        let state = &mut self.world().state;
        let userid = new.userid.unwrap_or_else(|| state.last_userid.max(90_000_000) + 1);
        if state.users.contains_key(&userid) {
            return Err(ControlError::Invalid(format!("there is a user {userid} already")));
        }
        state.last_userid = state.last_userid.max(userid);
        state.users.insert(userid, User { userid, timezone, goals: new.goals, ..User::default() });
        Ok(userid)
    }

    fn caller(&self, userid: Userid, client_id: Option<&str>, scope: &str) -> Result<Caller, ControlError> {
        let settings = self.settings();
        let fits = |id: &str| client_id.is_none_or(|wanted| wanted == id);
        let client = settings.clients.iter().find(|client| fits(&client.client_id));
        let client = client.ok_or_else(|| ControlError::NoSuchClient(client_id.unwrap_or_default().to_owned()))?;
        self.world().state.user(userid)?;
        let scope = if scope.is_empty() { ALL_SCOPES } else { scope };
        Ok(Caller { client_id: client.client_id.clone(), userid, scope: scope.to_owned() })
    }

    /// A token pair of a user, without the consent page. An empty scope is every scope; no client is the first.
    /// Older pairs of this user and client die when the new access token is first used.
    ///
    /// # Errors
    /// If there is no such user or client.
    pub fn issue_tokens(
        &self,
        userid: Userid,
        client_id: Option<&str>,
        scope: &str,
    ) -> Result<TokenPair, ControlError> {
        let caller = self.caller(userid, client_id, scope)?;
        let now = self.now();
        Ok(self.world().tokens.issue(caller, now, self.dice.as_ref()))
    }

    /// An authorisation code of a user, without the consent page. It lives 30 s.
    ///
    /// # Errors
    /// If there is no such user or client.
    pub fn issue_code(&self, userid: Userid, client_id: Option<&str>, scope: &str) -> Result<String, ControlError> {
        let caller = self.caller(userid, client_id, scope)?;
        let now = self.now();
        Ok(self.world().tokens.code(caller, None, CODE_LIFE, now, self.dice.as_ref()))
    }

    /// Kills all tokens of a user, silently: the next refresh is told "invalid refresh_token".
    pub fn kill_tokens(&self, userid: Userid) {
        self.world().tokens.revoke(userid, None);
    }

    /// Subscribes a user to categories without a HEAD or any rule for the URL; no categories are all of them.
    /// Category 53 becomes the application's subscription.
    ///
    /// # Errors
    /// If there is no such user or client.
    pub fn subscribe(
        &self,
        userid: Userid,
        client_id: Option<&str>,
        applis: &[u16],
        callbackurl: &str,
    ) -> Result<(), ControlError> {
        let caller = self.caller(userid, client_id, "")?;
        let mut book = self.notifier().book();
        let live = if self.settings().contracted { 98..=100 } else { 0..=0 };
        let all: Vec<u16> = USER_APPLIS.into_iter().chain([53]).chain(live.filter(|appli| *appli > 0)).collect();
        for appli in if applis.is_empty() { &all } else { applis } {
            let owner = (*appli != 53).then_some(userid);
            book.subscriptions.add(&caller.client_id, owner, *appli, callbackurl, None);
        }
        Ok(())
    }

    /// Ends subscriptions silently, as Withings sometimes does: of one category, or all of a user.
    pub fn unsubscribe(&self, userid: Userid, appli: Option<u16>) -> usize {
        let gone =
            |one: &crate::Subscription| one.userid == Some(userid) && appli.is_none_or(|appli| one.appli == appli);
        self.notifier().book().subscriptions.remove(gone)
    }

    /// From now on rows do not come, without a word, until [`Self::restore`]. They are still there ([`Self::truth`]), and
    /// changes of them are announced.
    pub fn lapse(&self, lapse: Lapse) {
        self.world().lapses.add(lapse);
    }

    /// Ends a lapse; it must be spelt as it began.
    pub fn restore(&self, lapse: Lapse) {
        self.world().lapses.end(lapse);
    }

    /// Sets or removes a user's goals. No known category announces them.
    ///
    /// # Errors
    /// If there is no such user.
    pub fn set_goals(&self, userid: Userid, goals: Option<Goals>) -> Result<(), ControlError> {
        self.world().state.user_mut(userid)?.goals = goals;
        Ok(())
    }

    /// Adds facts; one whose key exists replaces the old one. Returns their keys. Equal notifications of one
    /// call are sent once.
    ///
    /// # Errors
    /// If there is no such user.
    pub fn add<F: Fact>(
        &self,
        userid: Userid,
        facts: impl IntoIterator<Item = F>,
        notify: Notify,
    ) -> Result<Vec<F::Key>, ControlError> {
        let now = self.now().as_secs();
        let (mut keys, mut notices) = (Vec::new(), Vec::new());
        {
            let state = &mut self.world().state;
            let timezone = state.user(userid)?.timezone.clone();
            let mut intake = Intake::new(now, timezone.clone(), state.last_id);
            let user = state.user_mut(userid)?;
            for mut fact in facts {
                fact.settle(&mut intake);
                keys.push(fact.key());
                notices.extend(fact.notices(userid, &timezone));
                F::kept(user).put(fact);
            }
            state.last_id = intake.last_id();
        }
        self.tell(notices, notify);
        Ok(keys)
    }

    /// Changes a fact; `modified` becomes now unless the change sets it.
    ///
    /// # Errors
    /// If there is no such user or fact.
    pub fn edit<F: Fact>(
        &self,
        userid: Userid,
        key: &F::Key,
        notify: Notify,
        change: impl FnOnce(&mut F),
    ) -> Result<(), ControlError> {
        self.try_edit(userid, key, notify, |fact| {
            change(fact);
            Ok(())
        })
    }

    /// As [`Self::edit`]; nothing happens if the change fails.
    pub(crate) fn try_edit<F: Fact>(
        &self,
        userid: Userid,
        key: &F::Key,
        notify: Notify,
        change: impl FnOnce(&mut F) -> Result<(), ControlError>,
    ) -> Result<(), ControlError> {
        let now = self.now().as_secs();
        let notices = {
            let state = &mut self.world().state;
            let timezone = state.user(userid)?.timezone.clone();
            let mut intake = Intake::new(now, timezone.clone(), state.last_id);
            let kept = F::kept(state.user_mut(userid)?);
            let mut fact = kept.get(key).cloned().ok_or_else(|| ControlError::NoSuchFact(key.to_string()))?;
            fact.touch();
            change(&mut fact)?;
            fact.settle(&mut intake);
            let notices = fact.notices(userid, &timezone);
            kept.take(key);
            kept.put(fact);
            state.last_id = intake.last_id();
            notices
        };
        self.tell(notices, notify);
        Ok(())
    }

    /// Deletes a fact, and with a night its minutes, with a day its samples. It stops being returned; there is no
    /// tombstone. The notification looks like any other.
    ///
    /// # Errors
    /// If there is no such user or fact.
    pub fn delete<F: Fact>(&self, userid: Userid, key: &F::Key, notify: Notify) -> Result<(), ControlError> {
        let notices = {
            let state = &mut self.world().state;
            let timezone = state.user(userid)?.timezone.clone();
            let user = state.user_mut(userid)?;
            let mut fact = F::kept(user).take(key).ok_or_else(|| ControlError::NoSuchFact(key.to_string()))?;
            let notices = fact.notices(userid, &timezone);
            fact.take_along(user);
            if fact.bury() == Burial::Hidden {
                F::kept(user).put(fact);
            }
            notices
        };
        self.tell(notices, notify);
        Ok(())
    }

    /// Somebody gets into or out of bed, or the mat finished inflating, at `date` (epoch seconds; 0 is now).
    /// There is nothing to fetch: the notification is the data.
    pub fn bed_event(&self, userid: Userid, event: BedEvent, deviceid: &str, date: i64) {
        self.device_event(userid, event.appli(), deviceid, date);
    }

    /// An ECG attempt failed (category 55) at `date` (epoch seconds; 0 is now).
    pub fn ecg_failed(&self, userid: Userid, deviceid: &str, date: i64) {
        self.device_event(userid, 55, deviceid, date);
    }

    fn device_event(&self, userid: Userid, appli: u16, deviceid: &str, date: i64) {
        let date = if date == 0 { self.now().as_secs() } else { date };
        self.tell(vec![Notice::device_event(userid, appli, deviceid, date)], Notify::Yes);
    }

    /// Heart rate variability is there for a window (category 62). The values are minutes of a night or intraday
    /// samples, added before.
    pub fn hrv(&self, userid: Userid, startdate: i64, enddate: i64) {
        self.tell(vec![Notice::window(userid, 62, startdate, enddate)], Notify::Yes);
    }

    /// A device was set up without an account (category 53).
    pub fn device_without_account(&self, mac: &str) {
        self.tell(vec![Notice::device_without_account(mac)], Notify::Yes);
    }

    /// The user changed, unlinked or deleted their profile (category 46). After `Unlink` tokens and
    /// subscriptions are gone, after `Delete` the data too.
    ///
    /// # Errors
    /// If there is no such user.
    pub fn profile(&self, userid: Userid, action: ProfileAction, notify: Notify) -> Result<(), ControlError> {
        self.world().state.user(userid)?;
        self.tell(vec![Notice::profile(userid, action)], notify);
        if action == ProfileAction::Update {
            return Ok(());
        }
        self.world().tokens.revoke(userid, None);
        self.notifier().book().subscriptions.remove(|one| one.userid == Some(userid));
        if action == ProfileAction::Delete {
            self.world().state.users.remove(&userid);
        }
        Ok(())
    }

    /// Sends an arbitrary body to a URL, with all tries.
    pub fn notify_url(&self, url: &str, body: &str) {
        self.notifier().post(url, body, 0, None, None);
    }

    /// Sends an arbitrary body to the subscribers of a category.
    pub fn notify(&self, userid: Option<Userid>, appli: u16, body: &str) {
        self.tell(vec![Notice { appli, userid, body: body.to_owned(), minimal: None }], Notify::Yes);
    }

    /// Sends notices to the subscriptions whose user granted the scope. A user without any living grant has
    /// hidden no scope.
    fn tell(&self, notices: Vec<Notice>, notify: Notify) {
        if notify == Notify::No {
            return;
        }
        let now = self.now();
        let mut told: Vec<Notice> = Vec::new();
        for notice in notices {
            if told.contains(&notice) {
                continue;
            }
            let granted = |client_id: &str, userid: Userid| {
                let world = self.world();
                let grant = world.tokens.grant(client_id, userid, now);
                notice::scope(notice.appli).is_none_or(|scope| grant.is_none_or(|caller| caller.may(scope)))
            };
            self.notifier().announce(&notice, granted);
            told.push(notice);
        }
    }
}
