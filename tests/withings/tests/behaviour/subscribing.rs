use serde_json::Value;
use withings_simulator::Settings;

use crate::bench::{Bench, Reply, URL};

async fn subscribe(bench: &Bench, url: &str, appli: &str) -> Value {
    bench.call("/notify", &[("action", "subscribe"), ("callbackurl", url), ("appli", appli)]).await
}

async fn profiles(bench: &Bench) -> usize {
    bench.call("/notify", &[("action", "list")]).await["body"]["profiles"].as_array().unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn a_callback_must_answer_a_head_with_2xx_before_it_is_subscribed() {
    let bench = Bench::new(Settings::default());
    for reply in [Reply::Status(405), Reply::Status(302), Reply::Unreachable, Reply::Slow(crate::bench::seconds(3))] {
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
