"""The rules of `releases` can fail, and what they rest on is so: SAM publishes what a new release changes."""

import json

import choices
import pytest
import releases
import template
import variables
from breaking import Damage, complaints, damaged, properties, stack_of, statement, unshown
from stack import RULES

STOPPED = {"Standing": "stopped"}

# Ways to break the template, the rule that must notice, and the choice with which it shows.
BREAKAGES: dict[str, tuple[str, Damage, choices.Given]] = {
    "a version that no release changes": (
        "another_release_is_another_version_of_each_function",
        lambda t: properties(t, "FetcherFunction").pop("VersionDescription"),
        {},
    ),
    "a function that no release changes": (
        "another_release_is_another_version_of_each_function",
        lambda t: properties(t, "ApiFunction").update(Description="Answers."),
        {},
    ),
    "a deployment that nobody takes back": (
        "a_gradual_deployment_is_taken_back_by_the_errors_of_its_own_version",
        lambda t: properties(t, "KeeperFunction")["DeploymentPreference"].pop("Alarms"),
        {},
    ),
    "a deployment taken back by another function's errors": (
        "a_gradual_deployment_is_taken_back_by_the_errors_of_its_own_version",
        lambda t: properties(t, "FanoutFunction")["DeploymentPreference"].update(
            Alarms=properties(t, "ApiFunction")["DeploymentPreference"]["Alarms"]
        ),
        {},
    ),
    "a deployment that fails every message and stays": (
        "a_gradual_deployment_is_taken_back_by_messages_that_fail",
        lambda t: properties(t, "FetcherFunction")["DeploymentPreference"]["Alarms"]["Fn::If"][1].pop(1),
        {},
    ),
    "a deployment taken back by the messages of another function": (
        "a_gradual_deployment_is_taken_back_by_messages_that_fail",
        lambda t: properties(t, "FanoutBatchesFail")["Metrics"][1]["MetricStat"]["Metric"].update(
            MetricName="BatchesFailed.fetcher"
        ),
        {},
    ),
    "failures compared with the invocations of another function": (
        "a_gradual_deployment_is_taken_back_by_messages_that_fail",
        lambda t: properties(t, "DispatcherBatchesFail")["Metrics"][2]["MetricStat"]["Metric"].update(
            Dimensions=[{"Name": "FunctionName", "Value": {"Ref": "ApiFunction"}}]
        ),
        {},
    ),
    "a canary whose every failure is too few": (
        "a_gradual_deployment_is_taken_back_by_messages_that_fail",
        lambda t: properties(t, "FetcherBatchesFail").update(Threshold=10),
        {},
    ),
    "CodeDeploy where all goes at once": (
        "a_gradual_deployment_is_taken_back_by_the_errors_of_its_own_version",
        lambda t: t["Mappings"]["Deployments"]["AllAtOnce"].update(Gradual="true"),
        {"Deployment": "AllAtOnce"},
    ),
    "a CodeDeploy that moves everybody's aliases": (
        "code_deploy_moves_our_aliases_and_nothing_else",
        lambda t: statement(t, "DeploymentRole", "Shift").update(Resource="*"),
        {},
    ),
    "a function that CodeDeploy cannot move": (
        "code_deploy_moves_our_aliases_and_nothing_else",
        lambda t: statement(t, "DeploymentRole", "Shift")["Resource"].pop(),
        {},
    ),
    "a CodeDeploy that may move an alias by its own ARN only": (
        "code_deploy_moves_our_aliases_and_nothing_else",
        lambda t: statement(t, "DeploymentRole", "Shift")["Resource"].pop(0),
        {},
    ),
    "a CodeDeploy that only looks": (
        "code_deploy_moves_our_aliases_and_nothing_else",
        lambda t: statement(t, "DeploymentRole", "Shift")["Action"].remove("lambda:UpdateAlias"),
        {},
    ),
    "a CodeDeploy that invokes": (
        "code_deploy_moves_our_aliases_and_nothing_else",
        lambda t: statement(t, "DeploymentRole", "Shift")["Action"].append("lambda:InvokeFunction"),
        {},
    ),
    "CodeDeploy with AWS's own role": (
        "code_deploy_moves_our_aliases_and_nothing_else",
        lambda t: properties(t, "ApiFunction")["DeploymentPreference"].pop("Role"),
        {},
    ),
    "a stopped stack whose queue is read": (
        "a_stopped_stack_reads_nothing_and_is_not_invoked",
        lambda t: properties(t, "FetcherFunction")["Events"]["Backfill"]["Properties"].pop("Enabled"),
        STOPPED,
    ),
    "a stopped stack whose clock goes on": (
        "a_stopped_stack_reads_nothing_and_is_not_invoked",
        lambda t: properties(t, "KeeperFunction").pop("ReservedConcurrentExecutions"),
        STOPPED,
    ),
    "a started stack that does nothing": (
        "a_stopped_stack_reads_nothing_and_is_not_invoked",
        lambda t: t["Parameters"]["Standing"].update(Default="stopped"),
        {},
    ),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
def test_a_broken_template_is_noticed(breakage: str) -> None:
    name, damage, given = BREAKAGES[breakage]
    assert complaints(RULES, name, stack_of(template.source(), given)) == []
    assert complaints(RULES, name, stack_of(damaged(template.source(), damage), given))


def test_every_rule_is_shown_to_fail() -> None:
    assert unshown(RULES, BREAKAGES, releases.__name__) == set()


def versions(source: dict, given: choices.Given) -> dict[str, str]:
    """What CloudFormation compares of a function's version: its logical name and its properties."""
    return {name: json.dumps(item) for name, item in stack_of(source, given).of_type("AWS::Lambda::Version").items()}


def test_sam_sees_a_change_of_the_template_but_none_of_a_parameter_which_is_why_there_is_a_release() -> None:
    changed = damaged(template.source(), lambda t: properties(t, "ApiFunction").update(Timeout=14))
    before, after = versions(template.source(), {}), versions(changed, {})
    assert [name.split("Version")[0] for name in after if name not in before] == ["ApiFunction"]
    assert versions(template.source(), {"WithingsLimit": 600}) == before


def test_make_deploy_names_every_deployment_otherwise() -> None:
    makefile = (variables.ROOT / "Makefile").read_text()
    deploy = makefile.split("\ndeploy: ")[1].split("\n.PHONY")[0]
    assert "Release=$$(date -u +%Y%m%dT%H%M%SZ)" in deploy
