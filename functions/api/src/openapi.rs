//! The OpenAPI document, derived from the routes. What follows from a route itself is added here rather than written at
//! each: who may use it, which problems it may answer with, the header of what is done once.

use utoipa::PartialSchema as _;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::server::Server;
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required, Response, ResponseBuilder,
};

use crate::problem::Details;

/// The document as it is kept in the repository and served. A test holds it against the routes.
pub(crate) const KEPT: &str = include_str!("../../../docs/openapi.json");

const DESCRIPTION: &str = "\
Withings' data of your users: connecting people, reading what is known of them, and being told of what changes.

A key comes as `Authorization: Bearer afk_…`. What it may do is its grants: `admin` everything; `write` everything about \
users, connections and endpoints; `read` reading; `user:usr_…` reading this one user; `endpoint:ep_…` everything about this \
one endpoint. What belongs to others is not found (404); what a key of its kind never may is forbidden (403).

Bodies are JSON. Unknown members and parameters are refused by name. Lists come in parts: `next` is the `cursor` of the \
following one, and `null` at the end. Times that end in `_ms` are milliseconds since 1970.

Every POST takes an `Idempotency-Key`: the same key with the same request within 24 hours gets the first answer again, and \
nothing is done twice.

What is refused is answered as a problem (RFC 9457) with a `type` that stays, the `field` at fault and what was `expected`.";

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
const PROBLEMS: [(&str, &str, &str); 10] = [
    (
        "400",
        "BadRequest",
        "A parameter or a member of the body is not right: `field` says which, `expected` what would be.",
    ),
    ("401", "Unauthorized", "There is no key, or none that is good."),
    ("403", "Forbidden", "A key of this kind may not do this."),
    ("404", "NotFound", "There is no such thing, or it is not for this key to know of."),
    ("409", "Conflict", "It does not fit how things stand; `detail` says how they would have to stand."),
    ("413", "TooLarge", "The body is too long."),
    ("422", "OtherRequest", "The `Idempotency-Key` came before with another request."),
    ("429", "TooManyRequests", "Too many requests: `Retry-After` says when to come back."),
    ("500", "Internal", "What is stored cannot be written as an answer."),
    ("503", "Unavailable", "Something that is needed is out of reach; asking again is right."),
];

/// What the routes are collected into.
pub(crate) fn frame() -> OpenApi {
    let info = InfoBuilder::new().title("Afferent").version("1").description(Some(DESCRIPTION));
    let key = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A key: `afk_…`.")).build();
    let mut components = Components::new();
    components.add_security_scheme("key", SecurityScheme::Http(key));
    components.schemas.insert("Problem".to_owned(), Details::schema());
    for (status, name, means) in PROBLEMS {
        components.responses.insert(name.to_owned(), RefOr::T(problem(status, means)));
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

fn problem(status: &str, means: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new().description(means).content("application/problem+json", content);
    let header = |kind, means: &str| {
        HeaderBuilder::new()
            .schema(Some(ObjectBuilder::new().schema_type(kind).build()))
            .description(Some(means))
            .build()
    };
    match status {
        "429" => response.header("Retry-After", header(Type::Integer, "In how many seconds to come back.")),
        "401" => response.header("WWW-Authenticate", header(Type::String, "`Bearer`.")),
        _ => response,
    }
    .build()
}

/// Adds what follows from the routes themselves.
pub(crate) fn finish(mut document: OpenApi) -> OpenApi {
    for item in document.paths.paths.values_mut() {
        let all = [
            ("get", &mut item.get),
            ("post", &mut item.post),
            ("patch", &mut item.patch),
            ("put", &mut item.put),
            ("delete", &mut item.delete),
        ];
        for (method, operation) in all {
            if let Some(operation) = operation {
                complete(method, operation);
            }
        }
    }
    document
}

fn complete(method: &str, operation: &mut Operation) {
    // A summary is a line, however it is broken in the code.
    operation.summary = operation.summary.take().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    for answer in operation.responses.responses.values_mut() {
        match answer {
            RefOr::T(answer) if answer.description.is_empty() => {
                "What was asked for.".clone_into(&mut answer.description)
            }
            _ => {}
        }
    }
    let is_behind_the_door = needs_key(operation);
    let in_path =
        |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(one) if one.parameter_in == ParameterIn::Path);
    let has_path = operation.parameters.iter().flatten().any(in_path);
    let changes = method != "get";
    for (status, name, _) in PROBLEMS {
        let comes = match status {
            "401" | "403" => is_behind_the_door,
            "404" => has_path,
            "409" => changes && is_behind_the_door,
            "413" => changes,
            "422" => method == "post" && is_behind_the_door,
            _ => true,
        };
        if comes {
            let reference = || RefOr::Ref(Ref::new(format!("#/components/responses/{name}")));
            operation.responses.responses.entry(status.to_owned()).or_insert_with(reference);
        }
    }
    if method == "post" && is_behind_the_door {
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
    let needs = serde_json::to_value(&operation.security).unwrap_or_default();
    needs.as_array().is_some_and(|needs| needs.iter().any(|need| need.get("key").is_some()))
}
