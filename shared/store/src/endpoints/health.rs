//! How endpoints fare: written on change, by whoever notices.

use afferent_domain::Timestamp;
use afferent_domain::endpoint::Cause;
use afferent_domain::health::{
    Breaker, FIRST_PROBE, Health, OPENING_TRIES, Owed, PATIENCE, Stop, WARNINGS, probe_wait,
};
use afferent_domain::id::EndpointId;
use afferent_metrics::{Metric, count};
use aws_sdk_dynamodb::types::ReturnValue;

use super::{Endpoints, HEALTH, TABLE, WATCH, unless_refused};
use crate::StoreError;
use crate::item::{Item, Reading, n, s};

const OPEN: &str = "open";
const DRAINING: &str = "draining";

impl Endpoints {
    /// Counts failed tries, the first of them at `at`; how the endpoint fares now.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn count_tries(&self, endpoint: &EndpointId, failed: u32, at: Timestamp) -> Result<Health, StoreError> {
        let answer = self
            .update(endpoint, HEALTH)
            .update_expression("SET failing_since_ms = if_not_exists(failing_since_ms, :at) ADD failed_tries :failed")
            .expression_attribute_values(":at", n(at.as_millis()))
            .expression_attribute_values(":failed", n(failed))
            .return_values(ReturnValue::AllNew)
            .send()
            .await
            .map_err(StoreError::failed("UpdateItem"))?;
        Ok(read(&answer.attributes.unwrap_or_default()))
    }

    /// Counts a delivery that ended undelivered, and has the keeper look after the endpoint.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn count_failure(&self, endpoint: &EndpointId, at: Timestamp) -> Result<(), StoreError> {
        let update = self
            .update(endpoint, HEALTH)
            .update_expression(
                "SET failing_since_ms = if_not_exists(failing_since_ms, :at), #scope = :watch ADD failures_in_a_row :one",
            )
            .expression_attribute_names("#scope", "scope")
            .expression_attribute_values(":watch", s(WATCH))
            .expression_attribute_values(":at", n(at.as_millis()))
            .expression_attribute_values(":one", n(1));
        unless_refused(update).await.map(drop)
    }

    /// Opens the breaker, which counts as the first failure in a row. `false` if it is open, or a success came in between.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn open_breaker(&self, endpoint: &EndpointId, now: Timestamp) -> Result<bool, StoreError> {
        let update = self
            .update(endpoint, HEALTH)
            .update_expression(
                "SET breaker = :open, opened_ms = :now, next_probe_ms = :probe, probes = :none, #scope = :watch, \
                 failures_in_a_row = if_not_exists(failures_in_a_row, :one)",
            )
            .condition_expression("(attribute_not_exists(breaker) OR breaker <> :open) AND failed_tries >= :tries")
            .expression_attribute_names("#scope", "scope")
            .expression_attribute_values(":watch", s(WATCH))
            .expression_attribute_values(":open", s(OPEN))
            .expression_attribute_values(":now", n(now.as_millis()))
            .expression_attribute_values(":probe", n((now + FIRST_PROBE).as_millis()))
            .expression_attribute_values(":none", n(0))
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":tries", n(OPENING_TRIES));
        let opened = unless_refused(update).await?;
        count(Metric::BreakersOpened, usize::from(opened));
        Ok(opened)
    }

    /// Asks for the probe that was seen due at `due`, until `until`. `false` if somebody else has it.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn take_probe(
        &self,
        endpoint: &EndpointId,
        due: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = self
            .update(endpoint, HEALTH)
            .update_expression("SET next_probe_ms = :until")
            .condition_expression("breaker = :open AND next_probe_ms = :due")
            .expression_attribute_values(":open", s(OPEN))
            .expression_attribute_values(":due", n(due.as_millis()))
            .expression_attribute_values(":until", n(until.as_millis()));
        unless_refused(update).await
    }

    /// Notes that a probe failed, after `probes` before it: the next one comes later.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn probe_failed(&self, endpoint: &EndpointId, probes: u32, now: Timestamp) -> Result<(), StoreError> {
        let update = self
            .update(endpoint, HEALTH)
            .update_expression("SET next_probe_ms = :next, probes = :probes")
            .condition_expression("breaker = :open")
            .expression_attribute_values(":open", s(OPEN))
            .expression_attribute_values(":next", n((now + probe_wait(probes + 1)).as_millis()))
            .expression_attribute_values(":probes", n(probes + 1));
        unless_refused(update).await.map(drop)
    }

    /// Notes a success: nothing fails in a row any more, and an open breaker closes. Warnings that were not given yet are
    /// owed; while some are owed of one row, those of a later one that is over as quickly are not.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn note_success(&self, endpoint: &EndpointId, now: Timestamp) -> Result<(), StoreError> {
        const FORGET: &str =
            "failing_since_ms, failed_tries, failures_in_a_row, warned, probes, next_probe_ms, opened_ms";
        const TOLD: &str =
            "(attribute_not_exists(failures_in_a_row) OR warned >= failures_in_a_row OR warned >= :most)";
        let clean = self
            .update(endpoint, HEALTH)
            .update_expression(format!("SET last_success_ms = :now REMOVE {FORGET}, #scope"))
            .condition_expression(format!(
                "attribute_not_exists(breaker) AND attribute_not_exists(#stop) AND attribute_not_exists(owed_since_ms) \
                 AND {TOLD}"
            ))
            .expression_attribute_names("#scope", "scope")
            .expression_attribute_names("#stop", "stop")
            .expression_attribute_values(":most", n(WARNINGS))
            .expression_attribute_values(":now", n(now.as_millis()));
        if unless_refused(clean).await? {
            return Ok(());
        }
        let owe = self
            .update(endpoint, HEALTH)
            .update_expression(
                "SET owed_since_ms = if_not_exists(failing_since_ms, :now), owed_warned = if_not_exists(warned, :none), \
                 owed_failures = failures_in_a_row",
            )
            .condition_expression(
                "attribute_exists(failures_in_a_row) AND attribute_not_exists(owed_since_ms) \
                 AND (attribute_not_exists(warned) OR (warned < failures_in_a_row AND warned < :most))",
            )
            .expression_attribute_values(":now", n(now.as_millis()))
            .expression_attribute_values(":none", n(0))
            .expression_attribute_values(":most", n(WARNINGS));
        unless_refused(owe).await?;
        // What an open breaker kept back is still to be released, so the keeper goes on looking.
        let closed = self
            .update(endpoint, HEALTH)
            .update_expression(format!(
                "SET last_success_ms = :now, breaker = :draining, closed_ms = :now, #scope = :watch REMOVE {FORGET}"
            ))
            .condition_expression("breaker = :open")
            .expression_attribute_names("#scope", "scope")
            .expression_attribute_values(":watch", s(WATCH))
            .expression_attribute_values(":open", s(OPEN))
            .expression_attribute_values(":draining", s(DRAINING))
            .expression_attribute_values(":now", n(now.as_millis()));
        if unless_refused(closed).await? {
            return Ok(());
        }
        let noted = self
            .update(endpoint, HEALTH)
            .update_expression(format!("SET last_success_ms = :now, #scope = :watch REMOVE {FORGET}"))
            .expression_attribute_names("#scope", "scope")
            .expression_attribute_values(":watch", s(WATCH))
            .expression_attribute_values(":now", n(now.as_millis()));
        unless_refused(noted).await.map(drop)
    }

    /// Notes that the warnings owed of the row that began at `since` were given.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn note_owed_given(&self, endpoint: &EndpointId, since: Timestamp) -> Result<(), StoreError> {
        let update = |expression: &str, condition: &str| {
            self.update(endpoint, HEALTH)
                .update_expression(format!("REMOVE owed_since_ms, owed_warned, owed_failures{expression}"))
                .condition_expression(format!("owed_since_ms = :since{condition}"))
                .expression_attribute_values(":since", n(since.as_millis()))
        };
        let quiet = update(
            ", #scope",
            " AND attribute_not_exists(failures_in_a_row) AND attribute_not_exists(#stop) AND attribute_not_exists(breaker)",
        )
        .expression_attribute_names("#scope", "scope")
        .expression_attribute_names("#stop", "stop");
        if !unless_refused(quiet).await? {
            unless_refused(update("", "")).await?;
        }
        Ok(())
    }

    /// Notes that nothing is kept back any more since the breaker closed at `closed`. `false` if it opened or closed again.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn note_drained(&self, endpoint: &EndpointId, closed: Timestamp) -> Result<bool, StoreError> {
        let update = |expression: &str, condition: &str| {
            self.update(endpoint, HEALTH)
                .update_expression(format!("REMOVE breaker, closed_ms{expression}"))
                .condition_expression(format!("breaker = :draining AND closed_ms = :closed{condition}"))
                .expression_attribute_values(":draining", s(DRAINING))
                .expression_attribute_values(":closed", n(closed.as_millis()))
        };
        let quiet = update(
            ", #scope",
            " AND attribute_not_exists(failures_in_a_row) AND attribute_not_exists(#stop) \
             AND attribute_not_exists(owed_since_ms)",
        )
        .expression_attribute_names("#scope", "scope")
        .expression_attribute_names("#stop", "stop");
        Ok(unless_refused(quiet).await? || unless_refused(update("", "")).await?)
    }

    /// Notes that the endpoint is to get no more, the first time that this is so. From now on nothing is sent to it.
    /// `false` if it has been noted, or, of one that fails for too long, if a success came in between.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn note_stop(&self, endpoint: &EndpointId, stop: Stop) -> Result<bool, StoreError> {
        let mut condition = "attribute_not_exists(#stop)".to_owned();
        let mut update = self.update(endpoint, HEALTH);
        if stop.cause == Cause::Failing {
            condition.push_str(" AND failing_since_ms = :row");
            update = update.expression_attribute_values(":row", n((stop.at - PATIENCE).as_millis()));
        }
        let update = update
            .update_expression("SET #stop = :cause, stop_ms = :at, #scope = :watch")
            .condition_expression(condition)
            .expression_attribute_names("#stop", "stop")
            .expression_attribute_names("#scope", "scope")
            .expression_attribute_values(":watch", s(WATCH))
            .expression_attribute_values(":cause", s(stop.cause.as_str()))
            .expression_attribute_values(":at", n(stop.at.as_millis()));
        unless_refused(update).await
    }

    /// Notes that the contact was warned `warned` times of the row of failures that began at `failing_since`. `false` if
    /// that was noted before, or the row is over.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn note_warned(
        &self,
        endpoint: &EndpointId,
        failing_since: Timestamp,
        warned: u32,
    ) -> Result<bool, StoreError> {
        let update = self
            .update(endpoint, HEALTH)
            .update_expression("SET warned = :warned")
            .condition_expression("failing_since_ms = :since AND (attribute_not_exists(warned) OR warned < :warned)")
            .expression_attribute_values(":since", n(failing_since.as_millis()))
            .expression_attribute_values(":warned", n(warned));
        unless_refused(update).await
    }

    /// Forgets how an endpoint fared, but for its last success: it is disabled and no longer looked after, or it is
    /// enabled again and begins anew. What its breaker kept back is `draining` from `now` on, if that is given.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn reset_health(&self, endpoint: &EndpointId, draining: Option<Timestamp>) -> Result<(), StoreError> {
        const FORGET: &str = "failing_since_ms, failed_tries, failures_in_a_row, warned, probes, next_probe_ms, \
                              opened_ms, #stop, stop_ms, owed_since_ms, owed_warned, owed_failures";
        let update = self.update(endpoint, HEALTH).expression_attribute_names("#stop", "stop");
        let update = update.expression_attribute_names("#scope", "scope");
        let update = match draining {
            None => update.update_expression(format!("REMOVE {FORGET}, breaker, closed_ms, #scope")),
            Some(now) => update
                .update_expression(format!(
                    "SET breaker = :draining, closed_ms = :now, #scope = :watch REMOVE {FORGET}"
                ))
                .expression_attribute_values(":draining", s(DRAINING))
                .expression_attribute_values(":watch", s(WATCH))
                .expression_attribute_values(":now", n(now.as_millis())),
        };
        unless_refused(update).await.map(drop)
    }

    /// Removes what is left of the health of an endpoint that is gone: a try that was under way may have written it anew.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn forget_health(&self, endpoint: &EndpointId) -> Result<(), StoreError> {
        self.remove(endpoint, HEALTH).await
    }

    /// The endpoints that the keeper must look after, and how they fare. The index may be a moment behind.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn watched(&self) -> Result<Vec<(EndpointId, Health)>, StoreError> {
        let found = self.of_scope(WATCH).await?;
        let one = |item: &Item| Some((EndpointId::from(Reading::new(TABLE, item).maybe_text("endpoint")?), read(item)));
        Ok(found.iter().filter_map(one).collect())
    }
}

pub(super) fn read(item: &Item) -> Health {
    let item = Reading::new(TABLE, item);
    let instant = |name: &str| item.maybe_number(name).map(Timestamp::from_millis);
    let breaker = match item.maybe_text("breaker") {
        Some(OPEN) => Breaker::Open {
            since: instant("opened_ms").unwrap_or_default(),
            probes: item.maybe_number("probes").unwrap_or(0),
            next_probe: instant("next_probe_ms").unwrap_or_default(),
        },
        Some(DRAINING) => Breaker::Draining { since: instant("closed_ms").unwrap_or_default() },
        _ => Breaker::Closed,
    };
    let stop = item.maybe_text("stop").and_then(Cause::parse);
    let owed = instant("owed_since_ms").map(|since| Owed {
        since,
        warned: item.maybe_number("owed_warned").unwrap_or(0),
        failures: item.maybe_number("owed_failures").unwrap_or(0),
    });
    Health {
        last_success: instant("last_success_ms"),
        failing_since: instant("failing_since_ms"),
        failed_tries: item.maybe_number("failed_tries").unwrap_or(0),
        failures_in_a_row: item.maybe_number("failures_in_a_row").unwrap_or(0),
        warned: item.maybe_number("warned").unwrap_or(0),
        owed,
        breaker,
        stop: stop.map(|cause| Stop { cause, at: instant("stop_ms").unwrap_or_default() }),
    }
}
