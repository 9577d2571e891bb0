//! The letters: what happened, since when, what happens next and when, and what to do. Plain text in short lines.

use super::{Notice, Subject};
use crate::clock::Timestamp;
use crate::endpoint::{Cause, Destination};
use crate::health::{LONGEST_PROBE, PATIENCE, WARNINGS};

/// The longest part of an owner's description that a letter repeats, in characters.
const LONGEST_DESCRIPTION: usize = 100;

const FOOT: &str = "\
This letter goes to the contact of the endpoint or, if it has none, to the
contact of the whole system. It holds no data of any person.
";

/// What a letter says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// What it is about, in one line.
    pub subject: String,
    /// What it says.
    pub text: String,
}

pub(super) fn of(notice: &Notice, subject: &Subject<'_>) -> Words {
    let host = subject.endpoint.destination.host();
    let (title, parts) = match *notice {
        Notice::Warning { number, .. } => {
            (format!("deliveries to {host} fail (warning {number} of {WARNINGS})"), warning(notice, number, subject))
        }
        Notice::Disabled { cause, since } => {
            (format!("the endpoint at {host} is disabled"), disabled(notice, cause, since, subject))
        }
        Notice::Enabled { since } => {
            (format!("the endpoint at {host} is enabled again"), enabled(notice, since, subject))
        }
    };
    Words { subject: format!("Afferent: {title}"), text: parts.join("\n") + "\n" + FOOT }
}

fn warning(notice: &Notice, number: u32, subject: &Subject<'_>) -> Vec<String> {
    let is_over = subject.is_over(notice);
    let happened = if is_over {
        "A delivery has ended without being delivered. Another one has succeeded since, so\n\
         these failures are no longer in a row.\n"
            .to_owned()
    } else if subject.health.is_open() {
        let minutes = LONGEST_PROBE.as_secs() / 60;
        format!(
            "It fails so often that it is not called any more, but for a probe now and\n\
             then (at least every {minutes} minutes). Deliveries wait meanwhile; each that waits\n\
             too long ends, and can be sent again later.\n"
        )
    } else {
        "A delivery has ended without being delivered.\n".to_owned()
    };
    let days = PATIENCE.as_secs() / 86_400;
    let end = subject.disabled_at(notice).map(|at| {
        format!(
            "If nothing is delivered until {}, {days} days after the first\n\
             failed try, the endpoint is disabled: nothing is delivered to it any more, and\n\
             what waits for it is cancelled.\n",
            minute(at)
        )
    });
    let more = if notice.is_last_warning() && !is_over {
        format!("This is the last of {WARNINGS} warnings; no further letter comes before that.\n")
    } else {
        format!("This is warning {number} of {WARNINGS}: each of the first {WARNINGS} failures in a row brings one.\n")
    };
    let mend = if is_over {
        "The log of its deliveries shows each try with the answer or the error. What had\n\
         failed does not come by itself; it can be sent again (\"recover\").\n"
    } else {
        "Let the endpoint answer again. The log of its deliveries shows each try with the\n\
         answer or the error. Once it answers, nothing has to be done for what comes, and\n\
         what had failed can be sent again (\"recover\"). If nobody wants these events any\n\
         more, disable or delete the endpoint.\n"
    };
    let next = if subject.health.is_open() && !is_over {
        "New events wait like the others, until a probe succeeds."
    } else {
        "New events go on being delivered, and failed tries being repeated."
    };
    vec![
        "Events could not be delivered to one of your endpoints.\n".to_owned(),
        facts(notice, subject, &[]),
        heading("What happened"),
        happened,
        heading("What happens next"),
        next.to_owned(),
        end.unwrap_or_default() + &more,
        heading("What to do"),
        mend.to_owned(),
    ]
}

fn disabled(notice: &Notice, cause: Cause, since: Timestamp, subject: &Subject<'_>) -> Vec<String> {
    let mend = match cause {
        Cause::Owner => "To have events delivered again, enable the endpoint.",
        Cause::Operator => "To have events delivered again, ask the operator to enable the endpoint.",
        Cause::Gone => "To have events delivered again, let it answer anything but 410, then enable it.",
        Cause::Receiver => "To have events delivered again, let it stop asking for that, then enable it.",
        Cause::Failing => {
            "To have events delivered again, mend it, then enable it; a test event shows\nwhether it answers."
        }
    };
    vec![
        format!("One of your endpoints is disabled: {}.\n", cause.words()),
        facts(notice, subject, &[("Disabled since", minute(since))]),
        heading("What happens next"),
        "Nothing is delivered to it any more, and what waits for it is cancelled. Events\n\
         go on being kept in the journal, for as long as the journal keeps events.\n"
            .to_owned(),
        heading("What to do"),
        format!(
            "{mend}\n\
             What it missed does not come by itself then: \"recover\" sends again what failed\n\
             or was cancelled, \"replay\" delivers what it was never offered. If nobody wants\n\
             these events any more, delete the endpoint.\n"
        ),
    ]
}

fn enabled(notice: &Notice, since: Timestamp, subject: &Subject<'_>) -> Vec<String> {
    vec![
        "One of your endpoints is enabled again, and gets what comes from now on.\n".to_owned(),
        facts(notice, subject, &[("Enabled since", minute(since))]),
        heading("What to do"),
        "What it missed does not come by itself: \"recover\" sends again what failed or was\n\
         cancelled, \"replay\" delivers what it was never offered. A preview of either says\n\
         how much that is.\n"
            .to_owned(),
    ]
}

/// A table of what is known.
fn facts(notice: &Notice, subject: &Subject<'_>, more: &[(&str, String)]) -> String {
    let Subject { endpoint, health, waiting, missed } = *subject;
    let name = match endpoint.description.as_deref().map(one_line).filter(|text| !text.is_empty()) {
        Some(description) => format!("{} ({description})", endpoint.endpoint),
        None => endpoint.endpoint.to_string(),
    };
    let host = endpoint.destination.host();
    let destination = match endpoint.destination {
        Destination::Http { .. } => host.to_owned(),
        Destination::Sqs { .. } => format!("a queue at {host}"),
    };
    let mut rows = vec![("Endpoint", name), ("Destination", destination)];
    rows.extend(more.iter().cloned());
    rows.extend(subject.failing_since(notice).map(|at| ("Failing since", minute(at))));
    rows.extend(health.last_success.map(|at| ("Last success", minute(at))));
    let failures = Some(subject.failures(notice)).filter(|count| *count > 0);
    rows.extend(failures.map(|count| ("Failures in a row", count.to_string())));
    rows.extend(waiting.map(|count| ("Waiting", deliveries(count))));
    rows.extend(missed.map(|count| ("Missed", deliveries(count))));
    rows.into_iter().map(|(name, value)| format!("  {:<19}{value}\n", format!("{name}:"))).collect()
}

fn heading(text: &str) -> String {
    format!("{text}\n")
}

fn deliveries(count: u64) -> String {
    if count == 1 { "1 delivery".to_owned() } else { format!("{count} deliveries") }
}

/// `2026-11-21 07:03 UTC`.
fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => text,
    }
}

/// An owner's words, such that they cannot be taken for ours.
fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() || c.is_whitespace() { ' ' } else { c };
    text.chars().map(plain).take(LONGEST_DESCRIPTION).collect::<String>().trim().to_owned()
}
