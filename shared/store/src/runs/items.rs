//! Runs and slices as the table has them.

use std::collections::{BTreeMap, HashMap};

use afferent_domain::Timestamp;
use afferent_domain::backfill::{Ask, Slice, State};
use afferent_domain::id::{ConnectionId, RunId, UserId};
use afferent_domain::notification::Window;
use afferent_domain::service::Service;
use aws_sdk_dynamodb::types::AttributeValue;

use super::{Counts, Run, TABLE, item, owner};
use crate::StoreError;
use crate::item::{Item, Reading, n, s};

/// A slice, as its duty's item has it.
///
/// # Errors
/// The item is not one of ours.
pub fn read_slice(number: u32, item: &Item) -> Result<Slice, StoreError> {
    let reading = Reading::new(TABLE, item);
    let wrong = || StoreError::Item { table: TABLE, attribute: "service".to_owned() };
    let service = reading.text("service")?.parse().map_err(|_| wrong())?;
    Ok(Slice { number, service, window: Window::new(reading.number("from_s")?, reading.number("to_s")?) })
}

pub(super) fn run_item(run: &Run) -> Item {
    let from = run.ask.from.iter().map(|(service, from)| (service.name().to_owned(), n(from))).collect();
    let Counts { slices, planted, done, failed, summaries, summaries_done, calls, facts, changed } = run.counts;
    let mut item: Item = HashMap::from([
        ("owner".to_owned(), s(owner(&run.connection))),
        ("item".to_owned(), s(item(&run.id))),
        ("run".to_owned(), s(run.id.as_str())),
        ("connection".to_owned(), s(run.connection.as_str())),
        ("user".to_owned(), s(run.user.as_str())),
        ("state".to_owned(), s(run.state.name())),
        ("from".to_owned(), AttributeValue::M(from)),
        ("to_s".to_owned(), n(run.ask.to)),
        ("details".to_owned(), AttributeValue::Bool(run.ask.details)),
        ("created_ms".to_owned(), n(run.created.as_millis())),
    ]);
    for (name, count) in [
        ("slices", slices),
        ("planted", planted),
        ("slices_done", done),
        ("slices_failed", failed),
        ("summaries", summaries),
        ("summaries_done", summaries_done),
    ] {
        item.insert(name.to_owned(), n(count));
    }
    for (name, count) in [("calls", calls), ("facts", facts), ("changed", changed)] {
        item.insert(name.to_owned(), n(count));
    }
    item
}

pub(super) fn read_run(item: &Item) -> Result<Run, StoreError> {
    let reading = Reading::new(TABLE, item);
    let wrong = |attribute: &str| StoreError::Item { table: TABLE, attribute: attribute.to_owned() };
    let mut from = BTreeMap::new();
    for (name, at) in item.get("from").and_then(|value| value.as_m().ok()).ok_or_else(|| wrong("from"))? {
        let at = at.as_n().ok().and_then(|at| at.parse().ok()).ok_or_else(|| wrong("from"))?;
        from.insert(name.parse::<Service>().map_err(|_| wrong("from"))?, at);
    }
    let details = item.get("details").and_then(|value| value.as_bool().ok()).copied().unwrap_or(false);
    let counts = Counts {
        slices: reading.number("slices")?,
        planted: reading.number("planted")?,
        done: reading.number("slices_done")?,
        failed: reading.number("slices_failed")?,
        summaries: reading.number("summaries")?,
        summaries_done: reading.number("summaries_done")?,
        calls: reading.number("calls")?,
        facts: reading.number("facts")?,
        changed: reading.number("changed")?,
    };
    Ok(Run {
        id: RunId::from(reading.text("run")?),
        connection: ConnectionId::from(reading.text("connection")?),
        user: UserId::from(reading.text("user")?),
        state: State::of(reading.text("state")?).ok_or_else(|| wrong("state"))?,
        ask: Ask { from, to: reading.number("to_s")?, details },
        created: Timestamp::from_millis(reading.number("created_ms")?),
        ended: reading.maybe_number("ended_ms").map(Timestamp::from_millis),
        counts,
        problems: reading.set("problems").into_iter().collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use afferent_domain::connection::Scopes;

    use super::*;

    #[test]
    fn a_run_reads_back_as_it_was_written() {
        let now = Timestamp::from_secs(1_795_244_400);
        let ask = Ask::of(&Scopes::default(), now - Duration::from_secs(86_400), now, true);
        let run = Run {
            id: RunId::from("run_1"),
            connection: ConnectionId::from("con_1"),
            user: UserId::from("usr_1"),
            state: State::Running,
            ask,
            created: now,
            ended: None,
            counts: Counts { slices: 7, planted: 6, done: 5, summaries: 4, facts: 3, ..Counts::default() },
            problems: BTreeSet::new(),
        };
        assert_eq!(read_run(&run_item(&run)).unwrap(), run);
    }

    #[test]
    fn a_run_proves_a_service_only_once_it_is_done_and_without_trouble() {
        let now = Timestamp::from_secs(1_795_244_400);
        let ask = Ask { from: BTreeMap::from([(Service::Getmeas, 5)]), to: 9, details: false };
        let run = Run {
            id: RunId::from("run_1"),
            connection: ConnectionId::from("con_1"),
            user: UserId::from("usr_1"),
            state: State::Done,
            ask,
            created: now,
            ended: None,
            counts: Counts::default(),
            problems: BTreeSet::from(["heart_list scope".to_owned()]),
        };
        assert_eq!(run.read_from(Service::Getmeas), Some(5));
        assert_eq!(run.read_from(Service::HeartList), None);
        let proven = run.proof(Service::Getmeas).map(|proof| (proof.began, proof.back));
        assert_eq!(proven, Some((Timestamp::from_secs(9), 5)), "what it held at the end of the range");
        assert_eq!(run.proof(Service::HeartList), None);
        assert_eq!(Run { state: State::Running, ..run.clone() }.read_from(Service::Getmeas), None);
        assert_eq!(Run { problems: ["getmeas scope".to_owned()].into(), ..run }.read_from(Service::Getmeas), None);
    }
}
