//! What fits into an item of the table.

use std::io;

use afferent_domain::record::Fact;

/// The largest fact there is, in bytes: DynamoDB takes items of 400 KB, and a record has a little more to it.
pub const FACT_BYTES: usize = 350 * 1024;

/// The longest name of a kind, in bytes: it is part of an index's key, of which DynamoDB takes 2,048 bytes.
const KIND_BYTES: usize = 256;

/// How deep a fact may be nested; DynamoDB takes 32 levels.
const DEPTH: usize = 30;

/// Whether a fact can be stored.
pub(crate) fn fits(fact: &Fact) -> bool {
    let mut measure = Measure::default();
    // A fact is strings, integers and exact decimals; nothing that JSON cannot write.
    let written = serde_json::to_writer(&mut measure, fact).is_ok();
    written && fact.kind.len() <= KIND_BYTES && measure.bytes <= FACT_BYTES && measure.deepest <= DEPTH
}

/// Measures JSON as it is written: how deep it goes, and a bound of its bytes that holds for the item too. An item is
/// at most as long as its JSON, except that numbers of one digit, and empty lists and maps, take a byte more; so each
/// comma and bracket counts twice.
#[derive(Default)]
struct Measure {
    bytes: usize,
    depth: usize,
    deepest: usize,
    text: bool,
    escape: bool,
}

impl io::Write for Measure {
    fn write(&mut self, written: &[u8]) -> io::Result<usize> {
        self.bytes += written.len();
        for byte in written {
            if self.text {
                (self.text, self.escape) = (self.escape || *byte != b'"', !self.escape && *byte == b'\\');
                continue;
            }
            match byte {
                b'"' => self.text = true,
                b',' => self.bytes += 1,
                b'{' | b'[' => {
                    self.bytes += 1;
                    self.depth += 1;
                    self.deepest = self.deepest.max(self.depth);
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        Ok(written.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
