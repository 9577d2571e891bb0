//! The Withings API: its requests, envelopes, answers and errors.
