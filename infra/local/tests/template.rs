//! What is read from the template, and what is refused.

#![allow(clippy::unwrap_used, reason = "a failed `unwrap` is a failed test")]

use std::collections::BTreeMap;
use std::time::Duration;

use afferent_local::template::{Place, Source, Template, TemplateError};

const OURS: &str = include_str!("../../template.yaml");

fn given(more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let own = [("WithingsClientId", "id"), ("WithingsClientSecret", "secret"), ("CallbackSecretSha256", "00")];
    own.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn ours(more: &[(&str, &str)]) -> Template {
    Template::parse(OURS, &Place::default(), &given(more)).unwrap()
}

fn refusal(text: &str) -> String {
    let error = Template::parse(text, &Place::default(), &BTreeMap::new()).unwrap_err();
    assert!(matches!(error, TemplateError::Unusable { .. }), "{error}");
    error.to_string()
}

#[test]
fn a_parameter_goes_before_its_default_and_reaches_where_it_is_named() {
    let concurrency = |template: &Template| match &template.function("dispatcher").unwrap().sources[0] {
        Source::Queue(source) => source.max_concurrency,
        other => panic!("{other:?}"),
    };
    assert_eq!(concurrency(&ours(&[])), Some(50));
    assert_eq!(concurrency(&ours(&[("DispatcherConcurrency", "25")])), Some(25));
    let environment =
        ours(&[("WithingsApiUrl", "http://127.0.0.1:9100")]).function("fetcher").unwrap().environment.clone();
    assert_eq!(environment["WITHINGS_API_URL"], "http://127.0.0.1:9100");
    assert_eq!(environment["WITHINGS_LIMIT"], "120");
    assert_eq!(environment["RECORDS_TABLE"], "afferent-records");
}

#[test]
fn every_queue_s_visibility_timeout_is_six_times_its_function_s_timeout_or_more() {
    let template = ours(&[]);
    for function in &template.functions {
        for source in &function.sources {
            if let Source::Queue(source) = source {
                let queue = template.queue(&source.queue_arn).unwrap();
                assert!(queue.visibility >= function.timeout * 6, "{}", queue.name);
                assert!(source.partial_responses, "{}", queue.name);
            }
        }
    }
}

#[test]
fn a_function_has_a_url_unless_the_front_door_is_another_one() {
    let open = |more: &[(&str, &str)]| {
        let functions = ours(more).functions;
        functions.into_iter().filter(|function| function.has_url).map(|function| function.binary).collect::<Vec<_>>()
    };
    assert_eq!(open(&[]), ["api", "ingest"]);
    assert_eq!(open(&[("FrontDoor", "http-api")]), [""; 0]);
}

#[test]
fn every_choice_that_the_template_offers_can_be_run_on_one_machine() {
    let key = "arn:aws:kms:eu-west-1:123456789012:key/1";
    let template = ours(&[
        ("FrontDoor", "http-api"),
        ("KmsKeyArn", key),
        ("RecordsKinesis", "on"),
        ("ReaderPrincipals", "arn:aws:iam::123456789012:root"),
        ("ReaderExternalId", "0123456789abcdef"),
        ("IngestConcurrency", "20"),
        ("Deployment", "Linear10PercentEvery1Minute"),
        ("Alarms", "false"),
    ]);
    assert_eq!(template.function("ingest").unwrap().reserved_concurrency, Some(20));
    assert_eq!(template.function("api").unwrap().reserved_concurrency, None);
    assert_eq!((template.tables.len(), template.queues.len()), (7, 7));
}

#[test]
fn a_stack_that_is_to_stand_still_reads_nothing_and_is_not_invoked() {
    let stopped = ours(&[("Standing", "stopped"), ("IngestConcurrency", "20")]);
    for function in ["fetcher", "fanout", "dispatcher"] {
        assert!(stopped.function(function).unwrap().sources.is_empty(), "{function}");
        assert!(!ours(&[]).function(function).unwrap().sources.is_empty(), "{function}");
    }
    for function in ["ingest", "keeper", "api"] {
        assert_eq!(stopped.function(function).unwrap().reserved_concurrency, Some(0), "{function}");
        assert_eq!(ours(&[]).function(function).unwrap().reserved_concurrency, None, "{function}");
    }
}

#[test]
fn schedules_and_stream_settings_are_read() {
    let template = ours(&[]);
    let every: Vec<Duration> = template
        .function("keeper")
        .unwrap()
        .sources
        .iter()
        .map(|source| match source {
            Source::Schedule(schedule) => schedule.every,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(every, [Duration::from_secs(86_400), Duration::from_secs(60)]);
    let Source::Stream(stream) = &template.function("fanout").unwrap().sources[0] else { panic!("no stream") };
    assert!(stream.from_horizon && stream.bisect && stream.partial_responses);
    assert_eq!((stream.max_retries, stream.max_age), (None, Some(Duration::from_secs(82_800))));
}

#[test]
fn a_parameter_without_a_value_and_one_that_is_unknown_are_named() {
    let error = Template::parse(OURS, &Place::default(), &BTreeMap::new()).unwrap_err().to_string();
    assert!(error.contains("needs a value"), "{error}");
    let error = Template::parse(OURS, &Place::default(), &given(&[("Nonsense", "1")])).unwrap_err().to_string();
    assert_eq!(error, "Parameters.Nonsense: the template has no such parameter");
}

#[test]
fn what_a_place_gives_to_a_parameter_stands_between_its_default_and_what_is_given() {
    let parameters = [("EndpointPorts", "1-65535"), ("MailFrom", "a@b.example"), ("Nobodys", "1")];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let place = Place { parameters, ..Place::default() };
    let template = Template::parse(OURS, &place, &given(&[("MailFrom", "")])).unwrap();
    let variable = |function: &str, name: &str| template.function(function).unwrap().environment[name].clone();
    assert_eq!(variable("dispatcher", "ENDPOINT_PORTS"), "1-65535");
    assert_eq!(variable("dispatcher", "ENDPOINT_NETWORKS"), "");
    assert_eq!(variable("keeper", "MAIL_FROM"), "");
}

#[test]
fn what_the_stack_relies_on_and_does_not_understand_is_an_error_that_says_where() {
    let queue = |line: &str| format!("Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      {line}\n");
    assert_eq!(
        refusal(&queue("FifoQueue: true")),
        "Resources.Q.Properties.FifoQueue: the local stack does not know this property"
    );
    assert_eq!(
        refusal(&queue("VisibilityTimeout: !Select [0, [1]]")),
        "Resources.Q.Properties.VisibilityTimeout: Fn::Select is not understood here"
    );
    assert_eq!(
        refusal(&queue("VisibilityTimeout: 43201")),
        "Resources.Q.Properties.VisibilityTimeout: should be between 0 and 43200"
    );
    assert_eq!(refusal(&queue("QueueName: !Ref Nobody")), "Resources.Q.Properties.QueueName: nothing is called Nobody");
    let unknown = "Resources:\n  B:\n    Type: AWS::S3::Bucket\n";
    assert_eq!(refusal(unknown), "Resources.B: the local stack has no AWS::S3::Bucket");
}

#[test]
fn conditions_decide_values_and_whether_a_resource_is_made() {
    let text = "
Parameters:
  Size: { Type: String, Default: big }
Conditions:
  Big: !Equals [!Ref Size, big]
  Small: !Not [Condition: Big]
Resources:
  Always:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Join ['-', [!Ref AWS::StackName, 'q']]
      VisibilityTimeout: !If [Big, 60, !Ref AWS::NoValue]
  Never:
    Type: AWS::SQS::Queue
    Condition: Small
";
    let read = |size: &str| {
        let parameters = BTreeMap::from([("Size".to_owned(), size.to_owned())]);
        Template::parse(text, &Place::default(), &parameters).unwrap()
    };
    let (big, small) = (read("big"), read("small"));
    assert_eq!((big.queues.len(), big.queues[0].visibility.as_secs()), (1, 60));
    assert_eq!(big.queues[0].name, "afferent-q");
    assert_eq!((small.queues.len(), small.queues[0].visibility.as_secs()), (2, 30));
}
