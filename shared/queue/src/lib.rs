//! The messages on the queues, and how a batch of them is handled.
