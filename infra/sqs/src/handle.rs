//! Receipt handles: opaque to the caller, and telling to us which queue, message and receive they belong to.
//!
//! A handle is a function of the three, so that it survives a restart without being stored.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

/// What AWS's own handles begin with; it helps nobody but the reader of a log.
const PREFIX: &str = "AQEB";

/// The parts of a receipt handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handle {
    /// The queue's number.
    pub queue: u64,
    /// The message's number.
    pub message: u64,
    /// Which receive of the message issued it, from 1.
    pub receive: u64,
}

impl Handle {
    pub fn issue(self) -> String {
        let mut bytes = self.numbers();
        bytes.extend_from_slice(&checksum(&bytes));
        format!("{PREFIX}{}", STANDARD.encode(bytes))
    }

    /// `None` if no queue ever issued this text.
    pub fn read(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let (numbers, sum) = bytes.split_at_checked(24)?;
        let number = |at: usize| Some(u64::from_be_bytes(numbers.get(at..at + 8)?.try_into().ok()?));
        let handle = Self { queue: number(0)?, message: number(8)?, receive: number(16)? };
        (sum == checksum(numbers)).then_some(handle)
    }

    fn numbers(self) -> Vec<u8> {
        [self.queue, self.message, self.receive].iter().flat_map(|number| number.to_be_bytes()).collect()
    }
}

/// Against garbage and typing errors, not against forgery: nobody gains anything here.
fn checksum(bytes: &[u8]) -> [u8; 8] {
    let mut sum = [0; 8];
    sum.copy_from_slice(&digest(&SHA256, bytes).as_ref()[..8]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_reads_back_and_a_changed_one_does_not() {
        let handle = Handle { queue: 3, message: 70_000, receive: 2 };
        let text = handle.issue();
        assert_eq!(Handle::read(&text), Some(handle));
        assert_ne!(text, Handle { receive: 3, ..handle }.issue());
        for garbage in ["", "AQEB", "bogus", &text[..text.len() - 4], &text.replace('A', "B")] {
            assert_eq!(Handle::read(garbage), None, "{garbage}");
        }
    }
}
