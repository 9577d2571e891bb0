"""ReceiveMessage."""

import time

import pytest
from conformance.world import Watch, in_background


def test_a_receive_gives_one_message_unless_asked_for_more(world, sqs, queue):
    for i in range(3):
        world.send(queue, str(i))
    assert len(sqs.receive_message(QueueUrl=queue)["Messages"]) == 1


def test_an_empty_queue_gives_no_messages_at_once(sqs, queue):
    assert "Messages" not in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MaxNumberOfMessages", 0),
        ("MaxNumberOfMessages", 11),
        ("WaitTimeSeconds", -1),
        ("WaitTimeSeconds", 21),
        ("VisibilityTimeout", -1),
        ("VisibilityTimeout", 43201),
    ],
)
def test_what_a_receive_asks_for_has_bounds(world, queue, name, value):
    assert world.refused("receive_message", QueueUrl=queue, **{name: value}) == "InvalidParameterValue"


def test_system_attributes_come_only_if_asked_for(world, sqs, queue):
    world.send(queue)
    bare = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0)["Messages"][0]
    assert "Attributes" not in bare
    one = sqs.receive_message(QueueUrl=queue, MessageSystemAttributeNames=["ApproximateReceiveCount"])["Messages"][0]
    assert one["Attributes"] == {"ApproximateReceiveCount": "2"}


def test_the_older_name_of_that_parameter_still_works(world, sqs, queue):
    world.send(queue)
    message = sqs.receive_message(QueueUrl=queue, AttributeNames=["SentTimestamp"])["Messages"][0]
    assert list(message["Attributes"]) == ["SentTimestamp"]


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ([], []),
        (["All"], ["a.x", "a.y", "b"]),
        ([".*"], ["a.x", "a.y", "b"]),
        (["a.*"], ["a.x", "a.y"]),
        (["b", "none"], ["b"]),
    ],
)
def test_message_attributes_are_chosen_by_name_or_prefix(world, queue, asked, given):
    attributes = {name: {"DataType": "String", "StringValue": name} for name in ["a.x", "a.y", "b"]}
    world.send(queue, MessageAttributes=attributes)
    message = world.take_one(queue, MessageAttributeNames=asked)
    assert sorted(message.get("MessageAttributes", {})) == given
    assert ("MD5OfMessageAttributes" in message) == bool(given)


def test_a_long_poll_of_an_empty_queue_lasts_as_long_as_it_asked(sqs, queue):
    watch = Watch()
    assert "Messages" not in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=2)
    watch.at_least(2)


def test_without_a_wait_of_its_own_a_receive_waits_as_long_as_the_queue_says(world, sqs):
    queue = world.queue("patient", ReceiveMessageWaitTimeSeconds=2)
    watch = Watch()
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    watch.at_least(2)


def test_a_long_poll_returns_when_a_message_is_sent(world, queue):
    received = in_background(lambda: (world.take(queue, WaitTimeSeconds=20), time.monotonic()))
    time.sleep(0.5)
    sent = time.monotonic()
    world.send(queue)
    messages, returned = received()
    assert len(messages) == 1
    assert returned - sent < 15, "it slept instead of waking"


def test_a_long_poll_returns_when_a_visibility_timeout_ends(world):
    queue = world.queue("brief", VisibilityTimeout=2)
    world.send(queue)
    watch = Watch()
    world.take_one(queue)
    assert len(world.take(queue, WaitTimeSeconds=20)) == 1
    watch.at_least(2)
    assert watch.elapsed() < 15, "it slept instead of waking"


def test_a_long_poll_hears_when_a_message_is_made_visible(world, sqs, queue):
    world.send(queue)
    handle = world.take_one(queue)["ReceiptHandle"]
    received = in_background(lambda: (world.take(queue, WaitTimeSeconds=20), time.monotonic()))
    time.sleep(0.5)
    changed = time.monotonic()
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=0)
    messages, returned = received()
    assert len(messages) == 1
    assert returned - changed < 15, "it slept instead of waking"


def test_two_long_polls_do_not_get_the_same_message(world, queue):
    polls = [in_background(lambda: world.take(queue, WaitTimeSeconds=3)) for _ in range(2)]
    time.sleep(0.5)
    world.send(queue)
    assert sum(len(poll()) for poll in polls) == 1


def test_messages_of_a_group_on_a_standard_queue_do_not_wait_for_each_other(world, queue):
    for i in range(3):
        world.send(queue, str(i), MessageGroupId="tenant")
    assert len(world.wait_for(queue, 3)) == 3


def test_quiet_groups_are_served_before_one_with_a_backlog_in_flight(world, queue):
    for i in range(40):
        world.send(queue, "loud", MessageGroupId="loud")
    world.wait_for(queue, 30)
    world.send(queue, "quiet", MessageGroupId="quiet")
    assert world.take_one(queue, MaxNumberOfMessages=1)["Body"] == "quiet"
