"""Queues: making, finding, describing, tagging, purging, deleting."""

import pytest


def test_making_a_queue_again_with_the_same_attributes_gives_the_same_queue(world):
    first = world.queue("q", VisibilityTimeout=40)
    world.send(first)
    assert world.queue("q", VisibilityTimeout=40) == first
    assert world.counts(first) == (1, 0, 0)


def test_making_it_again_with_other_attributes_is_refused(world, sqs):
    world.queue("q", VisibilityTimeout=40)
    with pytest.raises(sqs.exceptions.QueueNameExists):
        world.queue("q", VisibilityTimeout=41)


@pytest.mark.parametrize("name", ["a" * 81, "a b", "a.b"])
def test_a_name_has_1_to_80_letters_digits_hyphens_and_underscores(world, name):
    assert world.refused("create_queue", QueueName=name) == "InvalidParameterValue"


def test_a_queue_starts_with_the_documented_defaults(world, queue):
    attributes = world.attributes(queue)
    expected = {
        "VisibilityTimeout": "30",
        "DelaySeconds": "0",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
    }
    assert {name: attributes.get(name) for name in expected} == expected
    assert "RedrivePolicy" not in attributes


def test_attributes_that_were_asked_for_and_no_others_are_given(sqs, queue):
    answer = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["DelaySeconds"])
    assert answer["Attributes"] == {"DelaySeconds": "0"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VisibilityTimeout", "43201"),
        ("VisibilityTimeout", "x"),
        ("DelaySeconds", "901"),
        ("MaximumMessageSize", "1023"),
        ("MaximumMessageSize", "1048577"),
        ("MessageRetentionPeriod", "59"),
        ("MessageRetentionPeriod", "1209601"),
        ("ReceiveMessageWaitTimeSeconds", "21"),
    ],
)
def test_attributes_have_bounds(world, queue, name, value):
    refused = world.refused("set_queue_attributes", QueueUrl=queue, Attributes={name: value})
    assert refused in ("InvalidAttributeValue", "InvalidParameterValue")


def test_an_unknown_attribute_is_refused(world, queue):
    refused = world.refused("set_queue_attributes", QueueUrl=queue, Attributes={"Colour": "blue"})
    assert refused == "InvalidAttributeName"


def test_changed_attributes_hold_from_then_on(world, sqs, queue):
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"DelaySeconds": "900"})
    world.send(queue)
    assert world.counts(queue) == (0, 0, 1)


def test_counts_tell_visible_in_flight_and_delayed_messages_apart(world, queue):
    for i in range(4):
        world.send(queue, str(i))
    world.take(queue, MaxNumberOfMessages=1)
    world.send(queue, DelaySeconds=900)
    assert world.counts(queue) == (3, 1, 1)


def test_a_queue_is_found_by_its_name(world, sqs, queue):
    assert sqs.get_queue_url(QueueName=f"q-{world.suffix}")["QueueUrl"] == queue
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName=f"none-{world.suffix}")


def test_queues_are_listed_by_prefix_and_page(world, sqs):
    urls = [world.queue(f"page-{world.suffix}-{i}") for i in range(3)]
    pages = sqs.get_paginator("list_queues").paginate(
        QueueNamePrefix=f"page-{world.suffix}-", PaginationConfig={"PageSize": 2}
    )
    pages = [page.get("QueueUrls", []) for page in pages]
    assert sorted(url for page in pages for url in page) == urls
    assert len(pages[0]) == 2


def test_a_purge_takes_all_messages_in_flight_too(world, sqs, queue):
    world.send(queue)
    world.take_one(queue)
    world.send(queue)
    sqs.purge_queue(QueueUrl=queue)
    assert world.counts(queue) == (0, 0, 0)


def test_a_second_purge_within_a_minute_is_refused(world, sqs, queue):
    sqs.purge_queue(QueueUrl=queue)
    with pytest.raises(sqs.exceptions.PurgeQueueInProgress):
        sqs.purge_queue(QueueUrl=queue)


def test_tags_are_set_listed_and_removed(sqs, queue):
    sqs.tag_queue(QueueUrl=queue, Tags={"a": "1", "b": "2"})
    sqs.untag_queue(QueueUrl=queue, TagKeys=["a"])
    assert sqs.list_queue_tags(QueueUrl=queue)["Tags"] == {"b": "2"}


def test_a_deleted_queue_is_gone(world, sqs, queue):
    sqs.delete_queue(QueueUrl=queue)
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        world.send(queue)


def test_its_name_is_not_free_at_once(world, sqs, queue):
    sqs.delete_queue(QueueUrl=queue)
    with pytest.raises(sqs.exceptions.QueueDeletedRecently):
        world.queue("q")


def test_fifo_queues_can_be_made(world, sqs):
    made = sqs.create_queue(QueueName=f"f-{world.suffix}.fifo", Attributes={"FifoQueue": "true"})
    world.urls.append(made["QueueUrl"])
