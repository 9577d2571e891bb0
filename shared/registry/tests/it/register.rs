//! Registering, changing, deleting.

use afferent_domain::address::Forbidden;
use afferent_domain::endpoint::Destination;
use afferent_domain::id::{EndpointId, UserId};
use afferent_local::dynamodb::Fault;
use afferent_local::network::Reply;
use afferent_registry::{By, Came, Change, Clash, New, RegistryError};

use crate::stack::{OTHER, Stack, URL, body, field, header, seconds};

#[tokio::test(start_paused = true)]
async fn a_registered_endpoint_gets_what_comes_signed_with_the_secret_that_its_owner_was_shown() {
    let stack = Stack::start().await;
    let (endpoint, secret) = stack.endpoint().await;
    stack.record("rec_1").await;
    assert_eq!(stack.verified(&secret).len(), 1);
    assert_eq!(stack.registry.secret(&endpoint.endpoint).await.unwrap().secret, secret);
    let shown = stack.registry.get(&endpoint.endpoint).await.unwrap();
    assert_eq!((shown.endpoint.clone(), shown.health.breaker), (endpoint.clone(), "closed"));
    assert!(shown.health.last_success_ms.is_some());
    let json = serde_json::to_string(&shown).unwrap();
    assert!(!json.contains("whsec_") && json.contains(r#""number":1"#), "{json}");
    assert_eq!(stack.registry.list().await.unwrap(), [endpoint]);
}

#[tokio::test(start_paused = true)]
async fn an_owner_brings_a_secret_headers_and_a_form_of_their_own() {
    let stack = Stack::start().await;
    let given = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let (endpoint, secret) = stack
        .registered(&format!(
            r#"{{"url":"{URL}","secret":"{given}","headers":{{"Authorization":"Bearer t0ken"}},"payload":"thin"}}"#
        ))
        .await;
    assert_eq!((secret.reveal().as_str(), endpoint.headers), (given, vec!["authorization".to_owned()]));
    stack.record("rec_1").await;
    let seen = stack.verified(&secret);
    assert_eq!(header(&seen[0], "authorization"), "Bearer t0ken");
    assert!(body(&seen[0])["data"]["record"].get("value").is_none());
    let items = stack.client().scan().table_name("afferent-endpoints").send().await.unwrap();
    let stored = format!("{:?}", items.items());
    assert!(!stored.contains("t0ken") && !stored.contains(&given[6..]), "both are sealed");
}

#[tokio::test(start_paused = true)]
async fn a_queue_of_the_owners_own_gets_the_same_text_signed_and_is_asked_at_the_first_message_only() {
    let stack = Stack::start().await;
    let url = "http://sqs.simulation/000000000000/customer-health-data";
    let (endpoint, _) =
        stack.registered(&format!(r#"{{"queue_url":"{url}","policy":{{"custom":{{"waits_s":[60]}}}}}}"#)).await;
    let id = endpoint.endpoint;
    let event = stack.registry.send_test(&id, "webhook.test").await.unwrap();
    seconds(5).await;
    let first = stack.registry.delivery(&event, &id).await.unwrap();
    assert!(matches!(first.attempts[0].came, Came::Unanswered { .. }), "there is no such queue yet");
    stack.simulation.sqs.create_queue("customer-health-data", &[]).unwrap();
    seconds(120).await;
    let delivery = stack.registry.delivery(&event, &id).await.unwrap();
    assert_eq!(delivery.state, "delivered");
    assert!(matches!(delivery.attempts[1].came, Came::Queued { .. }));
    let messages = stack.simulation.sqs.messages("customer-health-data", 10).unwrap();
    let body: serde_json::Value = serde_json::from_str(&messages[0].body).unwrap();
    assert_eq!((messages.len(), &body["id"]), (1, &event.as_str().into()));
}

#[tokio::test(start_paused = true)]
async fn an_address_that_deliveries_may_not_reach_is_refused_and_nothing_is_left_of_it() {
    let stack = Stack::start().await;
    stack.simulation.network.put("inner.example", std::sync::Arc::new(stack.receiver.clone()));
    stack.simulation.network.set_addresses("inner.example", &["10.0.0.7".parse().unwrap()]);
    for (url, forbidden) in [
        ("http://receiver.example/", Forbidden::Plain),
        ("https://receiver.example:22/", Forbidden::Port),
        ("https://0x7f.1/", Forbidden::Spelling),
    ] {
        let refused = stack.registry.register(New::at(url).unwrap()).await.unwrap_err();
        assert_eq!(refused, RegistryError::Refused(forbidden), "{url}");
    }
    for url in ["https://inner.example/", "https://127.0.0.1/", "https://localhost/"] {
        let refused = stack.registry.register(New::at(url).unwrap()).await.unwrap_err();
        assert!(matches!(refused, RegistryError::Refused(Forbidden::Address(_))), "{url}: {refused}");
    }
    assert_eq!(field(stack.registry.register(New::at("https://nobody.example/").unwrap()).await), "url");
    let left = stack.client().scan().table_name("afferent-endpoints").send().await.unwrap();
    assert_eq!((left.count, stack.receiver.seen().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn wherever_a_registration_breaks_off_no_endpoint_is_without_a_secret_and_asking_again_is_right() {
    let json = format!(r#"{{"url":"{URL}","headers":{{"x-key":"1"}}}}"#);
    // The secret, the headers, the endpoint; each fails before it is done, or after and unheard; once, or more often
    // than the SDK tries again.
    let writes = [("PutItem", "secret#"), ("PutItem", "headers"), ("TransactWriteItems", "ep_")];
    for (fault, times) in [(Fault::Failed, 1), (Fault::Failed, 10), (Fault::AnswerLost, 1), (Fault::AnswerLost, 10)] {
        for (operation, about) in writes {
            let case = format!("{times} x {fault:?} of {about}");
            let stack = Stack::start().await;
            let id = EndpointId::derive(&["customer"]);
            let new = New::from_json(&json).unwrap();
            stack.simulation.dynamodb.faults().next(fault, operation, about, times);
            let first = stack.registry.register_as(id.clone(), new.clone()).await;
            stack.simulation.dynamodb.faults().clear();
            assert_eq!(first.is_ok(), times == 1, "{case}");
            if first.is_err() {
                let there = stack.registry.get(&id).await;
                assert!(there.is_err() || !there.unwrap().secrets.is_empty(), "{case}");
                match stack.registry.register_as(id.clone(), new).await {
                    Ok(_) | Err(RegistryError::Conflict(_)) => {}
                    Err(error) => panic!("{case}: {error}"),
                }
            }
            let secret = stack.registry.secret(&id).await.unwrap().secret;
            stack.record("rec_1").await;
            assert_eq!(stack.verified(&secret).len(), 1, "{case}");
            assert_eq!(header(&stack.receiver.seen()[0], "x-key"), "1", "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_registration_under_an_id_is_refused_and_changes_nothing() {
    let stack = Stack::start().await;
    let id = EndpointId::derive(&["customer"]);
    let (_, secret) = stack.registry.register_as(id.clone(), New::at(URL).unwrap()).await.unwrap();
    let refused = stack.registry.register_as(id.clone(), New::at(OTHER).unwrap()).await.unwrap_err();
    assert_eq!(refused, Clash::Taken.into());
    let shown = stack.registry.get(&id).await.unwrap();
    assert_eq!((shown.secrets.len(), stack.registry.secret(&id).await.unwrap().secret), (1, secret));
    assert!(matches!(shown.endpoint.destination, Destination::Http { url } if url.as_str() == URL));
}

#[tokio::test(start_paused = true)]
async fn a_change_takes_effect_at_once_and_leaves_the_rest() {
    let stack = Stack::start().await;
    let (was, secret) = stack.registered(&format!(r#"{{"url":"{URL}","headers":{{"x-key":"1"}}}}"#)).await;
    let id = was.endpoint.clone();
    let json = r#"{"types":["ecg.*"],"users":["usr_anna"],"description":"hearts"}"#;
    let now = stack.registry.change(&id, &Change::from_json(json).unwrap(), By::Operator).await.unwrap();
    assert_eq!(now, stack.registry.get(&id).await.unwrap().endpoint);
    assert_eq!((&now.headers, &now.destination), (&was.headers, &was.destination));
    stack.record("rec_1").await;
    assert!(stack.receiver.seen().is_empty(), "it is no ECG");

    let json = r#"{"types":["body_weight.created"],"headers":{"x-other":"2"}}"#;
    stack.registry.change(&id, &Change::from_json(json).unwrap(), By::Operator).await.unwrap();
    stack.record("rec_2").await;
    let seen = stack.verified(&secret);
    assert_eq!((header(&seen[0], "x-other"), header(&seen[0], "x-key")), ("2", ""));
    stack
        .registry
        .change(&id, &Change::from_json(r#"{"users":["usr_ben"],"headers":null}"#).unwrap(), By::Operator)
        .await
        .unwrap();
    stack.record("rec_3").await;
    assert_eq!(stack.receiver.seen().len(), 1, "Anna's are no longer wanted");
}

#[tokio::test(start_paused = true)]
async fn its_owner_decides_neither_what_an_endpoint_may_see_nor_that_it_goes_to_a_queue() {
    let stack = Stack::start().await;
    let json = format!(r#"{{"url":"{URL}","users":["usr_ben"],"types":["ecg.*"],"payload":"thin","backfill":"none"}}"#);
    let was = stack.registered(&json).await.0;
    let id = was.endpoint.clone();
    let queue = "https://sqs.eu-west-1.amazonaws.com/123456789012/other";
    for json in [
        r#"{"users":null}"#,
        r#"{"users":["usr_anna"]}"#,
        r#"{"types":["*"]}"#,
        r#"{"payload":"full"}"#,
        r#"{"backfill":"events"}"#,
        &format!(r#"{{"description":"ours","queue_url":"{queue}"}}"#),
    ] {
        let change = Change::from_json(json).unwrap();
        let refused = stack.registry.change(&id, &change, By::Owner).await.unwrap_err();
        assert!(matches!(refused, RegistryError::Beyond(_)), "{json}: {refused}");
        assert_eq!(stack.registry.get(&id).await.unwrap().endpoint, was, "{json}");
    }
    let same = r#"{"users":["usr_ben"],"types":["ecg.*"],"payload":"thin","description":"ours"}"#;
    let change = Change::from_json(same).unwrap();
    let now = stack.registry.change(&id, &change, By::Owner).await.unwrap();
    assert_eq!((now.users, now.description.as_deref()), (was.users, Some("ours")));
    let change = Change::from_json(&format!(r#"{{"queue_url":"{queue}"}}"#)).unwrap();
    stack.registry.change(&id, &change, By::Operator).await.unwrap();
    let back = Change::from_json(&format!(r#"{{"url":"{URL}"}}"#)).unwrap();
    let refused = stack.registry.change(&id, &back, By::Owner).await.unwrap_err();
    assert!(matches!(refused, RegistryError::Beyond(_)), "nor from one");
}

#[tokio::test(start_paused = true)]
async fn headers_that_were_given_for_one_address_are_not_sent_to_another() {
    let stack = Stack::start().await;
    let (was, secret) = stack.registered(&format!(r#"{{"url":"{URL}","headers":{{"x-key":"1"}}}}"#)).await;
    let id = was.endpoint;
    let change = |json: String| Change::from_json(&json).unwrap();
    let same = change(format!(r#"{{"url":"{URL}"}}"#));
    assert_eq!(stack.registry.change(&id, &same, By::Owner).await.unwrap().headers, ["x-key"], "it goes where it went");
    let moved = change(format!(r#"{{"url":"{URL}/moved"}}"#));
    assert_eq!(stack.registry.change(&id, &moved, By::Owner).await.unwrap().headers, [] as [&str; 0]);
    stack.record("rec_1").await;
    let anew = change(format!(r#"{{"url":"{URL}/again","headers":{{"x-key":"2"}}}}"#));
    assert_eq!(stack.registry.change(&id, &anew, By::Owner).await.unwrap().headers, ["x-key"]);
    stack.record("rec_2").await;
    let seen: Vec<_> = stack.verified(&secret).iter().map(|seen| header(seen, "x-key").to_owned()).collect();
    assert_eq!(seen, ["", "2"]);
}

#[tokio::test(start_paused = true)]
async fn a_higher_rate_lets_nothing_new_stand_behind_the_places_of_the_old_one() {
    let stack = Stack::start().await;
    let (endpoint, secret) =
        stack.registered(&format!(r#"{{"url":"{URL}","rate":{{"requests":1,"per_s":300}}}}"#)).await;
    let id = endpoint.endpoint;
    for number in 0..10 {
        stack.record(&format!("rec_{number}")).await;
    }
    assert_eq!(stack.verified(&secret).len(), 1, "the line is three quarters of an hour long");
    let json = r#"{"rate":{"requests":10,"per_s":1}}"#;
    stack.registry.change(&id, &Change::from_json(json).unwrap(), By::Operator).await.unwrap();
    stack.record("rec_new").await;
    assert_eq!(stack.verified(&secret).len(), 2);
    seconds(3_600).await;
    assert_eq!(stack.verified(&secret).len(), 11, "and what has a place keeps it");
}

#[tokio::test(start_paused = true)]
async fn a_refused_change_changes_nothing() {
    let stack = Stack::start().await;
    let (was, _) = stack.registered(&format!(r#"{{"url":"{URL}","headers":{{"x-key":"1"}}}}"#)).await;
    let id = was.endpoint.clone();
    let private = r#"{"url":"https://127.0.0.1/","headers":{"x-key":"2"},"types":["ecg.*"]}"#;
    let refused = stack.registry.change(&id, &Change::from_json(private).unwrap(), By::Operator).await.unwrap_err();
    assert!(matches!(refused, RegistryError::Refused(_)));
    let long = Change { description: Some(Some("a".repeat(201))), types: Some(Vec::new()), ..Change::default() };
    assert_eq!(field(stack.registry.change(&id, &long, By::Operator).await), "types");
    assert_eq!(stack.registry.get(&id).await.unwrap().endpoint, was);
    stack.record("rec_1").await;
    assert_eq!(header(&stack.receiver.seen()[0], "x-key"), "1");
    let nobody = EndpointId::from("ep_none");
    let missing = stack.registry.change(&nobody, &Change::default(), By::Operator).await.unwrap_err();
    assert_eq!(missing, RegistryError::NotFound("endpoint"));
    assert_eq!(stack.registry.get(&EndpointId::from("")).await.unwrap_err(), RegistryError::NotFound("endpoint"));
}

#[tokio::test(start_paused = true)]
async fn of_changes_at_once_none_is_lost() {
    let stack = Stack::start().await;
    let id = stack.endpoint().await.0.endpoint;
    let change = |json: &str| Change::from_json(json).unwrap();
    let (one, two) = (change(r#"{"description":"ours"}"#), change(r#"{"types":["ecg.*"]}"#));
    let (one, two, off) = tokio::join!(
        stack.registry.change(&id, &one, By::Operator),
        stack.registry.change(&id, &two, By::Operator),
        stack.registry.disable(&id, None, By::Owner)
    );
    assert!(one.is_ok() && two.is_ok() && off.is_ok());
    let now = stack.registry.get(&id).await.unwrap().endpoint;
    assert_eq!(now.description.as_deref(), Some("ours"));
    assert_eq!((now.types[0].to_string().as_str(), now.is_enabled()), ("ecg.*", false));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_deleted_endpoint_is_cancelled_and_its_log_stays() {
    let stack = Stack::start().await;
    let endpoint =
        stack.registered(&format!(r#"{{"url":"{URL}","users":["usr_anna"],"headers":{{"a":"b"}}}}"#)).await.0;
    let id = endpoint.endpoint;
    stack.receiver.always(Reply::Status(500));
    stack.record("rec_1").await;
    let event = stack.events()[0].clone();
    seconds(60).await;
    assert_eq!(stack.state(&event, &id).await, "held");
    stack.registry.delete(&id).await.unwrap();
    assert_eq!(stack.registry.get(&id).await.unwrap_err(), RegistryError::NotFound("endpoint"));
    assert_eq!(stack.registry.secret(&id).await.unwrap_err(), RegistryError::NotFound("endpoint"));
    assert_eq!(stack.registry.delete(&id).await.unwrap_err(), RegistryError::NotFound("endpoint"));
    let jobs = stack.registry.jobs(&id).await.unwrap();
    stack.over(&id, &jobs[0].job).await;
    let delivery = stack.registry.delivery(&event, &id).await.unwrap();
    assert_eq!(delivery.state, "cancelled");
    assert!(delivery.reason.unwrap().contains("delet") && !delivery.attempts.is_empty());
    let before = stack.receiver.seen().len();
    stack.record("rec_2").await;
    assert_eq!(stack.receiver.seen().len(), before);
    let endpoints = afferent_store::endpoints::Endpoints::new(stack.client(), "afferent-endpoints".to_owned());
    assert!(endpoints.of_user(&UserId::from("usr_anna")).await.unwrap().is_empty());
}
