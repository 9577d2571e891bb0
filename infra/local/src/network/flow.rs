//! A body that is too large to be made, or that comes slowly.

use std::time::Duration;

use bytes::Bytes;

/// How a body comes: so many bytes in all, so many at once, with a pause before each part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// How long the body is, in bytes.
    pub length: u64,
    /// How many bytes come at once; at least 1.
    pub part: u64,
    /// How long each part lets wait.
    pub pause: Duration,
}

impl Flow {
    /// Reads up to the limit, and whether there was more. Takes as long as what is read needs to come: as a real
    /// client does, it waits for one byte more than the limit to know that there is more.
    pub(super) async fn read(self, limit: usize) -> (Bytes, bool) {
        let most = u64::try_from(limit).unwrap_or(u64::MAX);
        let parts = self.length.min(most.saturating_add(1)).div_ceil(self.part.max(1));
        if !self.pause.is_zero() {
            tokio::time::sleep(self.pause.saturating_mul(u32::try_from(parts).unwrap_or(u32::MAX))).await;
        }
        let read = usize::try_from(self.length).unwrap_or(usize::MAX).min(limit);
        (Bytes::from(vec![b'.'; read]), self.length > most)
    }
}
