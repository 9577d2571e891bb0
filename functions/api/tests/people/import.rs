//! Importing connections over HTTP.

use std::time::Duration;

use afferent_domain::budget::Lane;
use afferent_domain::connection::State;
use afferent_domain::id::ConnectionId;
use afferent_gate::{Connector, follow_up};
use afferent_store::connections::Connection;
use afferent_store::records::Records;
use lambda_http::http::{Method, StatusCode};
use serde_json::{Value, json};
use withings_simulator::NewUser;

use crate::stack::{Stack, json_of, text_of};

const DAY: i64 = 86_400;

impl Stack {
    /// Imports, and gives the outcomes.
    async fn import(&self, connections: &Value) -> Vec<Value> {
        let (status, answer) = self.post("/v1/connections/import", &json!({"connections": connections})).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["connections"].as_array().unwrap().clone()
    }

    /// A pair that was issued elsewhere.
    fn pair(&self, userid: i64) -> (String, String) {
        let pair = self.withings.issue_tokens(userid, None, "user.info,user.metrics").unwrap();
        (pair.access_token, pair.refresh_token)
    }

    fn one(&self, reference: &str, userid: i64) -> Value {
        let (access, refresh) = self.pair(userid);
        json!({"reference_id": reference, "userid": userid, "access_token": access, "refresh_token": refresh})
    }

    async fn stored(&self, outcome: &Value) -> Connection {
        let id = ConnectionId::from(outcome["connection"].as_str().unwrap());
        self.connections.get(&id).await.unwrap().unwrap()
    }

    fn connector(&self) -> Connector {
        let client = afferent_store::client(&self.simulation.rim.aws);
        Connector {
            connections: self.connections.clone(),
            records: Records::new(client, format!("{}-records", self.simulation.template.place.stack)),
            depth: afferent_domain::backfill::Depth::default(),
            clock: self.simulation.clock.clone(),
            dice: self.simulation.dice.clone(),
        }
    }

    /// What the account's care does first.
    async fn care(&self, connection: &Connection) {
        let connector = self.connector();
        let now = self.simulation.clock.now();
        follow_up(&connector.connections, &connector.records, connection, connector.depth, now).await.unwrap();
    }

    async fn seals(&self) -> afferent_secrets::Seals {
        let arn = format!("{}/seal-tokens", self.simulation.template.place.stack);
        afferent_secrets::Seals::read(&self.simulation.rim.aws, &arn, self.simulation.clock.now()).await.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_is_imported_is_not_used_before_the_first_refresh_and_is_never_shown() {
    let stack = Stack::start().await;
    let (access, refresh) = stack.pair(stack.userid);
    stack.withings.clear_calls();
    let wish = json!({"connections": [{"reference_id": "a", "userid": stack.userid, "access_token": access,
        "refresh_token": refresh, "timezone": "Europe/Paris", "scopes": ["user.info", "user.metrics"]}]});
    let answer = stack.call(&stack.key, Method::POST, "/v1/connections/import", Some(&wish)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let (text, outcome) = (text_of(&answer), json_of(&answer)["connections"][0].clone());
    assert_eq!((outcome["result"].as_str(), outcome["reference_id"].as_str()), (Some("imported"), Some("a")));
    let connection = stack.stored(&outcome).await;
    assert_eq!((connection.state, connection.tz.as_deref()), (State::Connected, Some("Europe/Paris")));
    assert_eq!(connection.scopes.to_string(), "user.info,user.metrics");
    assert_eq!(stack.withings.calls().len(), 0, "nothing is called");

    let table = format!("{}-connections", stack.simulation.template.place.stack);
    let items = afferent_store::client(&stack.simulation.rim.aws).scan().table_name(table).send().await.unwrap();
    let stored = format!("{:?}", items.items());
    for token in [&access, &refresh] {
        assert!(
            !text.contains(token.as_str()) && !stored.contains(token.as_str()),
            "a token is sealed and not repeated"
        );
    }
    // How old the access token is is not known, so the first thing to be done with the pair is a refresh.
    let tokens = stack.connections.tokens(&connection.account).await.unwrap().unwrap();
    assert!(tokens.pair.expires <= stack.simulation.clock.now());
    let exported = stack.connector().export_pair(&stack.seals().await, &connection.account).await.unwrap().unwrap();
    assert_eq!((exported.access_token.reveal(), exported.refresh_token.reveal()), (&*access, &*refresh));
}

#[tokio::test(start_paused = true)]
async fn each_has_its_own_outcome_in_the_order_of_the_request() {
    let stack = Stack::start().await;
    let other = stack.withings.create_user(NewUser::default()).unwrap();
    let (_, refresh) = stack.pair(other);
    let broken = |field: &str, value: Value| {
        let mut one = json!({"reference_id": "x", "userid": 7, "refresh_token": "t"});
        one[field] = value;
        one
    };
    let outcomes = stack
        .import(&json!([
            stack.one("a", stack.userid),
            broken("timezone", json!("Mars")),
            broken("region", json!("us")),
            broken("region", json!("asia")),
            broken("refresh_token", json!("")),
            broken("access_token", json!("a\nb")),
            broken("userid", json!(0)),
            broken("backfill", json!("some")),
            broken("reference_id", json!("")),
            {"reference_id": "b", "userid": other, "refresh_token": refresh},
            stack.one("a", stack.userid),
        ]))
        .await;
    let results: Vec<_> = outcomes.iter().map(|outcome| outcome["result"].as_str().unwrap()).collect();
    let mut expected = ["refused"; 11];
    (expected[0], expected[9], expected[10]) = ("imported", "imported", "already");
    assert_eq!(results, expected);
    let fields: Vec<_> = outcomes[1..9].iter().map(|outcome| outcome["problem"]["field"].as_str().unwrap()).collect();
    let named = ["timezone", "region", "region", "refresh_token", "access_token", "userid", "backfill", "reference_id"];
    assert_eq!(fields, named);
    assert_eq!(outcomes[0]["connection"], outcomes[10]["connection"]);
    let (_, users) = stack.get("/v1/users").await;
    assert_eq!(users["users"].as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_import_at_all_imports_nothing() {
    let stack = Stack::start().await;
    let good = stack.one("a", stack.userid);
    for (body, field) in [
        (json!({}), "connections"),
        (json!({"connections": []}), "connections"),
        (json!({"connections": vec![good.clone(); 101]}), "connections"),
        (json!({"connections": [good, {"reference_id": "b", "userid": 7}]}), "connections[1].refresh_token"),
        (
            json!({"connections": [{"reference_id": "b", "userid": "s3cret", "refresh_token": "t"}]}),
            "connections[0].userid",
        ),
        (
            json!({"connections": [{"reference_id": "b", "userid": 7, "refresh_token": "t", "password": "s3cret"}]}),
            "connections[0].password",
        ),
    ] {
        let (status, problem) = stack.post("/v1/connections/import", &body).await;
        assert_eq!((status, problem["field"].as_str()), (StatusCode::BAD_REQUEST, Some(field)), "{problem}");
        assert!(!problem.to_string().contains("s3cret"));
    }
    assert_eq!(stack.connected().await, []);
    let refused = stack.call(&stack.reader, Method::POST, "/v1/connections/import", Some(&json!({}))).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_lives_is_never_replaced_by_one_that_is_brought() {
    let stack = Stack::start().await;
    stack.connect("a").await;
    let account = stack.account(stack.userid);
    let before = stack.connections.tokens(&account).await.unwrap();
    let outcomes = stack.import(&json!([stack.one("a", stack.userid), stack.one("b", stack.userid)])).await;
    assert_eq!((outcomes[0]["result"].as_str(), outcomes[1]["result"].as_str()), (Some("already"), Some("imported")));
    assert_eq!(stack.connections.tokens(&account).await.unwrap(), before);
    assert_eq!(stack.connected().await.len(), 2);

    // One whose link died gets the new pair.
    let connection = stack.stored(&outcomes[0]).await;
    for living in stack.connected().await {
        stack.connections.set_state(&living, State::Reauthorise).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    let again = stack.import(&json!([stack.one("a", stack.userid)])).await;
    assert_eq!(again[0]["result"], "imported");
    assert_eq!(again[0]["connection"], outcomes[0]["connection"]);
    let after = stack.connections.tokens(&account).await.unwrap().unwrap();
    assert_eq!(after.generation, before.unwrap().generation + 1);
    assert!(stack.stored(&again[0]).await.connected > connection.connected);
}

#[tokio::test(start_paused = true)]
async fn a_second_user_of_an_account_is_refused_where_that_is_the_policy() {
    let stack = Stack::with(&[("SharedAccounts", "refuse")]).await;
    let outcomes = stack.import(&json!([stack.one("a", stack.userid), stack.one("b", stack.userid)])).await;
    assert_eq!(outcomes[0]["result"], "imported");
    assert_eq!(
        (&outcomes[1]["result"], &outcomes[1]["problem"]["type"]),
        (&json!("refused"), &json!("duplicate_connection"))
    );
    assert_eq!(stack.connected().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_being_erased_is_neither_imported_nor_sent_anywhere() {
    let stack = Stack::start().await;
    let told = stack.connect("a").await;
    let (_, link) = stack.post("/v1/link", &json!({"reference_id": "a"})).await;
    let erase = format!("/v1/users/{}/erase", told["user"].as_str().unwrap());
    assert_eq!(stack.post(&erase, &json!({})).await.0, StatusCode::ACCEPTED);
    let outcomes = stack.import(&json!([stack.one("a", stack.userid)])).await;
    assert_eq!((&outcomes[0]["result"], &outcomes[0]["problem"]["type"]), (&json!("refused"), &json!("erasing")));
    for path in ["/v1/link", "/v1/connections/authorize", "/v1/users"] {
        let (status, problem) = stack.post(path, &json!({"reference_id": "a"})).await;
        assert_eq!(
            (status, problem["type"].as_str()),
            (StatusCode::CONFLICT, Some("urn:afferent:problem:erasing")),
            "{path}"
        );
    }
    let page = stack.visit(link["link_url"].as_str().unwrap()).await;
    assert_ne!(page.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test(start_paused = true)]
async fn as_much_of_the_past_is_read_as_the_import_says() {
    for (backfill, days) in [
        (json!(null), Some(90)),
        (json!(30), Some(30)),
        (json!("none"), None),
        (json!("gap"), None),
        // From 2008-01-01 on.
        (json!("everything"), Some(6899)),
    ] {
        let stack = Stack::start().await;
        let mut one = stack.one("a", stack.userid);
        one["backfill"] = backfill.clone();
        let connection = stack.stored(&stack.import(&json!([one])).await[0]).await;
        assert!(stack.connections.runs(&connection.id).await.unwrap().is_empty(), "care begins it");
        stack.care(&connection).await;
        let runs = stack.connections.runs(&connection.id).await.unwrap();
        let read: Vec<_> = runs.iter().map(|run| (run.ask.to - run.ask.oldest()) / DAY).collect();
        assert_eq!(read, Vec::from_iter(days), "{backfill}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_what_the_connection_missed_and_a_later_consent_forgets_the_wish() {
    let stack = Stack::start().await;
    let told = stack.connect("a").await;
    let connection = stack.stored(&told).await;
    tokio::time::sleep(Duration::from_secs(10 * 86_400)).await;
    stack.connections.set_state(&connection, State::Unlinked).await.unwrap();
    let mut one = stack.one("a", stack.userid);
    one["backfill"] = json!("gap");
    let imported = stack.stored(&stack.import(&json!([one])).await[0]).await;
    stack.care(&imported).await;
    let mut runs = stack.connections.runs(&imported.id).await.unwrap();
    runs.sort_by_key(|run| run.created);
    let days = (runs[1].ask.to - runs[1].ask.oldest()) / DAY;
    assert!((10..=13).contains(&days), "{days} days");
    assert_eq!(stack.connections.history(&imported).await.unwrap().as_deref(), Some("gap"));
    stack.connect("a").await;
    assert_eq!(stack.connections.history(&imported).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_fit_into_one_request_and_what_does_not_is_told_so_in_time() {
    for (latency_ms, all) in [(10, true), (100, false)] {
        let stack = Stack::slow(latency_ms).await;
        let began = stack.simulation.clock.now();
        let outcomes = stack.import(&a_hundred()).await;
        assert!(stack.simulation.clock.now().since(began) < Duration::from_secs(12), "the function has 15 s");
        let imported = outcomes.iter().take_while(|outcome| outcome["result"] == "imported").count();
        assert_eq!((imported == 100, outcomes.len()), (all, 100));
        assert!(imported > 0);
        for late in &outcomes[imported..] {
            assert_eq!((&late["result"], &late["problem"]["type"]), (&json!("refused"), &json!("unavailable")));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_with_a_hundred_connections_gets_no_further_one_on_any_way() {
    let stack = Stack::start().await;
    stack.withings.configure(|settings| settings.contracted = true);
    let mut many = a_hundred();
    many.as_array_mut().unwrap().iter_mut().for_each(|one| one["reference_id"] = json!("everybody"));
    assert!(stack.import(&many).await.iter().all(|outcome| outcome["result"] == "imported"));

    let further = &stack.import(&json!([stack.one("everybody", stack.userid)])).await[0];
    assert_eq!((&further["result"], &further["problem"]["type"]), (&json!("refused"), &json!("too-many-connections")));

    let callback = stack.consent(&stack.invite(&json!({"reference_id": "everybody"})).await).await;
    stack.withings.clear_calls();
    assert_eq!(stack.visit_for_json(&callback).await["result"], "provider_error");
    let actions: Vec<String> = stack.withings.calls().into_iter().map(|call| call.action).collect();
    assert_eq!(actions, ["requesttoken", "getnonce", "revoke"], "a consent that nobody keeps is taken back");

    stack.withings.clear_calls();
    let (_, user) = stack.post("/v1/users", &json!({"reference_id": "everybody"})).await;
    let path = format!("/v1/users/{}/devices", user["user"].as_str().unwrap());
    let (status, problem) = stack.post(&path, &crate::devices::activation()).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    assert!(problem["type"].as_str().unwrap().ends_with(":too-many-connections"), "{problem}");
    assert_eq!(stack.withings.calls().len(), 0, "no account is made");
    let (_, theirs) = stack.get(&format!("/v1/users/{}/connections?limit=100", user["user"].as_str().unwrap())).await;
    assert_eq!((theirs["connections"].as_array().unwrap().len(), &theirs["next"]), (100, &Value::Null));
}

#[tokio::test(start_paused = true)]
async fn an_import_that_was_cut_short_is_gone_on_with_under_the_same_name() {
    let stack = Stack::slow(25).await;
    let wish = json!({"connections": a_hundred()});
    let (mut imported, mut asked) = (0, 0);
    while imported < 100 {
        let answer = stack.post_named("/v1/connections/import", "one", &wish).await;
        assert!(answer.headers().get("idempotency-replayed").is_none(), "nothing is answered as done that is not");
        let body = json_of(&answer);
        let outcomes = body["connections"].as_array().unwrap();
        let done = outcomes.iter().filter(|outcome| outcome["result"] != "refused").count();
        assert!(done > imported, "it goes on");
        (imported, asked) = (done, asked + 1);
    }
    assert!(asked > 1);
    let again = stack.post_named("/v1/connections/import", "one", &wish).await;
    assert_eq!(again.headers()["idempotency-replayed"], "true", "the last word is kept");
}

fn a_hundred() -> Value {
    let many: Vec<Value> = (0..100)
        .map(|number| {
            json!({"reference_id": format!("person {number}"), "userid": 7_000_000 + number, "refresh_token": "t".repeat(40)})
        })
        .collect();
    json!(many)
}

#[tokio::test(start_paused = true)]
async fn an_imported_pair_serves_the_calls_that_follow() {
    let stack = Stack::start().await;
    let outcomes = stack.import(&json!([stack.one("a", stack.userid)])).await;
    let connection = stack.stored(&outcomes[0]).await;
    stack.withings.clear_calls();
    let (status, answer) =
        stack.post(&format!("/v1/users/{}/devices", connection.user), &json!({"mac": "00:24:e4:01:02:03"})).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let calls: Vec<_> = stack.withings.calls().into_iter().map(|call| call.action).collect();
    assert_eq!(calls, ["requesttoken", "link"], "in the lane {}", Lane::OnDemand.name());
}
