//! Signals: the samples of recordings that are stored. Each is read by its id, when its recording is new or was
//! changed: samples do not change, but what an answer says beside them may (the class of a heart sound).

use std::time::Duration;

use afferent_domain::notification::Window;
use afferent_domain::record::{Record, Status};
use afferent_domain::service::Service;
use afferent_gate::{Answered, CallError};
use afferent_normalise::{Of, Recording, normalise, recording};
use afferent_withings::data;

use crate::Fetcher;
use crate::read::{Reading, Task, tell, unsupported};

/// The most recordings of one window.
const MOST: usize = 2_000;

/// How long a signal that is not synced is asked for.
const PATIENCE: Duration = Duration::from_secs(7 * 24 * 3600);

impl Fetcher {
    /// Reads the signals of the recordings that are stored in the window and have none yet.
    pub(crate) async fn read_signals(
        &self,
        task: Task<'_>,
        window: Window,
        reading: &mut Reading,
    ) -> Result<(), CallError> {
        let lists = Service::ALL.into_iter().filter(|list| list.details() == Some(task.service));
        for list in lists {
            let stored = self.standing(task, list, window).await?;
            let parts = self.standing(task, task.service, window).await?;
            let wanted = stored.iter().filter(|record| !read_since(record, &parts)).filter_map(recording);
            let wanted = wanted.filter(|(service, _)| *service == task.service);
            for (_, recording) in wanted.collect::<Vec<_>>() {
                self.read_signal(task, &recording, reading).await?;
            }
        }
        Ok(())
    }

    async fn read_signal(&self, task: Task<'_>, recording: &Recording, reading: &mut Reading) -> Result<(), CallError> {
        let request = data::signal(task.service, recording.signalid).map_err(unsupported)?;
        let Answered { body, sent } =
            self.gate.answered(&task.connection.account, task.lane, &request, task.until).await?;
        let brought =
            normalise(&self.context(task.connection, task.run), task.service, &body, Of::Recording(recording));
        reading.calls += 1;
        reading.facts += brought.facts.len();
        reading.problems += tell(task, &brought.problems);
        // Not synced yet; after a week it is not to be expected any more.
        reading.later |= brought.later && recording.at + PATIENCE > sent;
        let stored = self.store(brought.facts, self.storing(task, sent)).await?;
        reading.written += stored.changed.len();
        Ok(())
    }

    async fn standing(&self, task: Task<'_>, service: Service, window: Window) -> Result<Vec<Record>, CallError> {
        let range = (window.start.saturating_mul(1000), window.end.saturating_mul(1000).saturating_add(999));
        let user = &task.connection.user;
        let known = self.records.of_service(user, service, range, false, MOST).await?;
        let ids: Vec<_> = known.into_iter().map(|known| known.record).collect();
        let mut records: Vec<Record> = self.records.get_many(user, &ids).await?.into_values().collect();
        records.retain(|record| record.status != Status::EnteredInError && record.connection == task.connection.id);
        records.sort_by_key(|record| record.effective_ms);
        Ok(records)
    }
}

/// Whether every part of the recording is there, and was stored after the recording's last change.
fn read_since(record: &Record, parts: &[Record]) -> bool {
    let signal = |record: &Record| record.signal.as_ref().map(|signal| (signal.signalid, signal.parts));
    let Some((signalid, _)) = signal(record) else { return false };
    let of_it = parts.iter().filter(|part| signal(part).is_some_and(|(id, _)| id == signalid));
    let (mut count, mut all) = (0, None);
    for part in of_it {
        if part.changed_ms < record.changed_ms {
            return false;
        }
        count += 1;
        all = all.max(signal(part).and_then(|(_, parts)| parts));
    }
    all.is_some_and(|all| count >= all)
}
