//! SQS on one machine: its wire protocol and its semantics, on any clock.
