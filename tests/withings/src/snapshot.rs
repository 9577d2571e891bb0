//! The whole of what a simulated Withings knows, to be kept in a file and taken up again by another one: the people and
//! their facts, the tokens that live, the subscriptions. Not what is under way: calls, faults, notifications.

use serde::{Deserialize, Serialize};

use crate::Simulator;
use crate::state::State;
use crate::subscriptions::{Subscription, Subscriptions};
use crate::tokens::Tokens;

/// What a simulated Withings knows.
#[derive(Debug, Serialize, Deserialize)]
pub struct Snapshot {
    /// The people.
    pub state: State,
    /// The last number drawn for an id.
    last_id: i64,
    tokens: Tokens,
    subscriptions: Vec<Subscription>,
}

impl Simulator {
    /// What it knows now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let subscriptions = self.notifier().subscriptions();
        let world = self.world();
        let state = world.state.clone();
        Snapshot { last_id: state.last_id, state, tokens: world.tokens.clone(), subscriptions }
    }

    /// Knows what the snapshot says, and nothing else.
    pub fn take_up(&self, snapshot: Snapshot) {
        let Snapshot { mut state, last_id, tokens, subscriptions } = snapshot;
        state.last_id = last_id;
        state.last_userid = state.users.keys().copied().max().unwrap_or_default();
        self.notifier().book().subscriptions = Subscriptions::of(subscriptions);
        let mut world = self.world();
        (world.state, world.tokens) = (state, tokens);
    }
}
