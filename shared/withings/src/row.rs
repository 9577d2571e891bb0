//! Lenient reading: a member may be missing, `null`, a number or a numeric string. One that is there and of another type
//! than it is asked for counts as missing, and the row keeps that it was so ([`Row::misread`]).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;

use afferent_domain::exact::{Decimal, Json};

/// Something in an answer that could not be read. Names the place and the field, never a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where: `measuregrps[3].measures[1]`.
    pub place: String,
    /// What is wrong there.
    pub why: Why,
}

/// What is wrong at a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It is not an object.
    NotAnObject,
    /// It is not a list.
    NotAList,
    /// A field that must be there is missing, or is not of its type.
    Field(&'static str),
    /// A field is of another type than Withings documents, the second name. It counts as missing; the row stands.
    Type(&'static str, &'static str),
    /// A number that is not on our list of fields could not be read.
    Number,
    /// A time that no calendar has.
    Time(&'static str),
    /// It is too large to be kept: no measurement is.
    TooLarge,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = &self.place;
        match &self.why {
            Why::NotAnObject => write!(f, "{place} is not an object"),
            Why::NotAList => write!(f, "{place} is not a list"),
            Why::Field(name) => write!(f, "{place}: {name} is missing or not of its type"),
            Why::Type(name, found) => write!(f, "{place}: {name} is {found}"),
            Why::Number => write!(f, "{place}: a number could not be read"),
            Why::Time(name) => write!(f, "{place}: {name} is no time"),
            Why::TooLarge => write!(f, "{place}: it is too large to be kept"),
        }
    }
}

impl Problem {
    /// A problem at a place.
    #[must_use]
    pub fn at(place: &str, why: Why) -> Self {
        Self { place: place.to_owned(), why }
    }

    /// The field and the type that it has, if it costs no more than that field: the row it is of was understood.
    #[must_use]
    pub const fn of_type(&self) -> Option<(&'static str, &'static str)> {
        match self.why {
            Why::Type(field, found) => Some((field, found)),
            _ => None,
        }
    }
}

/// An object of an answer, and where it stood.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    members: &'a BTreeMap<String, Json>,
    /// Where it stood, for [`Problem::place`].
    pub place: String,
    /// Shared by a row and those inside it.
    misread: Rc<RefCell<BTreeSet<Problem>>>,
}

impl<'a> Row<'a> {
    /// The object at a place.
    ///
    /// # Errors
    /// [`Why::NotAnObject`].
    pub fn of(json: &'a Json, place: impl Into<String>) -> Result<Self, Problem> {
        let place = place.into();
        match json {
            Json::Object(members) => Ok(Self { members, place, misread: Rc::default() }),
            _ => Err(Problem { place, why: Why::NotAnObject }),
        }
    }

    /// The object at a place inside this one.
    fn inside(&self, json: &'a Json, place: String) -> Result<Self, Problem> {
        Self::of(json, place).map(|row| Self { misread: Rc::clone(&self.misread), ..row })
    }

    /// The object `name` of this one, at the same place; `None` if it is missing or no object.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<Self> {
        self.inside(self.json(name)?, self.place.clone()).ok()
    }

    /// What was asked for so far, of this row and those inside it, and is of another type ([`Why::Type`]).
    #[must_use]
    pub fn misread(&self) -> Vec<Problem> {
        self.misread.borrow().iter().cloned().collect()
    }

    /// Reads a member by `read`, and notes one that `read` can do nothing with. What is empty counts as missing.
    fn read<T>(&self, name: &'static str, read: impl Fn(&Json) -> Option<T>) -> Option<T> {
        let member = self.json(name)?;
        let value = read(member);
        if value.is_none() {
            self.note(name, member);
        }
        value
    }

    /// Notes that a member is of another type than it should be, unless it is empty: of Withings, `[]` and `""` are nothing.
    pub(crate) fn note(&self, name: &'static str, member: &Json) {
        let found = match member {
            Json::Null => return,
            Json::Text(text) if text.is_empty() => return,
            Json::List(items) if items.is_empty() => return,
            Json::Object(members) if members.is_empty() => return,
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number of another kind",
            Json::Unreadable => "a number that cannot be read",
            Json::Text(_) => "a text",
            Json::List(_) => "a list",
            Json::Object(_) => "an object",
        };
        self.misread.borrow_mut().insert(Problem::at(&self.place, Why::Type(name, found)));
    }

    /// A member as it is, unless missing or `null`.
    #[must_use]
    pub fn json(&self, name: &str) -> Option<&'a Json> {
        self.members.get(name).filter(|member| **member != Json::Null)
    }

    /// An exact number, from a number or a numeric string.
    #[must_use]
    pub fn decimal(&self, name: &'static str) -> Option<Decimal> {
        self.read(name, number)
    }

    /// An integer, from a number, a numeric string or a boolean.
    #[must_use]
    pub fn int(&self, name: &'static str) -> Option<i64> {
        self.read(name, int)
    }

    /// The same where something else may stand in its place: nothing is noted.
    #[must_use]
    pub fn int_or_else(&self, name: &str) -> Option<i64> {
        int(self.json(name)?)
    }

    /// A text that is not empty; a number counts as its digits.
    #[must_use]
    pub fn text(&self, name: &'static str) -> Option<String> {
        self.read(name, text)
    }

    /// A yes or no: a boolean, 0 or 1, or either as a string.
    #[must_use]
    pub fn flag(&self, name: &'static str) -> Option<bool> {
        self.read(name, |member| match member {
            Json::Bool(flag) => Some(*flag),
            Json::Text(text) if text == "true" => Some(true),
            Json::Text(text) if text == "false" => Some(false),
            member => number(member).map(|number| !number.is_zero()),
        })
    }

    /// The rows of a list. A single object counts as a list of one, `{}` and what is missing as an empty one.
    pub fn rows(&self, name: &'static str, problems: &mut Vec<Problem>) -> Vec<Row<'a>> {
        let list = if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) };
        let place = |index: usize| format!("{list}[{index}]");
        match self.json(name) {
            None => Vec::new(),
            Some(Json::Object(members)) if members.is_empty() => Vec::new(),
            Some(object @ Json::Object(_)) => self.inside(object, place(0)).into_iter().collect(),
            Some(Json::List(items)) => items
                .iter()
                .enumerate()
                .filter_map(|(index, item)| {
                    self.inside(item, place(index)).map_err(|problem| problems.push(problem)).ok()
                })
                .collect(),
            Some(_) => {
                problems.push(Problem { place: list, why: Why::NotAList });
                Vec::new()
            }
        }
    }

    /// An integer that must be there.
    ///
    /// # Errors
    /// [`Why::Field`].
    pub fn need_int(&self, name: &'static str) -> Result<i64, Problem> {
        self.int_or_else(name).ok_or_else(|| self.lacks(name))
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// [`Why::Field`].
    pub fn need_text(&self, name: &'static str) -> Result<String, Problem> {
        self.json(name).and_then(text).ok_or_else(|| self.lacks(name))
    }

    /// The problem that a field is missing.
    #[must_use]
    pub fn lacks(&self, name: &'static str) -> Problem {
        Problem { place: self.place.clone(), why: Why::Field(name) }
    }

    /// Every member that is not `null`, with its name.
    pub fn members(&self) -> impl Iterator<Item = (&'a str, &'a Json)> + use<'a> {
        self.members.iter().filter(|(_, member)| **member != Json::Null).map(|(name, member)| (name.as_str(), member))
    }

    /// The members whose names are not known, so that they are kept as they came.
    #[must_use]
    pub fn other(&self, known: &[&str]) -> BTreeMap<String, Json> {
        self.members()
            .filter(|(name, _)| !known.contains(name))
            .map(|(name, member)| (name.to_owned(), member.clone()))
            .collect()
    }

    /// As [`Row::other`], and of two spellings of the device or the model that say different things the one that does
    /// not count ([`Row::device_id`], [`Row::model_id`]), so that nothing is lost.
    #[must_use]
    pub fn rest(&self, known: &[&str]) -> BTreeMap<String, Json> {
        let mut rest = self.other(known);
        let mut keep = |name: &str| {
            if let Some(member) = self.json(name) {
                rest.insert(name.to_owned(), member.clone());
            }
        };
        if self.json("deviceid").and_then(text) != self.device_id() {
            keep("deviceid");
        }
        for name in ["modelid", "model_id", "model"] {
            let number = self.int_or_else(name);
            if number.is_some() && number != self.model_id() {
                keep(name);
            }
        }
        rest
    }

    /// What is left of the object `name` without the members that are known; none if nothing is. What is there and no
    /// object comes back as it is.
    #[must_use]
    pub fn leftover(&self, name: &str, known: &[&str]) -> Option<Json> {
        match self.json(name)? {
            object @ Json::Object(_) => {
                let rest = Row::of(object, "").ok()?.other(known);
                (!rest.is_empty()).then_some(Json::Object(rest))
            }
            other => Some(other.clone()),
        }
    }

    /// The hashed device id: `hash_deviceid`, or `deviceid` where a service has only that.
    #[must_use]
    pub fn device_id(&self) -> Option<String> {
        self.text("hash_deviceid").or_else(|| self.text("deviceid"))
    }

    /// The model number: `model_id`, `modelid`, or `model` where a service puts the number there.
    #[must_use]
    pub fn model_id(&self) -> Option<i64> {
        self.int("model_id").or_else(|| self.int("modelid")).or_else(|| self.int_or_else("model"))
    }

    /// The model's name, where `model` is one and not a number.
    #[must_use]
    pub fn model(&self) -> Option<String> {
        self.text("model").filter(|text| text.parse::<Decimal>().is_err())
    }
}

fn int(member: &Json) -> Option<i64> {
    match member {
        Json::Bool(flag) => Some(i64::from(*flag)),
        member => number(member)?.as_integer(),
    }
}

fn text(member: &Json) -> Option<String> {
    match member {
        Json::Text(text) if !text.is_empty() => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// An exact number, from a number or a numeric string.
#[must_use]
pub fn number(member: &Json) -> Option<Decimal> {
    match member {
        Json::Number(number) => Some(*number),
        Json::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}
