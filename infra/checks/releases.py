"""What must hold of releases: how a new version takes over, what takes it back, and how a stack stands still."""

from collections.abc import Iterator

import variables
from stack import Stack, rule, short, target

# Who reads a queue or the stream, and says in its answer what comes again.
CONSUMERS = {"fetcher", "fanout", "dispatcher"}

# Percent of the calls that a new version gets at least while a deployment goes on, whatever `Deployment` is.
LEAST_SHARE = 10


@rule
def another_release_is_another_version_of_each_function(stack: Stack) -> Iterator[str]:
    # SAM does not see the values of parameters; without this a changed one would reach no function that is called.
    for name, item in stack.functions().items():
        if "${Release}" not in str(item["Properties"].get("Description")):
            yield f"{name}: another release leaves it as it is, and Lambda makes no version of what has not changed"
    versions = stack.of_type("AWS::Lambda::Version")
    for name, item in versions.items():
        if item["Properties"].get("Description") != {"Ref": "Release"}:
            yield f"{name}: stays the same in another release"
    if len(versions) != len(variables.FUNCTIONS):
        yield f"{len(versions)} functions have versions"


@rule
def a_gradual_deployment_is_taken_back_by_the_errors_of_its_own_version(stack: Stack) -> Iterator[str]:
    groups = stack.of_type("AWS::CodeDeploy::DeploymentGroup")
    gradual = stack.value({"Ref": "Deployment"}) != "AllAtOnce"
    if len(groups) != (len(variables.FUNCTIONS) if gradual else 0):
        yield f"{len(groups)} functions are deployed by CodeDeploy"
    alarms = stack.of_type("AWS::CloudWatch::Alarm")
    for name, group in groups.items():
        function = name.removesuffix("DeploymentGroup")
        asked = [target(alarm["Name"]) for alarm in group["Properties"].get("AlarmConfiguration", {}).get("Alarms", [])]
        watched = set()
        for alarm in asked:
            for dimension in alarms.get(alarm, {}).get("Properties", {}).get("Dimensions", []):
                if dimension["Name"] == "ExecutedVersion":
                    watched.add(target(dimension["Value"]).split("Version")[0])
        if watched != {function}:
            yield f"{name}: asks for the errors of versions of {sorted(watched)}"
        if not group["Properties"]["AutoRollbackConfiguration"]["Enabled"]:
            yield f"{name}: is not taken back"
        if not alarms.keys() >= set(asked):
            yield f"{name}: asks for alarms that are not there"


@rule
def a_gradual_deployment_is_taken_back_by_messages_that_fail(stack: Stack) -> Iterator[str]:
    # A function that reads a queue or the stream names what failed in its answer, and the invocation is no error.
    alarms = stack.of_type("AWS::CloudWatch::Alarm")
    for name, group in stack.of_type("AWS::CodeDeploy::DeploymentGroup").items():
        function = name.removesuffix("DeploymentGroup")
        short_name = short(stack.template["Resources"][function]["Properties"]["FunctionName"])
        if short_name not in CONSUMERS:
            continue
        asked = [target(alarm["Name"]) for alarm in group["Properties"]["AlarmConfiguration"]["Alarms"]]
        watching = []
        for alarm in (alarms.get(each, {}).get("Properties", {}) for each in asked):
            stats = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
            of = {(stat["MetricName"], target(stat["Dimensions"][0]["Value"])) for stat in stats}
            if of == {(f"BatchesFailed.{short_name}", "AWS::StackName"), ("Invocations", function)}:
                watching.append(alarm)
        if not watching:
            yield f"{name}: a version that fails all its messages is not taken back"
        for alarm in watching:
            # The least share of calls that a new version has meanwhile: all of its failures together are no more.
            if alarm["Threshold"] >= LEAST_SHARE:
                yield f"{name}: a new version gets {LEAST_SHARE} % of the calls; that all of them fail is not noticed"


@rule
def a_stopped_stack_reads_nothing_and_is_not_invoked(stack: Stack) -> Iterator[str]:
    # As `make stop` does it (infra/switch.sh), so that `make start` undoes it.
    stopped = stack.value({"Ref": "Standing"}) == "stopped"
    if not stack.given and stopped:
        yield "a stack is stopped unless it is asked to be started"
    for name, item in stack.of_type("AWS::Lambda::EventSourceMapping").items():
        if item["Properties"].get("Enabled", True) is stopped:
            yield f"{name}: is enabled, or is not, against what was asked for"
    reading = {short(function["FunctionName"]) for _, _, function, _ in (*stack.sources("sqs"), *stack.sources("dynamodb"))}
    for name, item in stack.functions().items():
        silent = str(item["Properties"].get("ReservedConcurrentExecutions")) == "0"
        if silent != (stopped and name not in reading):
            yield f"{name}: may be invoked, or may not, against what was asked for"


@rule
def code_deploy_moves_our_aliases_and_nothing_else(stack: Stack) -> Iterator[str]:
    # Lambda compares such a call with the function's ARN, with the alias or without.
    arns = {
        f"arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:${{AWS::StackName}}-{name}{alias}"
        for name in variables.FUNCTIONS
        for alias in ("", ":live")
    }
    found: dict[str, set[str]] = {"lambda:GetAlias": set(), "lambda:UpdateAlias": set()}
    for action, resource in stack.actions("DeploymentRole"):
        if action in ("lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig", "lambda:UpdateAlias"):
            found.setdefault(action, set()).add(resource["Fn::Sub"] if isinstance(resource, dict) else resource)
        elif action != "cloudwatch:DescribeAlarms":
            yield f"DeploymentRole: {action}"
    for action, resources in found.items():
        if resources != arns:
            yield f"DeploymentRole: {action} of {sorted(resources ^ arns)}"
    for name, group in stack.of_type("AWS::CodeDeploy::DeploymentGroup").items():
        if target(group["Properties"]["ServiceRoleArn"]) != "DeploymentRole":
            yield f"{name}: not by the role of ours"
