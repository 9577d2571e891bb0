"""The rules of `deployment` can fail: the front door, keys, readers, names."""

import choices
import deployment
import pytest
import template
from breaking import Damage, complaints, damaged, properties, stack_of, statement, unshown
from stack import RULES

HTTP_API = {"FrontDoor": "http-api"}
OWN_KEY = {"KmsKeyArn": choices.KEY}
READERS = {"ReaderPrincipals": "arn:aws:iam::123456789012:root", "ReaderExternalId": "an-id-of-16-characters"}


def policy(broken: dict) -> list:
    return properties(broken, "RecordsReaderPolicy")["PolicyDocument"]["Statement"]


# Ways to break the template, the rule that must notice, and the choice with which it shows.
BREAKAGES: dict[str, tuple[str, Damage, choices.Given]] = {
    "an output of a URL that is not made": (
        "nothing_refers_to_what_is_not_made",
        lambda t: t["Outputs"]["ApiUrl"].update(Value={"Fn::GetAtt": "ApiFunctionUrl.FunctionUrl"}),
        HTTP_API,
    ),
    "an alarm that is made only at times, and asked for always": (
        "nothing_refers_to_what_is_not_made",
        lambda t: t["Resources"]["ApiVersionFails"].update(Condition="HasHttpApi"),
        {},
    ),
    "a URL of the unpublished function": (
        "whatever_wakes_a_function_calls_its_alias",
        lambda t: properties(t, "IngestFunctionUrl").pop("Qualifier"),
        {},
    ),
    "a URL of an alias that is not there yet": (
        "whatever_wakes_a_function_calls_its_alias",
        lambda t: t["Resources"]["ApiFunctionUrl"].pop("DependsOn"),
        {},
    ),
    "an HTTP API of the unpublished function": (
        "whatever_wakes_a_function_calls_its_alias",
        lambda t: properties(t, "HttpApiApi").update(IntegrationUri={"Ref": "ApiFunction"}),
        HTTP_API,
    ),
    "event sources of the unpublished function": (
        "whatever_wakes_a_function_calls_its_alias",
        lambda t: t["Globals"]["Function"].pop("AutoPublishAlias"),
        {"Deployment": "AllAtOnce"},
    ),
    "two front doors": (
        "there_is_one_front_door",
        lambda t: t["Resources"]["ApiFunctionUrl"].pop("Condition"),
        HTTP_API,
    ),
    "a URL that answers 403": (
        "there_is_one_front_door",
        lambda t: t["Resources"].pop("IngestUrlInvokePermission"),
        {},
    ),
    "a function that anybody may invoke": (
        "there_is_one_front_door",
        lambda t: properties(t, "ApiUrlInvokePermission").pop("InvokedViaFunctionUrl"),
        {},
    ),
    "a path in the access log": (
        "the_http_api_throttles_and_keeps_paths_to_itself",
        lambda t: properties(t, "HttpApiStage")["AccessLogSettings"].update(Format='{"path":"$context.path"}'),
        HTTP_API,
    ),
    "an access log that is no JSON": (
        "the_http_api_throttles_and_keeps_paths_to_itself",
        lambda t: properties(t, "HttpApiStage")["AccessLogSettings"].update(Format="[$context.status]"),
        HTTP_API,
    ),
    "notifications that eat the API's share": (
        "the_http_api_throttles_and_keeps_paths_to_itself",
        lambda t: properties(t, "HttpApiStage")["RouteSettings"].clear(),
        HTTP_API,
    ),
    "a stage in the path": (
        "the_http_api_throttles_and_keeps_paths_to_itself",
        lambda t: properties(t, "HttpApiStage").update(StageName="live"),
        HTTP_API,
    ),
    "events of another form": (
        "the_http_api_throttles_and_keeps_paths_to_itself",
        lambda t: properties(t, "HttpApiApi").update(PayloadFormatVersion="1.0"),
        HTTP_API,
    ),
    "a gateway that hangs up": (
        "the_http_api_throttles_and_keeps_paths_to_itself",
        lambda t: properties(t, "HttpApiApi").update(TimeoutInMillis=14999),
        HTTP_API,
    ),
    "a function that any API may call": (
        "the_http_api_throttles_and_keeps_paths_to_itself",
        lambda t: properties(t, "HttpApiApiPermission").pop("SourceArn"),
        HTTP_API,
    ),
    "concurrency that nobody asked for": (
        "only_the_door_is_reserved_and_only_if_it_is_asked_for",
        lambda t: properties(t, "KeeperFunction").update(ReservedConcurrentExecutions=1),
        {},
    ),
    "concurrency that was asked for in vain": (
        "only_the_door_is_reserved_and_only_if_it_is_asked_for",
        lambda t: properties(t, "ApiFunction").pop("ReservedConcurrentExecutions"),
        {"ApiConcurrency": "20"},
    ),
    "a queue in the clear": (
        "queues_are_spoken_to_by_tls",
        lambda t: t["Resources"].pop("PullsDeadQueuePolicy"),
        {},
    ),
    "a queue policy of another queue": (
        "queues_are_spoken_to_by_tls",
        lambda t: properties(t, "PullsQueuePolicy").update(Queues=[{"Ref": "BackfillQueue"}]),
        {},
    ),
    "a queue policy that lets in": (
        "queues_are_spoken_to_by_tls",
        lambda t: properties(t, "PullsQueuePolicy")["PolicyDocument"]["Statement"][0].update(Effect="Allow"),
        {},
    ),
    "a table under AWS's key": (
        "a_key_of_the_operator_s_own_encrypts_everything_or_nothing",
        lambda t: properties(t, "KeysTable").update(SSESpecification={"SSEEnabled": True}),
        OWN_KEY,
    ),
    "a log under AWS's key": (
        "a_key_of_the_operator_s_own_encrypts_everything_or_nothing",
        lambda t: properties(t, "HttpApiLog").pop("KmsKeyId"),
        OWN_KEY | HTTP_API,
    ),
    "a role without the key": (
        "a_key_of_the_operator_s_own_encrypts_everything_or_nothing",
        lambda t: statement(t, "KeeperRole", "Key").update(Action=["kms:Encrypt"]),
        OWN_KEY,
    ),
    "a key of everybody's": (
        "a_key_of_the_operator_s_own_encrypts_everything_or_nothing",
        lambda t: statement(t, "FetcherRole", "Key").update(Resource={"Ref": "DestinationKeyArns"}),
        OWN_KEY,
    ),
    "any key": (
        "a_key_of_the_operator_s_own_encrypts_everything_or_nothing",
        lambda t: statement(t, "ApiRole", "Key").update(Resource="*"),
        OWN_KEY,
    ),
    "a key for texts of its own": (
        "a_key_of_the_operator_s_own_encrypts_everything_or_nothing",
        lambda t: statement(t, "ApiRole", "Key").pop("Condition"),
        OWN_KEY,
    ),
    "readers who use the key as they like": (
        "a_key_of_the_operator_s_own_encrypts_everything_or_nothing",
        lambda t: policy(t)[-1]["Fn::If"][1].pop("Condition"),
        OWN_KEY,
    ),
    "keys where there is none": (
        "a_key_of_the_operator_s_own_encrypts_everything_or_nothing",
        lambda t: properties(t, "FanoutRole")["Policies"][0]["PolicyDocument"]["Statement"].append(
            statement(t, "FanoutRole", "Key")
        ),
        {},
    ),
    "readers who write": (
        "readers_read_records_and_nothing_else",
        lambda t: policy(t)[3]["Action"].append("dynamodb:PutItem"),
        {},
    ),
    "readers of events": (
        "readers_read_records_and_nothing_else",
        lambda t: policy(t)[3]["Resource"].append({"Fn::GetAtt": "EventsTable.Arn"}),
        {},
    ),
    "readers of a Kinesis stream that they cannot read": (
        "readers_read_records_and_nothing_else",
        lambda t: (policy(t).pop(5), policy(t).pop(4)),
        {"RecordsKinesis": "on"},
    ),
    "another managed policy": (
        "readers_read_records_and_nothing_else",
        lambda t: t["Resources"].update(Other=t["Resources"]["RecordsReaderPolicy"]),
        {},
    ),
    "a role for anybody": (
        "readers_of_other_accounts_are_named_and_name_an_external_id",
        lambda t: properties(t, "RecordsReaderRole")["AssumeRolePolicyDocument"]["Statement"][0].update(Principal="*"),
        READERS,
    ),
    "a role without an external id": (
        "readers_of_other_accounts_are_named_and_name_an_external_id",
        lambda t: properties(t, "RecordsReaderRole")["AssumeRolePolicyDocument"]["Statement"][0].pop("Condition"),
        READERS,
    ),
    "an external id that may be empty": (
        "readers_of_other_accounts_are_named_and_name_an_external_id",
        lambda t: t.pop("Rules"),
        READERS,
    ),
    "readers who may more": (
        "readers_of_other_accounts_are_named_and_name_an_external_id",
        lambda t: properties(t, "RecordsReaderRole").update(Policies=properties(t, "ApiRole")["Policies"]),
        READERS,
    ),
    "a role though nobody reads": (
        "readers_of_other_accounts_are_named_and_name_an_external_id",
        lambda t: t["Resources"]["RecordsReaderRole"].pop("Condition"),
        {},
    ),
    "accounts by pattern": (
        "readers_of_other_accounts_are_named_and_name_an_external_id",
        lambda t: t["Parameters"]["ReaderPrincipals"].update(AllowedPattern=".*"),
        {},
    ),
    "a name that two stacks cannot have": (
        "what_has_a_name_begins_with_the_stack_s",
        lambda t: properties(t, "HttpApi").update(Name="afferent"),
        HTTP_API,
    ),
    "a log of the same name in each stack": (
        "what_has_a_name_begins_with_the_stack_s",
        lambda t: properties(t, "ApiLog").update(LogGroupName="/aws/lambda/api"),
        {},
    ),
    "a parameter in no group": (
        "every_parameter_is_described_and_in_one_group",
        lambda t: t["Parameters"].update(More={"Type": "String", "Default": "", "AllowedPattern": "", "Description": "x"}),
        {},
    ),
    "a parameter without bounds": (
        "every_parameter_is_described_and_in_one_group",
        lambda t: t["Parameters"]["MemorySize"].pop("MinValue"),
        {},
    ),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_template_is_noticed(breakage: str) -> None:
    name, damage, given = BREAKAGES[breakage]
    assert complaints(RULES, name, stack_of(template.source(), given)) == []
    assert complaints(RULES, name, stack_of(damaged(template.source(), damage), given))


def test_every_rule_is_shown_to_fail() -> None:
    assert unshown(RULES, BREAKAGES, deployment.__name__) == set()
