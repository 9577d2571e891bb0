//! Secrets from Secrets Manager, and what is sealed under them.
