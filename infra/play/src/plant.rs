//! `withings` and `seed`: what a stack that something else runs needs beside it.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use afferent_aws::Aws;
use afferent_local::clock::SystemDice;
use afferent_play::scene::SceneError;
use afferent_play::seed::{Consent, RimError, Seeder, rim};
use afferent_play::world::World;

use crate::say;

/// The stack whose AWS services are at `endpoint_url`, with credentials that are good for nothing.
pub(crate) fn stack_at(endpoint_url: &str, stack: &str) -> Result<Seeder, SceneError> {
    let fake = BTreeMap::from([
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL", endpoint_url),
    ]);
    let aws = Aws::from_env(|name| fake.get(name).map(|value| (*value).to_owned()))?;
    Ok(Seeder::new(&rim(aws)?, stack))
}

pub(crate) async fn seed(
    endpoint_url: &str,
    stack: &str,
    webhooks: &[String],
    bare: bool,
) -> Result<ExitCode, SceneError> {
    let seeder = stack_at(endpoint_url, stack)?;
    let connection = match Consent::from_env(|name| std::env::var(name).ok()) {
        Some(consent) if bare => Some(seeder.connect_quietly(&consent.userid, &consent).await?),
        Some(consent) => Some(seeder.connect(&consent.userid, &consent).await?),
        None => None,
    };
    let mut endpoints = Vec::new();
    for url in webhooks {
        let registered = seeder.endpoint(url, url, &["*"]).await?;
        endpoints.push(serde_json::json!({
            "id": registered.endpoint, "url": url, "secret": registered.secret.reveal(),
        }));
    }
    let key = seeder.key("seed").await?;
    let planted = serde_json::json!({
        "user": connection.as_ref().map(|connection| &connection.user),
        "connection": connection.as_ref().map(|connection| &connection.id),
        "endpoints": endpoints,
        "key": key,
    });
    say(&planted.to_string());
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn withings(port: u16) -> Result<ExitCode, SceneError> {
    let http = Arc::new(afferent_http::Client::new().map_err(RimError::from)?);
    let world = World::start(port, http, Arc::new(SystemDice::default()), None).await?;
    say(&serde_json::json!({"url": world.url(), "userid": world.person.userid}).to_string());
    tokio::signal::ctrl_c().await?;
    Ok(ExitCode::SUCCESS)
}
