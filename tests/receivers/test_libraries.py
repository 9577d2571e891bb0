"""The libraries that receivers use, as published, verify what the stack sends, and nothing else."""

import base64
import dataclasses
import datetime
import json
import time

import boto3
import cases
import page
import pytest
import standardwebhooks
import standardwebhooks.webhooks
import stack as local
import svix.webhooks
from conftest import CATEGORIES, Day

LIBRARIES = {"standardwebhooks": standardwebhooks.Webhook, "svix": svix.webhooks.Webhook}


@pytest.fixture
def at(monkeypatch):
    """Sets the clock that the Python libraries read."""

    def set_to(now: float) -> None:
        class Then(datetime.datetime):
            @classmethod
            def now(cls, tz=None):
                return cls.fromtimestamp(now, tz)

        monkeypatch.setattr(standardwebhooks.webhooks, "datetime", Then)

    return set_to


def takes(library: type, case: cases.Case) -> bool:
    try:
        library(case.secret).verify(case.body, case.headers)
    except standardwebhooks.WebhookVerificationError:
        return False
    return True


@pytest.mark.parametrize("library", LIBRARIES.values(), ids=LIBRARIES)
def test_python_takes_every_request_as_it_came_and_no_other(day: Day, at, library: type) -> None:
    assert len(day.requests) >= CATEGORIES
    for request in day.requests:
        for case in cases.of(request, day.secret):
            at(case.now)
            assert takes(library, case) == case.is_right, case.name


def test_node_takes_every_request_as_it_came_and_no_other(day: Day, node) -> None:
    all_cases = [case for request in day.requests for case in cases.of(request, day.secret)]
    given = [dataclasses.asdict(case) | {"body": base64.b64encode(case.body).decode()} for case in all_cases]
    verdicts = node("verify.mjs", {"cases": given})
    assert [verdict["library"] for verdict in verdicts[:2]] == ["standardwebhooks", "svix"]
    assert len(verdicts) == 2 * len(all_cases)
    for index, case in enumerate(all_cases):
        for verdict in verdicts[2 * index : 2 * index + 2]:
            assert verdict["taken"] == case.is_right, (verdict["library"], case.name)


def test_every_request_says_what_it_is_in_the_same_words_in_header_and_body(day: Day) -> None:
    for request in day.requests:
        headers = {name.lower(): value for name, value in request.headers.items()}
        event = json.loads(request.body)
        assert headers["webhook-id"] == event["id"]
        assert "." not in event["id"], "a full stop would make the signed text ambiguous"
        assert headers["content-type"] == "application/json"
        assert abs(int(headers["webhook-timestamp"]) - request.at) < 60



def first_of_type(endpoint: local.Endpoint, event_type: str) -> local.Request:
    """The first webhook of this type, once it has come."""
    return endpoint.wait_until(lambda got: next((one for one in got if json.loads(one.body)["type"] == event_type), None))


def takes_each(request: local.Request, secrets: list[str], at, node) -> list[bool]:
    """For each secret whether every library takes the request by it; that they agree is a condition."""
    as_it_came = [cases.Case("as it came", request.headers, request.body, secret, request.at, True) for secret in secrets]
    at(request.at)
    given = [dataclasses.asdict(case) | {"body": base64.b64encode(case.body).decode()} for case in as_it_came]
    verdicts = node("verify.mjs", {"cases": given})
    taken = []
    for index, case in enumerate(as_it_came):
        of_node = [verdict["taken"] for verdict in verdicts[2 * index : 2 * index + 2]]
        agreed = {takes(library, case) for library in LIBRARIES.values()} | set(of_node)
        assert len(agreed) == 1
        taken += agreed
    return taken


def test_while_a_secret_is_replaced_either_verifies_and_afterwards_only_the_new_one(stack, at, node) -> None:
    with local.Endpoint() as endpoint:
        registered = stack.register(endpoint.url)
        first = registered["secret"]
        key, own = registered["key"], f"/{registered['id']}"
        second = stack.endpoints(key, f"{own}/secret/rotate", {"overlap_s": 86_400})["secret"]
        stack.endpoints(key, f"{own}/test", {"type": "body_weight.created"})
        both = first_of_type(endpoint, "body_weight.created")
        third = stack.endpoints(key, f"{own}/secret/rotate", {"overlap_s": 0})["secret"]
        stack.endpoints(key, f"{own}/test", {"type": "ecg.deleted"})
        one = first_of_type(endpoint, "ecg.deleted")
    assert takes_each(both, [first, second, cases.OTHER_SECRET], at, node) == [True, True, False]
    assert takes_each(one, [first, second, third], at, node)[2]


def test_a_test_event_says_that_it_is_one_and_verifies_like_any_other(stack, at, node) -> None:
    with local.Endpoint() as endpoint:
        registered = stack.register(endpoint.url)
        stack.endpoints(registered["key"], f"/{registered['id']}/test", {"type": "webhook.test"})
        request = first_of_type(endpoint, "webhook.test")
    assert json.loads(request.body)["test"] is True
    assert takes_each(request, [registered["secret"]], at, node) == [True]


def test_a_message_in_a_queue_verifies_by_its_attributes(stack, at, node) -> None:
    settings = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
    sqs = boto3.client("sqs", endpoint_url=stack.sqs, **settings)
    queue = sqs.create_queue(QueueName="health-events")["QueueUrl"]
    key = stack.program("seed")["key"]
    registered = stack.endpoints(key, "", {"queue_url": queue, "types": ["*.deleted"]})
    stack.endpoints(key, f"/{registered['endpoint']}/test", {"type": "workout.deleted"})
    received = sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"], WaitTimeSeconds=20)["Messages"][0]
    attributes = {name: value["StringValue"] for name, value in received["MessageAttributes"].items()}
    assert set(attributes) == {"webhook-id", "webhook-timestamp", "webhook-signature", "type"}
    assert all(f"`{name}`" in page.TEXT.split("## A queue instead of a server")[1] for name in attributes)
    event = json.loads(received["Body"])
    assert (attributes["type"], attributes["webhook-id"]) == (event["type"], event["id"])
    request = local.Request(attributes, received["Body"].encode(), time.time())
    assert takes_each(request, [registered["secret"], cases.OTHER_SECRET], at, node) == [True, False]
