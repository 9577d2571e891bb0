//! Reading a call. Withings' specification models query parameters on POST, clients send forms, and
//! Withings' own snippets send JSON: all three are accepted, and mixed.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, header};
use serde_json::Value;

use crate::answer::Refusal;

/// A call as Withings sees it.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub(crate) path: String,
    pub(crate) arguments: Arguments,
    /// The bearer token, or the parameter `access_token`.
    pub(crate) token: Option<String>,
}

impl Incoming {
    pub(crate) fn read(request: &Request<Bytes>) -> Self {
        let mut arguments = BTreeMap::new();
        if let Some(query) = request.uri().query() {
            arguments.extend(form_urlencoded::parse(query.as_bytes()).into_owned());
        }
        match serde_json::from_slice(request.body()) {
            Ok(Value::Object(fields)) => {
                arguments.extend(fields.into_iter().filter_map(|(name, value)| Some((name, plain(value)?))));
            }
            _ => arguments.extend(form_urlencoded::parse(request.body()).into_owned()),
        }
        let bearer = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned);
        let token = arguments.remove("access_token");
        let path = request.uri().path().trim_end_matches('/').to_owned();
        Self { path, arguments: Arguments(arguments), token: bearer.or(token) }
    }

    pub(crate) fn action(&self) -> &str {
        self.arguments.text("action").unwrap_or_default()
    }
}

/// A JSON parameter as the text a form would carry.
fn plain(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        Value::Array(items) => Some(items.into_iter().filter_map(plain).collect::<Vec<_>>().join(",")),
        other => Some(other.to_string()),
    }
}

/// The parameters of a call; an empty one counts as absent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments(BTreeMap<String, String>);

impl Arguments {
    /// These, the last of equal names counts.
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name).ok_or_else(|| Refusal::invalid(name))
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        self.text(name).map(|value| value.parse().map_err(|_| Refusal::invalid(name))).transpose()
    }

    pub(crate) fn required_number(&self, name: &str) -> Result<i64, Refusal> {
        self.number(name)?.ok_or_else(|| Refusal::invalid(name))
    }

    /// The `offset` of a page, 0 if absent.
    pub(crate) fn offset(&self) -> Result<usize, Refusal> {
        usize::try_from(self.number("offset")?.unwrap_or(0)).map_err(|_| Refusal::invalid("offset"))
    }

    /// A comma list, `None` if the parameter is absent.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<&str>> {
        self.text(name).map(|value| value.split(',').map(str::trim).collect())
    }

    /// What the log may show of a call: what it asked for, never who proved what.
    pub(crate) fn shown(&self) -> BTreeMap<String, String> {
        const SHOWN: [&str; 13] = [
            "appli",
            "category",
            "enddate",
            "enddateymd",
            "grant_type",
            "lastupdate",
            "meastype",
            "meastypes",
            "offset",
            "signalid",
            "startdate",
            "startdateymd",
            "userid",
        ];
        let shown = self.0.iter().filter(|(name, _)| SHOWN.contains(&name.as_str()));
        shown.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// One text for equal arguments, for the guard against equal calls.
    pub(crate) fn fingerprint(&self) -> String {
        format!("{:?}", self.0)
    }
}
