//! Devices over HTTP.

use lambda_http::http::{Method, StatusCode};
use serde_json::{Value, json};
use withings_simulator::{AutoConsent, Fault, FaultKind, NewUser};

use crate::stack::{Stack, json_of};

const MAC: &str = "00:24:e4:01:02:03";

impl Stack {
    async fn link_device(&self, user: &Value, body: &Value) -> (StatusCode, Value) {
        self.post(&format!("/v1/users/{}/devices", user.as_str().unwrap()), body).await
    }

    async fn unlink_device(&self, user: &Value, rest: &str) -> (StatusCode, Value) {
        let path = format!("/v1/users/{}/devices/{rest}", user.as_str().unwrap());
        let answer = self.call(&self.key, Method::DELETE, &path, None).await;
        (answer.status(), json_of(&answer))
    }

    fn macs(&self, userid: i64) -> Vec<String> {
        let state = self.withings.state();
        state.users[&userid].devices.iter().filter_map(|device| device.mac.clone()).collect()
    }
}

fn kind(problem: &Value) -> &str {
    problem["type"].as_str().unwrap_or_default().trim_start_matches("urn:afferent:problem:")
}

#[tokio::test(start_paused = true)]
async fn a_device_is_linked_to_the_account_of_a_user_and_taken_out_again() {
    let stack = Stack::start().await;
    let told = stack.connect("a").await;
    let (status, linked) = stack.link_device(&told["user"], &json!({"mac": MAC})).await;
    assert_eq!(status, StatusCode::OK, "{linked}");
    assert_eq!((&linked["mac"], &linked["connection"]), (&json!(MAC), &told["connection"]));
    assert_eq!(stack.macs(stack.userid), [MAC]);
    assert_eq!(stack.unlink_device(&told["user"], MAC).await, (StatusCode::NO_CONTENT, Value::Null));
    assert_eq!(stack.macs(stack.userid), [] as [&str; 0]);
    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    let (status, problem) = stack.unlink_device(&told["user"], MAC).await;
    assert_eq!((status, kind(&problem)), (StatusCode::CONFLICT, "device-refused"), "it is not there any more");
}

#[tokio::test(start_paused = true)]
async fn of_several_accounts_one_is_named() {
    let stack = Stack::start().await;
    let told = stack.connect("a").await;
    let other = stack.withings.create_user(NewUser::default()).unwrap();
    stack.withings.configure(|settings| settings.auto_consent = AutoConsent::User(other));
    let second = stack.connect("a").await;
    let (status, problem) = stack.link_device(&told["user"], &json!({"mac": MAC})).await;
    assert_eq!((status, problem["field"].as_str()), (StatusCode::BAD_REQUEST, Some("connection")));
    let body = json!({"mac": MAC, "connection": second["connection"]});
    assert_eq!(stack.link_device(&told["user"], &body).await.0, StatusCode::OK);
    assert_eq!((stack.macs(stack.userid).len(), stack.macs(other).len()), (0, 1));
    let of_another = stack.connect("b").await;
    for connection in [json!("con_0"), json!("x"), of_another["connection"].clone()] {
        let (status, _) = stack.link_device(&told["user"], &json!({"mac": MAC, "connection": connection})).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{connection}");
    }
    let rest = format!("{MAC}?connection={}", second["connection"].as_str().unwrap());
    assert_eq!(stack.unlink_device(&told["user"], &rest).await.0, StatusCode::NO_CONTENT);
}

#[tokio::test(start_paused = true)]
async fn what_stands_in_the_way_is_told_as_what_it_is() {
    let stack = Stack::start().await;
    let (_, user) = stack.post("/v1/users", &json!({"reference_id": "a"})).await;
    let link = || async { stack.link_device(&user["user"], &json!({"mac": MAC})).await };
    let told = |(status, problem): (StatusCode, Value)| (status.as_u16(), kind(&problem).to_owned());
    assert_eq!(told(link().await), (409, "not-connected".to_owned()));
    assert_eq!(told(stack.link_device(&json!("usr_0"), &json!({"mac": MAC})).await), (404, "not-found".to_owned()));
    let (status, problem) = stack.link_device(&user["user"], &json!({"mac": "scale"})).await;
    assert_eq!((status.as_u16(), problem["field"].as_str()), (400, Some("mac")));

    stack.connect("a").await;
    for (kind, expected) in [
        (FaultKind::Status { status: 277, error: "".to_owned() }, (409, "not-allowed")),
        (FaultKind::Status { status: 247, error: "".to_owned() }, (409, "device-refused")),
        (FaultKind::Status { status: 2555, error: "".to_owned() }, (409, "not-allowed")),
        (FaultKind::Http(500), (502, "provider-error")),
        (FaultKind::NotJson, (502, "provider-error")),
        (FaultKind::Hang, (502, "provider-error")),
    ] {
        // Equal calls are kept apart, and the answer may not wait for that.
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        stack.withings.heal();
        stack.withings.fail(Fault {
            service: None,
            action: Some("link".to_owned()),
            count: 1,
            after_effect: false,
            kind,
        });
        let began = stack.simulation.clock.now();
        assert_eq!(told(link().await), (expected.0, expected.1.to_owned()));
        assert!(stack.simulation.clock.now().since(began).as_secs() <= 12, "the function has 15 s");
    }
    stack.withings.heal();
    stack.withings.kill_tokens(stack.userid);
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    assert_eq!(told(link().await), (409, "reauthorise".to_owned()));
}

/// What an account is made of.
pub(crate) fn activation() -> Value {
    json!({"mac": MAC, "activate": {
        "email": "person@example.org", "short_name": "PER", "gender": 1, "birthdate": "1980-05-31",
        "language": "en_EN", "timezone": "Europe/Berlin", "units": {"weight": 1},
        "measures": [{"type": 1, "value": 70, "unit": 0}, {"type": 4, "value": 180, "unit": -2}],
    }})
}

#[tokio::test(start_paused = true)]
async fn no_account_is_made_for_somebody_who_is_being_erased() {
    let stack = Stack::start().await;
    stack.withings.configure(|settings| settings.contracted = true);
    let (_, user) = stack.post("/v1/users", &json!({"reference_id": "a"})).await;
    let erase = format!("/v1/users/{}/erase", user["user"].as_str().unwrap());
    assert_eq!(stack.post(&erase, &json!({})).await.0, StatusCode::ACCEPTED);
    let (status, problem) = stack.link_device(&user["user"], &activation()).await;
    assert_eq!((status, kind(&problem)), (StatusCode::CONFLICT, "erasing"), "{problem}");
    assert_eq!(stack.withings.calls().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_consent_of_an_account_that_was_made_while_an_erasure_began_is_taken_back() {
    // So slow that the erasure begins after the look whether there is one, and before the account is connected.
    let stack = Stack::slow(50).await;
    stack.withings.configure(|settings| settings.contracted = true);
    let (_, user) = stack.post("/v1/users", &json!({"reference_id": "a"})).await;
    let erase = format!("/v1/users/{}/erase", user["user"].as_str().unwrap());
    let (activation, nothing) = (activation(), json!({}));
    let ((status, problem), erasing) =
        tokio::join!(stack.link_device(&user["user"], &activation), stack.post(&erase, &nothing));
    assert_eq!(erasing.0, StatusCode::ACCEPTED);
    assert_eq!((status, kind(&problem)), (StatusCode::CONFLICT, "erasing"), "{problem}");
    let actions: Vec<_> = stack.withings.calls().into_iter().map(|call| call.action).collect();
    assert!(actions.iter().any(|action| action == "activate"), "the account was made: {actions:?}");
    assert_eq!(actions.last().map(String::as_str), Some("revoke"), "{actions:?}");
}

#[tokio::test(start_paused = true)]
async fn an_account_is_made_for_a_person_who_has_none_where_the_contract_has_it() {
    let stack = Stack::start().await;
    let (_, user) = stack.post("/v1/users", &json!({"reference_id": "a"})).await;
    let body = activation();
    let (status, problem) = stack.link_device(&user["user"], &body).await;
    assert_eq!((status, kind(&problem)), (StatusCode::CONFLICT, "device-refused"), "{problem}");
    stack.withings.configure(|settings| settings.contracted = true);
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    let (status, linked) = stack.link_device(&user["user"], &body).await;
    assert_eq!(status, StatusCode::OK, "{linked}");
    assert_eq!(linked["user"], user["user"]);
    let (_, shown) = stack.get(&format!("/v1/connections/{}", linked["connection"].as_str().unwrap())).await;
    assert_eq!((shown["state"].as_str(), shown["timezone"].as_str()), (Some("connected"), Some("Europe/Berlin")));
    assert_eq!(stack.macs(shown["userid"].as_str().unwrap().parse().unwrap()), [MAC]);

    for (member, value) in [
        ("email", json!("person")),
        ("short_name", json!("PERSON")),
        ("gender", json!(2)),
        ("birthdate", json!("31.5.1980")),
        ("measures", json!(vec![json!({"type": 1, "value": 1, "unit": 0}); 21])),
    ] {
        let mut wrong = body.clone();
        wrong["activate"][member] = value;
        let (status, problem) = stack.link_device(&user["user"], &wrong).await;
        assert_eq!(
            (status, problem["field"].as_str()),
            (StatusCode::BAD_REQUEST, Some(&*format!("activate.{member}")))
        );
    }
}
