//! One subscription per category that the person's scopes allow, compared with Withings' list.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::budget::Lane;
use afferent_domain::connection::{Scopes, Subscriptions};
use afferent_domain::notification::Category;
use afferent_gate::CallError;
use afferent_store::connections::AccountKey;
use afferent_withings::answer::notify::{Profile, read};
use afferent_withings::{Class, Error, NotifyFault, Request, Secret, notify, notify_fault};

use crate::Fetcher;
use crate::duty::Work;

/// Between two calls about subscriptions of one account: clients that made them at once were refused.
pub(super) const APART: Duration = Duration::from_secs(5);

/// The most of them in one go: others wait in the same batch of messages.
const MOST_AT_ONCE: usize = 4;

/// A subscription that ends before then is made again.
const AHEAD: Duration = Duration::from_secs(2 * 24 * 3600);

/// How a category stands that Withings sends.
const ON: &str = "on";

/// How one stands that Withings does not take for a reason of its own; and what the duty keeps of them between two goes.
pub(super) const REFUSED: &str = "refused";

/// How far Withings' list was mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mended {
    /// There is more to do; these were refused.
    Partly(BTreeSet<u32>),
    /// It is done, but for this fault.
    Whole(Option<&'static str>),
}

/// What a comparison came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Comparison {
    /// Categories that are subscribed to.
    on: BTreeSet<u32>,
    /// Categories that should be, and are not.
    missing: BTreeSet<u32>,
    /// Subscriptions of our URL that should not be, as Withings spells them.
    surplus: Vec<(String, i64)>,
    /// Those of our URL with the secret of before. Each goes once its category is subscribed to with the new one, so that
    /// a new URL that Withings does not take silences nobody.
    rotated: Vec<(String, i64)>,
}

impl Fetcher {
    /// Brings Withings' list to what it should be. How the categories stand (nothing, if the list could not be read),
    /// which were subscribed to now, and how far it came.
    pub(super) async fn subscribe(
        &self,
        account: &AccountKey,
        scopes: &Scopes,
        callback: &Secret,
        lane: Lane,
        work: &Work<'_>,
    ) -> (Option<Subscriptions>, Vec<Category>, Result<Mended, CallError>) {
        let listed = match self.listed(account, lane, work).await {
            Ok(listed) => listed,
            Err(error) => return (None, Vec::new(), Err(error)),
        };
        let now = self.clock.now();
        let compared = compare(&listed, &self.wanted(scopes), callback.reveal(), now);
        let mut standing = Subscriptions::default();
        compared.on.iter().for_each(|appli| set(&mut standing, *appli, ON));
        compared.missing.iter().for_each(|appli| set(&mut standing, *appli, "missing"));
        let outcome = self.mend(account, &compared, callback, lane, work, &mut standing).await;
        let on = |appli: &u32| u16::try_from(*appli).is_ok_and(|appli| standing.get(appli) == Some(ON));
        let made = compared.missing.iter().filter(|appli| on(appli)).filter_map(|appli| Category::of(*appli)).collect();
        (Some(standing), made, outcome)
    }

    async fn mend(
        &self,
        account: &AccountKey,
        compared: &Comparison,
        callback: &Secret,
        lane: Lane,
        work: &Work<'_>,
        standing: &mut Subscriptions,
    ) -> Result<Mended, CallError> {
        // First, because there is a most that a person may have.
        let replaced = |appli: &i64| u32::try_from(*appli).is_ok_and(|appli| !compared.missing.contains(&appli));
        let rotated = compared.rotated.iter().filter(|(_, appli)| replaced(appli));
        let surplus: Vec<(String, i64)> = compared.surplus.iter().chain(rotated).cloned().collect();
        if let partly @ Mended::Partly(_) = self.revoke_some(account, &surplus, lane, work).await? {
            return Ok(partly);
        }
        let mut calls = surplus.len();
        // In an earlier go of the same look.
        let mut refused: BTreeSet<u32> = words(work.reading().maybe_text(REFUSED).unwrap_or_default());
        let missing: Vec<u32> = compared.missing.difference(&refused).copied().collect();
        let mut missing = missing.iter();
        let mut outcome = None;
        while let Some(appli) = missing.next() {
            if calls == MOST_AT_ONCE {
                return Ok(Mended::Partly(refused));
            }
            calls += 1;
            let request = notify::subscribe(callback.reveal(), i64::from(*appli));
            match self.paced(account, lane, &request, work).await {
                Ok(()) => set(standing, *appli, ON),
                Err(CallError::Withings(error)) => match (fault(&error), error.class()) {
                    // About the URL or the person, so the other categories would fare no better.
                    (Some(fault), _) => {
                        set(standing, *appli, fault.name());
                        missing.by_ref().for_each(|appli| set(standing, *appli, fault.name()));
                        outcome = Some(fault.name());
                    }
                    (None, Class::Invalid | Class::Scope) => {
                        tracing::warn!(%account, appli, %error, "Withings does not take the subscription to a category");
                        refused.insert(*appli);
                    }
                    _ => return Err(CallError::Withings(error)),
                },
                Err(error) => return Err(error),
            }
        }
        refused.iter().for_each(|appli| set(standing, *appli, REFUSED));
        if outcome.is_none() && compared.rotated.iter().any(|(_, appli)| !replaced(appli) && is_on(standing, *appli)) {
            return Ok(Mended::Partly(refused));
        }
        // The scope of 60 is none that a person can grant; it is asked for in the hope that it works.
        let unexpected = refused.iter().any(|appli| *appli != Category::Survey.appli());
        Ok(Mended::Whole(outcome.or(unexpected.then_some(REFUSED))))
    }

    /// Ends every subscription of our URL.
    pub(super) async fn unsubscribe(
        &self,
        account: &AccountKey,
        callback: &Secret,
        work: &Work<'_>,
    ) -> Result<Mended, CallError> {
        let listed = self.listed(account, Lane::OnDemand, work).await?;
        let Comparison { mut surplus, rotated, .. } =
            compare(&listed, &BTreeSet::new(), callback.reveal(), self.clock.now());
        surplus.extend(rotated);
        self.revoke_some(account, &surplus, Lane::OnDemand, work).await
    }

    async fn revoke_some(
        &self,
        account: &AccountKey,
        surplus: &[(String, i64)],
        lane: Lane,
        work: &Work<'_>,
    ) -> Result<Mended, CallError> {
        for (url, appli) in surplus.iter().take(MOST_AT_ONCE) {
            self.revoke(account, url, *appli, lane, work).await?;
        }
        Ok(if surplus.len() > MOST_AT_ONCE { Mended::Partly(BTreeSet::new()) } else { Mended::Whole(None) })
    }

    async fn listed(&self, account: &AccountKey, lane: Lane, work: &Work<'_>) -> Result<Vec<Profile>, CallError> {
        let body = self.gate.call(account, lane, &notify::list(), work.until).await?;
        let listed = read(&body);
        for problem in &listed.problems {
            tracing::warn!(%account, %problem, "a subscription could not be understood");
        }
        Ok(listed.rows)
    }

    async fn revoke(
        &self,
        account: &AccountKey,
        url: &str,
        appli: i64,
        lane: Lane,
        work: &Work<'_>,
    ) -> Result<(), CallError> {
        match self.paced(account, lane, &notify::revoke(url, appli), work).await {
            // Gone, as it should be.
            Err(CallError::Withings(error)) if fault(&error) == Some(NotifyFault::NoSuchSubscription) => Ok(()),
            done => done,
        }
    }

    async fn paced(
        &self,
        account: &AccountKey,
        lane: Lane,
        request: &Request,
        work: &Work<'_>,
    ) -> Result<(), CallError> {
        tokio::time::sleep(APART).await;
        self.gate.call(account, lane, request, work.until).await.map(drop)
    }

    /// The categories that a person with these scopes is notified of.
    fn wanted(&self, scopes: &Scopes) -> BTreeSet<u32> {
        let live =
            |category: &Category| matches!(category, Category::BedOccupied | Category::BedEmpty | Category::BedInOut);
        Category::ALL
            .into_iter()
            .filter(|category| *category != Category::DeviceSetup && scopes.allow_category(*category))
            .filter(|category| self.live_sync || !live(category))
            .map(Category::appli)
            .collect()
    }
}

/// Our URL's subscriptions beside those that should be. Those of other URLs are somebody else's, except that the
/// same URL with another last segment is ours with the secret of before.
fn compare(listed: &[Profile], wanted: &BTreeSet<u32>, ours: &str, now: Timestamp) -> Comparison {
    let mut of_category: BTreeMap<u32, Vec<&Profile>> = BTreeMap::new();
    for profile in listed.iter().filter(|profile| notify::same_url(&profile.callback_url, ours)) {
        let known = u32::try_from(profile.appli).ok().filter(|appli| Category::of(*appli).is_some());
        // 53 is the application's own, and a category that this version does not know is not its to end.
        if let Some(appli) = known.filter(|appli| *appli != Category::DeviceSetup.appli()) {
            of_category.entry(appli).or_default().push(profile);
        }
    }
    let mut compared = Comparison::default();
    let rotated = |url: &str| !notify::same_url(url, ours) && notify::same_place(url, ours);
    for profile in listed.iter().filter(|profile| rotated(&profile.callback_url)) {
        compared.rotated.push((profile.callback_url.clone(), profile.appli));
    }
    for (appli, mut profiles) in of_category {
        let lasts = |profile: &&Profile| profile.expires.is_none_or(|end| end > (now + AHEAD).as_secs());
        if wanted.contains(&appli) {
            // One stays: in our own spelling, if there is such a one.
            profiles.sort_by_key(|profile| (!lasts(profile), profile.callback_url != ours));
            if lasts(&profiles.remove(0)) {
                compared.on.insert(appli);
            }
        }
        compared.surplus.extend(profiles.into_iter().map(|one| (one.callback_url.clone(), one.appli)));
    }
    compared.missing = wanted.difference(&compared.on).copied().collect();
    compared
}

fn fault(error: &Error) -> Option<NotifyFault> {
    match error {
        Error::Status { status, .. } => notify_fault(*status),
        _ => None,
    }
}

fn is_on(standing: &Subscriptions, appli: i64) -> bool {
    u16::try_from(appli).is_ok_and(|appli| standing.get(appli) == Some(ON))
}

fn words(text: &str) -> BTreeSet<u32> {
    text.split(',').filter_map(|word| word.parse().ok()).collect()
}

fn set(standing: &mut Subscriptions, appli: u32, how: &str) {
    if let Ok(appli) = u16::try_from(appli) {
        standing.set(appli, how);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "https://hooks.example.org/withings/secret";
    const NOW: Timestamp = Timestamp::from_secs(1_795_244_400);

    fn profile(appli: i64, url: &str) -> Profile {
        Profile { appli, callback_url: url.to_owned(), comment: None, expires: Some(2_147_483_647) }
    }

    fn compared(listed: &[Profile]) -> Comparison {
        compare(listed, &BTreeSet::from([1, 4]), OURS, NOW)
    }

    #[test]
    fn what_is_missing_is_subscribed_to_and_what_is_there_is_left() {
        let found = compared(&[profile(1, OURS)]);
        assert_eq!((found.on, found.missing), (BTreeSet::from([1]), BTreeSet::from([4])));
        assert!(found.surplus.is_empty());
    }

    #[test]
    fn another_spelling_counts_and_a_second_one_is_surplus() {
        let slash = format!("{OURS}/");
        assert!(compared(&[profile(1, &slash)]).on.contains(&1));
        let found = compared(&[profile(1, &slash), profile(1, OURS)]);
        assert_eq!(found.surplus, [(slash, 1)], "ours stays");
    }

    #[test]
    fn a_category_without_its_scope_is_surplus() {
        assert_eq!(compared(&[profile(50, OURS)]).surplus, [(OURS.to_owned(), 50)]);
    }

    #[test]
    fn other_urls_and_categories_that_are_not_ours_to_end_are_left_alone() {
        let other = [profile(50, "https://other.example.org/withings/secret"), profile(53, OURS), profile(777, OURS)];
        assert!(compared(&other).surplus.is_empty());
    }

    #[test]
    fn a_subscription_with_the_secret_of_before_is_told_apart_from_what_goes_at_once() {
        let before = OURS.replace("secret", "older");
        let found = compared(&[profile(1, &before), profile(50, OURS)]);
        assert_eq!((found.rotated, found.missing), (vec![(before, 1)], BTreeSet::from([1, 4])));
        assert_eq!(found.surplus, [(OURS.to_owned(), 50)]);
    }

    #[test]
    fn a_subscription_about_to_end_is_made_again_and_not_revoked() {
        let ending = Profile { expires: Some(NOW.as_secs() + 3600), ..profile(1, OURS) };
        let found = compared(&[ending]);
        assert!(found.missing.contains(&1) && found.surplus.is_empty());
    }
}
