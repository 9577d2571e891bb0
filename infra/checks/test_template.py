"""The template translates, the translation lints clean, our invariants hold, and each invariant can fail."""

import json
from collections.abc import Callable

import invariants
import pytest
import template
from cfnlint.api import ManualArgs, lint

STACK = invariants.Stack(template.translate(template.source()))


def test_the_translation_has_no_fault_that_cfn_lint_finds() -> None:
    # On the translation, because before it the linter does not look into event sources.
    matches = faults(STACK.template)
    assert not matches, "\n".join(f"{match.rule.id} {match.message}" for match in matches)


def test_the_linter_sees_into_event_sources() -> None:
    broken = template.source()
    properties(broken, "FetcherFunction")["Events"]["Pulls"]["Properties"]["ScalingConfig"]["MaximumConcurrency"] = 1
    assert any(match.rule.id == "E3034" for match in faults(template.translate(broken)))


@pytest.mark.parametrize("rule", invariants.RULES, ids=lambda rule: rule.__name__)
def test_the_invariant_holds(rule: invariants.Rule) -> None:
    assert list(rule(STACK)) == []


def faults(translated: dict) -> list:
    # In one region: function URLs are not in all of them yet.
    return lint(json.dumps(translated), config=ManualArgs(regions=["us-east-1"]))


def properties(broken: dict, resource: str) -> dict:
    return broken["Resources"][resource]["Properties"]


def statement(broken: dict, role: str, sid: str) -> dict:
    document = properties(broken, role)["Policies"][0]["PolicyDocument"]
    return next(item for item in document["Statement"] if item["Sid"] == sid)


def source_of(broken: dict, function: str, event: str) -> dict:
    return properties(broken, function)["Events"][event]["Properties"]


# Ways to break the template, and the rule that must notice.
BREAKAGES: dict[str, tuple[str, Callable[[dict], object]]] = {
    "a function renamed": (
        "there_are_six_functions_named_after_the_stack",
        lambda t: properties(t, "KeeperFunction").update(FunctionName="keeper-of-all"),
    ),
    "a variable too many": (
        "every_function_has_exactly_its_variables",
        lambda t: properties(t, "IngestFunction")["Environment"]["Variables"].update(KEYS_TABLE="x"),
    ),
    "a variable missing": (
        "every_function_has_exactly_its_variables",
        lambda t: properties(t, "FetcherFunction")["Environment"]["Variables"].pop("WITHINGS_LIMIT"),
    ),
    "a secret in a variable": (
        "no_variable_holds_a_secret",
        lambda t: properties(t, "ApiFunction")["Environment"]["Variables"].update(X={"Ref": "WithingsClientSecret"}),
    ),
    "visibility too short": (
        "queues_hide_a_message_for_six_timeouts",
        lambda t: properties(t, "PullsQueue").update(VisibilityTimeout=719),
    ),
    "a batching window forgotten": (
        "queues_hide_a_message_for_six_timeouts",
        lambda t: source_of(t, "DispatcherFunction", "Deliveries").update(MaximumBatchingWindowInSeconds=1),
    ),
    "a timeout as long as the visibility": (
        "queues_hide_a_message_longer_than_a_function_runs",
        lambda t: properties(t, "DispatcherFunction").update(Timeout=180),
    ),
    "dead letters that die first": (
        "dead_letters_outlive_their_source",
        lambda t: properties(t, "DeliveriesDeadQueue").update(MessageRetentionPeriod=345600),
    ),
    "no dead-letter queue": (
        "dead_letters_outlive_their_source",
        lambda t: properties(t, "BackfillQueue").pop("RedrivePolicy"),
    ),
    "four receives": (
        "messages_are_received_five_times_before_they_are_dead",
        lambda t: properties(t, "PullsQueue")["RedrivePolicy"].update(maxReceiveCount=4),
    ),
    "a dead-letter queue open to all": (
        "dead_letter_queues_take_only_their_source",
        lambda t: properties(t, "PullsDeadQueue").update(RedriveAllowPolicy={"redrivePermission": "allowAll"}),
    ),
    "a queue in the clear": (
        "queues_are_encrypted",
        lambda t: properties(t, "FanoutFailuresQueue").update(SqsManagedSseEnabled=False),
    ),
    "whole batches fail (queue)": (
        "every_event_source_takes_partial_responses",
        lambda t: source_of(t, "FetcherFunction", "Backfill").pop("FunctionResponseTypes"),
    ),
    "whole batches fail (stream)": (
        "every_event_source_takes_partial_responses",
        lambda t: source_of(t, "FanoutFunction", "Records").pop("FunctionResponseTypes"),
    ),
    "concurrency without bound": (
        "every_queue_has_a_maximum_concurrency",
        lambda t: source_of(t, "FetcherFunction", "Pulls").pop("ScalingConfig"),
    ),
    "a default that Lambda refuses": (
        "every_queue_has_a_maximum_concurrency",
        lambda t: t["Parameters"]["DispatcherConcurrency"].update(Default=1),
    ),
    "nobody hears of failures": (
        "the_stream_is_tried_until_it_forgets",
        lambda t: source_of(t, "FanoutFunction", "Records").pop("DestinationConfig"),
    ),
    "no bisecting": (
        "the_stream_is_tried_until_it_forgets",
        lambda t: source_of(t, "FanoutFunction", "Records").update(BisectBatchOnFunctionError=False),
    ),
    "given up after an hour": (
        "the_stream_is_tried_until_it_forgets",
        lambda t: source_of(t, "FanoutFunction", "Records").update(MaximumRecordAgeInSeconds=3600),
    ),
    "given up after three tries": (
        "the_stream_is_tried_until_it_forgets",
        lambda t: source_of(t, "FanoutFunction", "Records").update(MaximumRetryAttempts=3),
    ),
    "logs for ever": (
        "every_function_logs_json_where_logs_expire",
        lambda t: properties(t, "ApiLog").pop("RetentionInDays"),
    ),
    "no log group": (
        "every_function_logs_json_where_logs_expire",
        lambda t: properties(t, "ApiFunction").pop("LoggingConfig"),
    ),
    "no point-in-time recovery": (
        "tables_survive_accidents",
        lambda t: properties(t, "ConnectionsTable").pop("PointInTimeRecoverySpecification"),
    ),
    "deletable by default": (
        "tables_survive_accidents",
        lambda t: t["Parameters"]["DeletionProtection"].update(Default="false"),
    ),
    "a table that goes with the stack": (
        "tables_survive_accidents",
        lambda t: t["Resources"]["EventsTable"].pop("DeletionPolicy"),
    ),
    "sealing keys that go with the stack": (
        "sealing_keys_outlive_the_stack",
        lambda t: t["Resources"]["SealTokensSecret"].update(DeletionPolicy="Delete"),
    ),
    "a shared role": (
        "every_function_has_a_role_of_its_own",
        lambda t: properties(t, "KeeperFunction").update(Role={"Fn::GetAtt": ["ApiRole", "Arn"]}),
    ),
    "a managed policy": (
        "every_function_has_a_role_of_its_own",
        lambda t: properties(t, "ApiRole").update(ManagedPolicyArns=["arn:aws:iam::aws:policy/AmazonSQSFullAccess"]),
    ),
    "SAM's own role": (
        "every_function_has_a_role_of_its_own",
        lambda t: properties(t, "ApiFunction").pop("Role"),
    ),
    "every resource": (
        "no_role_reaches_beyond_its_resources",
        lambda t: statement(t, "ApiRole", "Read").update(Resource="*"),
    ),
    "every action": (
        "no_role_reaches_beyond_its_resources",
        lambda t: statement(t, "KeeperRole", "Wake").update(Action="sqs:*"),
    ),
    "every table by name": (
        "no_role_reaches_beyond_its_resources",
        lambda t: statement(t, "ApiRole", "Read").update(Resource=[{"Fn::Sub": "arn:aws:dynamodb:*:*:table/x"}]),
    ),
    "ingest reads": (
        "ingest_only_sends_to_the_pulls",
        lambda t: statement(t, "IngestRole", "Enqueue").update(Action=["sqs:SendMessage", "sqs:ReceiveMessage"]),
    ),
    "ingest sends elsewhere": (
        "ingest_only_sends_to_the_pulls",
        lambda t: statement(t, "IngestRole", "Enqueue").update(Resource={"Fn::GetAtt": ["DeliveriesQueue", "Arn"]}),
    ),
    "a dispatcher near the tokens": (
        "tables_are_touched_only_by_those_who_need_them",
        lambda t: statement(t, "DispatcherRole", "Journal").update(Resource={"Fn::GetAtt": "ConnectionsTable.Arn"}),
    ),
    "a scan": (
        "tables_are_touched_only_by_those_who_need_them",
        lambda t: statement(t, "ApiRole", "Read").update(Action=["dynamodb:Scan"]),
    ),
    "a consumer that cannot defer": (
        "consumers_may_set_when_a_message_returns",
        lambda t: statement(t, "FetcherRole", "Consume")["Action"].remove("sqs:ChangeMessageVisibility"),
    ),
    "a function URL too many": (
        "only_ingest_and_api_are_open_to_the_world",
        lambda t: properties(t, "KeeperFunction").update(FunctionUrlConfig={"AuthType": "NONE"}),
    ),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_template_is_noticed(breakage: str) -> None:
    name, damage = BREAKAGES[breakage]
    broken = template.source()
    damage(broken)
    rule = next(rule for rule in invariants.RULES if rule.__name__ == name)
    assert list(rule(invariants.Stack(template.translate(broken))))


def test_every_invariant_is_shown_to_fail() -> None:
    assert {rule.__name__ for rule in invariants.RULES} == {name for name, _ in BREAKAGES.values()}
