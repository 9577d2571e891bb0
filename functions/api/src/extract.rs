//! What a request says, read and checked: unknown parameters and members are refused by name, and what is wrong is
//! said with the field and what would be right, never with what was given, which may be a secret.

use afferent_domain::erasure::sha256;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::problem::Problem;
use crate::routes::BODY_LIMIT;

/// The query. `T` denies unknown fields.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let reader = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(reader).map(Self).map_err(|error| wrong(&error, "the query"))
    }
}

/// One part of the path, or several as a tuple.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(path)| Self(path)).map_err(|_| Problem::NoRoute)
    }
}

/// The body: a JSON object. `T` denies unknown fields. What the request calls its type does not matter: `curl -d` calls
/// everything a form.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Text(text) = Text::from_request(request, state).await?;
        parse(&text).map(Self)
    }
}

/// The body of a request that may leave it out: then `T` is its default.
pub(crate) struct MaybeBody<T>(pub(crate) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for MaybeBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Text(text) = Text::from_request(request, state).await?;
        if text.trim().is_empty() { Ok(Self(T::default())) } else { parse(&text).map(Self) }
    }
}

/// The body as it came.
pub(crate) struct Text(pub(crate) String);

impl<S: Send + Sync> FromRequest<S> for Text {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state).await.map_err(unreadable)?;
        let text = String::from_utf8(bytes.to_vec());
        text.map(Self).map_err(|_| Problem::field("body", "JSON in UTF-8"))
    }
}

fn unreadable(error: BytesRejection) -> Problem {
    match error.into_response().status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::TooLarge { limit: BODY_LIMIT },
        _ => Problem::field("body", "there, whole"),
    }
}

/// Reads JSON.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        // Of something else in the place of a name serde_json says that the text is no JSON.
        let is_json = error.inner().is_data() || serde_json::from_str::<IgnoredAny>(text).is_ok();
        if is_json { wrong(&error, "body") } else { broken(error.inner()) }
    })?;
    reader.end().map_err(|error| broken(&error))?;
    Ok(value)
}

fn broken(error: &serde_json::Error) -> Problem {
    let expected = format!("JSON; it breaks off being that at line {} column {}", error.line(), error.column());
    Problem::field("body", expected)
}

/// The field at fault, from where reading stopped and what serde says of it.
fn wrong<E: std::fmt::Display>(error: &serde_path_to_error::Error<E>, whole: &str) -> Problem {
    let message = error.inner().to_string();
    // serde_json says where in the text it was, which the path says better.
    let message = message.split(" at line ").next().unwrap_or_default();
    let path = error.path().to_string();
    let inside = |name: &str| match path.as_str() {
        "." | "?" => name.to_owned(),
        path if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        path => format!("{path}.{name}"),
    };
    let quoted = |rest: &str| rest.split('`').next().unwrap_or_default().to_owned();
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let expected = match message.split_once(", expected ") {
            Some((_, known)) => format!("absent: known here is {known}"),
            None => "absent: nothing is known here".to_owned(),
        };
        return Problem::field(inside(&quoted(rest)), expected);
    }
    if let Some(rest) = message.strip_prefix("missing field `") {
        return Problem::field(inside(&quoted(rest)), "there");
    }
    if let Some(rest) = message.strip_prefix("duplicate field `") {
        return Problem::field(inside(&quoted(rest)), "there once");
    }
    let field = if matches!(path.as_str(), "." | "?") { whole.to_owned() } else { path };
    // "invalid type: string "…", expected …": only the latter half holds nothing of what was given.
    let expected = match message.split_once(", expected ") {
        Some((_, expected)) => expected.to_owned(),
        None if message.starts_with("invalid ") || message.starts_with("expected ") => {
            "a value of another form".to_owned()
        }
        None => message.to_owned(),
    };
    Problem::field(field, expected)
}

/// How many members a list has: what was asked for, from 1 to `most`, or `usual`.
pub(crate) fn limit(asked: Option<u32>, usual: u16, most: u16) -> Result<u16, Problem> {
    let fits = |asked: u32| u16::try_from(asked).ok().filter(|asked| (1..=most).contains(asked));
    match asked {
        None => Ok(usual),
        Some(asked) => fits(asked).ok_or_else(|| Problem::field("limit", format!("a number from 1 to {most}"))),
    }
}

/// Writes a cursor: whoever gets it learns nothing and can only bring it back.
pub(crate) fn write_cursor(place: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(place)
}

/// Reads a cursor that [`write_cursor`] wrote.
pub(crate) fn read_cursor(text: &str) -> Result<String, Problem> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    bytes.ok_or_else(bad_cursor)
}

/// Writes the cursor of a list in the order of a number and, where that is the same, of a text.
pub(crate) fn write_pair(number: i64, text: impl std::fmt::Display) -> String {
    write_cursor(&format!("{number} {text}"))
}

/// Reads what [`write_pair`] wrote; `parse` says what the text may be.
pub(crate) fn read_pair<T>(cursor: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<(i64, T), Problem> {
    pair(&read_cursor(cursor)?, parse)
}

/// Reads a number and a text.
pub(crate) fn pair<T>(text: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<(i64, T), Problem> {
    let pair = text.split_once(' ').and_then(|(number, text)| Some((number.parse().ok()?, parse(text)?)));
    pair.ok_or_else(bad_cursor)
}

/// The cursors of one request. Another takes none of them: a place in its list is no place in another.
pub(crate) struct Cursors(String);

impl Cursors {
    pub(crate) fn of(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        Self::to(uri.path(), form_urlencoded::parse(query.as_bytes()).into_owned())
    }

    /// Those of a request to this path with these parameters.
    pub(crate) fn to(path: &str, parameters: impl Iterator<Item = (String, String)>) -> Self {
        /// How much comes at once, and in which form, may change from page to page.
        const FREE: [&str; 6] = ["cursor", "limit", "format", "_cursor", "_count", "_format"];
        let mut asked: Vec<_> = parameters.filter(|(name, _)| !FREE.contains(&&**name)).collect();
        asked.sort();
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(asked).finish();
        Self(sha256(&format!("{path}?{query}")).chars().take(16).collect())
    }

    pub(crate) fn write(&self, place: &str) -> String {
        write_cursor(&format!("{} {place}", self.0))
    }

    pub(crate) fn read(&self, text: &str) -> Result<String, Problem> {
        let text = read_cursor(text)?;
        let place = text.strip_prefix(&self.0).and_then(|rest| rest.strip_prefix(' '));
        place.map(str::to_owned).ok_or_else(bad_cursor)
    }
}

/// A day as a parameter has it.
pub(crate) fn date(text: &str) -> Result<String, Problem> {
    let day: Option<jiff::civil::Date> = text.parse().ok().filter(|_| text.len() == "2026-11-21".len());
    day.map(|day| day.to_string()).ok_or_else(|| Problem::field("day", "a UTC day, YYYY-MM-DD"))
}

/// A list of one day. Its cursors name it and the day: no other list takes them, and one of today goes on with its day
/// when that is over.
pub(crate) struct DayList {
    name: &'static str,
    pub(crate) day: String,
    /// Where to go on.
    pub(crate) after: Option<String>,
}

impl DayList {
    /// The list of this name and day, which is the cursor's unless it is said, and today without one.
    pub(crate) fn asked(
        name: &'static str,
        day: Option<&str>,
        cursor: Option<&str>,
        today: impl FnOnce() -> String,
    ) -> Result<Self, Problem> {
        let day = day.map(date).transpose()?;
        let Some(cursor) = cursor else {
            return Ok(Self { name, day: day.unwrap_or_else(today), after: None });
        };
        let text = read_cursor(cursor)?;
        let mut parts = text.splitn(3, ' ');
        let (Some(of), Some(its), Some(place)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad_cursor());
        };
        if of != name || day.is_some_and(|day| day != its) {
            return Err(bad_cursor());
        }
        let day = date(its).map_err(|_| bad_cursor())?;
        Ok(Self { name, day, after: Some(place.to_owned()) })
    }

    pub(crate) fn cursor(&self, place: impl std::fmt::Display) -> String {
        write_cursor(&format!("{} {} {place}", self.name, self.day))
    }
}

/// A cursor that nobody was given.
pub(crate) fn bad_cursor() -> Problem {
    Problem::field("cursor", "the `next` of an earlier answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only reading it matters")]
    struct Wish {
        label: String,
        limit: Option<u16>,
        inner: Option<Inner>,
        colours: Option<Vec<Colour>>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only reading it matters")]
    struct Inner {
        url: String,
    }

    fn refused(text: &str) -> (String, String) {
        match parse::<Wish>(text).unwrap_err() {
            Problem::Field { field, expected } => (field, expected),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_never_repeated() {
        for (text, field) in [
            ("{}", "label"),
            ("[]", "body"),
            ("7", "body"),
            ("{", "body"),
            (r#"{"label":"a"} x"#, "body"),
            (r#"{"label":7}"#, "label"),
            (r#"{"label":"a","colour":"s3cret"}"#, "colour"),
            (r#"{"label":"a","limit":"s3cret"}"#, "limit"),
            (r#"{"label":"a","limit":70000}"#, "limit"),
            (r#"{"label":"a","inner":{}}"#, "inner.url"),
            (r#"{"label":"a","inner":{"url":"b","colour":"s3cret"}}"#, "inner.colour"),
            (r#"{"label":"a","label":"b"}"#, "label"),
            (r#"{"label":"a","colours":["red","s3cret"]}"#, "colours[1]"),
            (r#"{"label":"a","colours":["red",70000]}"#, "colours[1]"),
            (r#"{"label":"a","colours":["red",70000}"#, "body"),
        ] {
            let (named, expected) = refused(text);
            assert_eq!(named, field, "{text}: {expected}");
            assert!(!expected.contains("s3cret") && !expected.contains("70000"), "{text}: {expected}");
        }
    }

    #[test]
    fn a_list_has_a_usual_and_a_greatest_length() {
        assert_eq!(limit(None, 25, 100).unwrap(), 25);
        assert_eq!(limit(Some(100), 25, 100).unwrap(), 100);
        assert!(limit(Some(101), 25, 100).is_err() && limit(Some(0), 25, 100).is_err());
    }

    #[test]
    fn a_cursor_reads_back_as_it_was_written() {
        assert_eq!(read_cursor(&write_cursor("-5 rec_1")).unwrap(), "-5 rec_1");
        assert!(read_cursor("é").is_err());
    }
}
