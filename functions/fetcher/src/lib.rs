//! The function `fetcher`.
