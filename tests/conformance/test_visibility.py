"""Visibility timeouts and ChangeMessageVisibility."""

import time

import pytest
from conformance.world import Watch


def test_a_message_that_is_not_deleted_returns_after_its_visibility_timeout(world):
    queue = world.queue("brief", VisibilityTimeout=2)
    sent = world.send(queue)
    watch = Watch()
    first = world.take_one(queue)
    assert world.counts(queue) == (0, 1, 0)
    assert world.take(queue) == []
    second = world.take_one(queue)
    watch.at_least(2)
    assert first["MessageId"] == second["MessageId"] == sent["MessageId"]
    assert second["ReceiptHandle"] != first["ReceiptHandle"]
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    times = [message["Attributes"]["ApproximateFirstReceiveTimestamp"] for message in (first, second)]
    assert times[0] == times[1]


def test_a_receive_may_bring_its_own_visibility_timeout(world, queue):
    world.send(queue)
    watch = Watch()
    world.take_one(queue, VisibilityTimeout=1)
    world.take_one(queue)
    watch.at_least(1)


def test_a_timeout_of_zero_hands_a_message_out_once_per_receive(world, queue):
    world.send(queue)
    assert len(world.take(queue, VisibilityTimeout=0)) == 1
    assert len(world.take(queue)) == 1


def test_a_changed_timeout_counts_from_the_call(world, sqs):
    queue = world.queue("brief", VisibilityTimeout=20)
    world.send(queue)
    handle = world.take_one(queue)["ReceiptHandle"]
    time.sleep(1)
    watch = Watch()
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=2)
    world.take_one(queue)
    watch.at_least(2)
    assert watch.elapsed() < 15, "the first timeout was awaited"


def test_a_changed_timeout_holds_for_one_receive_only(world, sqs):
    queue = world.queue("brief", VisibilityTimeout=1)
    world.send(queue)
    handle = world.take_one(queue)["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=3)
    world.take_one(queue)
    watch = Watch()
    world.take_one(queue)
    watch.at_least(0.5)


def test_zero_makes_a_message_visible_at_once(world, sqs, queue):
    world.send(queue)
    handle = world.take_one(queue)["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=0)
    assert world.counts(queue) == (1, 0, 0)
    world.take_one(queue)


@pytest.mark.parametrize("timeout", [-1, 43201])
def test_a_changed_timeout_is_0_to_43200_seconds(world, queue, timeout):
    world.send(queue)
    handle = world.take_one(queue)["ReceiptHandle"]
    request = {"QueueUrl": queue, "ReceiptHandle": handle, "VisibilityTimeout": timeout}
    assert world.refused("change_message_visibility", **request) == "InvalidParameterValue"


def test_12_hours_some_time_after_the_receive_are_more_than_12_hours_in_total(world, queue):
    world.send(queue)
    handle = world.take_one(queue)["ReceiptHandle"]
    time.sleep(0.1)
    request = {"QueueUrl": queue, "ReceiptHandle": handle, "VisibilityTimeout": 43200}
    assert world.refused("change_message_visibility", **request) == "InvalidParameterValue"


def test_the_12_hours_count_from_the_receive_and_not_from_the_sending(world, sqs, queue):
    world.send(queue)
    time.sleep(5)
    handle = world.take_one(queue)["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=43198)


def test_a_message_that_is_visible_again_has_no_timeout_to_change(world, sqs):
    queue = world.queue("brief", VisibilityTimeout=1)
    world.send(queue)
    handle = world.take_one(queue)["ReceiptHandle"]
    time.sleep(1.5)
    with pytest.raises(sqs.exceptions.MessageNotInflight):
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=5)


def test_a_handle_that_was_never_issued_is_invalid(world, queue):
    request = {"QueueUrl": queue, "ReceiptHandle": "bogus", "VisibilityTimeout": 1}
    assert world.refused("change_message_visibility", **request) == "ReceiptHandleIsInvalid"


def test_a_batch_changes_each_message_on_its_own(world, sqs, queue):
    world.send(queue)
    handle = world.take_one(queue)["ReceiptHandle"]
    entries = [
        {"Id": "good", "ReceiptHandle": handle, "VisibilityTimeout": 0},
        {"Id": "bad", "ReceiptHandle": "bogus", "VisibilityTimeout": 0},
    ]
    answer = sqs.change_message_visibility_batch(QueueUrl=queue, Entries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == ["good"]
    assert [(entry["Id"], entry["Code"]) for entry in answer["Failed"]] == [("bad", "ReceiptHandleIsInvalid")]
    world.take_one(queue)
