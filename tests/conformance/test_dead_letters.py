"""Redrive policies, dead-letter queues and message move tasks."""

import json
import time

import pytest
from conformance.world import LIMIT


def kill(world, source, receives):
    """Receives a message so often that it dies."""
    for _ in range(receives):
        world.take_one(source)
    time.sleep(1.2)
    assert world.take(source) == []


def test_a_message_received_too_often_is_moved_by_the_next_receive(world):
    source, dead = world.with_dead_letters(2)
    sent = world.send(source, "poison", MessageAttributes={"k": {"DataType": "String", "StringValue": "v"}})
    before = [world.take_one(source) for _ in range(2)]
    time.sleep(1.2)
    assert world.counts(dead) == (0, 0, 0), "time alone moves nothing"
    assert world.take(source) == []
    message = world.take_one(dead, MessageAttributeNames=["All"])
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], "poison")
    assert message["MessageAttributes"]["k"]["StringValue"] == "v"
    assert message["Attributes"]["SentTimestamp"] == before[0]["Attributes"]["SentTimestamp"]


def test_a_dead_message_tells_where_it_came_from(world):
    source, dead = world.with_dead_letters(1)
    world.send(source)
    kill(world, source, 1)
    assert world.take_one(dead)["Attributes"]["DeadLetterQueueSourceArn"] == world.arn(source)


def test_a_dead_letter_queue_knows_its_sources(world, sqs):
    source, dead = world.with_dead_letters(2)
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [source]


def test_a_redrive_policy_needs_a_queue_that_exists(world, queue):
    policy = json.dumps({"deadLetterTargetArn": world.arn(queue) + "-not", "maxReceiveCount": 2})
    request = {"QueueUrl": queue, "Attributes": {"RedrivePolicy": policy}}
    assert world.refused("set_queue_attributes", **request) == "InvalidParameterValue"


@pytest.mark.parametrize("count", [0, 1001])
def test_a_redrive_policy_needs_a_count_from_1_to_1000(world, queue, count):
    policy = json.dumps({"deadLetterTargetArn": world.arn(queue), "maxReceiveCount": count})
    request = {"QueueUrl": queue, "Attributes": {"RedrivePolicy": policy}}
    assert world.refused("set_queue_attributes", **request) == "InvalidParameterValue"


def test_a_redrive_allow_policy_is_kept(world, sqs, queue):
    policy = {"redrivePermission": "byQueue", "sourceQueueArns": [world.arn(queue)]}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedriveAllowPolicy": json.dumps(policy)})
    assert json.loads(world.attributes(queue)["RedriveAllowPolicy"]) == policy


def test_a_move_task_returns_messages_to_their_source_as_new_ones(world, sqs):
    source, dead = world.with_dead_letters(1)
    sent = world.send(source, "poison")
    kill(world, source, 1)
    assert sqs.start_message_move_task(SourceArn=world.arn(dead))["TaskHandle"]
    message = world.take_one(source)
    assert message["Body"] == "poison"
    assert message["MessageId"] != sent["MessageId"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


def test_a_move_task_is_listed_with_what_it_moved(world, sqs):
    source, dead = world.with_dead_letters(1)
    world.send(source)
    kill(world, source, 1)
    sqs.start_message_move_task(SourceArn=world.arn(dead))
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        (task,) = sqs.list_message_move_tasks(SourceArn=world.arn(dead))["Results"]
        if task["Status"] != "RUNNING":
            break
        time.sleep(0.2)
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 1)
    assert task["SourceArn"] == world.arn(dead)


def test_only_a_dead_letter_queue_can_be_the_source_of_a_move_task(world, queue):
    assert world.refused("start_message_move_task", SourceArn=world.arn(queue)) == "InvalidParameterValue"


def test_a_move_task_needs_a_source_that_exists(world, queue):
    refused = world.refused("start_message_move_task", SourceArn=world.arn(queue) + "-not")
    assert refused == "ResourceNotFoundException"
