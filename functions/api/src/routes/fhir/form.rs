//! In which form the answer may come: `_format` decides, and without it `Accept` (R4, `http.html#mime-type`). There is one
//! form; who takes none of its names gets 406.

use afferent_fhir::MEDIA_TYPE;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

use crate::problem::Problem;
use crate::routes::format::range;

/// The names of the one form: HL7's, and that of any JSON.
const NAMES: [&str; 2] = [MEDIA_TYPE, "application/json"];

/// The versions of FHIR that a caller may ask for beside the media type.
const VERSIONS: [&str; 2] = ["4.0", "4.0.1"];

/// Whether the caller accepts the form, unless the query says in which one it is wanted (which is looked at with the other
/// parameters).
///
/// # Errors
/// `Accept` allows neither of its names.
pub(super) fn accepted(headers: &HeaderMap, parameters: &[(String, String)]) -> Result<(), Problem> {
    if parameters.iter().any(|(name, _)| name == "_format") {
        return Ok(());
    }
    let accept: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let accept = accept.join(",");
    let ranges: Vec<_> = accept.split(',').filter_map(|text| Some((range(text)?, is_of_this_version(text)))).collect();
    let likes = |own: &&str| {
        let exactly = |name: &str| match name {
            name if name.eq_ignore_ascii_case(own) => Some(2),
            name if name.eq_ignore_ascii_case("application/*") => Some(1),
            "*/*" => Some(0),
            _ => None,
        };
        // The range that names it most exactly decides.
        let named = ranges.iter().filter_map(|((name, q), right)| Some((exactly(name)?, *right, *q)));
        named.max().is_some_and(|(_, right, q)| right && q > 0)
    };
    if ranges.is_empty() || NAMES.iter().any(likes) { Ok(()) } else { Err(none()) }
}

/// None of what is wanted is there.
pub(super) fn none() -> Problem {
    Problem::NotAcceptable("application/fhir+json and application/json (FHIR 4.0)")
}

/// Whether a media range says nothing of FHIR's version, or one that is served.
fn is_of_this_version(range: &str) -> bool {
    let mut parameters = range.split(';').skip(1).filter_map(|part| part.trim().split_once('='));
    parameters.all(|(name, value)| {
        !name.eq_ignore_ascii_case("fhirVersion") || VERSIONS.contains(&value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(accept: &'static str) -> Result<(), Problem> {
        accepted(&HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]), &[])
    }

    #[test]
    fn who_accepts_json_by_whatever_name_gets_it() {
        assert!(accepted(&HeaderMap::new(), &[]).is_ok());
        for accept in [
            "",
            "application/fhir+json",
            "Application/FHIR+JSON; charset=utf-8",
            "application/fhir+json; fhirVersion=4.0",
            "application/json",
            "application/*",
            "*/*;q=0.1",
            "application/fhir+xml, application/fhir+json;q=0.1",
            "text/html, application/xhtml+xml, */*;q=0.8",
        ] {
            assert!(of(accept).is_ok(), "{accept}");
        }
    }

    #[test]
    fn who_accepts_something_else_alone_is_told_what_there_is() {
        for accept in [
            "application/fhir+xml",
            "text/turtle, application/xml;q=0.5",
            "application/json;q=0, application/fhir+json;q=0, */*",
            "*/*;q=0",
            "application/fhir+json; fhirVersion=5.0",
            "text/html",
        ] {
            assert!(matches!(of(accept), Err(Problem::NotAcceptable(_))), "{accept}");
        }
    }

    #[test]
    fn a_form_that_the_query_names_goes_before_what_is_accepted() {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("text/html"))]);
        assert!(accepted(&headers, &[("_format".to_owned(), "json".to_owned())]).is_ok());
    }
}
