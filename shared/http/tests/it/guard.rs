//! Who may be reached, when names lie or change.

use std::process::Command;

use afferent_domain::address::{Forbidden, Reach, Special};
use afferent_http::{Client, Http, HttpError};
use hostile::{Hostile, Kind};
use http::Uri;

use crate::{Known, call, client, here, under};

const LOOPBACK: HttpError = HttpError::Refused(Forbidden::Address(Special::Loopback));

#[tokio::test]
async fn the_address_that_was_judged_is_the_one_that_is_dialled() {
    let hostile = Hostile::start(Kind::Gibberish).await.unwrap();
    // 127.0.0.2 is this machine too, but nobody allowed it. Whoever asks a second time is led there.
    let names = Known::new(&[("rebinding.example", &[&["127.0.0.1"], &["127.0.0.2"]])]);
    let client = client(names.clone());
    let url = under("rebinding.example", &hostile.url);
    assert_eq!(client.send(call(&url)).await.unwrap_err(), HttpError::Broken);
    assert_eq!((names.asked(), hostile.connections()), (1, 1));
    assert_eq!(client.send(call(&url)).await.unwrap_err(), LOOPBACK);
    assert_eq!((names.asked(), hostile.connections()), (2, 1));
}

#[tokio::test]
async fn one_forbidden_address_among_good_ones_forbids_the_host() {
    let hostile = Hostile::start(Kind::ServerError).await.unwrap();
    let names = Known::new(&[("mixed.example", &[&["127.0.0.1", "::1", "10.0.0.1"]])]);
    let error = client(names).send(call(&under("mixed.example", &hostile.url))).await.unwrap_err();
    assert_eq!(error, HttpError::Refused(Forbidden::Address(Special::Private)));
    assert_eq!(hostile.connections(), 0);
}

#[tokio::test]
async fn without_an_allow_list_this_machine_is_out_of_reach_in_every_spelling() {
    let hostile = Hostile::start(Kind::ServerError).await.unwrap();
    let port = hostile.url.parse::<Uri>().unwrap().port_u16().unwrap();
    let reach = Reach::parse("", "1-65535").unwrap();
    let names = Known::new(&[("inside.example", &[&["127.0.0.1"]]), ("mapped.example", &[&["::ffff:127.0.0.1"]])]);
    let client = Client::asking(reach, names).unwrap();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "localhost",
        "localhost.",
        "inside.example",
        "mapped.example",
    ] {
        for scheme in ["http", "https"] {
            let error = client.send(call(&format!("{scheme}://{host}:{port}/"))).await.unwrap_err();
            assert!(matches!(error, HttpError::Refused(_)), "{scheme}://{host} gave {error:?}");
        }
    }
    assert_eq!(hostile.connections(), 0);
}

#[tokio::test]
async fn plain_http_to_a_public_address_is_refused_before_a_connection() {
    let names = Known::new(&[("public.example", &[&["8.8.8.8"]])]);
    let error = client(names).send(call("http://public.example:8080/")).await.unwrap_err();
    assert_eq!(error, HttpError::Refused(Forbidden::Plain));
}

#[tokio::test]
async fn a_check_says_what_a_call_would_meet_and_connects_to_nobody() {
    let hostile = Hostile::start(Kind::ServerError).await.unwrap();
    let names = Known::new(&[("good.example", &[&["127.0.0.1"]]), ("bad.example", &[&["127.0.0.1", "127.0.0.2"]])]);
    let client = client(names);
    let url = |name: &str| under(name, &hostile.url).parse::<Uri>().unwrap();
    assert_eq!(client.check(&url("good.example")).await, Ok(()));
    assert_eq!(client.check(&url("bad.example")).await, Err(LOOPBACK));
    assert_eq!(client.check(&url("nobody.example")).await, Err(HttpError::Resolve));
    assert_eq!(client.check(&url("127.0.0.1")).await, Ok(()));
    assert_eq!(client.check(&url("127.0.0.2")).await, Err(LOOPBACK));
    assert_eq!(client.check(&url("127.1")).await, Err(HttpError::Refused(Forbidden::Spelling)));
    assert_eq!(client.check(&url("xn--a.example")).await, Err(HttpError::Refused(Forbidden::Ambiguous)));
    assert_eq!(hostile.connections(), 0);
}

#[tokio::test]
async fn the_system_knows_its_own_name_and_is_judged_like_the_rest() {
    let hostile = Hostile::start(Kind::ServerError).await.unwrap();
    let url = under("localhost", &hostile.url);
    let allowed = Client::guarded(here()).unwrap();
    assert_eq!(allowed.send(call(&url)).await.unwrap().status, 500);
    let public = Client::guarded(Reach::parse("10.0.0.0/8", "1-65535").unwrap()).unwrap();
    assert_eq!(public.send(call(&url)).await.unwrap_err(), LOOPBACK);
    assert_eq!(hostile.connections(), 1);
}

/// The tests above, in a process whose environment names a proxy at which nobody listens.
#[test]
fn proxies_of_the_environment_are_not_used() {
    let proxy = "http://127.0.0.1:1";
    let names = ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
    let ran = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "guard::the_system_knows_its_own_name_and_is_judged_like_the_rest"])
        .envs(names.map(|name| (name, proxy)))
        .env_remove("no_proxy")
        .env_remove("NO_PROXY")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
}
