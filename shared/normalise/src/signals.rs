//! heart get and stetho get: the signal of one recording, in as many records as it takes.

use afferent_domain::id::{RecordId, UserId};
use afferent_domain::record::{Attribution, Category, Fact, Signal, Source};
use afferent_domain::service::Service;
use afferent_withings::answer::signal::{self, read_ecg, read_stetho};
use afferent_withings::{Body, Problem, Why};

use crate::build::{When, record, source};
use crate::details::Recording;
use crate::{Context, Outcome, kinds};

/// The most bytes of one part, as JSON and as an item: far from DynamoDB's 400 KB, and small enough for an event.
pub const PART_BYTES: usize = 256 * 1024;

/// What of [`PART_BYTES`] the samples may take; the rest is for what every part says besides.
const SAMPLES_BYTES: usize = PART_BYTES - 16 * 1024;

/// The records that hold a recording's signal, so that they can be retracted with it. `parts` is in each of them
/// ([`Signal::parts`]).
#[must_use]
pub fn signal_parts(user: &UserId, service: Service, signalid: i64, parts: u32) -> Vec<RecordId> {
    (1..=parts).map(|part| record(user, service.name(), &identity(signalid, part).each_ref().map(|id| &**id))).collect()
}

fn identity(signalid: i64, part: u32) -> [String; 2] {
    [signalid.to_string(), part.to_string()]
}

pub(crate) fn facts(context: &Context, service: Service, body: &Body, recording: Option<&Recording>) -> Outcome {
    let read = if service == Service::HeartGet { read_ecg(body) } else { read_stetho(body) };
    match (read, recording) {
        (Err(problem), _) => Outcome::settle(Vec::new(), vec![problem]),
        (Ok(read), _) if read.samples.is_empty() => Outcome { later: true, ..Outcome::default() },
        (Ok(_), None) => Outcome::settle(Vec::new(), vec![Problem::at("", Why::Field("signalid"))]),
        (Ok(read), Some(recording)) => match parts(context, service, &read, recording) {
            Ok(facts) => Outcome::settle(facts, read.problems),
            Err(why) => Outcome::settle(Vec::new(), vec![Problem::at("", why)]),
        },
    }
}

fn parts(context: &Context, service: Service, read: &signal::Signal, recording: &Recording) -> Result<Vec<Fact>, Why> {
    // A sound is A-law (G.711) code words, which have no unit: an annotation of UCUM says so.
    let (kind, unit) =
        if service == Service::HeartGet { ("ecg_signal", "uV") } else { ("stethoscope_signal", "{a-law}") };
    let zone = context.zone(recording.timezone.as_deref());
    let source = Source {
        id: Some(recording.signalid),
        device_id: recording.device_id.clone(),
        model: read.model.clone(),
        model_id: read.model_id,
        attribution: Some(Attribution::Device),
        position: read.position,
        other: read.other.clone(),
        ..source(service)
    };
    let chunks = chunks(&read.samples);
    let count = u32::try_from(chunks.len()).map_err(|_| Why::TooLarge)?;
    let digest = Signal::digest_of(&read.samples);
    let mut facts = Vec::new();
    for (part, samples) in (1..=count).zip(chunks) {
        let id = identity(recording.signalid, part);
        let (id, at) = (id.each_ref().map(|id| &**id), When::At(recording.at.as_secs()));
        let mut fact = context.fact(&id, kind, Category::Exam, at, &zone, source.clone())?;
        fact.body_site = read.position.map(kinds::body_site);
        fact.signal = Some(Signal {
            signalid: recording.signalid,
            sampling_hz: read.sampling_hz,
            unit: Some(unit.to_owned()),
            part: Some(part),
            parts: Some(count),
            digest: Some(digest.clone()),
            samples: samples.to_vec(),
        });
        facts.push(fact);
    }
    Ok(facts)
}

/// The samples in parts of at most [`SAMPLES_BYTES`]. A number of an item is never longer than its digits and two
/// bytes; in JSON it is its digits and a comma.
fn chunks(samples: &[i64]) -> Vec<&[i64]> {
    let (mut chunks, mut from, mut bytes) = (Vec::new(), 0, 0);
    for (index, sample) in samples.iter().enumerate() {
        let digits = usize::try_from(sample.unsigned_abs().checked_ilog10().unwrap_or(0)).unwrap_or(0) + 1;
        let size = digits + usize::from(*sample < 0) + 2;
        if bytes + size > SAMPLES_BYTES {
            chunks.push(&samples[from..index]);
            (from, bytes) = (index, 0);
        }
        bytes += size;
    }
    chunks.push(&samples[from..]);
    chunks
}
