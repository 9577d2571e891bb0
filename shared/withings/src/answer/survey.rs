//! answers get: answers to surveys. What is inside one answer is not specified; it is kept as it came.

use std::collections::BTreeMap;

use afferent_domain::exact::Json;

use super::{Rows, list};
use crate::envelope::Body;

/// The answers to one survey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// Where it stood.
    pub place: String,
    /// Which survey.
    pub surveyid: i64,
    /// Which answering of it.
    pub grpid: Option<i64>,
    /// When it was answered, epoch seconds.
    pub timestamp: i64,
    /// The answers.
    pub answers: Json,
    /// What else it held.
    pub other: BTreeMap<String, Json>,
}

/// Reads the surveys of an answer.
#[must_use]
pub fn read(body: &Body) -> Rows<Survey> {
    list(body, "answers", |row, _| {
        Ok(Survey {
            place: row.place.clone(),
            surveyid: row.need_int("surveyid")?,
            grpid: row.int("grpid"),
            timestamp: row.need_int("timestamp")?,
            answers: row.json("answers").cloned().unwrap_or(Json::List(Vec::new())),
            other: row.other(&["surveyid", "grpid", "timestamp", "answers"]),
        })
    })
}
