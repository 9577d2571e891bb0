//! One item: its slots, the pace, who waits and who is owed; and what a claim writes.

use std::time::Duration;

use super::{Lane, WINDOW, pace, taken_until};
use crate::Timestamp;

/// How soon a lane that stands back looks again, where nothing else tells when: whoever it stands back for may be
/// served at any moment.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// One instant that an item keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// When this slot is free.
    Slot(usize),
    /// No call at all before this instant: Withings' 601.
    Held,
    /// When the pace lets the next call of a yielding lane go.
    Next,
    /// Until when this lane waits, as far as is known.
    Waits(Lane),
    /// From when this lane is owed a call.
    Owed(Lane),
    /// Until when a call waits, as far as is known, that its lane is owed.
    OwedWaits,
}

/// What is known of one item. An instant that was never written lies in the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots {
    /// The item's number.
    pub item: usize,
    /// When each slot is free.
    pub free_at: Vec<Timestamp>,
    /// [`Field::Held`].
    pub held: Timestamp,
    /// [`Field::Next`].
    pub next: Timestamp,
    /// [`Field::Waits`], by [`Lane::index`].
    pub waits: [Timestamp; Lane::COUNT],
    /// [`Field::Owed`], by [`Lane::index`].
    pub owed: [Timestamp; Lane::COUNT],
    /// [`Field::OwedWaits`].
    pub owed_waits: Timestamp,
}

/// A claim as one conditional write: if all of `past` lie in the past, and `same` is what it was, `sets` and `adds` happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The slot that is claimed.
    pub slot: usize,
    /// Until when, should the caller die.
    pub taken_until: Timestamp,
    /// What must not lie in the future.
    pub past: Vec<Field>,
    /// What must be as it was seen, because something that is set was reckoned from it.
    pub same: Option<(Field, Timestamp)>,
    /// What is set.
    pub sets: Vec<(Field, Timestamp)>,
    /// What is moved on.
    pub adds: Option<(Field, Duration)>,
}

/// How a call may go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The pace is kept, and nobody waits who goes before.
    InTurn,
    /// It is owed: neither the pace nor a waiting lane stops it, except `auth`; the others stand back for it.
    Owed,
}

impl Slots {
    /// Item number `item`, none of whose `slots` was used.
    #[must_use]
    pub fn unused(item: usize, slots: usize) -> Self {
        let never = Timestamp::default();
        Self {
            item,
            free_at: vec![never; slots],
            held: never,
            next: never,
            waits: [never; Lane::COUNT],
            owed: [never; Lane::COUNT],
            owed_waits: never,
        }
    }

    /// The slots that `lane` may claim at `now`.
    pub fn claimable(&self, lane: Lane, now: Timestamp) -> impl Iterator<Item = usize> {
        let open = self.way(lane, now).is_some();
        let usable = self.free_at.iter().enumerate();
        usable
            .filter(move |(slot, free_at)| open && **free_at <= now && lane.may_use(self.item, *slot))
            .map(|(slot, _)| slot)
    }

    /// How `slot` is claimed at `now` for a call of `lane` that is over by `call_ends`. `None` if it may not be.
    #[must_use]
    pub fn plan(&self, slot: usize, lane: Lane, now: Timestamp, call_ends: Timestamp) -> Option<Plan> {
        let way = self.way(lane, now).filter(|_| self.free_at.get(slot).is_some_and(|free_at| *free_at <= now))?;
        let taken_until = taken_until(call_ends);
        let mut past = vec![Field::Slot(slot), Field::Held];
        let mut sets = vec![(Field::Slot(slot), taken_until)];
        let mut same = None;
        match way {
            Way::InTurn if lane == Lane::Auth => {}
            Way::InTurn => past.extend(lane.higher().map(Field::Waits).chain([Field::OwedWaits])),
            Way::Owed => {
                past.push(Field::Waits(Lane::Auth));
                same = Some((Field::Owed(lane), self.owed[lane.index()]));
                // Another that is owed and waits says so again.
                sets.push((Field::OwedWaits, now));
            }
        }
        let pace = pace(self.free_at.len());
        let adds = if self.next <= now {
            // A call that comes a little late does not delay the ones after it, else lateness would add up.
            past.push(Field::Next);
            sets.push((Field::Next, self.next.max(now - pace / 2) + pace));
            None
        } else {
            // Calls that do not keep the pace slow down those that do.
            Some((Field::Next, pace))
        };
        if let Some(interval) = lane.owed_after(self.free_at.len()) {
            // Where slots come back in a clump, what was owed since the last one is made up for; not more.
            let since = if way == Way::Owed { self.owed[lane.index()].max(now - WINDOW) } else { now };
            sets.push((Field::Owed(lane), since + interval));
        }
        Some(Plan { slot, taken_until, past, same, sets, adds })
    }

    /// When it is worth trying (or looking) again, for a lane that may claim nothing at `now`. `None` if this item
    /// has no slot for it.
    #[must_use]
    pub fn next_try(&self, lane: Lane, now: Timestamp) -> Option<Timestamp> {
        let usable = self.free_at.iter().enumerate().filter(|(slot, _)| lane.may_use(self.item, *slot));
        let free_at = usable.map(|(_, free_at)| *free_at).min()?;
        let look_again = now + LOOK_AGAIN;
        let mut way = self.stands_back_until(lane).min(look_again);
        if lane.yields() {
            let owed = self.owed[lane.index()].max(self.until(Field::Waits(Lane::Auth)).min(look_again));
            way = way.max(self.next).min(owed);
        }
        Some(free_at.max(self.held).max(way))
    }

    /// What a caller of `lane` writes that has to wait until `at`, so that others stand back: until when it waits,
    /// and as what. `None` if nobody stands back for it.
    #[must_use]
    pub fn waiting(&self, lane: Lane, at: Timestamp) -> Option<Field> {
        match lane {
            lane if lane.yields() && self.owed[lane.index()] <= at => Some(Field::OwedWaits),
            Lane::Reconcile => None,
            lane => Some(Field::Waits(lane)),
        }
    }

    /// The instant that `field` is; never, if there is no such slot.
    #[must_use]
    pub fn until(&self, field: Field) -> Timestamp {
        match field {
            Field::Slot(slot) => self.free_at.get(slot).copied().unwrap_or_default(),
            Field::Held => self.held,
            Field::Next => self.next,
            Field::Waits(lane) => self.waits[lane.index()],
            Field::Owed(lane) => self.owed[lane.index()],
            Field::OwedWaits => self.owed_waits,
        }
    }

    /// How many slots are in use at `now`: by a call, or by its minute.
    #[must_use]
    pub fn in_use(&self, now: Timestamp) -> usize {
        self.free_at.iter().filter(|free_at| **free_at > now).count()
    }

    fn way(&self, lane: Lane, now: Timestamp) -> Option<Way> {
        if self.held > now {
            None
        } else if lane.yields() && self.owed[lane.index()] <= now && self.until(Field::Waits(Lane::Auth)) <= now {
            Some(Way::Owed)
        } else {
            let paced = lane.yields() && self.next > now;
            (!paced && self.stands_back_until(lane) <= now).then_some(Way::InTurn)
        }
    }

    fn stands_back_until(&self, lane: Lane) -> Timestamp {
        let owed = if lane == Lane::Auth { Timestamp::default() } else { self.owed_waits };
        lane.higher().map(|higher| self.until(Field::Waits(higher))).fold(owed, Timestamp::max)
    }
}
