//! A Withings that behaves as the real one is known to, on any clock.
