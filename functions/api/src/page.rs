//! What a person sees of us: the page of a link, the page after consenting, or the way on to the customer.

mod de;
mod en;
mod es;
mod fr;
mod html;
mod it;
mod ja;
mod nl;
mod pt;
mod words;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use afferent_domain::connection::Scope;
use afferent_domain::link::Language;
use afferent_store::links::Link;
use axum::body::Body;
use axum::http::header::{
    ACCEPT, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION,
    REFERRER_POLICY, REFRESH, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Response, StatusCode, Uri};
use axum::response::IntoResponse;
use serde_json::json;

use crate::consent::{Outcome, Refusal, Whom};
use crate::problem::{Kind, Problem, URN};
use html::{document, escape};
use words::Words;

/// What a browser reads.
pub(crate) struct Reader {
    as_json: bool,
    accepted: Language,
    /// 128 bits of chance, by which this answer's own style is known.
    nonce: String,
}

impl Reader {
    /// Whom these headers are of.
    pub(crate) fn of(headers: &HeaderMap, nonce: String) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let accept: &str = text(ACCEPT);
        let as_json = accept.contains("json") && !accept.contains("html");
        Self { as_json, accepted: Language::accepted(text(ACCEPT_LANGUAGE)), nonce }
    }
}

/// The page that asks. `account_url` is where Continue leads in the end.
pub(crate) fn ask(link: &Link, app: Option<&str>, account_url: &str, reader: &Reader) -> Response<Body> {
    let language = link.language.unwrap_or(reader.accepted);
    let words = Words::of(language);
    let required: BTreeSet<&str> = link.required.names().collect();
    let mut list = String::new();
    for scope in Scope::ALL.into_iter().filter(|scope| link.scopes.names().any(|name| name == scope.name())) {
        let what = match scope {
            Scope::Info => words.info,
            Scope::Metrics => words.metrics,
            Scope::Activity => words.activity,
            Scope::SleepEvents => words.sleep_events,
        };
        let needed = match required.contains(scope.name()) {
            true => format!(" <span class=\"needed\">({})</span>", escape(words.needed)),
            false => String::new(),
        };
        // A String takes all that is written to it.
        let _ = writeln!(list, "<li>{}{needed}</li>", escape(what));
    }
    let inside = format!(
        "<p>{intro}</p>\n<h2>{shared}</h2>\n<ul>\n{list}</ul>\n<h2>{next}</h2>\n<p>{next_text}</p>\n<p>{ending}</p>\n\
         <form method=\"post\">\n\
         <button class=\"deed\" type=\"submit\" name=\"choice\" value=\"continue\">{proceed}</button>\n\
         <button type=\"submit\" name=\"choice\" value=\"cancel\">{cancel}</button>\n</form>\n",
        intro = escape(&words.asks(app)),
        shared = escape(words.shared),
        next = escape(words.next),
        next_text = escape(words.next_text),
        ending = escape(words.ending),
        proceed = escape(words.proceed),
        cancel = escape(words.cancel),
    );
    let html = document(language, words.title, &inside, &reader.nonce);
    // A browser holds every redirect that follows a form against this list: Continue leads to Withings, and Cancel back.
    let targets = [Some(account_url), link.return_url.as_deref()].into_iter().flatten().filter_map(origin);
    let targets = targets.fold("'self'".to_owned(), |targets, origin| format!("{targets} {origin}"));
    respond(StatusCode::OK, "text/html; charset=utf-8", html, &policy(&reader.nonce, &targets))
}

/// What came of it, to a browser: the way back to the customer, if there is one; else a page. To a program that asks for
/// JSON the same as JSON.
pub(crate) fn outcome(outcome: &Outcome, reader: &Reader) -> Response<Body> {
    match way_back(outcome) {
        _ if reader.as_json => json_of(outcome),
        Some(address) => onward(&address),
        None => told(outcome, reader),
    }
}

/// The same to whoever opens a link that is over: nobody is sent anywhere unasked, because programs open links too.
pub(crate) fn over(outcome: &Outcome, reader: &Reader) -> Response<Body> {
    if reader.as_json { json_of(outcome) } else { told(outcome, reader) }
}

/// What a browser is told where we failed: as where Withings did, and on to the customer if it is known to whom. A
/// program that asks for JSON gets the problem itself.
pub(crate) fn failed(problem: Problem, whom: Option<Whom>, reader: &Reader) -> Response<Body> {
    if reader.as_json {
        return problem.into_response();
    }
    outcome(&Outcome::refused(Refusal::ProviderError, whom), reader)
}

/// That a visit is still under way: a page that loads itself again, without a script.
pub(crate) fn moment(language: Option<Language>, reader: &Reader) -> Response<Body> {
    if reader.as_json {
        let detail = "a visit with this state is under way: ask again in a moment";
        return Problem::conflict(Kind::VisitUnderWay, detail).into_response();
    }
    let language = language.unwrap_or(reader.accepted);
    let words = Words::of(language);
    let inside = format!("<p role=\"status\">{}</p>\n", escape(words.moment));
    let html = document(language, words.moment_title, &inside, &reader.nonce);
    let mut response =
        respond(StatusCode::ACCEPTED, "text/html; charset=utf-8", html, &policy(&reader.nonce, "'none'"));
    response.headers_mut().insert(REFRESH, HeaderValue::from_static("2"));
    response
}

/// On to Withings.
pub(crate) fn onward(address: &str) -> Response<Body> {
    let policy = "default-src 'none'; frame-ancestors 'none'";
    let mut response = respond(StatusCode::SEE_OTHER, "text/plain", String::new(), policy);
    match HeaderValue::from_str(address) {
        Ok(address) => drop(response.headers_mut().insert(LOCATION, address)),
        // Cannot be: it was read as a URI when it was asked for.
        Err(_) => *response.status_mut() = StatusCode::NO_CONTENT,
    }
    response
}

/// The customer's address with the result, if there is one: `result`, `reference_id`, and who was connected.
fn way_back(outcome: &Outcome) -> Option<String> {
    let Whom { reference, return_url, .. } = outcome.whom.as_ref()?;
    let url = return_url.as_ref()?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    match &outcome.result {
        Ok(connected) => query
            .append_pair("result", "connected")
            .append_pair("user", connected.user.as_str())
            .append_pair("connection", connected.connection.as_str()),
        Err(refusal) => query.append_pair("result", refusal.name()),
    };
    if let Some(reference) = reference {
        query.append_pair("reference_id", reference);
    }
    let joint = if url.contains('?') { '&' } else { '?' };
    Some(format!("{url}{joint}{}", query.finish()))
}

const fn status(refusal: Refusal) -> StatusCode {
    match refusal {
        Refusal::TokenExpired => StatusCode::GONE,
        Refusal::TokenConsumed | Refusal::DuplicateConnection => StatusCode::CONFLICT,
        Refusal::Denied | Refusal::RequiredScopesMissing | Refusal::OtherBrowser => StatusCode::FORBIDDEN,
        Refusal::ProviderError => StatusCode::BAD_GATEWAY,
    }
}

fn json_of(outcome: &Outcome) -> Response<Body> {
    let policy = "default-src 'none'; frame-ancestors 'none'";
    match &outcome.result {
        Ok(connected) => {
            let body = json!({"result": "connected", "user": connected.user, "connection": connected.connection});
            respond(StatusCode::OK, "application/json", body.to_string(), policy)
        }
        Err(refusal) => {
            let status = status(*refusal);
            let body = json!({
                "type": format!("{URN}{}", refusal.name()),
                "title": status.canonical_reason(),
                "status": status.as_u16(),
                "detail": refusal.to_string(),
                "result": refusal.name(),
            });
            respond(status, "application/problem+json", body.to_string(), policy)
        }
    }
}

fn told(outcome: &Outcome, reader: &Reader) -> Response<Body> {
    let language = outcome.whom.as_ref().and_then(|whom| whom.language).unwrap_or(reader.accepted);
    let words = Words::of(language);
    let (status, title, text) = match &outcome.result {
        Ok(_) => (StatusCode::OK, words.connected_title, words.connected),
        Err(refusal) => (status(*refusal), words.refused_title, words.refusal(*refusal)),
    };
    let way = match way_back(outcome) {
        Some(address) => format!("<a class=\"way\" href=\"{}\">{}</a>", escape(&address), escape(words.back)),
        None => escape(words.close),
    };
    let inside = format!("<p role=\"status\">{}</p>\n<p>{way}</p>\n", escape(text));
    let html = document(language, title, &inside, &reader.nonce);
    respond(status, "text/html; charset=utf-8", html, &policy(&reader.nonce, "'none'"))
}

/// Nothing but our own style, and no form but to `targets`.
fn policy(nonce: &str, targets: &str) -> String {
    format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; form-action {targets}; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// Scheme and host of an address, as a policy names them.
fn origin(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let authority = uri.authority()?.as_str();
    // Anything else could end the directive and begin another one.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
    authority.bytes().all(plain).then(|| format!("{}://{authority}", uri.scheme_str().unwrap_or("https")))
}

fn respond(status: StatusCode, content_type: &'static str, body: String, policy: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, content_type),
        // The address holds a token, or code and state: they are kept nowhere and told to nobody.
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (VARY, "accept, accept-language"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Made of letters that a header takes.
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

#[cfg(test)]
mod tests {
    use afferent_domain::connection::Scopes;

    use super::*;

    fn link(return_url: Option<&str>) -> Link {
        Link {
            reference: "person 1".to_owned(),
            scopes: Scopes::new(["user.metrics", "user.info"]),
            required: Scopes::new(["user.metrics"]),
            return_url: return_url.map(str::to_owned),
            language: None,
            demo: false,
        }
    }

    fn reader(accept: &str, language: &str) -> Reader {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        headers.insert(ACCEPT_LANGUAGE, language.parse().unwrap());
        Reader::of(&headers, "n0nce".to_owned())
    }

    async fn html(response: Response<Body>) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
        String::from_utf8(bytes.into()).unwrap()
    }

    #[tokio::test]
    async fn the_page_names_who_asks_and_what_is_shared_and_escapes_the_name() {
        let page = ask(&link(None), Some("<Acme & Co>"), "https://account.withings.com", &reader("text/html", "en"));
        let html = html(page).await;
        assert!(html.contains("with &lt;Acme &amp; Co&gt;."), "{html}");
        assert_eq!(html.matches("<li>").count(), 2, "only what is asked for");
        assert_eq!(html.matches("(needed)").count(), 1);
        assert!(
            !html.contains("<script") && !html.contains("http:") && !html.contains("https:"),
            "nothing from elsewhere"
        );
        assert_eq!((html.matches("<main>").count(), html.matches("<h1>").count()), (1, 1));
    }

    #[test]
    fn a_form_may_lead_to_withings_and_back_and_nowhere_else() {
        let policy = |back| {
            let page = ask(&link(back), None, "https://account.withings.com/x", &reader("text/html", "en"));
            page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned()
        };
        let own = "default-src 'none'; style-src 'nonce-n0nce'; form-action 'self' https://account.withings.com";
        assert_eq!(policy(None), format!("{own}; base-uri 'none'; frame-ancestors 'none'"));
        let back = policy(Some("https://app.example.org:8443/back?x=1"));
        assert!(back.starts_with(&format!("{own} https://app.example.org:8443; base-uri")), "{back}");
        assert_eq!(origin("https://a;script-src */"), None);
    }

    #[tokio::test]
    async fn the_customer_s_language_goes_before_the_browser_s() {
        let page = |language| {
            let link = Link { language, ..link(None) };
            html(ask(&link, None, "https://account.withings.com", &reader("text/html", "fr-CH, en;q=0.5")))
        };
        assert!(page(None).await.contains("<html lang=\"fr\">"));
        assert!(page(Some(Language::Ja)).await.contains("<html lang=\"ja\">"));
    }

    #[tokio::test]
    async fn a_link_that_is_over_offers_the_way_back_and_takes_nobody_there() {
        let whom = Whom { reference: None, ..link(Some("https://app.example.org/back?x=\"1\"")).into() };
        let outcome = Outcome { result: Err(Refusal::TokenConsumed), whom: Some(whom) };
        let page = over(&outcome, &reader("text/html", "en"));
        assert_eq!((page.status(), page.headers().get(LOCATION)), (StatusCode::CONFLICT, None));
        let html = html(page).await;
        let way = "href=\"https://app.example.org/back?x=&quot;1&quot;&amp;result=token_consumed\"";
        assert!(html.contains(way) && !html.contains("person"), "{html}");
    }
}
