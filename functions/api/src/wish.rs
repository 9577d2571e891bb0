//! Reading `POST /v1/connections/authorize`. Unknown fields are refused by name.

use std::collections::BTreeSet;

use afferent_domain::connection::Scope;
use lambda_http::http::Uri;
use serde_json::{Map, Value};

use crate::answer::Problem;
use crate::consent::Wish;

/// The longest body, in bytes.
const BODY: usize = 16 * 1024;

/// The longest reference and the longest address, in bytes.
const REFERENCE: usize = 256;
const ADDRESS: usize = 2048;

/// Reads a wish. `allowed` are the key's return addresses.
pub(crate) fn read(body: &[u8], allowed: &[String]) -> Result<Wish, Problem> {
    let object = Some(body).filter(|body| body.len() <= BODY).and_then(|body| serde_json::from_slice(body).ok());
    let mut given: Map<String, Value> = object.ok_or_else(|| wrong("body", "a JSON object of at most 16 KB"))?;
    let wish = Wish {
        reference: reference(given.remove("reference_id"))?,
        scopes: match given.remove("scopes") {
            None => BTreeSet::from(Scope::ALL),
            Some(value) => scopes(&value, "scopes")?,
        },
        required: given.remove("required_scopes").map_or_else(|| Ok(BTreeSet::new()), |value| required(&value))?,
        return_url: given.remove("return_url").map(|value| return_url(&value, allowed)).transpose()?,
        demo: match given.remove("demo") {
            None => false,
            Some(value) => value.as_bool().ok_or_else(|| wrong("demo", "true or false"))?,
        },
    };
    if let Some(name) = given.into_iter().map(|(name, _)| name).next() {
        return Err(Problem::Parameter { name, expected: "no field of this request" });
    }
    if wish.scopes.is_empty() {
        return Err(wrong("scopes", "at least one scope"));
    }
    if !wish.required.is_subset(&wish.scopes) {
        return Err(wrong("required_scopes", "a part of the scopes that are asked for"));
    }
    Ok(wish)
}

fn wrong(name: &str, expected: &'static str) -> Problem {
    Problem::Parameter { name: name.to_owned(), expected }
}

fn reference(value: Option<Value>) -> Result<String, Problem> {
    let text = value.as_ref().and_then(Value::as_str).map(str::to_owned);
    let fits = |text: &String| !text.is_empty() && text.len() <= REFERENCE && !text.chars().any(char::is_control);
    text.filter(fits).ok_or_else(|| wrong("reference_id", "a text of 1 to 256 bytes: what you call the person"))
}

fn required(value: &Value) -> Result<BTreeSet<Scope>, Problem> {
    scopes(value, "required_scopes")
}

fn scopes(value: &Value, field: &str) -> Result<BTreeSet<Scope>, Problem> {
    let one = |value: &Value| Scope::ALL.into_iter().find(|scope| Some(scope.name()) == value.as_str());
    let all = value.as_array().and_then(|list| list.iter().map(one).collect::<Option<_>>());
    all.ok_or_else(|| wrong(field, "a list of user.info, user.metrics, user.activity and user.sleepevents"))
}

/// Only where the key says that people may be sent: anything else would make this a redirect for everybody.
fn return_url(value: &Value, allowed: &[String]) -> Result<String, Problem> {
    let problem = || wrong("return_url", "one of the key's return addresses (https), with a query if you like");
    let text = value.as_str().filter(|text| text.len() <= ADDRESS).ok_or_else(problem)?;
    let uri: Uri = text.parse().map_err(|_| problem())?;
    let host = uri.host().unwrap_or_default();
    let secure = match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => matches!(host, "localhost" | "127.0.0.1"),
        _ => false,
    };
    let bare = text.split('?').next().unwrap_or_default();
    let plain = !text.contains('#') && !uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if secure && plain && allowed.iter().any(|address| address == bare) { Ok(text.to_owned()) } else { Err(problem()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(body: &str) -> Result<Wish, String> {
        let allowed = ["https://app.example.org/back".to_owned(), "http://evil.example.org/".to_owned()];
        read(body.as_bytes(), &allowed).map_err(|problem| problem.to_string())
    }

    #[test]
    fn a_reference_is_all_that_is_needed() {
        let wish = asked(r#"{"reference_id":"person-1"}"#).unwrap();
        assert_eq!((wish.reference.as_str(), wish.demo), ("person-1", false));
        assert_eq!(wish.scopes, BTreeSet::from(Scope::ALL));
        assert_eq!((wish.required, wish.return_url), (BTreeSet::new(), None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, field) in [
            ("[]", "body"),
            ("{}", "reference_id"),
            (r#"{"reference_id":""}"#, "reference_id"),
            (r#"{"reference_id":1}"#, "reference_id"),
            (r#"{"reference_id":"a","scopes":["user.everything"]}"#, "scopes"),
            (r#"{"reference_id":"a","scopes":[]}"#, "scopes"),
            (r#"{"reference_id":"a","scopes":["user.info"],"required_scopes":["user.metrics"]}"#, "required_scopes"),
            (r#"{"reference_id":"a","demo":"yes"}"#, "demo"),
            (r#"{"reference_id":"a","colour":"red"}"#, "colour"),
        ] {
            let problem = asked(body).unwrap_err();
            assert!(problem.contains(&format!("the parameter {field} ")), "{body}: {problem}");
        }
        let long = format!(r#"{{"reference_id":"{}"}}"#, "a".repeat(17_000));
        assert!(asked(&long).unwrap_err().contains("the parameter body "));
    }

    #[test]
    fn people_return_only_to_an_address_of_the_key() {
        let back = |url: &str| asked(&format!(r#"{{"reference_id":"a","return_url":"{url}"}}"#));
        assert!(back("https://app.example.org/back").is_ok());
        assert!(back("https://app.example.org/back?session=7").is_ok());
        for url in [
            "https://app.example.org/back/elsewhere",
            "https://app.example.org/",
            "https://app.example.org@evil.example.org/back",
            "https://app.example.org/back#x",
            "http://evil.example.org/",
            "javascript:alert(1)",
            "//app.example.org/back",
            "",
        ] {
            assert!(back(url).is_err(), "{url}");
        }
    }
}
