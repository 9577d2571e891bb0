//! What the simulator fills in when a fact comes in: ids, moments and time zones.

/// Fills in what a new or changed fact left open.
#[derive(Debug)]
pub struct Intake {
    now: i64,
    timezone: String,
    last_id: i64,
}

impl Intake {
    pub(crate) fn new(now: i64, timezone: String, last_id: i64) -> Self {
        Self { now, timezone, last_id }
    }

    /// An id above `base`, unless there is one.
    pub fn id(&mut self, id: &mut i64, base: i64) {
        if *id == 0 {
            self.last_id += 1;
            *id = base + self.last_id;
        }
    }

    /// Now in epoch seconds, unless there is a moment.
    pub fn moment(&self, moment: &mut i64) {
        if *moment == 0 {
            *moment = self.now;
        }
    }

    /// The user's time zone, unless there is one.
    pub fn timezone(&self, timezone: &mut String) {
        if timezone.is_empty() {
            timezone.clone_from(&self.timezone);
        }
    }

    pub(crate) fn last_id(&self) -> i64 {
        self.last_id
    }
}
