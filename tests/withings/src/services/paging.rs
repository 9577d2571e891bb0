//! Windows, `lastupdate`, and pages.

use crate::answer::Refusal;
use crate::request::Arguments;
use crate::settings::{LastUpdate, Settings};

/// Which rows a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selection<T> {
    /// Rows changed since this instant, in epoch seconds.
    Changed(i64),
    /// Rows of a window; an open end is `None`.
    Window(Option<T>, Option<T>),
}

impl Selection<i64> {
    /// `lastupdate`, or `startdate` and `enddate` in epoch seconds, all optional.
    pub(crate) fn of_epochs(arguments: &Arguments) -> Result<Self, Refusal> {
        match arguments.number("lastupdate")? {
            Some(lastupdate) => Ok(Self::Changed(lastupdate)),
            None => Ok(Self::Window(arguments.number("startdate")?, arguments.number("enddate")?)),
        }
    }

    /// Whether a row of this `date` and `modified` is asked for. `enddate` is inclusive: a notification's
    /// window ends at the very measurement.
    pub(crate) fn holds(self, date: i64, modified: i64, settings: &Settings) -> bool {
        match self {
            Self::Changed(since) => changed(modified, since, settings),
            Self::Window(start, end) => {
                let after =
                    start.is_none_or(|start| if settings.startdate_inclusive { date >= start } else { date > start });
                after && end.is_none_or(|end| date <= end)
            }
        }
    }
}

impl<'a> Selection<&'a str> {
    /// `lastupdate`, or `startdateymd` and `enddateymd`, one of them required.
    pub(crate) fn of_days(arguments: &'a Arguments) -> Result<Self, Refusal> {
        if let Some(lastupdate) = arguments.number("lastupdate")? {
            return Ok(Self::Changed(lastupdate));
        }
        let day = |name| {
            let text = arguments.required(name)?;
            text.parse::<jiff::civil::Date>().map_err(|_| Refusal::invalid(name))?;
            Ok(Some(text))
        };
        Ok(Self::Window(day("startdateymd")?, day("enddateymd")?))
    }

    /// Whether a row of this local day and `modified` is asked for; both days are inclusive.
    pub(crate) fn holds(self, day: &str, modified: i64, settings: &Settings) -> bool {
        match self {
            Self::Changed(since) => changed(modified, since, settings),
            Self::Window(start, end) => start.is_none_or(|start| day >= start) && end.is_none_or(|end| day <= end),
        }
    }
}

fn changed(modified: i64, since: i64, settings: &Settings) -> bool {
    match settings.lastupdate {
        LastUpdate::After => modified > since,
        LastUpdate::AtOrAfter => modified >= since,
    }
}

/// A page of rows.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) more: bool,
    /// Where the next page starts; 0 on the last one.
    pub(crate) offset: usize,
}

/// Cuts `size` rows from `offset` on.
pub(crate) fn page<T>(rows: Vec<T>, offset: usize, size: usize) -> Page<T> {
    let end = offset.saturating_add(size.max(1));
    let more = end < rows.len();
    let rows = rows.into_iter().skip(offset).take(size.max(1)).collect();
    Page { rows, more, offset: if more { end } else { 0 } }
}
