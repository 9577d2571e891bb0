//! heart get and stetho get: the signal of one recording.

use std::collections::BTreeMap;

use afferent_domain::exact::{Decimal, Json};

use crate::envelope::Body;
use crate::row::{Problem, Row, Why, number};

/// The signal of one recording. The answer does not say which recording it is, nor when it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// The samples: microvolts of an ECG, A-law code words of a stethoscope. Empty where the device has not
    /// synced them yet.
    pub samples: Vec<i64>,
    /// Samples per second.
    pub sampling_hz: Option<Decimal>,
    /// Where it was worn or held, as `position` of a measure.
    pub position: Option<i64>,
    /// The model's name.
    pub model: Option<String>,
    /// The model's number (here `model` is one).
    pub model_id: Option<i64>,
    /// What else it held: the heart rate, the format and size of a sound.
    pub other: BTreeMap<String, Json>,
    /// What of it is of another type than it should be.
    pub problems: Vec<Problem>,
}

/// Reads heart get.
///
/// # Errors
/// The samples are no list of integers.
pub fn read_ecg(body: &Body) -> Result<Signal, Problem> {
    read(body, "sampling_frequency", "wearposition")
}

/// Reads stetho get.
///
/// # Errors
/// The samples are no list of integers.
pub fn read_stetho(body: &Body) -> Result<Signal, Problem> {
    read(body, "frequency", "position")
}

fn read(body: &Body, rate: &'static str, position: &'static str) -> Result<Signal, Problem> {
    let row = Row::of(body.json(), "")?;
    let samples = match row.json("signal") {
        None => Vec::new(),
        Some(Json::List(samples)) => {
            let samples: Option<Vec<i64>> = samples.iter().map(|sample| number(sample)?.as_integer()).collect();
            samples.ok_or_else(|| row.lacks("signal"))?
        }
        Some(Json::Object(members)) if members.is_empty() => Vec::new(),
        Some(_) => return Err(Problem::at("signal", Why::NotAList)),
    };
    let sampling_hz = row.decimal(rate);
    let known = ["signal", "model", "model_id", "modelid", rate, position];
    Ok(Signal {
        samples,
        sampling_hz,
        position: row.int(position),
        model: row.model(),
        model_id: row.model_id(),
        other: row.rest(&known),
        problems: row.misread(),
    })
}
