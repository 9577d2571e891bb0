//! All that there is of a Patient, in pages: the Patient, the Devices, the Observations.

use afferent_domain::id::UserId;
use afferent_domain::record::Record;
use afferent_fhir::search::{Everything, USUAL};
use afferent_fhir::{Entry, device, id, patient};
use afferent_store::records::{After, Range};

use super::answers::{Page, page};
use super::asked;
use super::find::{Place, find};
use super::{Answer, Problem, Searching, observations};
use crate::state::App;

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    Patient,
    /// The Devices after this one.
    Devices(Option<After>),
    /// The Observations after this place.
    Observations(Option<Place>),
}

impl Stage {
    fn to_text(&self) -> String {
        match self {
            Self::Patient => "patient".to_owned(),
            Self::Devices(None) => "devices".to_owned(),
            Self::Devices(Some(after)) => format!("devices {}", Place::Time(after.clone()).to_text()),
            Self::Observations(None) => "observations".to_owned(),
            Self::Observations(Some(place)) => format!("observations {}", place.to_text()),
        }
    }

    fn read(text: &str) -> Result<Self, Problem> {
        let (name, place) = text.split_once(' ').unwrap_or((text, ""));
        let place = Some(place).filter(|place| !place.is_empty()).map(Place::read).transpose()?;
        match (name, place) {
            ("patient", None) => Ok(Self::Patient),
            ("devices", None) => Ok(Self::Devices(None)),
            ("devices", Some(Place::Time(after))) => Ok(Self::Devices(Some(after))),
            ("observations", place) => Ok(Self::Observations(place)),
            _ => Err(asked::bad_cursor()),
        }
    }
}

pub(super) async fn everything(app: &App, base: &str, user: &UserId, asked: &Searching) -> Answer {
    let wanted = Everything::read(&asked.parameters, asked.lenient).map_err(asked::refused)?;
    let known = app.connections.user(user).await?.ok_or(Problem::NotFound("patient"))?;
    let path = format!("Patient/{}/$everything", id::of_user(user));
    let mut answer = Page::of(base, &path, Some(user), &wanted.search.common);
    let limit = wanted.search.common.count.unwrap_or(USUAL);
    let mut stage = answer.place()?.map_or(Ok(Some(Stage::Patient)), |text| Stage::read(&text).map(Some))?;
    while let Some(now) = stage.take_if(|_| answer.len() < limit) {
        let room = limit - answer.len();
        stage = match now {
            Stage::Patient => {
                if wanted.wants("Patient") {
                    let patient = patient(&known.id, Some(&known.reference));
                    answer.put(Entry::new(format!("{base}/Patient/{}", patient.id), &patient)?);
                }
                Some(Stage::Devices(None))
            }
            Stage::Devices(_) if !wanted.wants("Device") => Some(Stage::Observations(None)),
            Stage::Devices(after) => {
                let kinds = ["device".to_owned()];
                let retracted = wanted.search.retracted();
                let range = Range { kinds: &kinds, after: after.as_ref(), limit: room, retracted, ..Range::of(user) };
                let keep = |record: &Record| wanted.holds_device(record);
                let found = app.records.range(&range, keep).await?;
                for device in found.records.iter().filter_map(device) {
                    answer.put(Entry::new(format!("{base}/Device/{}", device.id), &device)?);
                }
                Some(found.next.map_or(Stage::Observations(None), |next| Stage::Devices(Some(next))))
            }
            Stage::Observations(_) if !wanted.wants("Observation") => None,
            Stage::Observations(after) => {
                let found = find(app, user, &wanted.search, after, room).await?;
                let next = observations(app, base, user, found, &mut answer).await?;
                // One look is enough for a page, however little it found.
                return page(answer, next.map(|place| Stage::Observations(Some(place)).to_text()));
            }
        };
    }
    page(answer, stage.map(|stage| stage.to_text()))
}

#[cfg(test)]
mod tests {
    use afferent_domain::id::RecordId;

    use super::*;

    #[test]
    fn a_stage_reads_back_as_it_was_written() {
        let after = || After { record: RecordId::derive(&["a"]), effective_ms: -7 };
        for stage in [
            Stage::Patient,
            Stage::Devices(None),
            Stage::Devices(Some(after())),
            Stage::Observations(None),
            Stage::Observations(Some(Place::Time(after()))),
            Stage::Observations(Some(Place::Change(7))),
        ] {
            assert_eq!(Stage::read(&stage.to_text()).unwrap(), stage);
        }
        for other in ["", "patient 1", "devices change 7", "else"] {
            assert!(Stage::read(other).is_err(), "{other}");
        }
    }
}
