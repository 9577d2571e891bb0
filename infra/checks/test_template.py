"""The template translates, the translation lints clean, our invariants hold, and each invariant can fail."""

import json
import pathlib
import shutil

import choices
import delivery
import deployment  # noqa: F401 - for the rules that it adds to the list
import invariants
import pytest
import releases  # noqa: F401 - likewise
import template
import variables
from breaking import Damage, complaints, damaged, properties, statement, unshown
from cfnlint.api import ManualArgs, lint
from stack import RULES, Rule, Stack

READ = variables.of_code()
TRANSLATED = {
    deployment: template.translate(template.source(), {"Deployment": deployment})
    for deployment in template.source()["Parameters"]["Deployment"]["AllowedValues"]
}
STACK = Stack(TRANSLATED["Canary10Percent5Minutes"], READ)


@pytest.mark.parametrize("deployment", ["AllAtOnce", "Canary10Percent5Minutes"])
def test_the_translation_has_no_fault_that_cfn_lint_finds(deployment: str) -> None:
    # On the translation, because before it the linter does not look into event sources. It goes through the conditions
    # by itself; what of the translation depends on a parameter's value is how functions are deployed.
    matches = faults(TRANSLATED[deployment])
    assert not matches, "\n".join(f"{match.rule.id} {match.message}" for match in matches)


def test_the_linter_sees_into_event_sources() -> None:
    broken = template.source()
    source_of(broken, "FetcherFunction", "Pulls")["ScalingConfig"]["MaximumConcurrency"] = 1
    assert any(match.rule.id == "E3034" for match in faults(template.translate(broken)))


def given(choice: choices.Given) -> Stack:
    """The stack with these values of parameters."""
    return Stack(TRANSLATED[choice.get("Deployment", "Canary10Percent5Minutes")], READ, choice)


STACKS = [given(choice) for choice in choices.every()]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_invariant_holds_whatever_the_operator_chooses(rule: Rule) -> None:
    assert {str(stack.given): found for stack in STACKS if (found := list(rule(stack)))} == {}


def test_every_condition_of_the_template_is_looked_at_as_true_and_as_false() -> None:
    seen = {(name, stack.conditions[name]) for stack in STACKS for name in stack.conditions}
    names = TRANSLATED["AllAtOnce"]["Conditions"]
    assert seen == {(name, holds) for name in names for holds in (True, False)}


def faults(translated: dict) -> list:
    # In one region: function URLs are not in all of them yet.
    matches = lint(json.dumps(translated), config=ManualArgs(regions=["us-east-1"]))
    # Unused only after the translation: SAM itself looks into this mapping.
    return [match for match in matches if (match.rule.id, "Deployments" in match.message) != ("W7001", True)]


def source_of(broken: dict, function: str, event: str) -> dict:
    return properties(broken, function)["Events"][event]["Properties"]


# Ways to break the template, and the rule that must notice.
BREAKAGES: dict[str, tuple[str, Damage]] = {
    "a function renamed": (
        "there_are_six_functions_named_after_the_stack",
        lambda t: properties(t, "KeeperFunction").update(FunctionName="keeper-of-all"),
    ),
    "a variable too many": (
        "every_function_has_exactly_the_variables_that_its_code_reads",
        lambda t: properties(t, "IngestFunction")["Environment"]["Variables"].update(KEYS_TABLE="x"),
    ),
    "a variable missing": (
        "every_function_has_exactly_the_variables_that_its_code_reads",
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
    "deliveries that die before they are parked": (
        "a_delivery_leaves_its_message_before_it_is_a_dead_letter",
        lambda t: properties(t, "DeliveriesQueue")["RedrivePolicy"].update(maxReceiveCount=40),
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
        lambda t: statement(t, "ApiRole", "Lists").update(Resource="*"),
    ),
    "every action": (
        "no_role_reaches_beyond_its_resources",
        lambda t: statement(t, "KeeperRole", "Wake").update(Action="sqs:*"),
    ),
    "every table by name": (
        "no_role_reaches_beyond_its_resources",
        lambda t: statement(t, "ApiRole", "Lists").update(Resource=[{"Fn::Sub": "arn:aws:dynamodb:*:*:table/x"}]),
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
        lambda t: statement(t, "ApiRole", "Lists").update(Action=["dynamodb:Scan"]),
    ),
    "a table that no variable names": (
        "a_role_reaches_what_the_variables_name_and_nothing_else",
        lambda t: statement(t, "FanoutRole", "Deliveries").update(Resource={"Fn::GetAtt": "NotificationsTable.Arn"}),
    ),
    "a table named and out of reach": (
        "a_role_reaches_what_the_variables_name_and_nothing_else",
        lambda t: statement(t, "ApiRole", "Keys").update(Resource={"Fn::GetAtt": "EventsTable.Arn"}),
    ),
    "a queue that no variable names": (
        "a_role_sends_only_where_the_function_does",
        lambda t: statement(t, "KeeperRole", "Wake")["Resource"].append({"Fn::GetAtt": "FanoutFailuresQueue.Arn"}),
    ),
    "a dispatcher that feeds its own queue": (
        "a_role_sends_only_where_the_function_does",
        lambda t: statement(t, "DispatcherRole", "Deliver").update(Resource={"Fn::GetAtt": "DeliveriesQueue.Arn"}),
    ),
    "a queue of ours that the dispatcher is not denied": (
        "the_dispatcher_can_never_write_to_a_queue_of_ours",
        lambda t: statement(t, "DispatcherRole", "NeverToOurselves")["Resource"].pop(),
    ),
    "a key of somebody's queue by pattern": (
        "keys_of_customers_queues_are_named_one_by_one_and_used_through_sqs",
        lambda t: t["Parameters"]["DestinationKeyArns"].update(AllowedPattern=".*"),
    ),
    "a key of somebody's by default": (
        "keys_of_customers_queues_are_named_one_by_one_and_used_through_sqs",
        lambda t: t["Parameters"]["DestinationKeyArns"].update(Default="arn:aws:kms:us-east-1:123456789012:key/k"),
    ),
    "a customer's key for texts of the dispatcher's own": (
        "keys_of_customers_queues_are_named_one_by_one_and_used_through_sqs",
        lambda t: statement(t, "DispatcherRole", "DeliverEncrypted").pop("Condition"),
    ),
    "a customer's key in other hands": (
        "keys_of_customers_queues_are_named_one_by_one_and_used_through_sqs",
        lambda t: properties(t, "FanoutRole")["Policies"][0]["PolicyDocument"]["Statement"].append(
            statement(t, "DispatcherRole", "DeliverEncrypted")
        ),
    ),
    "a queue of a customer's key that cannot be written to": (
        "keys_of_customers_queues_are_named_one_by_one_and_used_through_sqs",
        lambda t: statement(t, "DispatcherRole", "DeliverEncrypted").update(Action="kms:GenerateDataKey"),
    ),
    "no denial at all": (
        "the_dispatcher_can_never_write_to_a_queue_of_ours",
        lambda t: statement(t, "DispatcherRole", "NeverToOurselves").update(Effect="Allow"),
    ),
    "customers' queues by pattern": (
        "customers_queues_are_named_one_by_one",
        lambda t: t["Parameters"]["DestinationQueueArns"].update(AllowedPattern=".*"),
    ),
    "a queue of somebody's by default": (
        "customers_queues_are_named_one_by_one",
        lambda t: t["Parameters"]["DestinationQueueArns"].update(Default="arn:aws:sqs:us-east-1:123456789012:q"),
    ),
    "mail in anybody's name": (
        "keeper_alone_sends_mail_and_only_as_its_sender",
        lambda t: statement(t, "KeeperRole", "Write").update(Resource="*"),
    ),
    "mail from a dispatcher": (
        "keeper_alone_sends_mail_and_only_as_its_sender",
        lambda t: properties(t, "DispatcherRole")["Policies"][0]["PolicyDocument"]["Statement"].append(
            statement(t, "KeeperRole", "Write")
        ),
    ),
    "a sender that a policy reads as many": (
        "keeper_alone_sends_mail_and_only_as_its_sender",
        lambda t: t["Parameters"]["MailFrom"].update(AllowedPattern=".*"),
    ),
    "a keeper without mail": (
        "keeper_alone_sends_mail_and_only_as_its_sender",
        lambda t: statement(t, "KeeperRole", "Write").update(Effect="Deny"),
    ),
    "a deadline that outlives the dispatcher": (
        "the_tries_of_a_cycle_fit_into_an_invocation",
        lambda t: t["Parameters"]["DeliveryDeadlineSeconds"].update(MaxValue=13),
    ),
    "a dispatcher that registers endpoints": (
        "fanout_and_dispatcher_leave_endpoints_as_their_owners_made_them",
        lambda t: statement(t, "DispatcherRole", "Endpoints")["Action"].append("dynamodb:PutItem"),
    ),
    "jobs for ever": (
        "what_expires_is_forgotten",
        lambda t: properties(t, "EndpointsTable").pop("TimeToLiveSpecification"),
    ),
    "records that expire": (
        "what_expires_is_forgotten",
        lambda t: properties(t, "RecordsTable").update(
            TimeToLiveSpecification={"AttributeName": "expires_at", "Enabled": True}
        ),
    ),
    "a keeper that cannot measure": (
        "keeper_may_measure_what_it_tops_up_and_what_is_in_flight",
        lambda t: statement(t, "KeeperRole", "Measure").update(Resource={"Fn::GetAtt": "PullsQueue.Arn"}),
    ),
    "a consumer that cannot delete": (
        "consumers_may_receive_and_delete",
        lambda t: statement(t, "FetcherRole", "Consume")["Action"].remove("sqs:DeleteMessage"),
    ),
    "a dispatcher that cannot defer": (
        "the_dispatcher_alone_sets_when_a_message_returns",
        lambda t: statement(t, "DispatcherRole", "Consume")["Action"].remove("sqs:ChangeMessageVisibility"),
    ),
    "a fetcher that defers": (
        "the_dispatcher_alone_sets_when_a_message_returns",
        lambda t: statement(t, "FetcherRole", "Consume")["Action"].append("sqs:ChangeMessageVisibility"),
    ),
    "a function URL too many": (
        "only_ingest_and_api_are_open_to_the_world",
        lambda t: properties(t, "KeeperFunction").update(FunctionUrlConfig={"AuthType": "NONE"}),
    ),
    "an API without a door": (
        "only_ingest_and_api_are_open_to_the_world",
        lambda t: t["Resources"].pop("ApiFunctionUrl"),
    ),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_template_is_noticed(breakage: str) -> None:
    name, damage = BREAKAGES[breakage]
    broken = template.translate(damaged(template.source(), damage))
    assert complaints(RULES, name, Stack(broken, READ))


# Ways to change what the code reads, and what must be said of the function.
DRIFTS = {
    "functions/ingest/src/lib.rs": (
        'env.required("PULLS_QUEUE_URL")', 'env.required("OTHER_URL")',
        "ingest: its code reads OTHER_URL, which the template does not set",
    ),
    "shared/outbox/src/lib.rs": (
        'env.required("EVENTS_TABLE")', 'env.optional("JOURNAL_TABLE")',
        "fanout: the template sets EVENTS_TABLE, which its code does not read",
    ),
    "functions/fetcher/src/lib.rs": (
        'env.parsed::<u64>("RENEW_AFTER_DAYS"', 'env.parsed::<u64>("RENEW_AFTER_WEEKS"',
        "fetcher: its code reads RENEW_AFTER_WEEKS, which the template does not set",
    ),
    "shared/gate/src/place.rs": (
        'env.parsed("WITHINGS_LIMIT"', 'env.parsed(\n    "WITHINGS_PACE"',
        "api: its code reads WITHINGS_PACE, which the template does not set",
    ),
    "shared/aws/src/lib.rs": (
        'variable("AWS_CA_BUNDLE")', "None::<String>",
        "api: its code does not read AWS_CA_BUNDLE, which is listed as knowingly not set",
    ),
}  # fmt: skip


@pytest.mark.parametrize("path", DRIFTS)
def test_code_that_reads_other_variables_is_noticed(path: str, tmp_path: pathlib.Path) -> None:
    for folder in ("functions", "shared"):
        shutil.copytree(variables.ROOT / folder, tmp_path / folder)
    before, after, complaint = DRIFTS[path]
    text = (tmp_path / path).read_text()
    assert before in text
    (tmp_path / path).write_text(text.replace(before, after))
    stack = Stack(STACK.template, variables.of_code(tmp_path))
    assert complaint in list(invariants.every_function_has_exactly_the_variables_that_its_code_reads(stack))


def test_every_invariant_is_shown_to_fail() -> None:
    # Those of the front door and of deployments have a test of their own.
    assert unshown(RULES, BREAKAGES, invariants.__name__, delivery.__name__) == set()
