//! How the stack behaves as users grow: curves that the real functions make under virtual time, and the sums of
//! `docs/scale.md` that are reckoned from them.
//!
//! | module | is |
//! |---|---|
//! | [`curve`] | what curves there are, and their numbers as CSV |
//! | [`runs`] | how each is played |
//! | [`plot`] | a curve as SVG |
//! | [`needs`] | what so many users need, and which limit they meet first |
//! | [`defaults`] | what the template has as its defaults |
//! | [`document`] | the numbers of `docs/scale.md`, held against the data |

pub mod curve;
pub mod defaults;
pub mod document;
pub mod needs;
pub mod plot;
pub mod runs;

pub use stack_tests::world::Error;

/// How much is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// What the document shows.
    Whole,
    /// Just enough for every line to have a point: seconds.
    Tiny,
}

impl Size {
    /// The one or the other.
    pub(crate) fn of<T>(self, whole: T, tiny: T) -> T {
        match self {
            Self::Whole => whole,
            Self::Tiny => tiny,
        }
    }
}
