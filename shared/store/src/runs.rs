//! Backfill runs: the item `run#<run>` of a connection, and its slices, duties `slice#<run>#<number>`.
//!
//! Slices are planted in transactions together with the run's count of them, and counted in a transaction together
//! with their own mark of being counted. So a slice is there once and counts once, whoever dies in between.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::backfill::{Ask, Depth, Slice, State, is_detail, place};
use afferent_domain::duty::Duty;
use afferent_domain::exact::Decimal;
use afferent_domain::id::{ConnectionId, PullId, RecordId, RunId, UserId};
use afferent_domain::mark::{Cause, Entry};
use afferent_domain::notification::Window;
use afferent_domain::record::{Category, Code, Component, Fact, Source};
use afferent_domain::service::Service;
use afferent_domain::sweep::{Tier, is_swept};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};

use crate::StoreError;
use crate::connections::{Connection, Connections, refused};
use crate::duties::{DutyKey, Owner, duty_item};
use crate::item::{Item, Reading, n, s};

const TABLE: &str = "connections";
const OPERATION: &str = "TransactWriteItems";

/// DynamoDB: a transaction has at most 100 items, and one of them is the run.
const PLANTED_AT_ONCE: usize = 90;

/// How often a transaction is tried that met another one: the slices of a run are counted on one item.
const TRIES: u32 = 12;

/// A service without `lastupdate` is read again from so long before what is known of it: what a device measured is
/// sent when it next meets the network.
const OVERLAP: Duration = Duration::from_secs(86_400);

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// Whose.
    pub user: UserId,
    /// How it stands.
    pub state: State,
    /// What it reads.
    pub ask: Ask,
    /// When it was asked for.
    pub created: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it counts.
    pub counts: Counts,
    /// What could not be read and why: `<service> <reason>`.
    pub problems: BTreeSet<String>,
}

/// The numbers of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Its slices.
    pub slices: u32,
    /// Those that were planted.
    pub planted: u32,
    /// Those that are over.
    pub done: u32,
    /// Those of them that could not be read.
    pub failed: u32,
    /// The slices before the series.
    pub summaries: u32,
    /// Those of them that are over.
    pub summaries_done: u32,
    /// Calls that were answered.
    pub calls: u64,
    /// Facts in the answers.
    pub facts: u64,
    /// Facts that were new or changed.
    pub changed: u64,
}

impl Run {
    /// From where it has read the service without trouble (epoch seconds); `None` until it is done.
    #[must_use]
    pub fn read_from(&self, service: Service) -> Option<i64> {
        let troubled = self.problems.iter().any(|problem| problem.split(' ').next() == Some(service.name()));
        if self.state != State::Done || troubled { None } else { self.ask.from.get(&service).copied() }
    }

    /// The duty of one of its slices.
    #[must_use]
    pub fn slice_key(&self, number: u32) -> DutyKey {
        DutyKey {
            owner: Owner::Connection(self.connection.clone()),
            duty: Duty::Slice { run: self.id.to_string(), number },
        }
    }

    /// The run as a public record: how it stands.
    #[must_use]
    pub fn fact(&self) -> Fact {
        let record = RecordId::derive(&[self.user.as_str(), "backfill", self.id.as_str()]);
        let source = Source { provider: "afferent".to_owned(), ..Source::withings("afferent") };
        let (user, connection) = (self.user.clone(), self.connection.clone());
        let mut fact = Fact::bare(user, connection, record, "backfill", Category::Account, self.created, source);
        fact.preliminary = self.state == State::Running;
        fact.run = Some(self.id.to_string());
        fact.value_code = Some(self.state.name().to_owned());
        let part =
            |kind: &str| Component { kind: kind.to_owned(), codes: vec![Code::own(kind)], ..Component::default() };
        let number = |kind: &str, number: i64| Component { value: Some(Decimal::from(number)), ..part(kind) };
        let text = |kind: &str, text: &str| Component { value_code: Some(text.to_owned()), ..part(kind) };
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        fact.components = vec![
            text("from", &Timestamp::from_secs(self.ask.oldest()).to_string()),
            text("to", &Timestamp::from_secs(self.ask.to).to_string()),
            number("slices_total", self.counts.slices.into()),
            number("slices_done", self.counts.done.into()),
            number("calls", count(self.counts.calls)),
            number("facts", count(self.counts.facts)),
            number("records", count(self.counts.changed)),
        ];
        fact.components.extend(self.problems.iter().map(|problem| text("problem", problem)));
        fact
    }

    /// Whether the record is to say how it stands now: another tenth is done than `before`, or it is over.
    #[must_use]
    pub fn told(&self, before: &Self) -> bool {
        let tenth = |run: &Self| u64::from(run.counts.done) * 10 / u64::from(run.counts.slices.max(1));
        self.state != before.state || tenth(before) != tenth(self)
    }

    fn new(connection: &Connection, id: RunId, ask: Ask, slices: &[Slice], now: Timestamp) -> Self {
        let count = |slices: usize| u32::try_from(slices).unwrap_or(u32::MAX);
        let summaries = count(slices.iter().filter(|slice| !is_detail(slice.service)).count());
        let counts = Counts { slices: count(slices.len()), summaries, ..Counts::default() };
        Self {
            id,
            connection: connection.id.clone(),
            user: connection.user.clone(),
            state: State::Running,
            ask,
            created: now,
            ended: None,
            counts,
            problems: BTreeSet::new(),
        }
    }
}

/// What came of a slice, all its invocations together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls that were answered.
    pub calls: u64,
    /// Facts in the answers.
    pub facts: u64,
    /// Facts that were new or changed.
    pub changed: u64,
}

/// What came of counting a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It counts.
    Now,
    /// The lease was lost, or it counted before.
    No,
}

impl Connections {
    /// What is to be read of a connection that was just made (`first`) or made again: its sweeps; a run over its past
    /// of this `depth`, or over the gap as far as `lastupdate` does not fill it; and marks for what does. To be called
    /// once the connection is stored; doing it again costs nothing, because the run's id is derived from the connection
    /// and [`Connection::connected`].
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours; then it is to be called again.
    pub async fn begin_reading(
        &self,
        connection: &Connection,
        first: bool,
        depth: Depth,
        now: Timestamp,
    ) -> Result<Option<RunId>, StoreError> {
        let id = RunId::derive(&[connection.id.as_str(), &connection.connected.as_millis().to_string()]);
        if let Some(run) = self.run(&connection.id, &id).await? {
            // It was begun after everything else.
            self.plant_all(run).await?;
            return Ok(Some(id));
        }
        // Also if everything was erased meanwhile: there is nothing that a gap could begin from.
        let first = first
            || (self.items_of(&connection.id, "sweep#").await?.is_empty()
                && self.runs(&connection.id).await?.is_empty());
        let ask = match first {
            true => depth.from(now).map(|from| Ask::of(&connection.scopes, from, now, false)),
            false => Some(self.gap(connection, now).await?),
        };
        let ask = ask.filter(|ask| !ask.from.is_empty());
        let horizon = ask.as_ref().map_or(now.as_secs(), Ask::oldest);
        for service in
            Service::ALL.into_iter().filter(|service| connection.scopes.allow(*service) && is_swept(*service))
        {
            self.add_sweep(&connection.id, service, horizon, now).await?;
        }
        let entry = Entry { cause: Cause::Connect, received: connection.connected, window: None };
        for service in Service::ALL.into_iter().filter(|service| connection.scopes.allow(*service)) {
            let by_a_mark = service.uses_lastupdate() || service.is_whole();
            let by_the_run = ask.as_ref().is_some_and(|ask| ask.from.contains_key(&service));
            if by_a_mark && !by_the_run && (!first || service.is_whole()) {
                self.revive(&connection.id, service, &entry, now).await?;
            }
        }
        let Some(ask) = ask else { return Ok(None) };
        self.begin_run(connection, &id, ask, now).await?;
        Ok(Some(id))
    }

    /// What a dead link has left to be read by windows: the services without `lastupdate`, each from where it is known
    /// on, and those that were not granted before.
    async fn gap(&self, connection: &Connection, now: Timestamp) -> Result<Ask, StoreError> {
        let mut from = BTreeMap::new();
        for service in Service::ALL {
            if is_detail(service) || service.is_whole() || !connection.scopes.allow(service) {
                continue;
            }
            // A service that was not granted before has no sweep; the past of the others is where its own begins.
            let Some(sweep) = self.sweep(&connection.id, service).await? else {
                let known = self.runs(&connection.id).await?;
                let oldest = known.iter().map(|run| run.ask.oldest()).min().unwrap_or(now.as_secs());
                from.insert(service, oldest);
                continue;
            };
            if service.uses_lastupdate() {
                let read = sweep.tiers.get(&Tier::Updates).and_then(|standing| standing.done).map(|done| done.began);
                self.begin_cursor(&connection.id, service, read.unwrap_or(sweep.since)).await?;
                continue;
            }
            let known = sweep.tiers.values().filter_map(|standing| standing.done).map(|done| done.began).max();
            from.insert(service, (known.unwrap_or(sweep.since) - OVERLAP).as_secs());
        }
        Ok(Ask { from, to: now.as_secs(), details: false })
    }

    /// Gives a service a cursor that none of its pulls moved yet, because nothing was there: else the next one would
    /// ask for what was modified since the connection was made again.
    async fn begin_cursor(
        &self,
        connection: &ConnectionId,
        service: Service,
        read: Timestamp,
    ) -> Result<(), StoreError> {
        self.update(&owner(connection), &format!("service#{service}"))
            .update_expression("SET cursor_s = if_not_exists(cursor_s, :read)")
            .expression_attribute_values(":read", n(read.as_secs()))
            .send()
            .await
            .map(drop)
            .map_err(StoreError::failed("UpdateItem"))
    }

    /// Begins a run. One of this id that is there already stays as it is, and what it lacks of slices is planted.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn begin_run(
        &self,
        connection: &Connection,
        id: &RunId,
        ask: Ask,
        now: Timestamp,
    ) -> Result<Run, StoreError> {
        let slices = ask.slices();
        let fresh = Run::new(connection, id.clone(), ask, &slices, now);
        let run = match self.run(&connection.id, id).await? {
            Some(run) => run,
            None => self.plant(&fresh, &slices, true).await?.unwrap_or(fresh),
        };
        self.plant_all(run).await
    }

    async fn plant_all(&self, mut run: Run) -> Result<Run, StoreError> {
        while let Some(more) = self.plant_more(&run).await? {
            run = more;
        }
        Ok(run)
    }

    /// Plants slices that are missing, so that a run whose beginning was cut short goes on. `None` if none is missing.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn plant_more(&self, run: &Run) -> Result<Option<Run>, StoreError> {
        if run.state != State::Running || run.counts.planted >= run.counts.slices {
            return Ok(None);
        }
        let slices = run.ask.slices();
        match self.plant(run, &slices, false).await? {
            Some(run) => Ok(Some(run)),
            None => self.run(&run.connection, &run.id).await,
        }
    }

    /// One transaction: the next slices, and the run's count of them. `None` if somebody else planted meanwhile.
    async fn plant(&self, run: &Run, slices: &[Slice], new: bool) -> Result<Option<Run>, StoreError> {
        let before = usize::try_from(run.counts.planted).unwrap_or(usize::MAX);
        let next = slices.iter().skip(before).take(PLANTED_AT_ONCE);
        let mut transaction = self.client.transact_write_items();
        let mut planted = run.clone();
        for slice in next {
            planted.counts.planted = slice.number.saturating_add(1);
            let attributes = vec![
                ("service", s(slice.service.name())),
                ("from_s", n(slice.window.start)),
                ("to_s", n(slice.window.end)),
            ];
            let item = duty_item(&run.slice_key(slice.number), place(run.created, slice.number), attributes);
            let put = Put::builder().table_name(&self.table).set_item(Some(item)).build();
            let put = put.map_err(StoreError::unbuilt(OPERATION))?;
            transaction = transaction.transact_items(TransactWriteItem::builder().put(put).build());
        }
        if planted.counts.planted == run.counts.planted {
            // The plan has fewer slices than were promised: a later version plans otherwise.
            planted.counts.slices = run.counts.planted;
        }
        let counting = if new {
            let put = Put::builder()
                .table_name(&self.table)
                .set_item(Some(run_item(&planted)))
                .condition_expression("attribute_not_exists(#item)")
                .expression_attribute_names("#item", "item")
                .build()
                .map_err(StoreError::unbuilt(OPERATION))?;
            TransactWriteItem::builder().put(put).build()
        } else {
            let update = Update::builder()
                .table_name(&self.table)
                .key("owner", s(owner(&run.connection)))
                .key("item", s(item(&run.id)))
                .update_expression("SET planted = :planted, slices = :slices")
                .condition_expression("planted = :before AND #state = :running")
                .expression_attribute_names("#state", "state")
                .expression_attribute_values(":planted", n(planted.counts.planted))
                .expression_attribute_values(":slices", n(planted.counts.slices))
                .expression_attribute_values(":before", n(run.counts.planted))
                .expression_attribute_values(":running", s(State::Running.name()))
                .build()
                .map_err(StoreError::unbuilt(OPERATION))?;
            TransactWriteItem::builder().update(update).build()
        };
        match transaction.transact_items(counting).send().await {
            Ok(_) => Ok(Some(planted)),
            Err(error) => match error.as_service_error().and_then(why) {
                Some(Why::Condition | Why::Conflict) => Ok(None),
                None => Err(StoreError::failed(OPERATION)(error)),
            },
        }
    }

    /// A run.
    ///
    /// # Errors
    /// DynamoDB fails, or the item is not one of ours.
    pub async fn run(&self, connection: &ConnectionId, id: &RunId) -> Result<Option<Run>, StoreError> {
        self.item(&owner(connection), &item(id)).await?.as_ref().map(read_run).transpose()
    }

    /// The runs of a connection.
    ///
    /// # Errors
    /// DynamoDB fails, or an item is not one of ours.
    pub async fn runs(&self, connection: &ConnectionId) -> Result<Vec<Run>, StoreError> {
        self.items_of(connection, "run#").await?.iter().map(read_run).collect()
    }

    /// Counts a slice that is over, once: `holder` must have it. `problem` is why it could not be read.
    ///
    /// # Errors
    /// DynamoDB fails, or other slices of the run were in the way too often.
    pub async fn count_slice(
        &self,
        run: &Run,
        number: u32,
        holder: &PullId,
        tally: Tally,
        problem: Option<&str>,
    ) -> Result<Counted, StoreError> {
        let key = run.slice_key(number);
        let slice = Update::builder()
            .table_name(&self.table)
            .key("owner", s(key.owner.to_string()))
            .key("item", s(key.duty.to_string()))
            .update_expression("SET counted = :yes")
            .condition_expression("lease_pull = :holder AND attribute_not_exists(counted)")
            .expression_attribute_values(":yes", AttributeValue::Bool(true))
            .expression_attribute_values(":holder", s(holder.as_str()))
            .build()
            .map_err(StoreError::unbuilt(OPERATION))?;
        let mut expression =
            "ADD slices_done :one, slices_failed :failed, summaries_done :summary, calls :calls, facts :facts, \
             changed :changed"
                .to_owned();
        if problem.is_some() {
            expression.push_str(", problems :problem");
        }
        let mut count = Update::builder()
            .table_name(&self.table)
            .key("owner", s(owner(&run.connection)))
            .key("item", s(item(&run.id)))
            .update_expression(expression)
            .condition_expression("attribute_exists(#item)")
            .expression_attribute_names("#item", "item")
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":failed", n(u8::from(problem.is_some())))
            .expression_attribute_values(":summary", n(u8::from(number < run.counts.summaries)))
            .expression_attribute_values(":calls", n(tally.calls))
            .expression_attribute_values(":facts", n(tally.facts))
            .expression_attribute_values(":changed", n(tally.changed));
        if let Some(problem) = problem {
            count = count.expression_attribute_values(":problem", AttributeValue::Ss(vec![problem.to_owned()]));
        }
        let count = count.build().map_err(StoreError::unbuilt(OPERATION))?;
        for attempt in 0..TRIES {
            let transaction = self
                .client
                .transact_write_items()
                .transact_items(TransactWriteItem::builder().update(slice.clone()).build())
                .transact_items(TransactWriteItem::builder().update(count.clone()).build());
            match transaction.send().await {
                Ok(_) => return Ok(Counted::Now),
                Err(error) => match error.as_service_error().and_then(why) {
                    Some(Why::Condition) => return Ok(Counted::No),
                    // By their numbers, so that those who met do not meet again.
                    Some(Why::Conflict) => {
                        let wait = 20 + u64::from(attempt) * (10 + u64::from(number % 17));
                        tokio::time::sleep(Duration::from_millis(wait)).await;
                    }
                    None => return Err(StoreError::failed(OPERATION)(error)),
                },
            }
        }
        Err(StoreError::Conflict { operation: OPERATION })
    }

    /// Ends a run that is running. `false` if it was over before. Its slices see it and go.
    ///
    /// # Errors
    /// DynamoDB fails.
    pub async fn end_run(
        &self,
        connection: &ConnectionId,
        id: &RunId,
        state: State,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let result = self
            .update(&owner(connection), &item(id))
            .update_expression("SET #state = :state, ended_ms = :now")
            .condition_expression("#state = :running")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", s(state.name()))
            .expression_attribute_values(":running", s(State::Running.name()))
            .expression_attribute_values(":now", n(now.as_millis()))
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(error) if refused(&error) => Ok(false),
            Err(error) => Err(StoreError::failed("UpdateItem")(error)),
        }
    }
}

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

fn run_item(run: &Run) -> Item {
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

fn read_run(item: &Item) -> Result<Run, StoreError> {
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

fn owner(connection: &ConnectionId) -> String {
    format!("connection#{connection}")
}

fn item(id: &RunId) -> String {
    format!("run#{id}")
}

/// Why a transaction did not happen.
enum Why {
    /// A condition failed.
    Condition,
    /// Another transaction was under way.
    Conflict,
}

fn why(error: &TransactWriteItemsError) -> Option<Why> {
    let canceled = match error {
        TransactWriteItemsError::TransactionCanceledException(canceled) => canceled,
        TransactWriteItemsError::TransactionInProgressException(_) => return Some(Why::Conflict),
        _ => return None,
    };
    let codes = || canceled.cancellation_reasons().iter().filter_map(|reason| reason.code());
    if codes().any(|code| code == "ConditionalCheckFailed") {
        return Some(Why::Condition);
    }
    codes().any(|code| code == "TransactionConflict").then_some(Why::Conflict)
}

#[cfg(test)]
mod tests {
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
        assert_eq!(Run { state: State::Running, ..run.clone() }.read_from(Service::Getmeas), None);
        assert_eq!(Run { problems: ["getmeas scope".to_owned()].into(), ..run }.read_from(Service::Getmeas), None);
    }
}
