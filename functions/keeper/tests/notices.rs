//! What the keeper makes of the health of endpoints: standings, events and letters, over the local stack.

#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is the failure we want to see")]

use std::collections::BTreeMap;
use std::time::Duration;

use afferent_domain::Timestamp;
use afferent_domain::contact::EmailAddress;
use afferent_domain::endpoint::{Cause, Destination, Endpoint, EndpointUrl, Standing};
use afferent_domain::event::Event;
use afferent_domain::filter::Pattern;
use afferent_domain::health::{PATIENCE, Stop};
use afferent_domain::id::{EndpointId, UserId};
use afferent_domain::job::Kind;
use afferent_function::Env;
use afferent_local::dynamodb::Fault;
use afferent_local::{MailFault, Setup, Simulation, Ticks};
use afferent_store::deliveries::Deliveries;
use afferent_store::endpoints::Endpoints;
use afferent_store::events::{After, Events};
use keeper::Keeper;
use serde_json::json;

const MINUTE: Duration = Duration::from_secs(60);

struct Stack {
    simulation: Simulation,
    keeper: Keeper,
    events: Events,
    deliveries: Deliveries,
    endpoints: Endpoints,
}

impl Stack {
    async fn start() -> Self {
        Self::with(&[]).await
    }

    async fn with(parameters: &[(&str, &str)]) -> Self {
        let parameters: BTreeMap<String, String> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::of(Setup { ticks: Ticks::Off, parameters, ..Setup::default() }).await
    }

    async fn of(setup: Setup) -> Self {
        let simulation = Simulation::bare(setup).await.unwrap();
        let environment = simulation.template.function("keeper").unwrap().environment.clone();
        let client = afferent_store::client(&simulation.rim.aws);
        Self {
            keeper: Keeper::start(&Env::of(environment), &simulation.rim).await.unwrap(),
            events: Events::new(client.clone(), "afferent-events".to_owned()),
            deliveries: Deliveries::new(client.clone(), "afferent-deliveries".to_owned()),
            endpoints: Endpoints::new(client, "afferent-endpoints".to_owned()),
            simulation,
        }
    }

    fn now(&self) -> Timestamp {
        self.simulation.clock.now()
    }

    async fn endpoint(&self, name: &str, contact: Option<&str>) -> EndpointId {
        self.endpoint_for(name, contact, &["*"]).await
    }

    async fn endpoint_for(&self, name: &str, contact: Option<&str>, types: &[&str]) -> EndpointId {
        let url = EndpointUrl::parse(&format!("https://{name}.example/hook/token")).unwrap();
        let id = EndpointId::from(format!("ep_{name}"));
        let mut endpoint = Endpoint::new(id.clone(), Destination::Http { url }, self.now());
        endpoint.types = types.iter().map(|text| Pattern::parse(text).unwrap()).collect();
        endpoint.contact = contact.map(|text| EmailAddress::parse(text).unwrap());
        assert!(self.endpoints.put(&endpoint, None).await.unwrap());
        id
    }

    async fn fails(&self, endpoint: &EndpointId) {
        self.endpoints.count_failure(endpoint, self.now()).await.unwrap();
    }

    /// A minute of the keeper's; whether all of it went well.
    async fn minute(&self) -> bool {
        tokio::time::sleep(MINUTE).await;
        self.keeper.handle(json!({"task": "minute"})).await.is_ok()
    }

    async fn journal(&self) -> Vec<Event> {
        match self.events.after(&UserId::app(), 0, 100).await.unwrap() {
            After::Events(events) => events,
            After::Gone { .. } => panic!("nothing expires here"),
        }
    }

    async fn types(&self) -> Vec<String> {
        self.journal().await.into_iter().map(|event| event.event_type).collect()
    }

    /// To whom and about what, of every letter.
    fn letters(&self) -> Vec<(String, String)> {
        self.simulation.mail.sent().into_iter().map(|sent| (sent.to, sent.subject)).collect()
    }

    async fn standing(&self, endpoint: &EndpointId) -> Standing {
        self.endpoints.get(endpoint).await.unwrap().unwrap().standing
    }

    async fn is_watched(&self, endpoint: &EndpointId) -> bool {
        self.endpoints.watched().await.unwrap().iter().any(|(watched, _)| watched == endpoint)
    }
}

fn warning(host: &str, number: u32) -> String {
    format!("Afferent: deliveries to {host} fail (warning {number} of 4)")
}

#[tokio::test(start_paused = true)]
async fn each_of_the_first_four_failures_in_a_row_brings_one_event_and_one_letter() {
    let stack = Stack::start().await;
    let endpoint = stack.endpoint("ward", Some("ward@clinic.example")).await;
    for _ in 0..6 {
        stack.fails(&endpoint).await;
        assert!(stack.minute().await && stack.minute().await);
    }
    let expected: Vec<_> =
        (1..=4).map(|number| ("ward@clinic.example".to_owned(), warning("ward.example", number))).collect();
    assert_eq!(stack.letters(), expected);
    assert_eq!(stack.types().await, ["endpoint.warning"; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_success_ends_the_row_and_the_next_failure_is_the_first_again() {
    let stack = Stack::start().await;
    let endpoint = stack.endpoint("ward", None).await;
    for _ in 0..2 {
        stack.fails(&endpoint).await;
        stack.minute().await;
        stack.endpoints.note_success(&endpoint, stack.now()).await.unwrap();
    }
    let subjects: Vec<String> = stack.letters().into_iter().map(|(_, subject)| subject).collect();
    assert_eq!(subjects, [warning("ward.example", 1), warning("ward.example", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_warned_of_although_a_success_came_before_the_keeper() {
    let stack = Stack::start().await;
    let endpoint = stack.endpoint("ward", None).await;
    stack.fails(&endpoint).await;
    stack.fails(&endpoint).await;
    stack.endpoints.note_success(&endpoint, stack.now()).await.unwrap();
    assert!(stack.minute().await && stack.minute().await);
    let subjects: Vec<String> = stack.letters().into_iter().map(|(_, subject)| subject).collect();
    assert_eq!(subjects, [warning("ward.example", 1), warning("ward.example", 2)]);
    assert!(!stack.is_watched(&endpoint).await);
}

#[tokio::test(start_paused = true)]
async fn without_a_contact_of_its_own_the_stack_s_is_written_to() {
    let stack = Stack::with(&[("Contact", "team@operator.example")]).await;
    let endpoint = stack.endpoint("ward", None).await;
    stack.fails(&endpoint).await;
    stack.minute().await;
    assert_eq!(stack.letters()[0].0, "team@operator.example");
}

#[tokio::test(start_paused = true)]
async fn a_notice_goes_to_every_endpoint_but_the_one_that_it_is_about() {
    let stack = Stack::start().await;
    let failing = stack.endpoint("failing", None).await;
    let other = stack.endpoint("other", None).await;
    stack.fails(&failing).await;
    stack.minute().await;
    let event = stack.journal().await.remove(0).id;
    let of =
        |endpoint: &EndpointId| afferent_domain::delivery::Key { event: event.clone(), endpoint: endpoint.clone() };
    assert!(stack.deliveries.get(&of(&other)).await.unwrap().is_some());
    assert!(stack.deliveries.get(&of(&failing)).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_gone_is_disabled_its_deliveries_are_cancelled_and_its_contact_hears_of_it_once() {
    let stack = Stack::start().await;
    let endpoint = stack.endpoint("ward", None).await;
    let at = stack.now();
    stack.endpoints.note_stop(&endpoint, Stop { cause: Cause::Gone, at }).await.unwrap();
    assert!(stack.minute().await && stack.minute().await);
    let Standing::Disabled { cause: Cause::Gone, since_ms, .. } = stack.standing(&endpoint).await else {
        panic!("it is not disabled")
    };
    assert_eq!(since_ms, at);
    let jobs = stack.endpoints.jobs(&endpoint).await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.kind).collect::<Vec<_>>(), [Kind::Cancel]);
    assert_eq!(stack.types().await, ["endpoint.disabled"]);
    assert_eq!(stack.letters().len(), 1);
    assert!(!stack.is_watched(&endpoint).await);
}

#[tokio::test(start_paused = true)]
async fn twenty_days_without_a_success_disable_an_endpoint_and_not_a_minute_less() {
    let stack = Stack::start().await;
    let endpoint = stack.endpoint("ward", None).await;
    let began = stack.now() + MINUTE * 2 - PATIENCE;
    stack.endpoints.count_failure(&endpoint, began).await.unwrap();
    stack.minute().await;
    assert_eq!(stack.standing(&endpoint).await, Standing::Enabled);
    stack.minute().await;
    let Standing::Disabled { cause, note, since_ms } = stack.standing(&endpoint).await else { panic!("it goes on") };
    assert_eq!((cause, since_ms), (Cause::Failing, began + PATIENCE));
    assert_eq!(note, Some(format!("nothing was delivered since {began}")));
    assert_eq!(stack.types().await, ["endpoint.warning", "endpoint.disabled"]);
    assert_eq!(stack.letters()[1].1, "Afferent: the endpoint at ward.example is disabled");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_its_owner_disabled_is_not_written_about_and_not_looked_after_any_more() {
    let stack = Stack::start().await;
    let endpoint = stack.endpoint("ward", None).await;
    stack.fails(&endpoint).await;
    let owners = Standing::Disabled { cause: Cause::Owner, note: None, since_ms: stack.now() };
    assert!(stack.endpoints.set_standing(&endpoint, &Standing::Enabled, &owners).await.unwrap());
    assert!(stack.minute().await);
    assert!(stack.letters().is_empty() && stack.types().await.is_empty());
    assert!(!stack.is_watched(&endpoint).await);
    assert_eq!(stack.standing(&endpoint).await, owners);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_endpoint_is_not_looked_after() {
    let stack = Stack::start().await;
    let endpoint = stack.endpoint("ward", None).await;
    let whole = stack.endpoints.whole(&endpoint).await.unwrap().unwrap();
    stack.endpoints.delete(&whole.endpoint, &whole.secrets).await.unwrap();
    stack.fails(&endpoint).await;
    assert!(stack.minute().await);
    assert!(!stack.is_watched(&endpoint).await && stack.letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn while_mail_is_out_of_reach_letters_wait_and_events_and_standings_do_not() {
    let stack = Stack::start().await;
    let (failing, gone) = (stack.endpoint("failing", None).await, stack.endpoint("gone", None).await);
    stack.simulation.mail.always(MailFault::OutOfReach, "");
    stack.fails(&failing).await;
    stack.endpoints.note_stop(&gone, Stop { cause: Cause::Receiver, at: stack.now() }).await.unwrap();
    for _ in 0..90 {
        assert!(!stack.minute().await, "a letter that waits is an error that an alarm sees");
    }
    let mut types = stack.types().await;
    types.sort();
    assert_eq!(types, ["endpoint.disabled", "endpoint.warning"]);
    assert!(matches!(stack.standing(&gone).await, Standing::Disabled { cause: Cause::Receiver, .. }));
    stack.simulation.mail.mend();
    assert!(stack.minute().await && stack.minute().await);
    assert_eq!(stack.letters().len(), 2, "however long it took");
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_is_refused_is_tried_for_an_hour_and_holds_up_nobody_else_s() {
    let stack = Stack::start().await;
    let refused = stack.endpoint("refused", Some("nobody@typo.example")).await;
    let other = stack.endpoint("other", Some("ops@clinic.example")).await;
    stack.simulation.mail.always(MailFault::Rejected, "typo.example");
    stack.fails(&refused).await;
    stack.fails(&other).await;
    stack.minute().await;
    assert_eq!(stack.letters(), [("ops@clinic.example".to_owned(), warning("other.example", 1))]);
    for _ in 0..59 {
        assert!(!stack.minute().await);
    }
    assert!(stack.minute().await, "given up");
    stack.simulation.mail.mend();
    assert!(stack.minute().await);
    assert_eq!(stack.letters().len(), 1, "what was given up stays given up");
    stack.fails(&refused).await;
    stack.minute().await;
    assert_eq!(stack.letters()[1].1, warning("refused.example", 2), "the next failure is told again");
}

#[tokio::test(start_paused = true)]
async fn a_stack_without_a_sender_has_the_same_events_and_no_letters() {
    let stack = Stack::with(&[("MailFrom", ""), ("Contact", "")]).await;
    let endpoint = stack.endpoint("ward", Some("ward@clinic.example")).await;
    stack.fails(&endpoint).await;
    assert!(stack.minute().await && stack.minute().await);
    assert_eq!(stack.types().await, ["endpoint.warning"]);
    assert!(stack.letters().is_empty());
    assert_eq!(stack.endpoints.whole(&endpoint).await.unwrap().unwrap().health.warned, 1);
}

/// The SDK tries four times before it gives up.
const GIVES_UP: u32 = 4;

#[tokio::test(start_paused = true)]
async fn whichever_write_fails_the_next_run_finishes_and_the_event_comes_once() {
    let writes = [
        ("UpdateItem", "stop_ms"),
        ("UpdateItem", "standing"),
        ("PutItem", "job#"),
        ("TransactWriteItems", "afferent-events"),
        ("PutItem", "afferent-deliveries"),
        ("UpdateItem", "REMOVE failing_since_ms"),
    ];
    for fault in [Fault::Failed, Fault::AnswerLost] {
        for (operation, about) in writes {
            let stack = Stack::start().await;
            let endpoint = stack.endpoint("ward", None).await;
            stack.endpoint("other", None).await;
            stack.endpoints.count_failure(&endpoint, stack.now() - PATIENCE).await.unwrap();
            stack.simulation.dynamodb.faults().next(fault, operation, about, GIVES_UP);
            let case = format!("{fault:?} {operation} {about}");
            assert!(!stack.minute().await, "{case}: the fault was met");
            assert!(stack.minute().await, "{case}");
            assert_eq!(stack.types().await, ["endpoint.disabled"], "{case}");
            assert!((1..=2).contains(&stack.letters().len()), "{case}: {:?}", stack.letters());
            let standing = stack.standing(&endpoint).await;
            assert!(matches!(standing, Standing::Disabled { cause: Cause::Failing, .. }), "{case}");
            assert_eq!(stack.endpoints.jobs(&endpoint).await.unwrap().len(), 1, "{case}");
            assert!(!stack.is_watched(&endpoint).await, "{case}");
            // The other endpoint's delivery is one; a second message for it finds nothing to do.
            let messages = stack.simulation.sqs.messages("afferent-deliveries", 10).unwrap();
            assert!(
                (1..=2).contains(&messages.len()) && messages.iter().all(|one| one.body == messages[0].body),
                "{case}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_was_enabled_meanwhile_is_not_disabled_on_what_was_read_before() {
    let stack = Stack::start().await;
    let endpoint = stack.endpoint("ward", None).await;
    stack.endpoints.count_failure(&endpoint, stack.now() - PATIENCE).await.unwrap();
    stack.endpoints.reset_health(&endpoint, None).await.unwrap();
    assert!(stack.minute().await);
    assert_eq!(stack.standing(&endpoint).await, Standing::Enabled);
    assert!(stack.letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_notice_that_cannot_be_journalled_holds_up_nobody_else_s() {
    let stack = Stack::start().await;
    for name in ["first", "second", "third"] {
        stack.fails(&stack.endpoint(name, None).await).await;
    }
    let faults = stack.simulation.dynamodb.faults();
    faults.sometimes(Fault::Failed, "TransactWriteItems", "ep_second", 1_000, stack.simulation.dice.clone());
    assert!(!stack.minute().await, "it is an error that an alarm sees");
    let mut subjects: Vec<String> = stack.letters().into_iter().map(|(_, subject)| subject).collect();
    subjects.sort();
    assert_eq!(subjects, [warning("first.example", 1), warning("third.example", 1)]);
    assert_eq!(stack.types().await.len(), 2);
    faults.clear();
    assert!(stack.minute().await && stack.minute().await);
    assert_eq!(stack.letters()[2].1, warning("second.example", 1));
    assert_eq!((stack.types().await.len(), stack.letters().len()), (3, 3), "each of them once");
}

#[tokio::test(start_paused = true)]
async fn more_failing_endpoints_than_a_run_has_time_for_are_told_of_by_the_next_ones() {
    let setup = Setup { ticks: Ticks::Off, aws_latency_ms: (1_000, 1_000), ..Setup::default() };
    let stack = Stack::of(setup).await;
    for number in 0..300 {
        // None of them wants notices, or each would get all.
        stack.fails(&stack.endpoint_for(&format!("n{number}"), None, &["ecg.*"]).await).await;
    }
    let mut told = Vec::new();
    for _ in 0..40 {
        tokio::time::sleep(MINUTE).await;
        let began = stack.now();
        stack.keeper.handle(json!({"task": "minute"})).await.unwrap();
        let took = stack.now().since(began);
        assert!(took < Duration::from_secs(55), "{took:?}");
        told.push(stack.letters().len());
    }
    assert!(told[0] < 300 && told[39] == 300, "{told:?}");
}
