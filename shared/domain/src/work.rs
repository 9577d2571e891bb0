//! Work that the keeper does in slices, minute by minute: a [`job`](crate::job), a [`round`](crate::round).

use serde::{Deserialize, Serialize};

/// How a piece of such work stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The keeper goes on with it every minute.
    Running,
    /// It did all there was to do.
    Done,
    /// It was ended before.
    Cancelled,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_the_api_have_the_states_by_these_names() {
        let names = [State::Running, State::Done, State::Cancelled].map(|state| serde_json::to_string(&state).unwrap());
        assert_eq!(names, [r#""running""#, r#""done""#, r#""cancelled""#]);
    }
}
