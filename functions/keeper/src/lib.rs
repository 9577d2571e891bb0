//! The function `keeper`.
