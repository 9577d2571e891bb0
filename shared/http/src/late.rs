//! A port that is built when it is first used.

use std::fmt;
use std::sync::OnceLock;

use http::Uri;

use crate::{Call, Checking, Http, HttpError, Sending};

/// For a function that seldom calls out: a client with all its roots takes as long to build as the rest of a start.
pub struct Late<H> {
    build: Box<dyn Fn() -> Result<H, HttpError> + Send + Sync>,
    built: OnceLock<Result<H, HttpError>>,
}

impl<H: Http> Late<H> {
    /// The port that `build` gives; `build` is asked once at most.
    #[must_use]
    pub fn new(build: impl Fn() -> Result<H, HttpError> + Send + Sync + 'static) -> Self {
        Self { build: Box::new(build), built: OnceLock::new() }
    }

    fn get(&self) -> Result<&H, HttpError> {
        self.built.get_or_init(&self.build).as_ref().map_err(|error| *error)
    }
}

impl<H: Http> Http for Late<H> {
    fn send(&self, call: Call) -> Sending<'_> {
        match self.get() {
            Ok(http) => http.send(call),
            Err(error) => Box::pin(async move { Err(error) }),
        }
    }

    fn check<'a>(&'a self, url: &'a Uri) -> Checking<'a> {
        match self.get() {
            Ok(http) => http.check(url),
            Err(error) => Box::pin(async move { Err(error) }),
        }
    }
}

impl<H> fmt::Debug for Late<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Late").field("is_built", &self.built.get().is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Refuses everything, in its own words.
    struct Closed;

    impl Http for Closed {
        fn send(&self, _: Call) -> Sending<'_> {
            Box::pin(async { Err(HttpError::Timeout) })
        }

        fn check<'a>(&'a self, _: &'a Uri) -> Checking<'a> {
            Box::pin(async { Ok(()) })
        }
    }

    #[tokio::test]
    async fn a_late_port_is_built_once_and_only_when_it_is_used() {
        let built = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&built);
        let late = Late::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(Closed)
        });
        assert_eq!(built.load(Ordering::SeqCst), 0);
        for _ in 0..2 {
            assert_eq!(late.check(&Uri::from_static("https://example.org")).await, Ok(()));
        }
        assert_eq!(built.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_port_that_cannot_be_built_says_so_to_every_call() {
        let late: Late<Closed> = Late::new(|| Err(HttpError::Tls));
        for _ in 0..2 {
            assert_eq!(late.check(&Uri::from_static("https://example.org")).await, Err(HttpError::Tls));
        }
    }
}
