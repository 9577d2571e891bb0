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
    /// How many match, where nothing else was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<usize>,
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
        let next = next.map(|url| Link { relation: "next", url });
        let link = std::iter::once(Link { relation: "self", url: itself }).chain(next).collect();
        Self { resource_type: "Bundle", sort: "searchset", total: None, link, entry }
    }

    /// How many a search finds, and nothing of them (R4, `search.html#count`: `_count=0`).
    #[must_use]
    pub fn count(itself: String, total: usize) -> Self {
        Self { total: Some(total), ..Self::page(Vec::new(), itself, None) }
    }
}
