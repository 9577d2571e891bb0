//! Records as their readers want them: days and instants to ask by, series, summaries, tables.
//!
//! Pure: records come in, views go out, and what reads the table lives elsewhere. Every number is an exact decimal. A
//! view is fed in the order of time and can be cut where a page ends, so that none of them needs all of a history.

pub mod days;
pub mod kinds;
#[cfg(test)]
mod sample;
pub mod samples;
pub mod series;
pub mod summaries;
pub mod table;
mod zone;
