//! A user as a Patient: an id, and what the customer calls the person. Nothing else is known.

use afferent_domain::id::UserId;
use serde::Serialize;

use crate::model::Identifier;
use crate::{SPACE, id};

/// The system of what customers call people.
pub(crate) fn system() -> String {
    format!("{SPACE}:reference-id")
}

/// A Patient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Patient {
    resource_type: &'static str,
    /// Its id ([`crate::id`]).
    pub id: String,
    /// What the customer calls the person.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identifier: Vec<Identifier>,
}

/// The Patient of a user.
#[must_use]
pub fn patient(user: &UserId, reference: Option<&str>) -> Patient {
    let identifier = |value: &str| Identifier { system: system(), value: value.to_owned() };
    Patient {
        resource_type: "Patient",
        id: id::of_user(user),
        identifier: reference.filter(|value| !value.trim().is_empty()).map(identifier).into_iter().collect(),
    }
}
