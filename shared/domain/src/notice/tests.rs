use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::endpoint::{Destination, EndpointUrl, QueueUrl};
use crate::health::{Breaker, Owed, PATIENCE, Stop};

const NOW: Timestamp = Timestamp::from_millis(1_795_244_591_412);
const HOUR: Duration = Duration::from_secs(3_600);

fn endpoint() -> Endpoint {
    let url = EndpointUrl::parse("https://example.org/hook/token-in-the-path?key=secret").unwrap();
    let destination = Destination::Http { url };
    let description = Some("Ward 3".to_owned());
    Endpoint { description, ..Endpoint::new(EndpointId::from("ep_1"), destination, NOW - HOUR * 100) }
}

fn failing(failures_in_a_row: u32, warned: u32) -> Health {
    Health {
        last_success: Some(NOW - HOUR * 8),
        failing_since: Some(NOW - HOUR * 7),
        failed_tries: 10 * failures_in_a_row,
        failures_in_a_row,
        warned,
        ..Health::default()
    }
}

/// A warning of the row that [`failing`] is in.
const fn warning(number: u32) -> Notice {
    Notice::Warning { number, row: Timestamp::from_millis(1_795_244_591_412 - 7 * 3_600_000) }
}

fn disabled(endpoint: Endpoint, cause: Cause, since_ms: Timestamp) -> Endpoint {
    Endpoint { standing: Standing::Disabled { cause, note: None, since_ms }, ..endpoint }
}

#[test]
fn each_failure_that_was_not_warned_of_yet_is_due_in_its_order() {
    let endpoint = endpoint();
    let due = |failures, warned| Subject::new(&endpoint, &failing(failures, warned)).due(NOW);
    assert_eq!(due(2, 0), [warning(1), warning(2)]);
    assert_eq!(due(9, 3), [warning(4)]);
    assert!(due(9, 4).is_empty());
}

/// A row of two failures that a success ended before anybody was warned of it.
fn owing() -> Health {
    let owed = Some(Owed { since: NOW - HOUR * 7, warned: 0, failures: 2 });
    Health { last_success: Some(NOW), owed, ..Health::default() }
}

#[test]
fn a_row_that_was_over_before_anybody_was_warned_is_warned_of_first() {
    let endpoint = endpoint();
    let health = Health { failing_since: Some(NOW), failures_in_a_row: 1, ..owing() };
    let next = Notice::Warning { number: 1, row: NOW };
    assert_eq!(Subject::new(&endpoint, &health).due(NOW), [warning(1), warning(2), next]);
}

#[test]
fn the_letter_about_a_row_that_is_over_says_so_and_threatens_nothing() {
    let (endpoint, health) = (endpoint(), owing());
    let subject = Subject::new(&endpoint, &health);
    let text = warning(2).letter(&subject).text;
    assert!(text.contains("  Failing since:     2026-11-21 00:03 UTC\n"), "{text}");
    assert!(text.contains("  Failures in a row: 2\n") && text.contains("Another one has succeeded since"), "{text}");
    assert!(!text.contains("is disabled") && text.contains("(\"recover\")"), "{text}");
    let data: Value = serde_json::from_str(&warning(2).event(&subject, NOW).data).unwrap();
    assert_eq!(data["endpoint"]["failures_in_a_row"], 2);
    assert!(data["endpoint"].get("disabled_at").is_none());
}

#[test]
fn an_endpoint_that_must_stop_is_told_that_and_not_warned_too() {
    let endpoint = endpoint();
    let (cause, at) = (Cause::Gone, NOW - HOUR);
    let health = Health { stop: Some(Stop { cause, at }), ..failing(1, 0) };
    assert_eq!(Subject::new(&endpoint, &health).due(NOW), [Notice::Disabled { cause, since: at }]);
}

#[test]
fn the_twentieth_day_disables_and_names_the_instant_however_late_it_is_noticed() {
    let (endpoint, health) = (endpoint(), failing(9, 4));
    let end = NOW - HOUR * 7 + PATIENCE;
    let subject = Subject::new(&endpoint, &health);
    assert!(subject.due(end - Duration::from_millis(1)).is_empty());
    let told = [Notice::Disabled { cause: Cause::Failing, since: end }];
    assert_eq!((subject.due(end), subject.due(end + HOUR)), (told.to_vec(), told.to_vec()));
}

#[test]
fn what_was_begun_before_a_crash_is_still_due_after_the_standing_was_set() {
    let (cause, at) = (Cause::Gone, NOW - HOUR);
    let health = Health { stop: Some(Stop { cause, at }), ..failing(1, 0) };
    let stopped = disabled(endpoint(), cause, at);
    assert_eq!(Subject::new(&stopped, &health).due(NOW), [Notice::Disabled { cause, since: at }]);
}

#[test]
fn an_endpoint_that_its_owner_disabled_is_left_in_peace() {
    let stop = Some(Stop { cause: Cause::Gone, at: NOW - HOUR });
    let owners = disabled(endpoint(), Cause::Owner, NOW - HOUR * 2);
    assert!(Subject::new(&owners, &Health { stop, ..failing(3, 0) }).due(NOW).is_empty());
    assert!(Subject::new(&owners, &failing(3, 0)).due(NOW).is_empty());
}

#[test]
fn the_same_notice_is_the_same_event_and_every_other_is_another() {
    let (endpoint, health) = (endpoint(), failing(4, 0));
    let id = |notice: Notice, health: &Health, now| notice.event(&Subject::new(&endpoint, health), now).id;
    let first = warning(1);
    assert_eq!(id(first, &health, NOW), id(first, &failing(2, 1), NOW + HOUR));
    let since = NOW;
    let others = [
        id(warning(2), &health, NOW),
        id(Notice::Warning { number: 1, row: NOW }, &health, NOW),
        id(Notice::Disabled { cause: Cause::Failing, since }, &health, NOW),
        id(Notice::Enabled { since }, &health, NOW),
    ];
    assert!(!others.contains(&id(first, &health, NOW)));
    let revs: Vec<u32> =
        (1..=4).map(|number| warning(number).event(&Subject::new(&endpoint, &health), NOW).rev).collect();
    assert_eq!(revs, [1, 2, 3, 4], "a journal skips a lower revision of a record");
}

#[test]
fn the_event_of_a_warning_says_what_is_known_and_where_by_host_alone() {
    let (endpoint, health) = (endpoint(), failing(2, 1));
    let subject = Subject { waiting: Some(12), ..Subject::new(&endpoint, &health) };
    let draft = warning(2).event(&subject, NOW);
    assert_eq!((draft.event_type.as_str(), draft.source.as_str()), ("endpoint.warning", "/afferent/ep_1"));
    assert_eq!(draft.user, UserId::app());
    let body: Value = serde_json::from_str(&draft.numbered(7, 0).unwrap().body).unwrap();
    assert_eq!(body["dataschema"], "urn:afferent:schema:endpoint:1");
    assert_eq!(
        body["data"],
        json!({"endpoint": {
            "id": "ep_1", "destination": "example.org", "description": "Ward 3", "state": "enabled", "warning": 2,
            "failures_in_a_row": 2, "failing_since": "2026-11-21T00:03:11.412Z",
            "last_success": "2026-11-20T23:03:11.412Z", "disabled_at": "2026-12-11T00:03:11.412Z", "waiting": 12,
        }})
    );
}

#[test]
fn the_events_of_disabling_and_enabling_say_why_and_since_when() {
    let (endpoint, health) = (endpoint(), failing(9, 4));
    let data = |notice: Notice| -> Value {
        let subject = Subject { missed: Some(3), ..Subject::new(&endpoint, &health) };
        serde_json::from_str::<Value>(&notice.event(&subject, NOW + HOUR).data).unwrap()["endpoint"].take()
    };
    let disabled = data(Notice::Disabled { cause: Cause::Failing, since: NOW });
    assert_eq!((&disabled["state"], &disabled["cause"]), (&json!("disabled"), &json!("failing")));
    assert_eq!(disabled["since"], "2026-11-21T07:03:11.412Z");
    let enabled = data(Notice::Enabled { since: NOW });
    assert_eq!((&enabled["state"], &enabled["missed"]), (&json!("enabled"), &json!(3)));
    assert!(enabled.get("cause").is_none() && enabled.get("warning").is_none());
}

#[test]
fn the_letter_of_a_first_warning() {
    let (endpoint, health) = (endpoint(), failing(1, 0));
    let letter = warning(1).letter(&Subject::new(&endpoint, &health));
    assert_eq!(letter.subject, "Afferent: deliveries to example.org fail (warning 1 of 4)");
    assert_eq!(
        letter.text,
        "\
Events could not be delivered to one of your endpoints.

  Endpoint:          ep_1 (Ward 3)
  Destination:       example.org
  Failing since:     2026-11-21 00:03 UTC
  Last success:      2026-11-20 23:03 UTC
  Failures in a row: 1

What happened

A delivery has ended without being delivered.

What happens next

New events go on being delivered, and failed tries being repeated.
If nothing is delivered until 2026-12-11 00:03 UTC, 20 days after the first
failed try, the endpoint is disabled: nothing is delivered to it any more, and
what waits for it is cancelled.
This is warning 1 of 4: each of the first 4 failures in a row brings one.

What to do

Let the endpoint answer again. The log of its deliveries shows each try with the
answer or the error. Once it answers, nothing has to be done for what comes, and
what had failed can be sent again (\"recover\"). If nobody wants these events any
more, disable or delete the endpoint.

This letter goes to the contact of the endpoint or, if it has none, to the
contact of the whole system. It holds no data of any person.
"
    );
}

#[test]
fn the_letter_of_a_last_warning_says_so_and_that_of_an_open_breaker_says_what_that_means() {
    let endpoint = endpoint();
    let breaker = Breaker::Open { since: NOW, probes: 1, next_probe: NOW };
    let health = Health { breaker, ..failing(4, 3) };
    let text = warning(4).letter(&Subject::new(&endpoint, &health)).text;
    assert!(text.contains("This is the last of 4 warnings; no further letter comes before that."), "{text}");
    assert!(text.contains("but for a probe now and\nthen (at least every 15 minutes)"), "{text}");
}

#[test]
fn the_letter_of_an_endpoint_that_failed_for_20_days() {
    let (endpoint, health) = (endpoint(), failing(61, 4));
    let since = NOW - HOUR * 7 + PATIENCE;
    let subject = Subject { waiting: Some(1), ..Subject::new(&endpoint, &health) };
    let letter = Notice::Disabled { cause: Cause::Failing, since }.letter(&subject);
    assert_eq!(letter.subject, "Afferent: the endpoint at example.org is disabled");
    assert_eq!(
        letter.text,
        "\
One of your endpoints is disabled: it failed for 20 days.

  Endpoint:          ep_1 (Ward 3)
  Destination:       example.org
  Disabled since:    2026-12-11 00:03 UTC
  Failing since:     2026-11-21 00:03 UTC
  Last success:      2026-11-20 23:03 UTC
  Failures in a row: 61
  Waiting:           1 delivery

What happens next

Nothing is delivered to it any more, and what waits for it is cancelled. Events
go on being kept in the journal, for as long as the journal keeps events.

What to do

To have events delivered again, mend it, then enable it; a test event shows
whether it answers.
What it missed does not come by itself then: \"recover\" sends again what failed
or was cancelled, \"replay\" delivers what it was never offered. If nobody wants
these events any more, delete the endpoint.

This letter goes to the contact of the endpoint or, if it has none, to the
contact of the whole system. It holds no data of any person.
"
    );
}

#[test]
fn the_letter_of_an_enabled_endpoint_says_what_it_missed_and_how_to_get_it() {
    let queue_url = QueueUrl::parse("https://sqs.eu-west-1.amazonaws.com/123456789012/inbox").unwrap();
    let endpoint = Endpoint::new(EndpointId::from("ep_2"), Destination::Sqs { queue_url }, NOW);
    let health = Health::default();
    let subject = Subject { missed: Some(3), ..Subject::new(&endpoint, &health) };
    let letter = Notice::Enabled { since: NOW }.letter(&subject);
    assert_eq!(letter.subject, "Afferent: the endpoint at sqs.eu-west-1.amazonaws.com is enabled again");
    assert_eq!(
        letter.text,
        "\
One of your endpoints is enabled again, and gets what comes from now on.

  Endpoint:          ep_2
  Destination:       a queue at sqs.eu-west-1.amazonaws.com
  Enabled since:     2026-11-21 07:03 UTC
  Missed:            3 deliveries

What to do

What it missed does not come by itself: \"recover\" sends again what failed or was
cancelled, \"replay\" delivers what it was never offered. A preview of either says
how much that is.

This letter goes to the contact of the endpoint or, if it has none, to the
contact of the whole system. It holds no data of any person.
"
    );
}

#[test]
fn every_cause_has_its_advice() {
    let (endpoint, health) = (endpoint(), failing(1, 0));
    for (cause, advice) in [
        (Cause::Owner, "enable the endpoint"),
        (Cause::Operator, "ask the operator"),
        (Cause::Gone, "anything but 410"),
        (Cause::Receiver, "stop asking for that"),
        (Cause::Failing, "mend it"),
    ] {
        let text = Notice::Disabled { cause, since: NOW }.letter(&Subject::new(&endpoint, &health)).text;
        assert!(text.contains(advice) && text.contains(cause.words()), "{text}");
    }
}

fn notices() -> impl Strategy<Value = Notice> {
    let causes = [Cause::Owner, Cause::Operator, Cause::Gone, Cause::Receiver, Cause::Failing];
    prop_oneof![
        (1_u32..=4).prop_map(warning),
        prop::sample::select(causes.to_vec()).prop_map(|cause| Notice::Disabled { cause, since: NOW }),
        Just(Notice::Enabled { since: NOW }),
    ]
}

proptest! {
    #[test]
    fn no_notice_shows_a_path_or_a_query(notice in notices(), failures in 0_u32..100) {
        let (endpoint, health) = (endpoint(), failing(failures, 0));
        let subject = Subject::new(&endpoint, &health);
        let words = notice.letter(&subject);
        let shown = format!("{}{}{}", words.subject, words.text, notice.event(&subject, NOW).data);
        prop_assert!(!shown.contains("token-in-the-path") && !shown.contains("secret") && !shown.contains("hook"));
    }

    #[test]
    fn nobody_s_description_adds_a_line_to_a_letter_or_breaks_an_event(notice in notices(), description: String) {
        let mut endpoint = endpoint();
        let health = failing(1, 0);
        let lines = |endpoint: &Endpoint| notice.letter(&Subject::new(endpoint, &health)).text.lines().count();
        let before = lines(&endpoint);
        endpoint.description = Some(description.clone());
        prop_assert_eq!(lines(&endpoint), before);
        let data: Value = serde_json::from_str(&notice.event(&Subject::new(&endpoint, &health), NOW).data).unwrap();
        prop_assert_eq!(&data["endpoint"]["description"], &Value::from(description));
    }

    #[test]
    fn a_subject_is_one_line_and_a_letter_has_short_ones(notice in notices()) {
        let (endpoint, health) = (endpoint(), failing(3, 0));
        let words = notice.letter(&Subject::new(&endpoint, &health));
        prop_assert!(!words.subject.contains(char::is_control));
        prop_assert!(words.text.lines().all(|line| line.chars().count() <= 82), "{}", words.text);
    }
}
