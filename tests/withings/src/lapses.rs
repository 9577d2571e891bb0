//! Plans that lapsed: rows that are there, and do not come.

use afferent_domain::service::Service;
use serde::{Deserialize, Serialize};

use crate::Userid;

/// What does not come any more. Withings says nothing about it: status 0, and no rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lapse {
    /// Whose rows; `None` for everybody's.
    pub userid: Option<Userid>,
    /// Of which service; `None` for all.
    pub service: Option<Service>,
}

#[derive(Debug, Default)]
pub(crate) struct Lapses(Vec<Lapse>);

impl Lapses {
    pub(crate) fn add(&mut self, lapse: Lapse) {
        if !self.0.contains(&lapse) {
            self.0.push(lapse);
        }
    }

    /// Ends exactly this lapse.
    pub(crate) fn end(&mut self, lapse: Lapse) {
        self.0.retain(|other| *other != lapse);
    }

    pub(crate) fn hold(&self, userid: Userid, service: Service) -> bool {
        self.0.iter().any(|lapse| {
            lapse.userid.is_none_or(|wanted| wanted == userid) && lapse.service.is_none_or(|wanted| wanted == service)
        })
    }
}
