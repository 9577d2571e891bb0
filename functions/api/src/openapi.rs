//! The OpenAPI document, derived from the routes. What follows from a route itself is added here rather than written at
//! each: who may use it, which problems it may answer with, the header of what is done once.

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::server::Server;
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required, Response, ResponseBuilder,
};
use utoipa::{PartialSchema as _, ToSchema as _};

use crate::problem::Details;
use crate::routes::FhirOperationOutcome;

/// The document as it is kept in the repository and served. A test holds it against the routes.
pub(crate) const KEPT: &str = include_str!("../../../docs/openapi.json");

const DESCRIPTION: &str = "\
Withings' data of your users: connecting people, reading what is known of them, and being told of what changes.

A key comes as `Authorization: Bearer afk_…`. What it may do is its grants: `admin` everything; `write` everything about \
users, connections and endpoints; `read` reading users, connections, records and events; `user:usr_…` reading this one user; `endpoint:ep_…` everything about this \
one endpoint but what it may see. What belongs to others is not found (404); what a key of its kind never may is forbidden (403). A key is for a server, or for an app of yours that keeps \
it: there is no CORS, so a browser lets no page of another site use one.

Bodies are JSON. Unknown members and parameters are refused by name. Lists come in parts: `next` is the `cursor` of the \
following one, and `null` at the end; of a journal (`events`) it is the number to go on with as `after`, and `null` only \
if there are no events. Times that end in `_ms` are milliseconds since 1970.

Every POST but a search takes an `Idempotency-Key`: the same key with the same request within 24 hours gets the first answer again, and \
nothing is done twice.

What is refused is answered as a problem (RFC 9457) with a `type` that stays, the `field` at fault and what was `expected`. \
The body of a DELETE is not looked at.";

/// What the operations are grouped by, in the order in which a reader wants them.
const TAGS: [(&str, &str); 11] = [
    ("Connecting", "People connect their Withings account through a link, or are imported with their tokens."),
    ("Data", "Records, series, summaries and the journal of events of a user."),
    ("FHIR", "The same records as FHIR R4 resources."),
    ("Introspection", "What a connection may and does, and up to when a user's data is complete."),
    ("Commands", "Reading again, reading the past, disconnecting, erasing."),
    ("Endpoints", "Who is sent events, and what events there are."),
    ("Deliveries", "What became of what was sent, and how it is sent again."),
    (
        "Open Wearables",
        "The same endpoints under the paths and in the words of Open Wearables. The key may also come as `X-Open-Wearables-API-Key`.",
    ),
    ("Operating", "What Withings announced, and what waits for a decision."),
    ("Keys", "Who may ask, and what was asked."),
    ("About", "Whether it runs, and what it is."),
];

/// The problems that every operation of a kind may answer with: status, name, what it means.
const PROBLEMS: [(&str, &str, &str); 12] = [
    (
        "400",
        "BadRequest",
        "A parameter or a member of the body is not right: `field` says which, `expected` what would be.",
    ),
    ("401", "Unauthorized", "There is no key, or none that is good."),
    ("403", "Forbidden", "A key of this kind may not do this."),
    ("404", "NotFound", "There is no such thing, or it is not for this key to know of."),
    ("405", "MethodNotAllowed", "The path does not take this method: `Allow` says which it takes."),
    (
        "406",
        "NotAcceptable",
        "`Accept` (of FHIR also `_format`) allows none of the forms in which the answer could come.",
    ),
    ("409", "Conflict", "It does not fit how things stand; `detail` says how they would have to stand."),
    ("413", "TooLarge", "The body is too long."),
    ("422", "OtherRequest", "The `Idempotency-Key` came before with another request."),
    ("429", "TooManyRequests", "Too many requests: `Retry-After` says when to come back."),
    ("500", "Internal", "What is stored cannot be written as an answer."),
    ("503", "Unavailable", "Something that is needed is out of reach; asking again is right."),
];

/// How a key comes, by the names that the routes' `security` has.
const KEY: &str = "key";

/// The same under the paths of Open Wearables.
const THEIR_KEY: &str = "open_wearables_key";

/// What the routes are collected into.
pub(crate) fn frame() -> OpenApi {
    let info = InfoBuilder::new().title("Afferent").version("1").description(Some(DESCRIPTION));
    let key = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A key: `afk_…`.")).build();
    let mut components = Components::new();
    components.add_security_scheme(KEY, SecurityScheme::Http(key));
    let theirs =
        ApiKeyValue::with_description("X-Open-Wearables-API-Key", "The same key, under the paths of Open Wearables.");
    components.add_security_scheme(THEIR_KEY, SecurityScheme::ApiKey(ApiKey::Header(theirs)));
    components.schemas.insert("Problem".to_owned(), Details::schema());
    components.schemas.insert("FhirOperationOutcome".to_owned(), FhirOperationOutcome::schema());
    let mut below = Vec::new();
    FhirOperationOutcome::schemas(&mut below);
    components.schemas.extend(below);
    for (status, name, means) in PROBLEMS {
        components.responses.insert(name.to_owned(), RefOr::T(problem(status, means, PROBLEM)));
        components.responses.insert(format!("Fhir{name}"), RefOr::T(problem(status, means, OUTCOME)));
    }
    OpenApiBuilder::new()
        .info(info.build())
        .servers(Some([Server::new("/")]))
        .tags(Some(TAGS.map(|(name, means)| tag(name, means))))
        .components(Some(components))
        .build()
}

fn tag(name: &str, means: &str) -> Tag {
    TagBuilder::new().name(name).description(Some(means)).build()
}

/// In which form problems come: the media type, and the name of the schema.
const PROBLEM: (&str, &str) = ("application/problem+json", "Problem");

/// The same of problems of the FHIR server.
const OUTCOME: (&str, &str) = (afferent_fhir::MEDIA_TYPE, "FhirOperationOutcome");

fn problem(status: &str, means: &str, (media_type, schema): (&str, &str)) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
    let mut response = ResponseBuilder::new().description(means).content(media_type, content).build();
    let mut header = |name, kind, means| put_header(&mut response, name, kind, means);
    match status {
        "400" => header(REPLAYED.0, Type::String, REPLAYED.1),
        "401" => header("WWW-Authenticate", Type::String, "`Bearer`."),
        "405" => header("Allow", Type::String, "The methods that the path takes."),
        "429" => header(RETRY_AFTER.0, Type::Integer, RETRY_AFTER.1),
        _ => {}
    }
    // Before the key is known nothing is known of its rate.
    if status != "401" {
        put_rate(&mut response);
    }
    response
}

/// A header of what comes too often.
const RETRY_AFTER: (&str, &str) = ("Retry-After", "In how many seconds to come back.");

/// A header of an answer to a POST that was made before.
const REPLAYED: (&str, &str) =
    ("Idempotency-Replayed", "`true` if this is the answer that an earlier request with this `Idempotency-Key` got.");

fn put_rate(response: &mut Response) {
    let policy = "Of a key: how many requests it has in how many seconds, `\"key\";q=600;w=60`.";
    let left =
        "Of a key: how many requests it has left, and in how many seconds it has all again, `\"key\";r=599;t=1`.";
    put_header(response, "RateLimit-Policy", Type::String, policy);
    put_header(response, "RateLimit", Type::String, left);
}

fn put_header(response: &mut Response, name: &str, kind: Type, means: &str) {
    let schema = ObjectBuilder::new().schema_type(kind).build();
    let header = HeaderBuilder::new().schema(Some(schema)).description(Some(means)).build();
    response.headers.insert(name.to_owned(), header.into());
}

/// Adds what follows from the routes themselves.
pub(crate) fn finish(mut document: OpenApi) -> OpenApi {
    for (path, item) in &mut document.paths.paths {
        let all = [
            ("get", &mut item.get),
            ("post", &mut item.post),
            ("patch", &mut item.patch),
            ("put", &mut item.put),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in all {
            if let Some(operation) = operation {
                complete(path, method, operation);
            }
        }
    }
    searches(&mut document);
    document
}

/// Searches by a form take in it what the same searches take in their query, and may have some of it in theirs.
fn searches(document: &mut OpenApi) {
    let paths = &mut document.paths.paths;
    let forms: Vec<String> = paths.keys().filter(|path| is_search(path)).cloned().collect();
    for path in forms {
        let by_query = paths.get(path.trim_end_matches("/_search")).and_then(|item| item.get.as_ref());
        let is_in_query =
            |one: &RefOr<Parameter>| matches!(one, RefOr::T(one) if one.parameter_in == ParameterIn::Query);
        let mut in_query = by_query.and_then(|operation| operation.parameters.clone()).unwrap_or_default();
        in_query.retain(is_in_query);
        let mut form = ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(false)));
        for parameter in in_query.clone() {
            if let RefOr::T(Parameter {
                parameter_in: ParameterIn::Query,
                name,
                schema: Some(mut schema),
                description,
                ..
            }) = parameter
            {
                if let RefOr::T(Schema::Object(object)) = &mut schema {
                    object.description = description;
                }
                form = form.property(name, schema);
            }
        }
        let content = ContentBuilder::new().schema(Some(form.build())).build();
        let body = RequestBodyBuilder::new().content("application/x-www-form-urlencoded", content).build();
        if let Some(operation) = paths.get_mut(&path).and_then(|item| item.post.as_mut()) {
            operation.parameters.get_or_insert_default().extend(in_query);
            operation.request_body = Some(RefOr::T(body));
        }
    }
}

/// Whether what is posted to this route is a search by a form (FHIR), which changes nothing.
pub(crate) fn is_search(route: &str) -> bool {
    route.ends_with("/_search")
}

/// Whether the route is one of Open Wearables', whose clients have a header of their own for the key.
pub(crate) fn is_open_wearables(route: &str) -> bool {
    route.starts_with("/api/v1/")
}

fn complete(path: &str, method: &str, operation: &mut Operation) {
    // A summary is a line, however it is broken in the code.
    operation.summary = operation.summary.take().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let is_behind_the_door = needs_key(operation);
    if is_open_wearables(path) {
        let theirs = scopes(operation).into_iter().map(|scopes| SecurityRequirement::new(THEIR_KEY, scopes));
        let theirs: Vec<_> = theirs.collect();
        operation.security.get_or_insert_default().extend(theirs);
    }
    let is_fhir = path.starts_with(crate::routes::FHIR);
    let in_path =
        |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(one) if one.parameter_in == ParameterIn::Path);
    let has_path = operation.parameters.iter().flatten().any(in_path);
    let changes = method != "get" && !is_search(path);
    let is_once = method == "post" && changes && is_behind_the_door;
    let mut has_forms = false;
    for (status, answer) in &mut operation.responses.responses {
        let RefOr::T(answer) = answer else { continue };
        if status == "429" {
            put_header(answer, RETRY_AFTER.0, Type::Integer, RETRY_AFTER.1);
        }
        if answer.description.is_empty() {
            "What was asked for.".clone_into(&mut answer.description);
        }
        if ["text/csv", "application/x-ndjson"].iter().any(|kind| answer.content.contains_key(*kind)) {
            has_forms |= answer.content.len() > 1;
            let means = "Of CSV and NDJSON: where the following page is, `rel=\"next\"`; absent at the end.";
            put_header(answer, "Link", Type::String, means);
        }
        if is_behind_the_door {
            put_rate(answer);
        }
        if is_once {
            put_header(answer, REPLAYED.0, Type::String, REPLAYED.1);
        }
    }
    for (status, name, _) in PROBLEMS {
        let comes = match status {
            "401" | "403" => is_behind_the_door,
            // A search of the FHIR server says in its parameters whom it is about.
            "404" => has_path || is_fhir && is_behind_the_door,
            "406" => has_forms || is_fhir,
            "409" => changes && is_behind_the_door,
            "413" => method != "get",
            "422" => is_once,
            _ => true,
        };
        if comes {
            let name = if is_fhir { format!("Fhir{name}") } else { name.to_owned() };
            let reference = || RefOr::Ref(Ref::new(format!("#/components/responses/{name}")));
            operation.responses.responses.entry(status.to_owned()).or_insert_with(reference);
        }
    }
    if is_once {
        let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255)).build();
        let once = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(
                "Drawn anew for each request, so that asking again after a lost answer does nothing twice.",
            ))
            .schema(Some(text))
            .build();
        operation.parameters.get_or_insert_default().push(RefOr::T(once));
    }
}

/// Whether a key is needed. `security(())` says that none is.
fn needs_key(operation: &Operation) -> bool {
    !scopes(operation).is_empty()
}

/// What keys are needed for, in each way in which one may come.
fn scopes(operation: &Operation) -> Vec<Vec<String>> {
    let needs = serde_json::to_value(&operation.security).unwrap_or_default();
    let scopes = |need: &serde_json::Value| serde_json::from_value(need.get(KEY)?.clone()).ok();
    needs.as_array().into_iter().flatten().filter_map(scopes).collect()
}
