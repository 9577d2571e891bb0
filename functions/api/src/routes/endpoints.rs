//! Who receives events. Every rule is the registry's; here wishes are read and answers written.

mod secrets;
mod shapes;

use afferent_domain::endpoint::Endpoint;
use afferent_domain::signature::SigningSecret;
use afferent_registry::{Change, New};
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::commands::Nothing;
use super::{Answer, json, json_with, no_content};
use crate::door::{EndpointOwner, Writer, made};
use crate::extract::{MaybeBody, Query, Text, limit, read_pair, write_pair};
use crate::problem::Problem;
use crate::routes::put::{Routes, put};
use crate::state::Shared;

pub(crate) use shapes::{MissedEvents, NewEndpoint};

pub(crate) fn routes<R: Routes>(routes: R) -> R {
    put!(secrets::routes(routes); register_endpoint, list_endpoints, show_endpoint, change_endpoint, delete_endpoint, test_endpoint, enable_endpoint, disable_endpoint)
}

/// Which part of a list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// How many at most, from 1 to 100; 25 unless it is said.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// The `next` of the answer before.
    cursor: Option<String>,
}

impl Part {
    /// The part of a list that is there whole, in the order of `key` (different for every member), and the cursor of the
    /// next one. A cursor holds the last member's key, so that the list goes on from there when that member is gone.
    pub(super) fn of<T>(
        self,
        mut all: Vec<T>,
        key: impl Fn(&T) -> (i64, String),
    ) -> Result<(Vec<T>, Option<String>), Problem> {
        let limit = usize::from(limit(self.limit, 25, 100)?);
        let after = self.cursor.as_deref().map(|cursor| read_pair(cursor, |text| Some(text.to_owned()))).transpose()?;
        all.retain(|one| after.as_ref().is_none_or(|after| key(one) > *after));
        all.sort_by_key(&key);
        let is_last = all.len() <= limit;
        all.truncate(limit);
        let last = all.last().filter(|_| !is_last).map(&key);
        Ok((all, last.map(|(number, text)| write_pair(number, text))))
    }
}

/// An endpoint, and its secret.
#[derive(Serialize)]
struct Registered {
    #[serde(flatten)]
    endpoint: Endpoint,
    secret: String,
}

impl Registered {
    fn new((endpoint, secret): (Endpoint, SigningSecret)) -> Self {
        Self { endpoint, secret: secret.reveal() }
    }
}

/// Registers an endpoint.
///
/// It gets what happens from now on. The secret signs what it is sent; it can be asked for again.
#[utoipa::path(
    post,
    path = "/v1/endpoints",
    tag = "Endpoints",
    request_body = NewEndpoint,
    security(("key" = ["write"])),
    responses((status = 201, description = "The endpoint, with its secret.", body = shapes::EndpointRegistered))
)]
async fn register_endpoint(State(app): State<Shared>, _: Writer, Text(body): Text) -> Answer {
    let new = New::from_json(&body)?;
    let registered = Registered::new(app.registry().await?.register(new).await?);
    let id = registered.endpoint.endpoint.to_string();
    Ok(made(json_with(StatusCode::CREATED, &registered)?, [("endpoint", id)]))
}

#[derive(Serialize)]
struct Listed {
    endpoints: Vec<Endpoint>,
    next: Option<String>,
}

/// Lists the endpoints, the oldest first.
///
/// The address of an endpoint may hold a key of its owner's, so reading is not enough.
#[utoipa::path(
    get,
    path = "/v1/endpoints",
    tag = "Endpoints",
    params(Part),
    security(("key" = ["write"])),
    responses((status = 200, description = "A part of the list.", body = shapes::EndpointList))
)]
async fn list_endpoints(State(app): State<Shared>, _: Writer, Query(part): Query<Part>) -> Answer {
    let all = app.registry().await?.list().await?;
    let (endpoints, next) =
        part.of(all, |endpoint| (endpoint.created_ms.as_millis(), endpoint.endpoint.to_string()))?;
    json(&Listed { endpoints, next })
}

/// Shows an endpoint, how it fares, and its secrets without what they are.
#[utoipa::path(
    get,
    path = "/v1/endpoints/{endpoint}",
    tag = "Endpoints",
    params(("endpoint" = String, Path, description = "The endpoint.")),
    security(("key" = ["endpoint"])),
    responses((status = 200, description = "The endpoint.", body = shapes::EndpointShown))
)]
async fn show_endpoint(State(app): State<Shared>, owner: EndpointOwner) -> Answer {
    json(&app.registry().await?.get(&owner.endpoint).await?)
}

/// Changes what is named and leaves the rest.
///
/// `null` takes `rate`, `headers`, `contact` and `description` away, and makes the others what they are when nothing is
/// said. Nothing is changed if anything is not right. `users`, `types`, `payload` and `backfill` say what the endpoint may
/// see: the key to one endpoint leaves them as they are (403), and leads neither to a queue nor away from one. A new address
/// is sent only the headers that come with it.
#[utoipa::path(
    patch,
    path = "/v1/endpoints/{endpoint}",
    tag = "Endpoints",
    params(("endpoint" = String, Path, description = "The endpoint.")),
    request_body = shapes::EndpointChange,
    security(("key" = ["endpoint"])),
    responses((status = 200, description = "The endpoint as it is now.", body = shapes::Endpoint))
)]
async fn change_endpoint(State(app): State<Shared>, owner: EndpointOwner, Text(body): Text) -> Answer {
    let change = Change::from_json(&body)?;
    json(&app.registry().await?.change(&owner.endpoint, &change, owner.by).await?)
}

/// Deletes an endpoint with its secrets.
///
/// What waits for it is cancelled. What was delivered stays in the log.
#[utoipa::path(
    delete,
    path = "/v1/endpoints/{endpoint}",
    tag = "Endpoints",
    params(("endpoint" = String, Path, description = "The endpoint.")),
    security(("key" = ["endpoint"])),
    responses((status = 204, description = "It is gone."))
)]
async fn delete_endpoint(State(app): State<Shared>, owner: EndpointOwner) -> Answer {
    app.registry().await?.delete(&owner.endpoint).await?;
    Ok(no_content())
}

/// Which event a test sends.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TestWish {
    /// The event type whose example is sent; `webhook.test` unless it is said.
    #[serde(rename = "type")]
    #[schema(example = "body_weight.created")]
    event_type: Option<String>,
}

/// The event of a test.
#[derive(Serialize, ToSchema)]
struct TestSent {
    /// Its id, and the `webhook-id` that the endpoint is sent. What becomes of it: the endpoint's delivery of this event.
    event: String,
}

/// Sends an example of an event type to this endpoint alone.
///
/// It is marked `"test": true`, and delivered as everything else is: signed, logged, tried again.
#[utoipa::path(
    post,
    path = "/v1/endpoints/{endpoint}/test",
    tag = "Endpoints",
    params(("endpoint" = String, Path, description = "The endpoint.")),
    request_body(content = Option<TestWish>, description = "May be left out."),
    security(("key" = ["endpoint"])),
    responses((status = 202, description = "It is on its way.", body = TestSent))
)]
async fn test_endpoint(
    State(app): State<Shared>,
    owner: EndpointOwner,
    MaybeBody(wish): MaybeBody<TestWish>,
) -> Answer {
    let event_type = wish.event_type.as_deref().unwrap_or("webhook.test");
    let event = app.registry().await?.send_test(&owner.endpoint, event_type).await?;
    let sent = TestSent { event: event.to_string() };
    Ok(made(json_with(StatusCode::ACCEPTED, &sent)?, [("event", sent.event)]))
}

/// Enables an endpoint.
///
/// It begins anew, without its failures, and gets what happens from now on. What it missed is counted by two previews and
/// does not come by itself: `recover` and `replay` bring it. With the key to one endpoint, what was disabled with a key to
/// all of them (`operator`) stays so (403).
#[utoipa::path(
    post,
    path = "/v1/endpoints/{endpoint}/enable",
    tag = "Endpoints",
    params(("endpoint" = String, Path, description = "The endpoint.")),
    request_body(content = Nothing, description = "May be left out."),
    security(("key" = ["endpoint"])),
    responses((status = 200, description = "The endpoint, and what it missed.", body = shapes::EndpointEnabled))
)]
async fn enable_endpoint(
    State(app): State<Shared>,
    owner: EndpointOwner,
    MaybeBody(Nothing {}): MaybeBody<Nothing>,
) -> Answer {
    let enabled = app.registry().await?.enable(&owner.endpoint, owner.by).await?;
    let offer = enabled.offer.map(MissedEvents::new);
    json(&shapes::EnabledBody { endpoint: enabled.endpoint, offer })
}

/// Why an endpoint is disabled.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DisableWish {
    /// A line about it, of at most 500 characters.
    #[schema(example = "moving to another server")]
    note: Option<String>,
}

/// Disables an endpoint.
///
/// Nothing is delivered to it any more, and what waits for it is cancelled.
#[utoipa::path(
    post,
    path = "/v1/endpoints/{endpoint}/disable",
    tag = "Endpoints",
    params(("endpoint" = String, Path, description = "The endpoint.")),
    request_body(content = Option<DisableWish>, description = "May be left out."),
    security(("key" = ["endpoint"])),
    responses((status = 200, description = "The endpoint as it is now.", body = shapes::Endpoint))
)]
async fn disable_endpoint(
    State(app): State<Shared>,
    owner: EndpointOwner,
    MaybeBody(wish): MaybeBody<DisableWish>,
) -> Answer {
    json(&app.registry().await?.disable(&owner.endpoint, wish.note.as_deref(), owner.by).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::write_cursor;

    fn part(limit: u32, cursor: Option<String>) -> Part {
        Part { limit: Some(limit), cursor }
    }

    fn key(member: &i64) -> (i64, String) {
        (*member, "a b".to_owned())
    }

    #[test]
    fn a_list_is_read_part_by_part_to_its_end() {
        let (mut cursor, mut read) = (None, Vec::new());
        loop {
            let (some, next) = part(2, cursor).of(vec![5, 3, 1, 4, 2], key).unwrap();
            read.extend(some);
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(read, [1, 2, 3, 4, 5]);
        assert_eq!(part(5, None).of(vec![1, 2, 3, 4, 5], key).unwrap().1, None);
    }

    #[test]
    fn a_cursor_outlives_the_member_that_it_was_made_of() {
        let (some, next) = part(2, None).of(vec![1, 2, 3, 4], key).unwrap();
        assert_eq!(some, [1, 2]);
        assert_eq!(part(2, next).of(vec![1, 3, 4], key).unwrap(), (vec![3, 4], None));
    }

    #[test]
    fn a_cursor_that_leads_nowhere_is_refused() {
        for cursor in [write_cursor("6"), write_cursor("six 6"), "é".to_owned()] {
            assert!(part(2, Some(cursor)).of(vec![1, 2], key).is_err());
        }
    }
}
