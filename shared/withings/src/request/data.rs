//! Reading health data.

use afferent_domain::Timestamp;
use afferent_domain::service::Service;

use super::{Auth, Request, fields};
use crate::sign::signature;
use afferent_domain::secret::App;

/// Which rows to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// What was created or modified after an instant (`lastupdate`).
    Since(Timestamp),
    /// What happened between two instants. The end is inclusive; whether the start is, is unknown: pad it.
    Window {
        /// The first instant.
        start: Timestamp,
        /// The last instant.
        end: Timestamp,
    },
    /// What belongs to the user's local days from the first to the last, `YYYY-MM-DD`.
    Days {
        /// The first day.
        first: String,
        /// The last day.
        last: String,
    },
    /// Everything.
    Whole,
}

/// The service does not take this span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not read by this span")]
pub struct Unsupported(pub Service);

/// The first page of a service. The next one is [`Request::page`] with the answer's offset.
///
/// Windows of getintradayactivity and sleep get must not be longer than [`Service::longest_window_s`]; Withings
/// would leave the rest out without a word.
///
/// # Errors
/// [`Unsupported`] if the service does not take the span, is signed ([`answers`]), or is read recording by recording
/// ([`signal`]).
pub fn read(service: Service, span: &Span) -> Result<Request, Unsupported> {
    let request = match service {
        // Category 2 would be the user's goals.
        Service::Getmeas => Request::new("/measure", "getmeas", Auth::Bearer).with("category", 1),
        Service::Getactivity => {
            Request::new("/v2/measure", "getactivity", Auth::Bearer).with("data_fields", fields::ACTIVITY)
        }
        Service::Getintradayactivity => {
            Request::new("/v2/measure", "getintradayactivity", Auth::Bearer).with("data_fields", fields::INTRADAY)
        }
        Service::Getworkouts => {
            Request::new("/v2/measure", "getworkouts", Auth::Bearer).with("data_fields", fields::WORKOUTS)
        }
        Service::SleepGet => Request::new("/v2/sleep", "get", Auth::Bearer).with("data_fields", fields::SLEEP),
        Service::SleepGetsummary => {
            Request::new("/v2/sleep", "getsummary", Auth::Bearer).with("data_fields", fields::SLEEP_SUMMARY)
        }
        Service::HeartList => Request::new("/v2/heart", "list", Auth::Bearer),
        Service::StethoList => Request::new("/v2/stetho", "list", Auth::Bearer),
        Service::Getdevice => Request::new("/v2/user", "getdevice", Auth::Bearer),
        Service::Getgoals => Request::new("/v2/user", "getgoals", Auth::Bearer),
        Service::AnswersGet | Service::HeartGet | Service::StethoGet => return Err(Unsupported(service)),
    };
    match span {
        Span::Since(instant) if service.uses_lastupdate() => Ok(request.with("lastupdate", instant.as_secs())),
        Span::Window { start, end } if !service.windows_are_days() && !service.is_whole() => {
            Ok(request.with("startdate", start.as_secs()).with("enddate", end.as_secs()))
        }
        Span::Days { first, last } if service.windows_are_days() => {
            Ok(request.with("startdateymd", first).with("enddateymd", last))
        }
        Span::Whole if service.longest_window_s().is_none() => match service {
            // Days are required where `lastupdate` is not given; 0 gives everything.
            Service::Getactivity | Service::Getworkouts | Service::SleepGetsummary => Ok(request.with("lastupdate", 0)),
            _ => Ok(request),
        },
        _ => Err(Unsupported(service)),
    }
}

/// The answers of a user to surveys since an instant: signed, without an access token.
#[must_use]
pub fn answers(app: &App, nonce: &str, userid: i64, start: Timestamp, end: Option<Timestamp>) -> Request {
    let request = Request::new("/v2/answers", "get", Auth::Application)
        .with("client_id", &app.client_id)
        .with("nonce", nonce)
        .with("signature", signature(&app.client_secret, "get", &app.client_id, nonce))
        .with("userid", userid)
        .with("startdate", start.as_secs());
    match end {
        Some(end) => request.with("enddate", end.as_secs()),
        None => request,
    }
}

/// The signal of one recording: of heart get or stetho get. Not asked for: `with_filtered` and `with_intervals`, which
/// follow from the signal.
///
/// # Errors
/// [`Unsupported`] if the service is not read recording by recording.
pub fn signal(service: Service, signalid: i64) -> Result<Request, Unsupported> {
    let path = match service {
        Service::HeartGet => "/v2/heart",
        Service::StethoGet => "/v2/stetho",
        _ => return Err(Unsupported(service)),
    };
    Ok(Request::new(path, "get", Auth::Bearer).with("signalid", signalid))
}
