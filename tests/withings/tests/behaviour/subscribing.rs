use serde_json::Value;
use withings_simulator::Settings;

use crate::bench::{Bench, Reply, URL, seconds};

async fn subscribe(bench: &Bench, url: &str, appli: &str) -> Value {
    bench.call("/notify", &[("action", "subscribe"), ("callbackurl", url), ("appli", appli)]).await
}

async fn profiles(bench: &Bench) -> usize {
    bench.call("/notify", &[("action", "list")]).await["body"]["profiles"].as_array().unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn a_callback_must_answer_a_head_with_2xx_before_it_is_subscribed() {
    let bench = Bench::new(Settings::default());
    for reply in [Reply::Status(405), Reply::Status(302), Reply::Unreachable, Reply::Slow(seconds(3))] {
        bench.network.replies.lock().unwrap().push_back(reply);
        assert_eq!(subscribe(&bench, URL, "1").await["status"], 293);
    }
    assert_eq!(profiles(&bench).await, 0);
    assert_eq!(subscribe(&bench, URL, "1").await["status"], 0);
    assert_eq!((bench.network.heads(), bench.network.posts().len(), profiles(&bench).await), (5, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn an_url_that_breaks_the_rules_is_not_even_tried() {
    let bench = Bench::new(Settings::default());
    assert_eq!(subscribe(&bench, "http://127.0.0.1:8080/hook", "1").await["status"], 293);
    assert_eq!(bench.network.heads(), 0);
    bench.simulator.configure(|settings| settings.callback.strict = false);
    assert_eq!(subscribe(&bench, "http://127.0.0.1:8080/hook", "1").await["status"], 0);
}

#[tokio::test(start_paused = true)]
async fn subscribing_again_changes_nothing_and_each_spelling_is_its_own() {
    let bench = Bench::new(Settings::default());
    for url in [URL, URL, &format!("{URL}/")] {
        assert_eq!(subscribe(&bench, url, "44").await["status"], 0);
    }
    assert_eq!(profiles(&bench).await, 2);
    let notify = async |action: &str, arguments: &[(&str, &str)]| {
        bench.call("/notify", &[&[("action", action)], arguments].concat()).await["status"].clone()
    };
    assert_eq!(notify("get", &[("callbackurl", URL)]).await, 286, "without a category, 1 is meant");
    assert_eq!(notify("get", &[("callbackurl", URL), ("appli", "44")]).await, 0);
    assert_eq!(notify("update", &[("callbackurl", URL), ("appli", "44"), ("new_appli", "16")]).await, 0);
    assert_eq!(notify("revoke", &[("callbackurl", URL), ("appli", "44")]).await, 294);
    assert_eq!(notify("revoke", &[("callbackurl", URL), ("appli", "16")]).await, 0);
    assert_eq!(profiles(&bench).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_beyond_the_maximum_is_refused_and_an_equal_one_is_none() {
    let bench = Bench::new(Settings { most_subscriptions: Some(2), ..Settings::default() });
    for (appli, status) in [("1", 0), ("4", 0), ("44", 305), ("4", 0)] {
        assert_eq!(subscribe(&bench, URL, appli).await["status"], status, "{appli}");
    }
    let revoke = [("action", "revoke"), ("callbackurl", URL), ("appli", "1")];
    assert_eq!(bench.call("/notify", &revoke).await["status"], 0);
    assert_eq!(subscribe(&bench, URL, "44").await["status"], 0);
}

#[tokio::test(start_paused = true)]
async fn an_url_that_is_not_registered_or_brings_no_answer_is_told() {
    let bench = Bench::new(Settings::default());
    bench.simulator.configure(|settings| {
        settings.callback.registered = vec!["https://hooks.example.org/".to_owned()];
        settings.callback.unreachable = 343;
    });
    assert_eq!(subscribe(&bench, "https://other.example.org/", "1").await["status"], 293);
    bench.network.always(Reply::Unreachable);
    assert_eq!(subscribe(&bench, URL, "1").await["status"], 343);
    bench.network.always(Reply::Status(404));
    assert_eq!(subscribe(&bench, URL, "1").await["status"], 293);
    bench.network.always(Reply::Status(204));
    assert_eq!(subscribe(&bench, &format!("{URL}?user=7"), "1").await["status"], 0, "the base is registered");
}

#[tokio::test(start_paused = true)]
async fn an_update_changes_one_thing_of_one_subscription() {
    let bench = Bench::new(Settings::default());
    subscribe(&bench, URL, "1").await;
    let update = async |arguments: &[(&str, &str)]| {
        let named = [("action", "update"), ("callbackurl", URL), ("appli", "1")];
        bench.call("/notify", &[&named, arguments].concat()).await["status"].clone()
    };
    assert_eq!(update(&[]).await, 503);
    assert_eq!(update(&[("comment", "a"), ("new_appli", "4")]).await, 503, "they exclude each other");
    assert_eq!(update(&[("comment", "a")]).await, 0);
    let get = bench.call("/notify", &[("action", "get"), ("callbackurl", URL)]).await;
    assert_eq!(get["body"]["comment"], "a");
    assert_eq!(update(&[("new_callbackurl", "http://192.0.2.7/")]).await, 293);
    assert_eq!(update(&[("new_callbackurl", &format!("{URL}/b"))]).await, 0);
    assert_eq!(update(&[("comment", "b")]).await, 286, "it has another URL now");
    let long = "x".repeat(256);
    let subscribe = [("action", "subscribe"), ("callbackurl", URL), ("appli", "1"), ("comment", &*long)];
    assert_eq!(bench.call("/notify", &subscribe).await["status"], 304);
}

#[tokio::test(start_paused = true)]
async fn the_application_subscribes_to_devices_without_account_by_its_signature() {
    let bench = Bench::new(Settings::default());
    let wanted = [("callbackurl", URL), ("appli", "53")];
    assert_eq!(subscribe(&bench, URL, "53").await["status"], 503, "not with a person's token");
    assert_eq!(bench.signed("/notify", "subscribe", &wanted).await["status"], 0);
    assert_eq!(bench.signed("/notify", "subscribe", &[("callbackurl", URL), ("appli", "1")]).await["status"], 503);
    assert_eq!(profiles(&bench).await, 0, "it is nobody's own");
    let list = bench.signed("/notify", "list", &[]).await;
    assert_eq!(list["body"]["profiles"][0]["appli"], 53);
    bench.simulator.device_without_account("00:24:e4:00:00:01");
    tokio::time::sleep(seconds(1)).await;
    assert_eq!(bench.network.posts(), ["appli=53&mac=00%3A24%3Ae4%3A00%3A00%3A01"]);
    assert_eq!(bench.signed("/notify", "revoke", &wanted).await["status"], 0);
    assert_eq!(bench.signed("/notify", "revoke", &wanted).await["status"], 294);
}

#[tokio::test(start_paused = true)]
async fn without_the_scope_of_bed_events_subscribing_succeeds() {
    let mut bench = Bench::new(Settings::default());
    bench.tokens = bench.simulator.issue_tokens(bench.userid, None, "user.metrics").unwrap();
    assert_eq!(subscribe(&bench, URL, "50").await["status"], 0);
    bench.simulator.bed_event(bench.userid, withings_simulator::BedEvent::In, "mat", 0);
    tokio::time::sleep(seconds(1)).await;
    assert!(bench.network.posts().is_empty(), "and nothing is ever delivered");
}

#[tokio::test(start_paused = true)]
async fn the_live_events_of_a_bed_need_a_contract() {
    use withings_simulator::BedEvent::{Empty, InOut, Occupied};
    let bench = Bench::new(Settings::default());
    assert_eq!(subscribe(&bench, URL, "98").await["status"], 503);
    bench.simulator.configure(|settings| settings.contracted = true);
    for appli in ["98", "99", "100"] {
        assert_eq!(subscribe(&bench, URL, appli).await["status"], 0);
    }
    for (event, appli) in [(Occupied, 98), (Empty, 99), (InOut, 100)] {
        bench.simulator.bed_event(bench.userid, event, "mat", 5);
        tokio::time::sleep(seconds(1)).await;
        let body = bench.network.posts().pop().unwrap();
        assert_eq!(body, format!("date=5&deviceid=mat&appli={appli}&userid={}", bench.userid));
    }
}
