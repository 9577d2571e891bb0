//! What an endpoint is to be. A wish is right once it is read: what is wrong with it is said with the member's name and
//! what would be right, and never with what was given, which may be a secret.

mod members;

use afferent_domain::Timestamp;
use afferent_domain::contact::EmailAddress;
use afferent_domain::endpoint::{Backfill, Destination, Endpoint, EndpointUrl, Headers, QueueUrl, Standing};
use afferent_domain::filter::{Pattern, Users};
use afferent_domain::id::EndpointId;
use afferent_domain::payload::Payload;
use afferent_domain::rate::Rate;
use afferent_domain::schedule::RetryPolicy;
use afferent_domain::signature::SigningSecret;

use crate::{By, RegistryError};
use members::Members;

pub use members::names;

/// The most patterns of types.
pub const MOST_TYPES: usize = 100;

/// The longest description, in characters; below the longest note.
pub const LONGEST_DESCRIPTION: usize = 200;
/// The longest note of whoever disables an endpoint, in characters.
pub const LONGEST_NOTE: usize = 500;

/// A new endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct New {
    /// Where events go.
    pub destination: Destination,
    /// Which types: 1 to [`MOST_TYPES`] patterns.
    pub types: Vec<Pattern>,
    /// Whose.
    pub users: Users,
    /// What of a backfill.
    pub backfill: Backfill,
    /// How much of a record.
    pub payload: Payload,
    /// When a failed delivery is tried again.
    pub policy: RetryPolicy,
    /// How often it may be called.
    pub rate: Option<Rate>,
    /// Headers of its owner's own.
    pub headers: Headers,
    /// Who is told when it fails.
    pub contact: Option<EmailAddress>,
    /// What its owner calls it, in at most [`LONGEST_DESCRIPTION`] characters.
    pub description: Option<String>,
    /// Its secret, if its owner brings one; else one is drawn.
    pub secret: Option<SigningSecret>,
}

/// A change of an endpoint: what is `None` stays as it is. The members of [`New`], but for the secret, which is rotated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Where events go. Elsewhere than before, and the headers that were are gone unless `headers` names them anew.
    pub destination: Option<Destination>,
    /// Which types.
    pub types: Option<Vec<Pattern>>,
    /// Whose.
    pub users: Option<Users>,
    /// What of a backfill.
    pub backfill: Option<Backfill>,
    /// How much of a record.
    pub payload: Option<Payload>,
    /// When a failed delivery is tried again; for deliveries that wait too, from their next wait on.
    pub policy: Option<RetryPolicy>,
    /// How often it may be called; `Some(None)` lifts the limit.
    pub rate: Option<Option<Rate>>,
    /// Headers of its owner's own, all of them.
    pub headers: Option<Headers>,
    /// Who is told when it fails; `Some(None)`: the stack's own contact.
    pub contact: Option<Option<EmailAddress>>,
    /// What its owner calls it.
    pub description: Option<Option<String>>,
}

impl New {
    /// An endpoint that gets every event of every user, whole, on Withings' schedule.
    #[must_use]
    pub fn of(destination: Destination) -> Self {
        Self {
            destination,
            types: vec![Pattern::every()],
            users: Users::default(),
            backfill: Backfill::default(),
            payload: Payload::default(),
            policy: RetryPolicy::default(),
            rate: None,
            headers: Headers::default(),
            contact: None,
            description: None,
            secret: None,
        }
    }

    /// The same for a server at `url`.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`].
    pub fn at(url: &str) -> Result<Self, RegistryError> {
        Ok(Self::of(Destination::Http { url: at_url(url)? }))
    }

    /// Reads the members of a JSON object. One of `url` and `queue_url` must be there; the others are `types`, `users`,
    /// `backfill`, `payload`, `policy`, `rate`, `headers`, `contact`, `description` and `secret`.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] for the first member that is not right.
    pub fn from_json(json: &str) -> Result<Self, RegistryError> {
        let mut members = Members::read(json)?;
        let secret = members.text("secret")?.flatten();
        let secret = secret.map(|text| SigningSecret::parse(&text)).transpose();
        let change = Change::from_members(members)?;
        let mut new = Self::of(change.destination.clone().ok_or_else(no_destination)?);
        new.secret = secret.map_err(|error| RegistryError::invalid("secret", error.to_string()))?;
        new.types = change.types.unwrap_or(new.types);
        new.users = change.users.unwrap_or_default();
        new.backfill = change.backfill.unwrap_or_default();
        new.payload = change.payload.unwrap_or_default();
        new.policy = change.policy.unwrap_or_default();
        new.headers = change.headers.unwrap_or_default();
        new.rate = change.rate.flatten();
        new.contact = change.contact.flatten();
        new.description = change.description.flatten();
        Ok(new)
    }

    pub(crate) fn check(&self) -> Result<(), RegistryError> {
        check(Some(&self.types), self.description.as_deref())
    }

    pub(crate) fn endpoint(self, id: EndpointId, now: Timestamp) -> Endpoint {
        Endpoint {
            endpoint: id,
            destination: self.destination,
            types: self.types,
            users: self.users,
            backfill: self.backfill,
            payload: self.payload,
            policy: self.policy,
            rate: self.rate,
            headers: self.headers.names(),
            contact: self.contact,
            description: self.description,
            created_ms: now,
            standing: Standing::Enabled,
        }
    }
}

impl Change {
    /// Reads the members of a JSON object: those of [`New::from_json`], but for `secret`. `null` takes `rate`, `headers`,
    /// `contact` and `description` away, and makes the others what they are when nothing is said.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] for the first member that is not right.
    pub fn from_json(json: &str) -> Result<Self, RegistryError> {
        Self::from_members(Members::read(json)?)
    }

    fn from_members(mut members: Members) -> Result<Self, RegistryError> {
        let change = Self {
            destination: destination(&mut members)?,
            types: members.texts("types")?.map(types).transpose()?,
            users: members.value("users")?.map(Option::unwrap_or_default),
            backfill: members.value("backfill")?.map(Option::unwrap_or_default),
            payload: members.value("payload")?.map(Option::unwrap_or_default),
            policy: members.value("policy")?.map(Option::unwrap_or_default),
            rate: members.value("rate")?,
            headers: members.headers("headers")?.map(Option::unwrap_or_default),
            contact: members.value("contact")?,
            description: members.text("description")?,
        };
        members.none_left()?;
        change.check()?;
        Ok(change)
    }

    pub(crate) fn check(&self) -> Result<(), RegistryError> {
        check(self.types.as_deref(), self.description.as_ref().and_then(Option::as_deref))
    }

    /// Refuses its owner what says which data an endpoint may see, and where else than to a server they go: with the key
    /// to one endpoint nobody comes to more than its operator gave it.
    pub(crate) fn allowed(&self, was: &Endpoint, by: By) -> Result<(), RegistryError> {
        let stays = self.types.as_ref().is_none_or(|types| *types == was.types)
            && self.users.as_ref().is_none_or(|users| *users == was.users)
            && self.backfill.is_none_or(|backfill| backfill == was.backfill)
            && self.payload.as_ref().is_none_or(|payload| *payload == was.payload);
        if by == By::Operator || stays && !self.leaves_its_kind(was) {
            return Ok(());
        }
        Err(RegistryError::Beyond("write (to change users, types, payload or backfill, or to go to or from a queue)"))
    }

    /// Whether it goes to a queue, or from one. Which queues there are is the operator's: a URL names any of them.
    fn leaves_its_kind(&self, was: &Endpoint) -> bool {
        let is_server = |to: &Destination| matches!(to, Destination::Http { .. });
        let stays = |to: &Destination| *to == was.destination || is_server(to) && is_server(&was.destination);
        self.destination.as_ref().is_some_and(|to| !stays(to))
    }

    /// The headers that the change brings: those that it names, or none where the address is new. They were given for the
    /// old one, and may hold what that alone is to know.
    pub(crate) fn headers_of(&self, was: &Endpoint) -> Option<Headers> {
        let moves = self.destination.as_ref().is_some_and(|to| *to != was.destination);
        self.headers.clone().or_else(|| moves.then(Headers::default))
    }

    pub(crate) fn of(&self, was: &Endpoint) -> Endpoint {
        let headers = self.headers_of(was);
        let change = self.clone();
        Endpoint {
            endpoint: was.endpoint.clone(),
            destination: change.destination.unwrap_or_else(|| was.destination.clone()),
            types: change.types.unwrap_or_else(|| was.types.clone()),
            users: change.users.unwrap_or_else(|| was.users.clone()),
            backfill: change.backfill.unwrap_or(was.backfill),
            payload: change.payload.unwrap_or_else(|| was.payload.clone()),
            policy: change.policy.unwrap_or_else(|| was.policy.clone()),
            rate: change.rate.unwrap_or(was.rate),
            headers: headers.map_or_else(|| was.headers.clone(), |headers| headers.names()),
            contact: change.contact.unwrap_or_else(|| was.contact.clone()),
            description: change.description.unwrap_or_else(|| was.description.clone()),
            created_ms: was.created_ms,
            standing: was.standing.clone(),
        }
    }
}

fn check(types: Option<&[Pattern]>, description: Option<&str>) -> Result<(), RegistryError> {
    if types.is_some_and(|types| !(1..=MOST_TYPES).contains(&types.len())) {
        return Err(RegistryError::invalid("types", format!("1 to {MOST_TYPES} patterns of event types")));
    }
    note("description", description, LONGEST_DESCRIPTION)
}

/// Checks a text that is shown to people.
pub(crate) fn note(field: &str, text: Option<&str>, longest: usize) -> Result<(), RegistryError> {
    let fine = |text: &str| (1..=longest).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if text.is_none_or(fine) {
        Ok(())
    } else {
        Err(RegistryError::invalid(field, format!("1 to {longest} characters in one line")))
    }
}

fn no_destination() -> RegistryError {
    RegistryError::invalid("url", "there, or else queue_url: where events go")
}

fn at_url(text: &str) -> Result<EndpointUrl, RegistryError> {
    EndpointUrl::parse(text).map_err(|error| RegistryError::invalid("url", format!("an address of a server: {error}")))
}

fn destination(members: &mut Members) -> Result<Option<Destination>, RegistryError> {
    let (url, queue) = (members.text("url")?.flatten(), members.text("queue_url")?.flatten());
    match (url, queue) {
        (None, None) => Ok(None),
        (Some(url), None) => Ok(Some(Destination::Http { url: at_url(&url)? })),
        (None, Some(text)) => match QueueUrl::parse(&text) {
            Ok(queue_url) => Ok(Some(Destination::Sqs { queue_url })),
            Err(error) => Err(RegistryError::invalid("queue_url", format!("the URL of a queue: {error}"))),
        },
        (Some(_), Some(_)) => Err(RegistryError::invalid("queue_url", "left out, or url: events go to one of them")),
    }
}

fn types(given: Option<Vec<String>>) -> Result<Vec<Pattern>, RegistryError> {
    let Some(given) = given else { return Ok(vec![Pattern::every()]) };
    let pattern = |(place, text): (usize, &String)| {
        Pattern::parse(text).map_err(|error| RegistryError::invalid(format!("types[{place}]"), error.to_string()))
    };
    given.iter().enumerate().map(pattern).collect()
}

#[cfg(test)]
mod tests;
