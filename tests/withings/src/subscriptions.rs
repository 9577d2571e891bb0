//! Who wants which notifications where.

use std::collections::HashMap;

use afferent_domain::clock::Timestamp;
use http::Uri;
use serde::{Deserialize, Serialize};

use crate::Userid;
use crate::settings::CallbackRules;

/// One subscription: one category of one user (or, for category 53, of the application) to one URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The application.
    pub client_id: String,
    /// The user; `None` for category 53.
    pub userid: Option<Userid>,
    /// The category.
    pub appli: u16,
    /// The URL, spelt as it was subscribed.
    pub callbackurl: String,
    /// The comment, if there was one.
    pub comment: Option<String>,
    /// Since when no notification succeeded, in epoch milliseconds.
    pub failing_since_ms: Option<i64>,
    /// Exhausted notifications since the last success.
    pub failures: u32,
}

impl Subscription {
    pub(crate) fn is(&self, client_id: &str, userid: Option<Userid>, appli: u16, callbackurl: &str) -> bool {
        self.client_id == client_id && self.userid == userid && self.appli == appli && self.callbackurl == callbackurl
    }
}

/// All subscriptions, in the order in which they were made; and where those of each user are, so that they are not looked
/// for among all others'.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    all: Vec<Subscription>,
    by_user: HashMap<Option<Userid>, Vec<usize>>,
}

impl Subscriptions {
    /// These, in this order.
    pub(crate) fn of(all: Vec<Subscription>) -> Self {
        let mut subscriptions = Self { all, by_user: HashMap::new() };
        subscriptions.index();
        subscriptions
    }

    fn index(&mut self) {
        self.by_user.clear();
        for (place, one) in self.all.iter().enumerate() {
            self.by_user.entry(one.userid).or_default().push(place);
        }
    }

    /// Adds one; an equal one only gets the new comment.
    pub(crate) fn add(
        &mut self,
        client_id: &str,
        userid: Option<Userid>,
        appli: u16,
        callbackurl: &str,
        comment: Option<String>,
    ) {
        let own = self.by_user.entry(userid).or_default();
        if let Some(place) = own.iter().find(|place| self.all[**place].is(client_id, userid, appli, callbackurl)) {
            self.all[*place].comment = comment;
            return;
        }
        own.push(self.all.len());
        self.all.push(Subscription {
            client_id: client_id.to_owned(),
            userid,
            appli,
            callbackurl: callbackurl.to_owned(),
            comment,
            failing_since_ms: None,
            failures: 0,
        });
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Subscription> {
        self.all.iter()
    }

    pub(crate) fn find(&mut self, wanted: impl Fn(&Subscription) -> bool) -> Option<&mut Subscription> {
        self.all.iter_mut().find(|one| wanted(one))
    }

    /// Removes those that fit; how many there were.
    pub(crate) fn remove(&mut self, gone: impl Fn(&Subscription) -> bool) -> usize {
        let before = self.all.len();
        self.all.retain(|one| !gone(one));
        self.index();
        before - self.all.len()
    }

    /// Notes how a notification ended. Returns whether that cancelled the subscription.
    pub(crate) fn note(
        &mut self,
        subscription: &Subscription,
        delivered: bool,
        now: Timestamp,
        cancel_after_days: u64,
        cancel_after_failures: Option<u32>,
    ) -> bool {
        let Subscription { client_id, userid, appli, callbackurl, .. } = subscription;
        let Some(index) = self.all.iter().position(|one| one.is(client_id, *userid, *appli, callbackurl)) else {
            return false;
        };
        let one = &mut self.all[index];
        if delivered {
            (one.failing_since_ms, one.failures) = (None, 0);
            return false;
        }
        one.failures += 1;
        let since = *one.failing_since_ms.get_or_insert(now.as_millis());
        let failing = now.since(Timestamp::from_millis(since));
        let cancelled = failing.as_secs() >= cancel_after_days * 86_400
            || cancel_after_failures.is_some_and(|most| one.failures >= most);
        if cancelled {
            self.all.remove(index);
            self.index();
        }
        cancelled
    }
}

/// Whether a callback URL keeps Withings' rules (notification subscribe; glossary).
pub(crate) fn acceptable(callbackurl: &str, rules: &CallbackRules) -> bool {
    let Ok(uri) = callbackurl.parse::<Uri>() else {
        return false;
    };
    let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return false;
    };
    let registered = rules.registered.is_empty() || rules.registered.iter().any(|base| callbackurl.starts_with(base));
    let public_name = host.contains('.') && !host.starts_with('[') && host.parse::<std::net::IpAddr>().is_err();
    let strict = scheme == "https" && public_name && matches!(uri.port_u16(), None | Some(80 | 443));
    callbackurl.len() <= 255 && matches!(scheme, "http" | "https") && registered && (strict || !rules.strict)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_is_https_a_name_and_a_known_port() {
        let rules = CallbackRules::default();
        let long = format!("https://hooks.example.org/{}", "x".repeat(230));
        for (url, accepted) in [
            ("https://hooks.example.org/withings/9f3c", true),
            ("https://hooks.example.org:443/a?token=b", true),
            ("http://hooks.example.org/a", false),
            ("https://192.0.2.7/a", false),
            ("https://[2001:db8::1]/a", false),
            ("https://localhost/a", false),
            ("https://hooks.example.org:8443/a", false),
            (&*long, false),
            ("nonsense", false),
        ] {
            assert_eq!(acceptable(url, &rules), accepted, "{url}");
        }
        let development = CallbackRules { strict: false, ..CallbackRules::default() };
        assert!(acceptable("http://127.0.0.1:8080/a", &development));
        let registered = CallbackRules { registered: vec!["https://hooks.example.org/".to_owned()], ..rules };
        assert!(!acceptable("https://other.example.org/", &registered));
    }
}
