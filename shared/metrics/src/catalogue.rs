//! Every metric: its name, its unit, who writes it and what it means. `docs/metrics.md` is derived from this.

use std::borrow::Cow;

use afferent_domain::budget::Lane;
use afferent_domain::service::Service;

/// A unit, as CloudWatch names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// How many.
    Count,
    /// Thousandths of a second.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Of a hundred.
    Percent,
}

impl Unit {
    /// CloudWatch's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Seconds => "Seconds",
            Self::Percent => "Percent",
        }
    }
}

/// Who writes a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// `ingest`.
    Ingest,
    /// `fetcher`.
    Fetcher,
    /// `fanout`, and whoever takes the same road to an event: `keeper` and `api`.
    Fanout,
    /// `dispatcher`, and `keeper` and `api` where they end a delivery.
    Dispatcher,
    /// `keeper`, each minute.
    Minute,
    /// `keeper`, each day.
    Day,
    /// `api`.
    Api,
    /// Every function.
    Every,
}

impl By {
    /// Every writer, in the order of the document.
    pub const ALL: [Self; 8] =
        [Self::Ingest, Self::Fetcher, Self::Fanout, Self::Dispatcher, Self::Minute, Self::Day, Self::Api, Self::Every];

    /// Its heading.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Fetcher => "fetcher",
            Self::Fanout => "fanout",
            Self::Dispatcher => "dispatcher",
            Self::Minute => "keeper, each minute",
            Self::Day => "keeper, each day",
            Self::Api => "api",
            Self::Every => "every function",
        }
    }
}

/// What was called at Withings, for the metrics by service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Called {
    /// A service that holds data.
    Data(Service),
    /// `/v2/oauth2`: tokens.
    Token,
    /// `/notify`: subscriptions.
    Subscription,
    /// What is left: devices that are linked, nonces.
    Other,
}

impl Called {
    /// What a request asks for, by its path and its action.
    #[must_use]
    pub fn of(path: &str, action: &str) -> Self {
        match (path, action) {
            ("/notify", _) => Self::Subscription,
            ("/v2/oauth2", _) => Self::Token,
            ("/v2/sleep", "get") => Self::Data(Service::SleepGet),
            ("/v2/sleep", _) => Self::Data(Service::SleepGetsummary),
            ("/v2/heart", "list") => Self::Data(Service::HeartList),
            ("/v2/heart", _) => Self::Data(Service::HeartGet),
            ("/v2/stetho", "list") => Self::Data(Service::StethoList),
            ("/v2/stetho", _) => Self::Data(Service::StethoGet),
            ("/v2/answers", _) => Self::Data(Service::AnswersGet),
            (_, action) => {
                Service::ALL.into_iter().find(|service| service.name() == action).map_or(Self::Other, Self::Data)
            }
        }
    }

    /// Everything that can be called.
    pub fn all() -> impl Iterator<Item = Self> {
        Service::ALL.into_iter().map(Self::Data).chain([Self::Token, Self::Subscription, Self::Other])
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Data(service) => service.name(),
            Self::Token => "token",
            Self::Subscription => "subscription",
            Self::Other => "other",
        }
    }
}

/// Who reads a queue or the stream, batch by batch, and says in its answer what comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Consumer {
    /// `fetcher`.
    Fetcher,
    /// `fanout`.
    Fanout,
    /// `dispatcher`.
    Dispatcher,
}

impl Consumer {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Fetcher, Self::Fanout, Self::Dispatcher];

    /// The function's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fetcher => "fetcher",
            Self::Fanout => "fanout",
            Self::Dispatcher => "dispatcher",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn of(function: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|consumer| consumer.name() == function)
    }
}

/// How values of a metric belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Added up: [`crate::count`]. Its statistic is the sum.
    Counted,
    /// Each for itself: [`crate::observe`]. Its statistics are the maximum, the average and percentiles.
    Observed,
}

macro_rules! metrics {
    ($($by:ident { $($metric:ident $unit:ident $how:ident $meaning:literal;)+ })+) => {
        /// What is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Metric {
            $($(#[doc = $meaning] $metric,)+)+
            /// `Calls.<service>`: calls, by what was called.
            CallsOf(Called),
            /// `Refusals.<service>`: refusals, by what was called.
            RefusalsOf(Called),
            /// `BudgetUsed.<lane>`: slots of the budget that were claimed, by lane.
            BudgetUsed(Lane),
            /// `BudgetWait.<lane>`: how long a call waited for its slot, by lane.
            BudgetWait(Lane),
            /// `BatchesFailed.<function>`: invocations of which something comes again because it failed.
            BatchesFailed(Consumer),
        }

        impl Metric {
            const SINGLE: &'static [Self] = &[$($(Self::$metric,)+)+];

            /// Its name in CloudWatch.
            #[must_use]
            pub fn name(self) -> Cow<'static, str> {
                match self {
                    $($(Self::$metric => Cow::Borrowed(stringify!($metric)),)+)+
                    Self::CallsOf(called) => Cow::Owned(format!("Calls.{}", called.name())),
                    Self::RefusalsOf(called) => Cow::Owned(format!("Refusals.{}", called.name())),
                    Self::BudgetUsed(lane) => Cow::Owned(format!("BudgetUsed.{}", lane.name())),
                    Self::BudgetWait(lane) => Cow::Owned(format!("BudgetWait.{}", lane.name())),
                    Self::BatchesFailed(consumer) => Cow::Owned(format!("BatchesFailed.{}", consumer.name())),
                }
            }

            /// Its unit.
            #[must_use]
            pub const fn unit(self) -> Unit {
                match self {
                    $($(Self::$metric => Unit::$unit,)+)+
                    Self::CallsOf(_) | Self::RefusalsOf(_) | Self::BudgetUsed(_) | Self::BatchesFailed(_) => Unit::Count,
                    Self::BudgetWait(_) => Unit::Milliseconds,
                }
            }

            /// Who writes it.
            #[must_use]
            pub const fn by(self) -> By {
                match self {
                    $($(Self::$metric => By::$by,)+)+
                    Self::BatchesFailed(_) => By::Every,
                    _ => By::Fetcher,
                }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $($(Self::$metric => $meaning,)+)+
                    Self::CallsOf(_) => "Calls, by what was called.",
                    Self::RefusalsOf(_) => "Refusals, by what was called.",
                    Self::BudgetUsed(_) => "Slots of the budget that were claimed, by lane.",
                    Self::BudgetWait(_) => "How long a call waited for its slot, by lane.",
                    Self::BatchesFailed(_) => "Invocations of which a message, or a change, comes again because it could not be handled. What waits on purpose (held, parked, another's turn) is not counted.",
                }
            }

            const fn how(self) -> How {
                match self {
                    $($(Self::$metric => How::$how,)+)+
                    Self::BudgetWait(_) => How::Observed,
                    _ => How::Counted,
                }
            }
        }
    };
}

metrics! {
    Ingest {
        NotificationsReceived Count Counted "Notifications that came with the right secret and were put on the queue.";
        NotificationsRefused Count Counted "Requests with a wrong path or secret, or a body that is too large.";
        IngestFailed Count Counted "Notifications that the queue did not take in time; Withings was told to try again.";
    }
    Fetcher {
        NotificationsAccepted Count Counted "Notifications that were stored for the first time. A message that comes again is not counted again.";
        NotificationsSatisfied Count Counted "Notifications all of whose pulls were done.";
        NotificationsSatisfiedEarlier Count Counted "Of those, the ones that an earlier pull had satisfied: no call was made for them.";
        NotificationsRecorded Count Counted "Notifications that were themselves the record.";
        NotificationsQuarantined Count Counted "Notifications that were put away with a reason.";
        NotificationsReleased Count Counted "Notifications that left quarantine because they were sorted again.";
        Pulls Count Counted "Readings of a service for a mark, completed or not.";
        PullsFailed Count Counted "Of those, the ones that were not completed; they are due again.";
        PullDuration Milliseconds Observed "How long a pull took, waiting for the budget included.";
        PullAge Milliseconds Observed "From the receipt of the oldest notification that a pull satisfied to the pull's end.";
        Calls Count Counted "Calls to Withings, tokens and subscriptions included.";
        Refusals Count Counted "Calls that were not answered with status 0, for whatever reason.";
        LimitsHit Count Counted "Calls refused as too many (status 601, Too Many Requests): the budget was overdrawn, by us or by another program.";
        CallDuration Milliseconds Observed "How long Withings took to answer a call.";
        BudgetUse Percent Observed "How much of the budget was in use, by whatever process, each time a call was made.";
        TokensRefreshed Count Counted "Token pairs that were refreshed and stored.";
        ConnectionsLost Count Counted "Token pairs that Withings takes for dead: the person must connect again.";
        RecordsCreated Count Counted "Records that were stored for the first time.";
        RecordsRevised Count Counted "Records that got another revision.";
        RecordsRetracted Count Counted "Records that were retracted.";
        RetractionsHeld Count Counted "Retractions that would take away much and are held.";
        RowsMisread Count Counted "Rows of Withings' answers that could not be understood; the log says which and why.";
        FieldsMisread Count Counted "Fields of Withings' answers that are of another type than documented, and count as missing; the log names field and type.";
        SweepGaps Count Counted "Records that a sweep stored or changed, which no notification had brought.";
    }
    Fanout {
        EventsAppended Count Counted "Events that were put into a journal.";
        DeliveriesCreated Count Counted "Deliveries that were stored.";
        RecordsUnfit Count Counted "Changes that can never become an event; they are noted in the journal `_failed`.";
        EventAge Milliseconds Observed "From the change of a record to its event, the oldest of each user in an invocation.";
    }
    Dispatcher {
        Attempts Count Counted "Tries that were made.";
        DeliveriesDelivered Count Counted "Deliveries that ended as delivered.";
        DeliveriesExhausted Count Counted "Deliveries whose every try failed.";
        DeliveriesExpired Count Counted "Deliveries that became too old.";
        DeliveriesCancelled Count Counted "Deliveries that were cancelled.";
        DeliveriesRevived Count Counted "Deliveries that had ended and begin anew.";
        DeliveriesHeld Count Counted "Waits that began with the message held on the queue.";
        DeliveriesParked Count Counted "Waits that began with the delivery parked in the table.";
        AttemptDuration Milliseconds Observed "How long a try took.";
        RetryLateness Milliseconds Observed "How long after its due time a delivery that had waited was claimed.";
        DeliveryAge Milliseconds Observed "From an event to the end of the try that delivered it.";
        BreakersOpened Count Counted "Breakers that opened.";
    }
    Minute {
        KeeperMinutes Count Counted "The heartbeat: one each minute, whatever there is to do.";
        PullsOverdue Count Observed "Marks that are due and that nobody holds, as many as are looked at in a minute.";
        OldestPullAge Seconds Observed "Age of the oldest notification that waits for its pull, among those of the last three days (UTC); 0 if none waits. One that is still on the queue is not known to the tables and not seen here: AWS's `ApproximateAgeOfOldestMessage` of the queue `pulls` shows it.";
        DutiesOverdue Count Observed "Duties that somebody waits for and that are due, as many as are looked at in a minute.";
        DeliveriesOverdue Count Observed "Deliveries whose message seems lost and was sent again.";
        OldestUndeliveredAge Seconds Observed "Age of the oldest of them; 0 if there is none. Deliveries that wait for their next try, or behind a breaker, are not late: `OldestWaitingAge` is of those too.";
        ParkedNow Count Observed "Deliveries that are parked, what breakers keep back included. 200 of each of the ten shards of the due index are looked at, and 200 of each of 20 endpoints that keep something back: where more wait, at least so many are parked.";
        OldestWaitingAge Seconds Observed "Age of the oldest delivery that has not ended, whatever it waits for: its next try, a breaker, the dispatcher; 0 if there is none. Looked at are the oldest that each of 20 breakers keeps back, and of each shard the four whose turn is furthest off: where more wait, the oldest is at least so old.";
        BreakersOpen Count Observed "Endpoints whose breaker is open.";
        InFlight Count Observed "Messages of the queue of deliveries that are in flight.";
        SweepLag Seconds Observed "How late a sweep begins, by its own rhythm; and for how long the oldest one that is due has waited to be put on the queue.";
    }
    Day {
        KeeperDays Count Counted "The daily heartbeat.";
        QuarantinedToday Count Observed "Notifications of the day that has ended (UTC) that are in quarantine.";
        JournalGaps Count Counted "Records without an event, found by the journal sweep and mended.";
        LettersFailed Count Counted "Letters to contacts that could not be sent.";
        Unaccounted Count Observed "Notifications of the day that has ended (UTC) that have come to no end: accepted less satisfied, recorded and quarantined. They still wait.";
    }
    Api {
        ApiRequests Count Counted "Requests that were answered.";
        ApiFailures Count Counted "Of those, answered with 500 or more.";
        ApiRefusals Count Counted "Of those, answered with 400 to 499.";
        ApiDuration Milliseconds Observed "How long an answer took.";
        ConsentsFailed Count Counted "Persons who consented at Withings and could not be connected; who declined is not counted.";
    }
    Every {
        ColdStarts Count Counted "First invocations of a process.";
        PoisonMessages Count Counted "Messages that cannot be read. They end in the dead-letter queue.";
        SecretsFailed Count Counted "Secrets that could not be had or had the wrong shape.";
        Throttled Count Counted "Answers of DynamoDB or SQS that said: not so fast. The SDK tries again.";
    }
}

impl Metric {
    /// Every metric.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = Self::SINGLE.to_vec();
        all.extend(Called::all().map(Self::CallsOf));
        all.extend(Called::all().map(Self::RefusalsOf));
        all.extend(Lane::ALL.map(Self::BudgetUsed));
        all.extend(Lane::ALL.map(Self::BudgetWait));
        all.extend(Consumer::ALL.map(Self::BatchesFailed));
        all
    }

    /// The metric of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|metric| metric.name() == name)
    }

    /// Whether its values are added up, so that the sum is its statistic. Of the others each value counts for itself, and
    /// the maximum, the average and percentiles are theirs.
    #[must_use]
    pub const fn is_counted(self) -> bool {
        matches!(self.how(), How::Counted)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_metrics_have_one_name_and_each_is_found_by_its_own() {
        let all = Metric::all();
        let names: BTreeSet<_> = all.iter().map(|metric| metric.name()).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.iter().all(|metric| Metric::of(&metric.name()) == Some(*metric)));
    }

    #[test]
    fn what_is_called_is_known_by_its_path_and_action() {
        for (path, action, called) in [
            ("/measure", "getmeas", Called::Data(Service::Getmeas)),
            ("/v2/measure", "getintradayactivity", Called::Data(Service::Getintradayactivity)),
            ("/v2/sleep", "get", Called::Data(Service::SleepGet)),
            ("/v2/sleep", "getsummary", Called::Data(Service::SleepGetsummary)),
            ("/v2/heart", "list", Called::Data(Service::HeartList)),
            ("/v2/stetho", "get", Called::Data(Service::StethoGet)),
            ("/v2/user", "getdevice", Called::Data(Service::Getdevice)),
            ("/v2/user", "link", Called::Other),
            ("/v2/oauth2", "requesttoken", Called::Token),
            ("/notify", "subscribe", Called::Subscription),
        ] {
            assert_eq!(Called::of(path, action), called, "{path} {action}");
        }
    }
}
