use serde_json::json;
use tokio::time::sleep;
use withings_simulator::{AutoConsent, ClientApp, Settings};

use crate::bench::{Bench, URL, seconds, sign};

#[tokio::test(start_paused = true)]
async fn a_code_is_redeemed_once_and_within_thirty_seconds() {
    let bench = Bench::new(Settings::default());
    let redeem = async |code: &str| {
        let answer = bench.token(&[("grant_type", "authorization_code"), ("code", code)]).await;
        (answer["status"].as_i64().unwrap(), answer["error"].as_str().map(str::to_owned))
    };
    let code = bench.simulator.issue_code(bench.userid, None, "user.metrics").unwrap();
    assert_eq!(redeem(&code).await, (0, None));
    assert_eq!(redeem(&code).await, (503, Some("Invalid Params: invalid code".to_owned())));
    let code = bench.simulator.issue_code(bench.userid, None, "user.metrics").unwrap();
    sleep(seconds(30)).await;
    assert_eq!(redeem(&code).await.0, 503);
}

#[tokio::test(start_paused = true)]
async fn a_lost_refresh_can_be_repeated_until_a_new_access_token_is_used() {
    let bench = Bench::new(Settings::default());
    let refresh = async |token: &str| bench.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await;
    let old = bench.tokens.refresh_token.clone();
    assert_eq!(refresh(&old).await["status"], 0, "this answer is lost");
    let answer = refresh(&old).await;
    let (access, new) =
        (answer["body"]["access_token"].as_str().unwrap(), answer["body"]["refresh_token"].as_str().unwrap());
    assert_eq!(bench.getmeas(&[]).await["status"], 0, "the old access token lives until then");
    assert_eq!(bench.call_as(Some(access), "/measure", &[("action", "getmeas")]).await["status"], 0);
    assert_eq!(refresh(&old).await["error"], "Invalid Params: invalid refresh_token");
    assert_eq!(bench.getmeas(&[]).await["status"], 401);
    assert_eq!(refresh(new).await["status"], 0);
}

#[tokio::test(start_paused = true)]
async fn the_old_refresh_token_dies_eight_hours_after_the_new_issue() {
    let bench = Bench::new(Settings::default());
    let refresh = async || {
        let token = bench.tokens.refresh_token.as_str();
        bench.token(&[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    };
    assert_eq!(refresh().await["status"], 0);
    sleep(seconds(8 * 3_600 - 1)).await;
    assert_eq!(refresh().await["status"], 0);
    sleep(seconds(1)).await;
    assert_eq!(refresh().await["status"], 503);
}

#[tokio::test(start_paused = true)]
async fn an_access_token_lives_three_hours() {
    let bench = Bench::new(Settings::default());
    sleep(seconds(10_799)).await;
    assert_eq!(bench.getmeas(&[]).await["status"], 0);
    sleep(seconds(1)).await;
    assert_eq!(bench.getmeas(&[]).await["status"], 401);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_gets_no_token() {
    let bench = Bench::new(Settings::default());
    let arguments = [
        ("action", "requesttoken"),
        ("client_id", "sim-client"),
        ("client_secret", "wrong"),
        ("grant_type", "refresh_token"),
        ("refresh_token", &bench.tokens.refresh_token),
    ];
    assert_eq!(bench.call_as(None, "/v2/oauth2", &arguments).await["status"], 503);
}

#[tokio::test(start_paused = true)]
async fn consent_redirects_with_a_code_for_exactly_the_registered_uri() {
    let redirect_uris = vec!["https://app.example.org/back".to_owned()];
    let clients = vec![ClientApp { redirect_uris, ..ClientApp::default() }];
    let bench = Bench::new(Settings { clients, ..Settings::default() });
    let page = async |redirect: &str| {
        let query =
            format!("response_type=code&client_id=sim-client&scope=user.metrics&state=s1&redirect_uri={redirect}");
        bench.raw(http::Method::GET, &format!("https://account.withings.com/oauth2_user/authorize2?{query}"), "").await
    };
    assert_eq!(page("https://app.example.org/back/").await.status(), 400);
    let response = page("https://app.example.org/back").await;
    assert_eq!(response.status(), 302);
    let location = response.headers()["location"].to_str().unwrap();
    let query = location.strip_prefix("https://app.example.org/back?").unwrap();
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    assert_eq!(pairs[1], ("state".to_owned(), "s1".to_owned()));
    let code = pairs[0].1.as_str();
    let arguments =
        [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", "https://app.example.org/back")];
    let answer = bench.token(&arguments).await;
    assert_eq!((answer["status"].as_i64(), answer["body"]["scope"].as_str()), (Some(0), Some("user.metrics")));
}

#[tokio::test(start_paused = true)]
async fn a_signed_revoke_kills_tokens_and_subscriptions() {
    let bench = Bench::new(Settings::default());
    bench.simulator.subscribe(bench.userid, None, &[1, 4], URL).unwrap();
    let userid = bench.userid.to_string();
    let forged = [("action", "revoke"), ("client_id", "sim-client"), ("nonce", "n"), ("userid", &userid)];
    let unsigned = bench.call_as(None, "/v2/oauth2", &forged).await["status"].as_i64().unwrap();
    let wrong = [&forged[..], &[("signature", "wrong")]].concat();
    assert_eq!((unsigned, bench.call_as(None, "/v2/oauth2", &wrong).await["status"].as_i64()), (503, Some(342)));
    let signature = sign("revoke", "n");
    let stale = [&forged[..], &[("signature", &*signature)]].concat();
    assert_eq!(bench.call_as(None, "/v2/oauth2", &stale).await["status"], 503, "no such nonce");
    assert_eq!(bench.getmeas(&[]).await["status"], 0);
    assert_eq!(bench.signed("/v2/oauth2", "revoke", &[("userid", &userid)]).await["status"], 0);
    assert_eq!(bench.getmeas(&[]).await["status"], 401);
    assert!(bench.simulator.notifier().subscriptions().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_person_may_grant_less_than_was_asked_and_the_token_says_so() {
    let bench = Bench::new(Settings {
        granted_scopes: Some(["user.metrics", "user.info"].map(str::to_owned).into()),
        userid_as_string: true,
        ..Settings::default()
    });
    let pairs = bench.authorize("user.metrics,user.activity").await;
    let redirect = ("redirect_uri", "https://app.example.org/back");
    let answer = bench.token(&[("grant_type", "authorization_code"), ("code", &pairs[0].1), redirect]).await;
    assert_eq!(answer["body"]["scope"], "user.metrics");
    assert_eq!(answer["body"]["userid"], json!(bench.userid.to_string()));
    let access = answer["body"]["access_token"].as_str();
    let day = [("action", "getactivity"), ("lastupdate", "0")];
    assert_eq!(bench.call_as(access, "/v2/measure", &day).await["status"], 403);
    assert_eq!(bench.call_as(access, "/measure", &[("action", "getmeas")]).await["status"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_person_who_declines_is_sent_back_without_a_code() {
    let bench = Bench::new(Settings { auto_consent: AutoConsent::Deny, ..Settings::default() });
    let pairs = bench.authorize("user.metrics").await;
    let expected =
        [("error", "access_denied"), ("state", "s1")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(pairs, expected);
}

#[tokio::test(start_paused = true)]
async fn an_account_is_activated_by_signature_and_devices_are_linked_by_their_address() {
    let bench = Bench::new(Settings::default());
    let arguments = [("timezone", "Europe/Paris"), ("mac_addresses", r#"["00:24:e4:00:00:01"]"#)];
    assert_eq!(bench.signed("/v2/user", "activate", &arguments).await["status"], 2554, "it needs a contract");
    bench.simulator.configure(|settings| settings.contracted = true);
    let activated = bench.signed("/v2/user", "activate", &arguments).await;
    // This code lives ten minutes, not 30 seconds.
    sleep(seconds(599)).await;
    let code = activated["body"]["user"]["code"].as_str().unwrap();
    let answer = bench.token(&[("grant_type", "authorization_code"), ("code", code)]).await;
    let access = answer["body"]["access_token"].as_str();
    let devices = async || {
        let answer = bench.call_as(access, "/v2/user", &[("action", "getdevice")]).await;
        answer["body"]["devices"].as_array().unwrap().len()
    };
    assert_eq!(devices().await, 1);
    let link = [("action", "link"), ("mac_addresses", "00:24:e4:00:00:02,00:24:e4:00:00:03")];
    assert_eq!(bench.call_as(access, "/v2/user", &link).await["status"], 0);
    assert_eq!(devices().await, 3);
    let unlink = [("action", "unlink"), ("mac_address", "00:24:e4:00:00:02")];
    assert_eq!(bench.call_as(access, "/v2/user", &unlink).await["status"], 0);
    assert_eq!(bench.call_as(access, "/v2/user", &unlink).await["status"], 503);
    assert_eq!(devices().await, 2);
}
