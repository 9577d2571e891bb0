//! What the services would answer if nothing stood between a caller and the facts.

use afferent_domain::service::Service;
use serde_json::Value;

use super::{Reading, activity, answers, heart, measure, sleep, stetho, user};
use crate::answer::Refusal;
use crate::request::Arguments;
use crate::settings::{Pages, Settings};
use crate::state::ControlError;
use crate::{Simulator, Userid};

/// Before and after everything; far enough from the ends of `i64` to be moved.
const EVER: [i64; 2] = [i64::MIN / 2, i64::MAX / 2];

impl Simulator {
    /// The body that a service would answer about a user without tokens, scopes, limits, guards, faults, pages, the
    /// reach of 24 hours and lapses: what records are compared with.
    ///
    /// `arguments` are those of a call (`startdate`, `data_fields`, `signalid`, ...). Without a window and
    /// `lastupdate` it is everything. It takes no time, uses no token and is not logged.
    ///
    /// # Errors
    /// If there is no such user, or the service refuses the arguments.
    pub fn truth(&self, userid: Userid, service: Service, arguments: &[(&str, &str)]) -> Result<Value, ControlError> {
        let settings = self.settings();
        let all = usize::MAX;
        let pages = Pages { measures: all, activity: all, workouts: all, sleep: all, heart: all, stetho: all };
        let settings = Settings { pages, reach_s: i64::MAX, ..settings.as_ref().clone() };
        let [first, last] = EVER.map(|instant| instant.to_string());
        let mut named: Vec<(&str, &str)> = arguments.to_vec();
        let has = |name: &str| arguments.iter().any(|(other, _)| *other == name);
        match service {
            Service::Getactivity | Service::Getworkouts | Service::SleepGetsummary
                if !has("lastupdate") && !has("startdateymd") =>
            {
                named.push(("lastupdate", &first));
            }
            Service::Getintradayactivity | Service::SleepGet | Service::AnswersGet => {
                named.splice(0..0, [("startdate", &*first), ("enddate", &*last)]);
            }
            _ => {}
        }
        let (arguments, now) = (Arguments::of(&named), self.now().as_secs());
        let world = self.world();
        let reading = Reading { user: world.state.user(userid)?, arguments: &arguments, settings: &settings, now };
        let answer = match service {
            Service::Getmeas => measure::getmeas(&reading),
            Service::Getactivity => activity::getactivity(&reading),
            Service::Getintradayactivity => activity::getintradayactivity(&reading),
            Service::Getworkouts => activity::getworkouts(&reading),
            Service::SleepGet => sleep::get(&reading),
            Service::SleepGetsummary => sleep::getsummary(&reading),
            Service::HeartList => heart::list(&reading),
            Service::HeartGet => heart::get(&reading),
            Service::StethoList => stetho::list(&reading),
            Service::StethoGet => stetho::get(&reading),
            Service::AnswersGet => answers::rows(&reading),
            Service::Getdevice => user::getdevice(&reading),
            Service::Getgoals => user::getgoals(&reading),
        };
        answer.map_err(|Refusal { error, .. }| ControlError::Invalid(error))
    }
}
