"""The comparison of roles with traced calls sees what is missing, what is unused and what is denied."""

import re

import pytest
import roles
import template
import variables
from stack import Stack

STACK = Stack(template.translate(template.source()), variables.of_code())


def physical(resource: str) -> str:
    """A resource as traces tell it, of a stack with a hyphen in its name."""
    name, separator, index = resource.partition("/index/")
    for text, logical in roles._names(STACK).items():
        if logical == name:
            service = re.match("table|queue|secret", text)[0]
            name = f"my-stack{text.removeprefix(service)}"
            if service == "secret":
                name = f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:{name}-a1B2c3"
            return f"{service}/{name}{separator}{index}"
    return {"identity": "identity/a@stack.example"}.get(name, "queue/somebody")


def everything() -> list[str]:
    """Traces of a run in which every permission was used that our code uses."""
    lines = []
    for item in roles._permissions(STACK):
        call = (item.function, item.action, item.resource)
        if item.effect == "Allow" and item.action not in roles.OF_LAMBDA and call not in roles.UNSEEN:
            lines.append(f"{item.function}\t{item.action}\t{physical(item.resource)}\t")
    return lines


def complaints(lines: list[str]) -> list[str]:
    return list(roles.complaints(STACK, roles.Seen(STACK, iter(lines))))


def test_a_run_that_uses_everything_has_no_complaint() -> None:
    assert complaints(everything()) == []


@pytest.mark.parametrize("function", variables.FUNCTIONS)
def test_every_permission_that_is_not_used_is_named(function: str) -> None:
    lines = everything()
    first = next(line for line in lines if line.startswith(f"{function}\t"))
    found = complaints([line for line in lines if line != first])
    action = first.split("\t")[1]
    assert any(line.startswith(f"{function}: {action} on ") and "was never done" in line for line in found)


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ("ingest\tdynamodb:GetItem\ttable/my-stack-records\t", "dynamodb:GetItem on RecordsTable"),
        ("api\tdynamodb:Query\ttable/my-stack-records/index/by_other\t", "dynamodb:Query on RecordsTable/index/by_other"),
        ("keeper\tsecretsmanager:GetSecretValue\tsecret/my-stack/withings\t", "GetSecretValue on WithingsSecret"),
        ("fanout\tsqs:SendMessage\tqueue/my-stack-pulls\t", "sqs:SendMessage on PullsQueue"),
        ("fetcher\tsqs:SendMessage\tqueue/somebody\t", "sqs:SendMessage on DestinationQueueArns"),
        ("dispatcher\tses:SendEmail\tidentity/a@stack.example\t", "ses:SendEmail on identity"),
    ],
)
def test_a_call_that_the_role_does_not_allow_is_named(call: str, complaint: str) -> None:
    [found] = complaints([*everything(), call])
    assert complaint in found and "does not allow it" in found


def test_a_write_of_what_is_denied_is_named() -> None:
    write = "dispatcher\tdynamodb:UpdateItem\ttable/my-stack-endpoints\t"
    assert complaints([*everything(), write + "health"]) == []
    [found] = complaints([*everything(), write + "destination"])
    assert "of destination on EndpointsTable was done, and is denied" in found


def test_a_message_to_a_queue_of_ours_is_named() -> None:
    found = complaints([*everything(), "dispatcher\tsqs:SendMessage\tqueue/my-stack-deliveries\t"])
    assert any("is denied" in line for line in found)


def test_what_an_owner_sets_and_the_dispatcher_may_change_is_named() -> None:
    lines = ["api\tdynamodb:PutItem\ttable/my-stack-endpoints\tsurprise"]
    found = list(roles.unprotected(STACK, roles.Seen(STACK, iter(lines))))
    assert any("may change surprise of an endpoint" in line for line in found)


def test_a_function_that_was_never_seen_is_named() -> None:
    found = complaints([line for line in everything() if not line.startswith("keeper\t")])
    assert "keeper: no call of it was seen; was the whole suite run with traces?" in found
