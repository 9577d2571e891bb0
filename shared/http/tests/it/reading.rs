//! The rule and the client below read URLs with different code. What the rule lets pass must be one thing to both.

use afferent_domain::address::{Host, Reach};
use proptest::prelude::*;
use reqwest::Url;

fn agree(text: &str) -> Result<(), TestCaseError> {
    let reach = Reach::parse("0.0.0.0/0,::/0", "1-65535").unwrap();
    let Ok(target) = reach.url(text) else { return Ok(()) };
    // What the client cannot read at all is never called.
    let Ok(url) = Url::parse(text) else { return Ok(()) };
    let host = match &target.host {
        Host::Name(name) => name.clone(),
        Host::Address(address) => Host::Address(*address).to_string(),
    };
    prop_assert_eq!(url.host_str().map(str::to_owned), Some(host), "{}", text);
    prop_assert_eq!(url.port_or_known_default(), Some(target.port), "{}", text);
    prop_assert_eq!(url.scheme() == "https", target.tls, "{}", text);
    prop_assert_eq!((url.username(), url.password()), ("", None), "{}", text);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn names_in_use_pass_and_are_read_alike(name in "([a-zA-Z0-9_]{1,10}\\.){1,3}[a-zA-Z]{2,6}", rest in "(/[a-z@:?#]{0,9})?") {
        let text = format!("https://{name}:443{rest}");
        prop_assert!(Reach::public().url(&text).is_ok(), "{}", text);
        prop_assert!(Url::parse(&text).is_ok(), "{}", text);
        agree(&text)?;
    }

    #[test]
    fn what_passes_is_read_alike_whatever_it_is(text in "https?://[ -~]{0,40}") {
        agree(&text)?;
    }

    #[test]
    fn what_passes_is_read_alike_where_it_looks_like_a_url(
        text in "https?://(\\[[0-9a-f:.]{2,20}\\]|[0-9a-fxXA-Z.%-]{1,16})(:[0-9]{0,5})?[/?#\\\\@]?[a-z@:/.]{0,10}",
    ) {
        agree(&text)?;
    }
}

#[test]
fn what_browsers_read_leniently_does_not_pass() {
    for text in [
        "https:example.org",
        "https:\\\\example.org",
        "https://exam\tple.org",
        "https://%65xample.org",
        "https:///a.example",
    ] {
        assert!(Reach::public().url(text).is_err(), "{text:?}");
    }
}
