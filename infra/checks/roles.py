"""The roles, compared with what the functions were seen to ask of AWS in a run of all tests: nothing missing, nothing
unused.

    .venv/bin/python infra/checks/roles.py target/traces

The last step of `make test`. The local stack and the simulation write down each call (infra/local/src/traces).
"""

import pathlib
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

import review
import template
import variables
from stack import Stack, listed, target

# What Lambda, and not our code, does in a function's name. No run on this machine shows it.
OF_LAMBDA = {
    "sqs:ReceiveMessage": "the event source receives",
    "sqs:DeleteMessage": "the event source deletes what was taken",
    "sqs:GetQueueAttributes": "the event source looks at its queue",
    "dynamodb:DescribeStream": "the event source reads the stream",
    "dynamodb:GetShardIterator": "the event source reads the stream",
    "dynamodb:GetRecords": "the event source reads the stream",
    "dynamodb:ListStreams": "the event source reads the stream",
    "logs:CreateLogStream": "Lambda writes the log",
    "logs:PutLogEvents": "Lambda writes the log",
    "xray:PutTraceSegments": "Lambda sends the trace",
    "xray:PutTelemetryRecords": "Lambda sends the trace",
    "kms:Decrypt": "DynamoDB, SQS and Secrets Manager use a customer's key in the caller's name",
    "kms:GenerateDataKey": "DynamoDB and SQS use a customer's key in the caller's name",
    "kms:GenerateDataKey*": "DynamoDB and SQS use a customer's key in the caller's name",
    "kms:DescribeKey": "DynamoDB looks at a customer's key in the caller's name",
    "kms:Encrypt": "DynamoDB uses a customer's key in the caller's name",
    "kms:ReEncryptFrom": "DynamoDB uses a customer's key in the caller's name",
    "kms:ReEncryptTo": "DynamoDB uses a customer's key in the caller's name",
}

# Permissions that no run here can show, each with its reason: (function, action, resource).
UNSEEN = {
    ("fanout", "sqs:SendMessage", "FanoutFailuresQueue"): "the event source tells there what it gave up",
    ("keeper", "ses:SendEmail", "identity/domain"): "SES asks for the domain's identity where the address has none",
}

DENIED_ATTRIBUTES = "dynamodb:Attributes"


class Call(NamedTuple):
    """A call as it was seen, its resource by its logical name; what it wrote, if the action is a write."""

    function: str
    action: str
    resource: str


class Seen:
    """Everything that was seen: calls, and for each the attributes that it named in writes."""

    def __init__(self, stack: Stack, lines: Iterator[str]) -> None:
        self.attributes: dict[Call, set[str]] = {}
        names = _names(stack)
        for line in lines:
            function, action, resource, attribute = line.rstrip("\n").split("\t")
            if function in variables.FUNCTIONS:
                found = self.attributes.setdefault(Call(function, action, _logical(names, resource)), set())
                found.update({attribute} - {""})


class Permission(NamedTuple):
    """What a role allows or denies of one action on one resource."""

    function: str
    effect: str
    action: str
    resource: str
    attributes: frozenset[str]


def complaints(stack: Stack, seen: Seen) -> Iterator[str]:
    """What is missing, what is unused, what is denied although it is done."""
    permissions = list(_permissions(stack))
    allowed = {Call(*item[:1], *item[2:4]) for item in permissions if item.effect == "Allow"}
    functions = {call.function for call in seen.attributes}
    for name in sorted(set(variables.FUNCTIONS) - functions):
        yield f"{name}: no call of it was seen; was the whole suite run with traces?"
    for call in sorted(set(seen.attributes) - allowed):
        yield f"{call.function}: {call.action} on {call.resource} was done, and its role does not allow it"
    for item in permissions:
        call = Call(item.function, item.action, item.resource)
        if item.effect == "Deny" and call in seen.attributes:
            for attribute in sorted(item.attributes & seen.attributes[call]):
                yield f"{item.function}: {item.action} of {attribute} on {item.resource} was done, and is denied"
            if not item.attributes:
                yield f"{item.function}: {item.action} on {item.resource} was done, and is denied"
    excused = allowed - set(seen.attributes)
    for call in sorted(excused):
        if call.action not in OF_LAMBDA and call not in UNSEEN:
            yield f"{call.function}: {call.action} on {call.resource} is allowed, and was never done"
    for call in sorted(set(UNSEEN) - {tuple(call) for call in excused}):
        yield f"{call}: listed as unseen, but it was seen or is not allowed"


def unprotected(stack: Stack, seen: Seen) -> Iterator[str]:
    """Attributes that owners set on their endpoints, and that the dispatcher may change though it does not need to."""
    denied: set[str] = set()
    for item in _permissions(stack):
        if (item.function, item.effect, item.resource) == ("dispatcher", "Deny", "EndpointsTable"):
            denied |= item.attributes
    written = {
        function: set().union(
            *(
                attributes
                for call, attributes in seen.attributes.items()
                if call.function == function and call.resource == "EndpointsTable"
            )
        )
        for function in ("api", "dispatcher")
    }
    for attribute in sorted(written["api"] - written["dispatcher"] - denied - set(OPEN)):
        yield f"dispatcher: may change {attribute} of an endpoint, which only its owner or an operator sets"
    for attribute in sorted(set(OPEN) - (written["api"] - written["dispatcher"] - denied)):
        yield f"{attribute}: listed as open to the dispatcher, but it is not"


# Attributes of the table of endpoints that neither the dispatcher writes nor its role protects, each with the reason.
OPEN: dict[str, str] = {}


def _permissions(stack: Stack) -> Iterator[Permission]:
    for function, item in stack.functions().items():
        role = stack.template["Resources"][target(item["Properties"]["Role"])]["Properties"]
        for policy in listed(role.get("Policies", [])):
            for _, branch in review.branches(policy):
                for statement in listed(branch["PolicyDocument"]["Statement"]):
                    for _, rule in review.branches(statement):
                        yield from _of_statement(function, rule)


def _of_statement(function: str, rule: dict) -> Iterator[Permission]:
    condition = rule.get("Condition", {})
    attributes = frozenset(listed(condition.get("ForAnyValue:StringEquals", {}).get(DENIED_ATTRIBUTES, [])))
    for action in listed(rule["Action"]):
        for resource in _resources(rule["Resource"]):
            yield Permission(function, rule["Effect"], action, resource, attributes)


def _resources(value: object) -> Iterator[str]:
    """The logical names of a statement's resources."""
    for item in listed(value):
        if isinstance(item, dict) and "Fn::If" in item:
            for _, branch in review.branches(item):
                yield from _resources(branch)
            continue
        text = review.text(item)
        if ":identity/" in text:
            yield "identity/domain" if "Domain" in text else "identity"
        elif index := re.fullmatch(r"\$\{(\w+)\.Arn\}(/index/\w+)", text):
            yield index[1] + index[2]
        else:
            yield target(item) or text


def _names(stack: Stack) -> dict[str, str]:
    """Physical names without the stack's, as traces tell them, to logical ones."""
    names = {}
    for kind, service, key in (
        ("AWS::DynamoDB::Table", "table", "TableName"),
        ("AWS::SQS::Queue", "queue", "QueueName"),
        ("AWS::SecretsManager::Secret", "secret", "Name"),
    ):
        for logical, item in stack.of_type(kind).items():
            name = item["Properties"][key]["Fn::Sub"].removeprefix("${AWS::StackName}")
            names[f"{service}{name}"] = logical
    return names


def _logical(names: dict[str, str], resource: str) -> str:
    """`RecordsTable/index/by_kind` of `table/afferent-records/index/by_kind`."""
    service, _, rest = resource.partition("/")
    if service == "identity":
        return "identity"
    if service == "secret":
        # By its ARN, which ends with a hyphen and six characters of AWS's, or by its name.
        rest = re.sub(r"^arn:.*:(.+)-\w{6}$", r"\1", rest)
    name, separator, index = rest.partition("/index/")
    # A stack's name may have hyphens, and so may what follows.
    for place, character in enumerate(name):
        if character in "-/" and (logical := names.get(service + name[place:])):
            return logical + separator + index
    return "DestinationQueueArns" if service == "queue" else resource


def main(folder: str) -> int:
    """Reads the traces, complains, and tells how much was compared."""
    stack = Stack(template.translate(template.source()), variables.of_code())
    files = sorted(pathlib.Path(folder, "calls").glob("*.txt"))
    seen = Seen(stack, (line for file in files for line in file.read_text().splitlines()))
    found = [*complaints(stack, seen), *unprotected(stack, seen)]
    for line in found:
        print(line)
    allowed = sum(item.effect == "Allow" for item in _permissions(stack))
    print(f"roles: {len(seen.attributes)} kinds of calls seen, {allowed} permissions, {len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
