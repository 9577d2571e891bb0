//! Hosted links: made with a key, opened by a person.

use std::time::Duration;

use afferent_local::dynamodb::Fault;
use lambda_http::Body;
use lambda_http::http::{Request, Response, StatusCode};
use serde_json::json;
use withings_simulator::AutoConsent;

use crate::stack::{BACK, REDIRECT, Stack, json_of, location, query_of, text_of};

impl Stack {
    /// The address of a new link.
    async fn link(&self, body: serde_json::Value) -> String {
        let (status, link) = self.post("/v1/link", &body).await;
        assert_eq!(status, StatusCode::CREATED, "{link}");
        link["link_url"].as_str().unwrap().to_owned()
    }

    /// Opens the page and makes a choice there.
    async fn choose(&self, url: &str, choice: &str) -> Response<Body> {
        self.visit(url).await;
        self.choose_blindly(url, choice).await
    }

    async fn choose_blindly(&self, url: &str, choice: &str) -> Response<Body> {
        let request = Request::post(url)
            .header("accept", "text/html")
            .header("content-type", "application/x-www-form-urlencoded");
        self.browse(request.body(Body::Text(format!("choice={choice}"))).unwrap()).await
    }

    /// Where Withings sends the person who goes on.
    async fn go_on(&self, url: &str) -> String {
        let answer = self.choose(url, "continue").await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{}", text_of(&answer));
        self.consent(&location(&answer)).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_is_led_through_a_link_to_withings_and_back_to_the_customer() {
    let stack = Stack::of(&[], &[("APP_NAME", "Acme <Health>")]).await;
    let body = json!({"reference_id": "person 1", "return_url": format!("{BACK}?session=7"), "language": "de"});
    let (status, link) = stack.post("/v1/link", &body).await;
    assert_eq!(status, StatusCode::CREATED);
    let url = link["link_url"].as_str().unwrap();
    assert!(url.starts_with("https://api.example.org/v1/link/lnk_"), "{url}");
    let name = link["link"].as_str().unwrap();
    assert!(name.starts_with("lnk_") && !url.contains(name), "the name opens nothing");

    // Programs that check mail open links, more than once.
    for _ in 0..3 {
        let page = stack.visit(url).await;
        assert_eq!(page.status(), StatusCode::OK);
        let html = text_of(&page);
        assert!(html.contains("<html lang=\"de\">") && html.contains("Acme &lt;Health&gt;"), "{html}");
        assert!(!html.contains("<script"));
        for (header, value) in
            [("cache-control", "no-store"), ("referrer-policy", "no-referrer"), ("x-content-type-options", "nosniff")]
        {
            assert_eq!(page.headers()[header], value);
        }
        let policy = page.headers()["content-security-policy"].to_str().unwrap();
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
        assert!(html.contains(&format!("<style nonce=\"{nonce}\">")));
        assert!(
            policy.contains("form-action 'self' https://account.withings.com https://app.example.org;"),
            "{policy}"
        );
    }

    let callback = stack.go_on(url).await;
    let answer = stack.visit(&callback).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let told = query_of(&location(&answer));
    assert_eq!((told["result"].as_str(), told["reference_id"].as_str()), ("connected", "person 1"));
    assert_eq!((told["session"].as_str(), told["connection"].as_str()), ("7", stack.connected().await[0].id.as_str()));

    // The page that was loaded twice says the same again; the link is used up.
    assert_eq!(location(&stack.visit(&callback).await), location(&answer));
    let page = stack.visit(url).await;
    assert_eq!(page.status(), StatusCode::CONFLICT);
    let html = text_of(&page);
    assert!(html.contains("schon benutzt") && html.contains("result=token_consumed"), "{html}");
    assert_eq!(stack.choose(url, "continue").await.status(), StatusCode::CONFLICT);
}

#[tokio::test(start_paused = true)]
async fn of_two_visits_that_one_link_led_to_the_first_counts() {
    let stack = Stack::start().await;
    let url = stack.link(json!({"reference_id": "a"})).await;
    let (one, two) = (stack.go_on(&url).await, stack.go_on(&url).await);
    assert_ne!(query_of(&one)["state"], query_of(&two)["state"]);
    assert_eq!(stack.visit_for_json(&two).await["result"], "connected");
    assert_eq!(stack.visit_for_json(&one).await["result"], "token_consumed");
    assert_eq!(stack.withings.calls().len(), 1, "the second code is not exchanged");
}

#[tokio::test(start_paused = true)]
async fn only_the_browser_that_consented_is_told_again_what_came_of_it() {
    let stack = Stack::start().await;
    let url = stack.link(json!({"reference_id": "a", "return_url": BACK})).await;
    let callback = stack.go_on(&url).await;
    let first = stack.visit(&callback).await;
    stack.withings.clear_calls();
    tokio::time::sleep(Duration::from_secs(7_200)).await;
    assert_eq!(location(&stack.visit(&callback).await), location(&first));
    assert_eq!((stack.withings.calls().len(), stack.connected().await.len()), (0, 1), "nothing is done twice");
    stack.change_browser();
    let elsewhere = stack.visit(&callback).await;
    assert_eq!(location(&elsewhere), format!("{BACK}?result=token_consumed"), "and nobody is named");

    let late = stack.link(json!({"reference_id": "b", "return_url": BACK})).await;
    let callback = stack.go_on(&late).await;
    tokio::time::sleep(Duration::from_secs(7_200)).await;
    stack.change_browser();
    assert_eq!(location(&stack.visit(&callback).await), format!("{BACK}?result=token_expired"));
}

#[tokio::test(start_paused = true)]
async fn who_said_no_is_told_so_again() {
    let stack = Stack::start().await;
    stack.withings.configure(|settings| settings.auto_consent = AutoConsent::Deny);
    let callback = stack.go_on(&stack.link(json!({"reference_id": "a", "return_url": BACK})).await).await;
    for _ in 0..2 {
        assert_eq!(query_of(&location(&stack.visit(&callback).await))["result"], "denied");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_loaded_again_while_the_visit_is_under_way_waits_for_it() {
    let stack = Stack::slow(200).await;
    let url = stack.link(json!({"reference_id": "a", "return_url": BACK, "language": "fr"})).await;
    let callback = stack.go_on(&url).await;
    let again = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        (stack.visit(&callback).await, stack.visit_for_json(&callback).await)
    };
    let (first, (moment, problem)) = tokio::join!(stack.visit(&callback), again);
    assert_eq!((moment.status(), moment.headers()["refresh"].to_str().unwrap()), (StatusCode::ACCEPTED, "2"));
    assert!(text_of(&moment).contains("Un instant"), "{}", text_of(&moment));
    assert_eq!(problem["type"], "urn:afferent:problem:visit-under-way");
    assert_eq!(query_of(&location(&first))["result"], "connected");
    assert_eq!(location(&stack.visit(&callback).await), location(&first));

    // One that broke off has no outcome, and says so in the end.
    let callback = stack.go_on(&stack.link(json!({"reference_id": "b"})).await).await;
    stack.simulation.dynamodb.faults().next(Fault::Failed, "UpdateItem", "#result", 100);
    assert_eq!(stack.visit_for_json(&callback).await["result"], "connected");
    assert_eq!(stack.visit(&callback).await.status(), StatusCode::ACCEPTED);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(stack.visit_for_json(&callback).await["result"], "token_consumed");
}

#[tokio::test(start_paused = true)]
async fn who_was_sent_the_address_of_the_consent_page_by_somebody_with_a_link_is_not_connected() {
    let stack = Stack::start().await;
    let url = stack.link(json!({"reference_id": "a", "return_url": BACK})).await;
    let callback = stack.go_on(&url).await;
    let link = url.rsplit('/').next().unwrap();

    // The other person's browser; one of them has a link of its own.
    stack.change_browser();
    for _ in 0..2 {
        let answer = stack.visit(&callback).await;
        assert_eq!(location(&answer), format!("{BACK}?result=other_browser"), "and is not told whose link it is");
        let told = stack.visit_for_json(&callback).await;
        assert_eq!((&told["result"], &told["status"]), (&json!("other_browser"), &json!(403)));
        stack.visit(&stack.link(json!({"reference_id": "b"})).await).await;
    }
    assert_eq!((stack.connected().await, stack.withings.calls().len()), (Vec::new(), 0));

    // Nor does a form of another site lead there: it brings no cookie, and the page was never seen.
    stack.change_browser();
    let answer = stack.choose_blindly(&url, "continue").await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(text_of(&answer).contains("another browser"), "{}", text_of(&answer));

    // The link is as it was: who opened it goes on.
    let page = stack.visit(&url).await;
    let cookie = page.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-afferent-") && !cookie.contains(link), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Max-Age=4200; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    let callback = stack.go_on(&url).await;
    assert_eq!(stack.visit_for_json(&callback).await["result"], "connected");
}

#[tokio::test(start_paused = true)]
async fn two_links_in_one_browser_do_not_take_each_other_s_cookie() {
    let stack = Stack::start().await;
    let (one, two) = (stack.link(json!({"reference_id": "a"})).await, stack.link(json!({"reference_id": "b"})).await);
    let (first, second) = (stack.go_on(&one).await, stack.go_on(&two).await);
    assert!(stack.visit(&one).await.headers().get("set-cookie").is_none(), "a browser keeps the one it has");
    assert_eq!(stack.visit_for_json(&first).await["result"], "connected");
    assert_eq!(stack.visit_for_json(&second).await["result"], "connected");
}

#[tokio::test(start_paused = true)]
async fn the_page_is_at_the_host_to_which_withings_sends_people_back() {
    let stack = Stack::with(&[("RedirectUrl", "https://health.example.org/v1/oauth/callback")]).await;
    let url = stack.link(json!({"reference_id": "a"})).await;
    assert!(url.starts_with("https://health.example.org/v1/link/lnk_"), "{url}");
}

#[tokio::test(start_paused = true)]
async fn a_person_may_say_no_on_our_page_and_on_withings() {
    let stack = Stack::start().await;
    let url = stack.link(json!({"reference_id": "a", "return_url": BACK})).await;
    let answer = stack.choose(&url, "cancel").await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let told = query_of(&location(&answer));
    assert_eq!((told["result"].as_str(), told["reference_id"].as_str()), ("denied", "a"));
    assert_eq!(stack.visit(&url).await.status(), StatusCode::CONFLICT, "that was its one use");
    assert_eq!(location(&stack.choose(&url, "cancel").await), format!("{BACK}?result=token_consumed"));

    let url = stack.link(json!({"reference_id": "a"})).await;
    let page = stack.choose(&url, "cancel").await;
    assert_eq!(page.status(), StatusCode::FORBIDDEN);
    assert!(text_of(&page).contains("Nothing was shared"));

    stack.withings.configure(|settings| settings.auto_consent = AutoConsent::Deny);
    let url = stack.link(json!({"reference_id": "a"})).await;
    assert_eq!(stack.visit_for_json(&stack.go_on(&url).await).await["result"], "denied");
    assert_eq!(stack.visit(&url).await.status(), StatusCode::CONFLICT);
    assert_eq!(stack.connected().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_link_dies_after_an_hour_and_another_is_none() {
    let stack = Stack::start().await;
    let url = stack.link(json!({"reference_id": "a", "return_url": BACK})).await;
    tokio::time::sleep(Duration::from_secs(3599)).await;
    let callback = stack.go_on(&url).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let page = stack.visit(&url).await;
    assert_eq!(page.status(), StatusCode::GONE);
    assert!(text_of(&page).contains(&format!("href=\"{BACK}?result=token_expired\"")));
    assert_eq!(stack.choose(&url, "continue").await.status(), StatusCode::GONE);
    assert_eq!(location(&stack.choose(&url, "cancel").await), format!("{BACK}?result=token_expired"));
    let answer = stack.visit(&callback).await;
    assert_eq!(
        query_of(&location(&answer))["result"],
        "connected",
        "who continued in time may take a while at Withings"
    );

    for unknown in ["lnk_0", "%20", "é"] {
        let page = stack.visit(&format!("https://api.example.org/v1/link/{}", unknown.replace('é', "%C3%A9"))).await;
        assert_eq!(page.status(), StatusCode::GONE, "{unknown}");
    }
    let problem = stack.visit_for_json("https://api.example.org/v1/link/lnk_0").await;
    assert_eq!((&problem["result"], &problem["status"]), (&json!("token_expired"), &json!(410)));
}

#[tokio::test(start_paused = true)]
async fn who_continues_in_the_last_minute_has_ten_more_and_not_another_hour() {
    let stack = Stack::start().await;
    let url = stack.link(json!({"reference_id": "a"})).await;
    tokio::time::sleep(Duration::from_secs(3590)).await;
    let answer = stack.choose(&url, "continue").await;
    tokio::time::sleep(Duration::from_secs(620)).await;
    let callback = stack.consent(&location(&answer)).await;
    assert_eq!(stack.visit_for_json(&callback).await["result"], "token_expired");
    assert_eq!(stack.connected().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_link_may_be_continued_twenty_times_and_no_more() {
    let stack = Stack::start().await;
    let url = stack.link(json!({"reference_id": "a", "return_url": BACK})).await;
    let mut last = String::new();
    for _ in 0..20 {
        last = stack.go_on(&url).await;
    }
    let answer = stack.choose(&url, "continue").await;
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    let html = text_of(&answer);
    assert!(html.contains(&format!("href=\"{BACK}?result=token_consumed\"")), "{html}");
    assert_eq!(query_of(&location(&stack.visit(&last).await))["result"], "connected", "who is on the way arrives");
}

#[tokio::test(start_paused = true)]
async fn a_person_sees_a_page_where_a_table_is_out_of_reach() {
    let stack = Stack::start().await;
    let url = stack.link(json!({"reference_id": "a", "return_url": BACK})).await;
    let callback = stack.go_on(&url).await;
    let faults = stack.simulation.dynamodb.faults();

    faults.next(Fault::Failed, "", "-connections", 1_000);
    for address in [&url, &callback] {
        let page = stack.visit(address).await;
        assert_eq!(page.status(), StatusCode::BAD_GATEWAY);
        assert!(text_of(&page).contains("<html lang=\"en\">"), "{address}");
        let problem = stack.visit_for_json(address).await;
        assert_eq!(problem["type"], "urn:afferent:problem:unavailable", "a program is told what it is: {problem}");
    }
    for choice in ["continue", "cancel"] {
        let page = stack.choose(&url, choice).await;
        assert_eq!(page.status(), StatusCode::BAD_GATEWAY);
        assert!(text_of(&page).contains("<html"), "{choice}");
    }
    faults.clear();

    // As soon as it is known whose link it is, the customer is told.
    faults.next(Fault::Failed, "TransactWriteItems", "state#", 1_000);
    let told = query_of(&location(&stack.choose(&url, "continue").await));
    assert_eq!((told["result"].as_str(), told["reference_id"].as_str()), ("provider_error", "a"));
    faults.clear();
    faults.next(Fault::Failed, "UpdateItem", "ended_by", 1_000);
    let told = query_of(&location(&stack.visit(&callback).await));
    assert_eq!((told["result"].as_str(), told["reference_id"].as_str()), ("provider_error", "a"));
    assert_eq!(stack.connected().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_link_is_for_a_reference_or_for_a_user_that_is_there() {
    let stack = Stack::start().await;
    let (_, user) = stack.post("/v1/users", &json!({"reference_id": "person 1"})).await;
    let url = stack.link(json!({"user": user["user"], "scopes": ["user.metrics"], "demo": true})).await;
    let answer = stack.choose(&url, "continue").await;
    let asked = query_of(&location(&answer));
    assert_eq!((asked["scope"].as_str(), asked["mode"].as_str()), ("user.metrics", "demo"));
    assert_eq!(asked["redirect_uri"], REDIRECT);
    let told = stack.visit_for_json(&stack.consent(&location(&answer)).await).await;
    assert_eq!(told["user"], user["user"]);

    let unknown = stack.post("/v1/link", &json!({"user": "usr_0"})).await;
    assert_eq!(unknown.0, StatusCode::NOT_FOUND);
    for (body, field) in [
        (json!({}), "reference_id"),
        (json!({"reference_id": "a", "user": user["user"]}), "user"),
        (json!({"reference_id": ""}), "reference_id"),
        (json!({"reference_id": "a", "scopes": []}), "scopes"),
        (json!({"reference_id": "a", "scopes": ["user.everything"]}), "scopes[0]"),
        (json!({"reference_id": "a", "scopes": ["user.info"], "required_scopes": ["user.metrics"]}), "required_scopes"),
        (json!({"reference_id": "a", "return_url": "https://evil.example.org/"}), "return_url"),
        (json!({"reference_id": "a", "return_url": format!("{BACK}?name=Jürgen")}), "return_url"),
        (json!({"reference_id": "a", "language": "tlh"}), "language"),
        (json!({"reference_id": "a", "colour": "red"}), "colour"),
    ] {
        let (status, problem) = stack.post("/v1/link", &body).await;
        assert_eq!((status, problem["field"].as_str()), (StatusCode::BAD_REQUEST, Some(field)), "{body}: {problem}");
    }
    let refused = stack.call(&stack.reader, lambda_http::http::Method::POST, "/v1/link", Some(&json!({}))).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let form = stack.choose(&stack.link(json!({"reference_id": "a"})).await, "maybe").await;
    assert_eq!((form.status(), json_of(&form)["field"].as_str()), (StatusCode::BAD_REQUEST, Some("choice")));
}

#[tokio::test(start_paused = true)]
async fn the_tables_hold_no_token_of_a_link() {
    let stack = Stack::start().await;
    let url = stack.link(json!({"reference_id": "a"})).await;
    let token = url.rsplit('/').next().unwrap();
    let table = format!("{}-connections", stack.simulation.template.place.stack);
    let items = afferent_store::client(&stack.simulation.rim.aws).scan().table_name(table).send().await.unwrap();
    assert!(items.count() >= 2);
    assert!(!format!("{:?}", items.items()).contains(token));
}
