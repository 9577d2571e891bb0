//! The part of a trace header that may be carried across a wait.
//!
//! AWS's tracing header (`X-Amzn-Trace-Id`, on a message the attribute `AWSTraceHeader`) is a list of `key=value`
//! separated by semicolons. `Root`, `Parent` and `Sampled` say which trace this is. `Lineage` is how Lambda counts the
//! rounds of a loop, and after about 16 of them it stops the function (AWS Lambda developer guide, "Recursive loop
//! detection"): a delivery that is woken for days is no loop, so its lineage ends with its wait.

/// The longest header that is looked at, in bytes.
const LONGEST: usize = 1024;

/// What of `header` is carried on; `None` if nothing in it can be.
#[must_use]
pub fn carried(header: &str) -> Option<String> {
    if header.len() > LONGEST {
        return None;
    }
    let parts = header.split(';').map(str::trim).filter(|part| {
        let (key, value) = part.split_once('=').unwrap_or_default();
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        matches!(key, "Root" | "Parent" | "Sampled") && !value.is_empty() && value.bytes().all(fine)
    });
    let kept: Vec<&str> = parts.collect();
    kept.iter().any(|part| part.starts_with("Root=")).then(|| kept.join(";"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_trace_is_carried_and_its_lineage_is_not() {
        assert_eq!(
            carried("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:5|68fd508a:1")
                .as_deref(),
            Some("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")
        );
    }

    #[test]
    fn what_names_no_trace_is_not_carried() {
        for header in ["", "Lineage=a:1", "Parent=53995c3f42cd8ad8", "Root=", "Root=a b"] {
            assert_eq!(carried(header), None, "{header}");
        }
    }

    proptest! {
        #[test]
        fn no_header_smuggles_a_lineage_or_a_line_break(header: String) {
            let kept = carried(&header).unwrap_or_default();
            prop_assert!(!kept.contains("Lineage") || kept.contains("=Lineage"));
            prop_assert!(!kept.contains(['\r', '\n']));
        }
    }
}
