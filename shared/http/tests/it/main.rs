//! The client against real sockets.
#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

mod guard;
mod hostile;
mod reading;
mod timing;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use afferent_domain::address::Reach;
use afferent_http::{Call, Client, Finding, Names, Stopwatch};
use bytes::Bytes;
use http::Request;

/// What is read of a body here, in bytes.
const LIMIT: usize = 64 * 1024;

/// Long enough for everything that ends by itself.
const LONG: Duration = Duration::from_secs(60);

/// Names that stand for what a test says: each time they are asked for the next of their answers, and then the last.
#[derive(Default)]
struct Known {
    answers: BTreeMap<String, Vec<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Known {
    fn new(names: &[(&str, &[&[&str]])]) -> Arc<Self> {
        let parsed = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        let answers = names.iter().map(|(name, answers)| ((*name).to_owned(), answers.iter().map(parsed).collect()));
        Arc::new(Self { answers: answers.collect(), asked: AtomicUsize::new(0) })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Names for Known {
    fn find(&self, name: &str) -> Finding {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        let answers = self.answers.get(name);
        let answer = answers.and_then(|answers| answers.get(asked).or_else(|| answers.last())).cloned();
        Box::pin(async move { answer.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound)) })
    }
}

/// This machine's own network, on any port.
fn here() -> Reach {
    Reach::parse("127.0.0.1,::1", "1-65535").unwrap()
}

fn client(names: Arc<Known>) -> Client {
    Client::asking(here(), names).unwrap()
}

fn call(url: &str) -> Call {
    let request = Request::post(url).body(Bytes::from_static(b"{}")).unwrap();
    Call { request, deadline: LONG, body_limit: LIMIT, stopwatch: None }
}

fn timed(url: &str) -> (Call, Arc<Stopwatch>) {
    let stopwatch = Arc::new(Stopwatch::new());
    (Call { stopwatch: Some(Arc::clone(&stopwatch)), ..call(url) }, stopwatch)
}

/// A hostile receiver's URL under a name instead of its address.
fn under(name: &str, url: &str) -> String {
    url.replace("127.0.0.1", name)
}
