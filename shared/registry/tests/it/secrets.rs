//! Secrets: several sign while one replaces another, and none signs longer than it may.

use std::time::Duration;

use afferent_domain::endpoint::{LONGEST_OVERLAP, MOST_SECRETS};
use afferent_domain::id::EndpointId;
use afferent_domain::signature::SigningSecret;
use afferent_registry::{Clash, Current, RegistryError, Rotation};
use afferent_secrets::{Sealer, Seals};
use afferent_store::endpoints::Endpoints;

use crate::stack::{Stack, URL, field, header, is_signed, seconds};

const DAY: u64 = 24 * 60 * 60;

fn overlap(secs: u64) -> Rotation {
    Rotation { overlap: Some(Duration::from_secs(secs)), secret: None }
}

impl Stack {
    async fn rotate(&self, id: &EndpointId, secs: u64) -> Current {
        self.registry.rotate(id, &overlap(secs)).await.unwrap()
    }

    /// Which of these secrets signs what comes now.
    async fn signed_by(&self, record: &str, secrets: &[&SigningSecret]) -> Vec<bool> {
        self.record(record).await;
        let seen = self.receiver.seen().pop().unwrap();
        secrets.iter().map(|secret| is_signed(&seen, secret)).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_rotation_both_secrets_sign_until_the_overlap_ends() {
    let stack = Stack::start().await;
    let (endpoint, first) = stack.endpoint().await;
    let id = endpoint.endpoint;
    let second = stack.rotate(&id, 3_600).await;
    assert_eq!((second.number, stack.registry.secret(&id).await.unwrap()), (2, second.clone()));
    assert_eq!(stack.signed_by("rec_1", &[&first, &second.secret]).await, [true, true]);
    seconds(3_600).await;
    assert_eq!(stack.signed_by("rec_2", &[&first, &second.secret]).await, [false, true]);
    let states = stack.registry.secrets(&id).await.unwrap();
    assert_eq!(states.iter().map(|one| (one.number, one.signs)).collect::<Vec<_>>(), [(1, false), (2, true)]);
}

#[tokio::test(start_paused = true)]
async fn the_default_overlap_is_a_day_at_every_rotation_and_not_only_at_the_first() {
    let stack = Stack::start().await;
    let (endpoint, first) = stack.endpoint().await;
    let id = endpoint.endpoint;
    let mut secrets = vec![first];
    for round in 0..3 {
        secrets.push(stack.registry.rotate(&id, &Rotation::default()).await.unwrap().secret);
        let last_two = [&secrets[round], &secrets[round + 1]];
        assert_eq!(stack.signed_by(&format!("rec_a{round}"), &last_two).await, [true, true]);
        seconds(DAY - 10).await;
        assert_eq!(stack.signed_by(&format!("rec_b{round}"), &last_two).await, [true, true]);
        seconds(10).await;
        assert_eq!(stack.signed_by(&format!("rec_c{round}"), &last_two).await, [false, true]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_rotation_lets_no_secret_sign_longer_and_one_without_an_overlap_ends_all_at_once() {
    let stack = Stack::start().await;
    let (endpoint, first) = stack.endpoint().await;
    let id = endpoint.endpoint;
    let second = stack.rotate(&id, 60).await.secret;
    let third = stack.rotate(&id, 7 * DAY).await.secret;
    assert_eq!(stack.signed_by("rec_1", &[&first, &second, &third]).await, [true, true, true]);
    seconds(60).await;
    assert_eq!(stack.signed_by("rec_2", &[&first, &second, &third]).await, [false, true, true]);
    let fourth = stack.rotate(&id, 0).await.secret;
    assert_eq!(stack.signed_by("rec_3", &[&first, &second, &third, &fourth]).await, [false, false, false, true]);
    assert_eq!(field(stack.registry.rotate(&id, &overlap(LONGEST_OVERLAP.as_secs() + 1)).await), "overlap_s");
}

#[tokio::test(start_paused = true)]
async fn at_most_ten_secrets_sign_and_who_wants_more_is_told_when_the_next_one_ends() {
    let stack = Stack::start().await;
    let id = stack.endpoint().await.0.endpoint;
    for round in 1..MOST_SECRETS as u64 {
        stack.rotate(&id, DAY - round).await;
    }
    let first_end = stack.now() + Duration::from_secs(DAY - 9);
    let refused = stack.registry.rotate(&id, &Rotation::default()).await.unwrap_err();
    assert_eq!(refused, RegistryError::TooManySecrets { until: first_end });
    assert!(refused.to_string().contains(&format!("wait until {first_end}")), "{refused}");
    stack.record("rec_1").await;
    let seen = stack.receiver.seen();
    assert_eq!(header(&seen[0], "webhook-signature").split(' ').count(), MOST_SECRETS);
    seconds(DAY - 9).await;
    stack.rotate(&id, 60).await;
    stack.rotate(&id, 0).await;
    let signing = stack.registry.secrets(&id).await.unwrap().into_iter().filter(|one| one.signs).count();
    assert_eq!(signing, 1);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_secret_signs_no_more_and_the_current_one_cannot_be_revoked() {
    let stack = Stack::start().await;
    let (endpoint, first) = stack.endpoint().await;
    let id = endpoint.endpoint;
    let refused = stack.registry.revoke(&id, 1).await.unwrap_err();
    assert_eq!(refused, Clash::CurrentSecret.into(), "nothing would be signed");
    let second = stack.rotate(&id, DAY).await;
    assert!(stack.registry.revoke(&id, 2).await.is_err(), "in a day nothing would be signed");
    stack.registry.revoke(&id, 1).await.unwrap();
    assert_eq!(stack.signed_by("rec_1", &[&first, &second.secret]).await, [false, true]);
    stack.registry.revoke(&id, 1).await.unwrap();
    assert_eq!(stack.registry.revoke(&id, 7).await.unwrap_err(), RegistryError::NotFound("secret"));
}

#[tokio::test(start_paused = true)]
async fn a_secret_of_ones_own_must_be_a_new_one() {
    let stack = Stack::start().await;
    let (endpoint, first) = stack.endpoint().await;
    let given = |secret: &SigningSecret| Rotation { overlap: None, secret: Some(secret.clone()) };
    assert_eq!(field(stack.registry.rotate(&endpoint.endpoint, &given(&first)).await), "secret");
    let own = SigningSecret::parse("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
    let current = stack.registry.rotate(&endpoint.endpoint, &given(&own)).await.unwrap();
    assert_eq!((current.secret.clone(), current.number), (own, 2));
    assert_eq!(
        serde_json::to_string(&current).unwrap(),
        r#"{"number":2,"secret":"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#
    );
    assert!(!format!("{current:?}").contains("AAAA"));
}

fn seals(current: &str) -> Seals {
    let (one, two) = ("1".repeat(64), "2".repeat(64));
    Sealer::from_json(&format!(r#"{{"current":"{current}","1":"{one}","2":"{two}"}}"#)).unwrap().into()
}

#[tokio::test(start_paused = true)]
async fn what_lies_under_an_older_key_is_sealed_anew_when_it_is_read() {
    let stack = Stack::start().await;
    let json = format!(r#"{{"url":"{URL}","headers":{{"x-key":"1"}}}}"#);
    let new = afferent_registry::New::from_json(&json).unwrap();
    let (endpoint, secret) = stack.under(seals("1")).register(new).await.unwrap();
    let endpoints = Endpoints::new(stack.client(), "afferent-endpoints".to_owned());
    let sealed = || async {
        let whole = endpoints.whole(&endpoint.endpoint).await.unwrap().unwrap();
        (whole.secrets[0].sealed.clone(), whole.headers.unwrap())
    };
    let before = sealed().await;
    let registry = stack.under(seals("2"));
    assert_eq!(registry.secret(&endpoint.endpoint).await.unwrap().secret, secret);
    let after = sealed().await;
    assert!(before.0.starts_with("1.") && before.1.starts_with("1."));
    assert!(after.0.starts_with("2.") && after.1.starts_with("2."));
    assert_eq!(registry.secret(&endpoint.endpoint).await.unwrap().secret, secret);
    assert_eq!(sealed().await, after, "once is enough");
}
