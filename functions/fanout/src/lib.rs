//! The function `fanout`.
