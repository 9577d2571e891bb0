//! Which trace something belongs to, as far as it may be carried: from a notification to the webhooks that it leads to.
//!
//! AWS's tracing header (`X-Amzn-Trace-Id`, on a message the attribute `AWSTraceHeader`) is a list of `key=value` separated
//! by semicolons. `Root`, `Parent` and `Sampled` say which trace this is. `Lineage` is how Lambda counts the rounds of a
//! loop, and after about 16 of them it stops the function (AWS Lambda developer guide, "Recursive loop detection"): a
//! delivery that is woken for days is no loop, so no lineage is carried anywhere.
//!
//! Only traces that are recorded are carried. One that is not would cost the same bytes in every item, and show nothing.

use std::fmt;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest header that is looked at, in bytes.
const LONGEST: usize = 1024;

/// A trace that is recorded, and the span in it that what comes next belongs under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Trace {
    /// 128 bits, of which the first 32 are the epoch seconds of its beginning. The same number is X-Ray's trace id and that
    /// of W3C's Trace Context (AWS X-Ray developer guide, "Sending trace data").
    root: u128,
    /// The span, or X-Ray's segment.
    parent: u64,
}

impl Trace {
    /// The trace of that number, under that span; `None` if one of them is 0, which names nothing.
    #[must_use]
    pub const fn new(root: u128, parent: u64) -> Option<Self> {
        if root == 0 || parent == 0 { None } else { Some(Self { root, parent }) }
    }

    /// Reads AWS's header: its parts in any order, others among them or not. `None` if it names no trace and span, names
    /// one of them twice, or says that the trace is not recorded.
    #[must_use]
    pub fn of_header(header: &str) -> Option<Self> {
        if header.len() > LONGEST {
            return None;
        }
        let (root, parent) = (only(header, "Root")?, only(header, "Parent")?);
        if only(header, "Sampled")? != "1" {
            return None;
        }
        let (begun, rest) = root.strip_prefix("1-")?.split_once('-')?;
        Self::new(hex(begun, 8)? << 96 | hex(rest, 24)?, u64::try_from(hex(parent, 16)?).ok()?)
    }

    /// Reads what [`Self::to_item`] wrote.
    #[must_use]
    pub fn of_item(text: &str) -> Option<Self> {
        let (root, parent) = text.split_once('-')?;
        Self::new(hex(root, 32)?, u64::try_from(hex(parent, 16)?).ok()?)
    }

    /// As items hold it, in 49 bytes: a write is paid by the kilobyte, and the header has 74.
    #[must_use]
    pub fn to_item(&self) -> String {
        format!("{:032x}-{:016x}", self.root, self.parent)
    }

    /// The header `traceparent` (W3C Trace Context, level 1).
    #[must_use]
    pub fn traceparent(&self) -> String {
        format!("00-{:032x}-{:016x}-01", self.root, self.parent)
    }

    /// X-Ray's name of the trace: what its console finds it by, and what the log says.
    #[must_use]
    pub fn id(&self) -> String {
        format!("1-{:08x}-{:024x}", self.root >> 96, self.root & (u128::MAX >> 32))
    }

    /// The number of the trace.
    #[must_use]
    pub const fn root(&self) -> u128 {
        self.root
    }

    /// The span that what comes next belongs under.
    #[must_use]
    pub const fn parent(&self) -> u64 {
        self.parent
    }

    /// The same trace, under another span; the same span if that is 0.
    #[must_use]
    pub const fn under(self, span: u64) -> Self {
        if span == 0 { self } else { Self { root: self.root, parent: span } }
    }
}

/// AWS's header, without a lineage.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root={};Parent={:016x};Sampled=1", self.id(), self.parent)
    }
}

impl Serialize for Trace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_item())
    }
}

/// Reads a trace out of an item; one that cannot be read is none, because no item is worth less without it.
///
/// # Errors
/// It is no text.
pub fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Trace>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Any {
        Text(String),
        Other(IgnoredAny),
    }
    Ok(match Any::deserialize(deserializer)? {
        Any::Text(text) => Trace::of_item(&text),
        Any::Other(_) => None,
    })
}

/// The value of the one part that is called so.
fn only<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let parts = header.split(';').filter_map(|part| part.trim().split_once('='));
    let mut values = parts.filter(|(key, _)| *key == name).map(|(_, value)| value);
    values.next().filter(|_| values.next().is_none())
}

/// A number of exactly so many hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let fine = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if fine { u128::from_str_radix(text, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOT: &str = "Root=1-5759e988-bd862e3fe1be46a994272793";
    const PARENT: &str = "Parent=53995c3f42cd8ad8";

    fn trace() -> Trace {
        Trace::of_header(&format!("{ROOT};{PARENT};Sampled=1")).unwrap()
    }

    #[test]
    fn the_trace_is_carried_and_its_lineage_is_not() {
        let header = format!(
            "Self=1-00000001-000000000000000000000001;{ROOT};Lineage=a87bd80c:5|68fd508a:1;Sampled=1; {PARENT}"
        );
        let trace = Trace::of_header(&header).unwrap();
        assert_eq!(trace.to_string(), format!("{ROOT};{PARENT};Sampled=1"));
    }

    #[test]
    fn its_number_is_the_same_in_every_form() {
        assert_eq!(trace().traceparent(), "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01");
        assert_eq!(trace().to_item(), "5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8");
        assert_eq!(trace().id(), "1-5759e988-bd862e3fe1be46a994272793");
    }

    #[test]
    fn what_is_not_recorded_or_not_whole_is_not_carried() {
        for header in [
            String::new(),
            format!("{ROOT};{PARENT};Sampled=0"),
            format!("{ROOT};{PARENT};Sampled=?"),
            format!("{ROOT};{PARENT}"),
            format!("{ROOT};Sampled=1"),
            format!("{PARENT};Sampled=1"),
            format!("{ROOT};{ROOT};{PARENT};Sampled=1"),
            format!("{ROOT};{PARENT};Sampled=0;Sampled=1"),
            format!("Root=1-5759e988-+d862e3fe1be46a994272793;{PARENT};Sampled=1"),
            format!("Root=2-5759e988-bd862e3fe1be46a994272793;{PARENT};Sampled=1"),
            format!("Root=1-00000000-000000000000000000000000;{PARENT};Sampled=1"),
            format!("{ROOT};Parent=0000000000000000;Sampled=1"),
            format!("{ROOT};{PARENT};Sampled=1;{}", "x".repeat(LONGEST)),
        ] {
            assert_eq!(Trace::of_header(&header), None, "{header}");
        }
    }

    #[test]
    fn under_another_span_it_is_the_same_trace() {
        let under = trace().under(7);
        assert_eq!((under.root(), under.parent()), (trace().root(), 7));
        assert_eq!(trace().under(0), trace());
    }

    proptest! {
        #[test]
        fn every_trace_reads_back_as_it_was_written(root in 1_u128.., parent in 1_u64..) {
            let trace = Trace::new(root, parent).unwrap();
            prop_assert_eq!(Trace::of_header(&trace.to_string()), Some(trace));
            prop_assert_eq!(Trace::of_item(&trace.to_item()), Some(trace));
            prop_assert_eq!(trace.to_string().len(), 74);
        }

        #[test]
        fn no_header_makes_reading_panic_or_smuggles_anything(header in "(Root=1-[0-9a-fA-F]{8}-[0-9a-f]{24}|Parent=[0-9a-f]{16}|Sampled=[01]|Lineage=.{0,9}|;){0,9}.{0,20}") {
            let carried = Trace::of_header(&header).map(|trace| trace.to_string()).unwrap_or_default();
            prop_assert!(!carried.contains("Lineage") && carried.bytes().all(|byte| byte.is_ascii_graphic()));
        }

        #[test]
        fn no_text_makes_reading_panic(text: String) {
            let _ = (Trace::of_header(&text), Trace::of_item(&text));
        }
    }
}
