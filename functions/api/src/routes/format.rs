//! In which form a list comes: JSON, a table or lines.

use axum::body::Body;
use axum::http::header::{ACCEPT, HeaderValue, LINK};
use axum::http::{HeaderMap, Response, StatusCode, Uri};
use serde::Deserialize;
use utoipa::ToSchema;

use super::text;
use crate::problem::Problem;

/// In which form an answer comes. Without it `Accept` decides between `text/csv`, `application/x-ndjson` and JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Format {
    /// One JSON object.
    Json,
    /// A table (RFC 4180).
    Csv,
    /// A JSON object per line.
    Ndjson,
}

/// The forms, in the order in which one is taken if the caller likes several alike.
const FORMATS: [Format; 3] = [Format::Json, Format::Csv, Format::Ndjson];

/// How much a media type is liked (q-value, in thousandths), and how exactly it was named: 0 for `*/*`, 2 for its own name.
type Liked = (u32, u8);

impl Format {
    /// What is asked for, or what the caller accepts most of the forms that there are (RFC 9110, 12.5.1).
    ///
    /// # Errors
    /// The caller accepts none of them.
    pub(super) fn of(asked: Option<Self>, headers: &HeaderMap) -> Result<Self, Problem> {
        if let Some(asked) = asked {
            return Ok(asked);
        }
        let accept: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
        let accept = accept.join(",");
        let ranges: Vec<(&str, u32)> = accept.split(',').filter_map(range).collect();
        if ranges.is_empty() {
            return Ok(Self::Json);
        }
        let liked = |format: &Self| format.liked(&ranges);
        // Of equals the last is the greatest.
        let best = FORMATS.into_iter().rev().max_by_key(liked).filter(|best| liked(best).0 > 0);
        best.ok_or(Problem::NotAcceptable("application/json, text/csv and application/x-ndjson"))
    }

    /// The range that names it most exactly decides.
    fn liked(self, ranges: &[(&str, u32)]) -> Liked {
        let (own, group) = match self {
            Self::Json => ("application/json", "application/*"),
            Self::Csv => ("text/csv", "text/*"),
            Self::Ndjson => ("application/x-ndjson", "application/*"),
        };
        let exactly = |name: &str| match name {
            name if name.eq_ignore_ascii_case(own) => Some(2),
            name if name.eq_ignore_ascii_case(group) => Some(1),
            "*/*" => Some(0),
            _ => None,
        };
        let named = ranges.iter().filter_map(|(name, q)| exactly(name).map(|exactly| (exactly, *q)));
        named.max().map_or((0, 0), |(exactly, q)| (q, exactly))
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

/// A media range of `Accept`, and its q-value in thousandths: 1000 if it has none. A q-value that is none counts as 0.
pub(super) fn range(text: &str) -> Option<(&str, u32)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some((name, weight.map_or(Some(1_000), thousandths).unwrap_or(0)))
}

/// `1`, `0.5`, `0.125` (RFC 9110, 12.4.2).
fn thousandths(text: &str) -> Option<u32> {
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let whole: u32 = whole.parse().ok().filter(|whole| *whole <= 1)?;
    let places: u32 = format!("{places:0<3}").parse().ok().filter(|_| places.len() <= 3)?;
    Some((whole * 1_000 + places).min(1_000))
}

/// An answer in a form that has no room for a cursor: the next page stands in the header `Link`.
pub(super) fn linked(format: Format, body: String, uri: &Uri, next: Option<&str>) -> Response<Body> {
    let mut response = text(StatusCode::OK, format.content_type(), body);
    if let Some(link) = next.and_then(|next| link(uri, next)) {
        response.headers_mut().insert(LINK, link);
    }
    response
}

/// The same request with another cursor (RFC 8288).
fn link(uri: &Uri, next: &str) -> Option<HeaderValue> {
    let kept = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).filter(|(name, _)| name != "cursor");
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).append_pair("cursor", next).finish();
    HeaderValue::from_str(&format!("<{}?{query}>; rel=\"next\"", uri.path())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_the_same_request_with_another_cursor() {
        let uri: Uri = "/v1/users/usr_1/records?kind=a%2Cb&cursor=old&format=csv".parse().unwrap();
        let expected = "</v1/users/usr_1/records?kind=a%2Cb&format=csv&cursor=new>; rel=\"next\"";
        assert_eq!(link(&uri, "new").unwrap(), expected);
    }

    fn accepting(accept: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))])
    }

    #[test]
    fn what_is_liked_most_is_taken_and_of_equals_what_is_named_most_exactly() {
        for (accept, format) in [
            ("text/csv", Format::Csv),
            ("Text/CSV; charset=utf-8", Format::Csv),
            ("application/json, text/csv;q=0.1", Format::Json),
            ("application/json;q=0.1, text/csv;q=0.125", Format::Csv),
            ("application/x-ndjson, */*;q=0.1", Format::Ndjson),
            ("text/csv, */*", Format::Csv),
            ("text/*, application/json", Format::Json),
            ("text/*, application/json;q=0.9", Format::Csv),
            ("*/*;q=0.1", Format::Json),
            ("text/html, application/xhtml+xml, */*;q=0.8", Format::Json),
            ("application/json;q=0, */*", Format::Csv),
            ("application/xml, application/x-ndjson;q=0.001", Format::Ndjson),
            ("", Format::Json),
        ] {
            assert_eq!(Format::of(None, &accepting(accept)).unwrap(), format, "{accept}");
        }
        assert_eq!(Format::of(None, &HeaderMap::new()).unwrap(), Format::Json);
    }

    #[test]
    fn who_accepts_none_of_the_forms_is_told_so() {
        for accept in ["application/xml", "text/csv;q=0", "*/*;q=0", "text/csv;q=high", "image/*"] {
            assert!(matches!(Format::of(None, &accepting(accept)), Err(Problem::NotAcceptable(_))), "{accept}");
        }
    }

    #[test]
    fn a_form_that_is_asked_for_goes_before_what_is_accepted() {
        assert_eq!(Format::of(Some(Format::Json), &accepting("text/csv")).unwrap(), Format::Json);
        assert_eq!(Format::of(Some(Format::Csv), &accepting("application/xml")).unwrap(), Format::Csv);
    }
}
