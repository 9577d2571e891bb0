//! The function `ingest`.
