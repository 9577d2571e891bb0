//! The function `dispatcher`.
