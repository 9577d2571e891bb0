//! `Bundle`: a page of what a search found.

use serde::Serialize;
use serde_json::value::RawValue;

/// A page of what a search found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bundle {
    resource_type: &'static str,
    #[serde(rename = "type")]
    sort: &'static str,
    /// This page, and the next one.
    pub link: Vec<Link>,
    /// What was found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entry: Vec<Entry>,
}

/// A page's address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    relation: &'static str,
    url: String,
}

/// One resource that was found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    full_url: String,
    /// The resource; its text stays as it is, decimals included.
    pub resource: Box<RawValue>,
    search: Mode,
}

#[derive(Clone, Debug, Serialize)]
struct Mode {
    mode: &'static str,
}

impl Entry {
    /// A resource that matches, at its absolute address.
    ///
    /// # Errors
    /// Writing it fails; no resource of this crate can cause that.
    pub fn new(address: String, resource: &impl Serialize) -> Result<Self, serde_json::Error> {
        let resource = serde_json::value::to_raw_value(resource)?;
        Ok(Self { full_url: address, resource, search: Mode { mode: "match" } })
    }
}

impl Bundle {
    /// A page, its own address and that of the next page if there may be more.
    #[must_use]
    pub fn page(entry: Vec<Entry>, itself: String, next: Option<String>) -> Self {
        let link = |relation, url| Link { relation, url };
        let links = [Some(link("self", itself)), next.map(|url| link("next", url))];
        Self { resource_type: "Bundle", sort: "searchset", link: links.into_iter().flatten().collect(), entry }
    }
}
