//! Jobs on the deliveries of an endpoint. One that runs is found by the keeper; one that is over is kept for a while.

use afferent_domain::Timestamp;
use afferent_domain::id::{EndpointId, JobId};
use afferent_domain::job::{Job, KEPT, Progress, State};
use aws_sdk_dynamodb::types::AttributeValue;

use super::{Endpoints, TABLE, unless_refused, unusable};
use crate::StoreError;
use crate::item::{Item, Reading, n, s};

/// The key of the index under which running jobs are.
const RUNNING: &str = "_job";

/// Whether a job's progress was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It was.
    Yes,
    /// The job was ended meanwhile, or somebody else went on with it.
    Overtaken,
}

impl Endpoints {
    /// Begins a job. `false` if it was begun before.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn begin_job(&self, job: &Job) -> Result<bool, StoreError> {
        let mut whole: Item = serde_dynamo::to_item(job).map_err(|_| unusable("job"))?;
        whole.insert("item".to_owned(), s(item(&job.job)));
        whole.insert("scope".to_owned(), s(RUNNING));
        self.put_new(whole).await
    }

    /// One job.
    ///
    /// # Errors
    /// DynamoDB failed, or the item is not one of ours.
    pub async fn job(&self, endpoint: &EndpointId, job: &JobId) -> Result<Option<Job>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("endpoint", s(endpoint.as_str()))
            .key("item", s(item(job)))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::failed("GetItem"))?;
        answer.item.map(read).transpose()
    }

    /// The jobs of an endpoint, the oldest first.
    ///
    /// # Errors
    /// DynamoDB failed, or an item is not one of ours.
    pub async fn jobs(&self, endpoint: &EndpointId) -> Result<Vec<Job>, StoreError> {
        let items = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("endpoint = :endpoint AND begins_with(#item, :job)")
            .expression_attribute_names("#item", "item")
            .expression_attribute_values(":endpoint", s(endpoint.as_str()))
            .expression_attribute_values(":job", s("job#"))
            .into_paginator()
            .items()
            .send();
        let items = items.collect::<Result<Vec<_>, _>>().await.map_err(StoreError::failed("Query"))?;
        items.into_iter().map(read).collect()
    }

    /// The jobs that run. The index may be a moment behind. One that cannot be read is logged and left out.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn running_jobs(&self) -> Result<Vec<Job>, StoreError> {
        let readable = |whole: Item| {
            let id = Reading::new(TABLE, &whole).maybe_text("item").map(str::to_owned);
            let read = read(whole);
            if read.is_err() {
                tracing::error!(job = id, "a job cannot be read, and nobody goes on with it");
            }
            read.ok()
        };
        Ok(self.of_scope(RUNNING).await?.into_iter().filter_map(readable).collect())
    }

    /// Keeps how far a job is now, if it still runs and is where it `was`.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn save_progress(&self, job: &Job, was: &Progress, now: &Progress) -> Result<Saved, StoreError> {
        let progress: AttributeValue = serde_dynamo::to_attribute_value(now).map_err(|_| unusable("progress"))?;
        let update = self
            .update(&job.endpoint, &item(&job.job))
            .update_expression("SET progress = :progress")
            .condition_expression("#state = :running AND progress.looked_at = :looked_at")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":running", s("running"))
            .expression_attribute_values(":looked_at", n(was.looked_at))
            .expression_attribute_values(":progress", progress);
        Ok(if unless_refused(update).await? { Saved::Yes } else { Saved::Overtaken })
    }

    /// Ends a job that runs. `false` if there is none that does.
    ///
    /// # Errors
    /// DynamoDB failed.
    pub async fn end_job(
        &self,
        endpoint: &EndpointId,
        job: &JobId,
        state: State,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let state: AttributeValue = serde_dynamo::to_attribute_value(state).map_err(|_| unusable("state"))?;
        let update = self
            .update(endpoint, &item(job))
            .update_expression("SET #state = :state, progress.ended_ms = :now, expires_at = :expires REMOVE #scope")
            .condition_expression("#state = :running")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#scope", "scope")
            .expression_attribute_values(":state", state)
            .expression_attribute_values(":running", s("running"))
            .expression_attribute_values(":now", n(now.as_millis()))
            .expression_attribute_values(":expires", n((now + KEPT).as_secs()));
        unless_refused(update).await
    }
}

fn item(job: &JobId) -> String {
    format!("job#{job}")
}

fn read(mut whole: Item) -> Result<Job, StoreError> {
    Reading::new(TABLE, &whole).known()?;
    for other in ["item", "scope", "expires_at"] {
        whole.remove(other);
    }
    serde_dynamo::from_item(whole).map_err(|_| unusable("job"))
}
