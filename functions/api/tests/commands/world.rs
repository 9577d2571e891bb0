//! A stack with the sample person connected, and keys to its API.

use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::backfill::Depth;
use afferent_domain::grant::Grants;
use afferent_domain::record::Record;
use afferent_local::{FRONT_HOST, Setup};
use afferent_store::item::s;
use afferent_store::keys::{Keys, NewKey};
use bytes::Bytes;
use lambda_http::http::{Method, Request, Response, StatusCode};
use serde_json::Value;
use stack_tests::Rig;
use withings_simulator::{MeasureGroup, Notify, Settings};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: i64 = 86_400;

pub(crate) struct World {
    pub(crate) rig: Rig,
    /// A key that may write.
    pub(crate) key: String,
    keys: Keys,
}

impl World {
    pub(crate) async fn start(seed: u64) -> Self {
        Self::with(seed, &[]).await
    }

    pub(crate) async fn with(seed: u64, parameters: &[(&str, &str)]) -> Self {
        Self::of_latency(seed, parameters, (0, 0)).await
    }

    /// The same, where AWS takes its time: what crashes does so between two calls.
    pub(crate) async fn slow(seed: u64, parameters: &[(&str, &str)]) -> Self {
        Self::of_latency(seed, parameters, (1, 20)).await
    }

    async fn of_latency(seed: u64, parameters: &[(&str, &str)], aws_latency_ms: (u64, u64)) -> Self {
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let setup = Setup { seed, parameters, aws_latency_ms, ..Setup::default() };
        let rig = Rig::of(setup, Settings::default()).await;
        let keys = Keys::new(rig.client.clone(), rig.name("keys"));
        let mut world = Self { rig, key: String::new(), keys };
        world.key = world.key_for("write").await;
        world
    }

    /// The same, with the past read and swept from now on.
    pub(crate) async fn swept(seed: u64, parameters: &[(&str, &str)]) -> Self {
        let world = Self::with(seed, parameters).await;
        let (connection, now) = (&world.rig.connection, world.now());
        world.rig.connections.begin_reading(connection, true, Depth::default(), now).await.unwrap();
        tokio::time::sleep(HOUR).await;
        world
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.rig.stack.clock.now()
    }

    pub(crate) async fn key_for(&self, grant: &str) -> String {
        self.key_for_all(&[grant]).await
    }

    pub(crate) async fn key_for_all(&self, grants: &[&str]) -> String {
        let new = NewKey::new("test", Grants::new(grants.iter().map(|grant| grant.parse().unwrap())));
        let (_, text) = self.keys.create(&new, self.now(), &*self.rig.stack.dice).await.unwrap();
        text.reveal().to_owned()
    }

    pub(crate) async fn call(&self, key: &str, method: Method, path: &str, body: &Value) -> Response<Bytes> {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let request = Request::builder()
            .method(method)
            .uri(format!("https://{FRONT_HOST}{path}"))
            .header("host", FRONT_HOST)
            .header("authorization", format!("Bearer {key}"))
            .body(body);
        self.rig.stack.request(request.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        read(&self.call(&self.key, Method::POST, path, &body).await)
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        read(&self.call(&self.key, Method::GET, path, &Value::Null).await)
    }

    /// A path of the connection.
    pub(crate) fn of(&self, rest: &str) -> String {
        format!("/v1/connections/{}{rest}", self.rig.connection.id)
    }

    /// A path of the user.
    pub(crate) fn of_user(&self, rest: &str) -> String {
        format!("/v1/users/{}{rest}", self.rig.connection.user)
    }

    /// Pressures so many days ago, of which nobody is told.
    pub(crate) fn pressures(&self, days: impl IntoIterator<Item = i64>) -> Vec<i64> {
        let at = |days: i64| self.rig.person.blood_pressure(self.now().as_secs() - days * DAY, 80, 120, 60);
        let groups: Vec<MeasureGroup> = days.into_iter().map(at).collect();
        self.rig.withings.add(self.rig.person.userid, groups, Notify::No).unwrap()
    }

    pub(crate) async fn of_kind(&self, kind: &str) -> Vec<Record> {
        self.rig.tables.records.page(&self.rig.connection.user, Some(kind), None, 100).await.unwrap().0
    }

    /// The person granted these scopes and no others.
    pub(crate) async fn grant(&self, scopes: &str) {
        let connection = &self.rig.connection;
        let own = format!("connection#{}", connection.id);
        for (owner, item) in [(own.clone(), "connection"), (connection.account.to_string(), own.as_str())] {
            let update = self
                .rig
                .client
                .update_item()
                .table_name(self.rig.name("connections"))
                .key("owner", s(owner))
                .key("item", s(item))
                .update_expression("SET scopes = :scopes")
                .expression_attribute_values(":scopes", s(scopes));
            update.send().await.unwrap();
        }
    }
}

fn read(answer: &Response<Bytes>) -> (StatusCode, Value) {
    (answer.status(), serde_json::from_slice(answer.body()).unwrap_or_default())
}
