"""SendMessage and SendMessageBatch."""

import hashlib

import pytest
from conformance.world import Watch

MIB = 1024 * 1024


def test_a_message_arrives_with_its_body_and_attributes_and_their_digests(world, queue):
    attributes = {
        "text": {"DataType": "String", "StringValue": "x"},
        "number": {"DataType": "Number", "StringValue": "1.5"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    sent = world.send(queue, "héllo", MessageAttributes=attributes)
    message = world.take_one(queue, MessageAttributeNames=["All"])
    assert message["Body"] == "héllo"
    assert message["MessageId"] == sent["MessageId"]
    assert message["MD5OfBody"] == sent["MD5OfMessageBody"] == hashlib.md5("héllo".encode()).hexdigest()
    assert message["MessageAttributes"] == attributes
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]


def test_the_digest_of_attributes_covers_name_type_and_value_in_the_order_of_names(world, queue):
    attributes = {
        "b": {"DataType": "Binary", "BinaryValue": b"\x01"},
        "a": {"DataType": "String", "StringValue": "é"},
    }
    sent = world.send(queue, MessageAttributes=attributes)
    digest = hashlib.md5()
    for name, kind, tag, value in [(b"a", b"String", 1, "é".encode()), (b"b", b"Binary", 2, b"\x01")]:
        for part in (name, kind):
            digest.update(len(part).to_bytes(4, "big") + part)
        digest.update(bytes([tag]) + len(value).to_bytes(4, "big") + value)
    assert sent["MD5OfMessageAttributes"] == digest.hexdigest()


def test_a_message_tells_who_sent_it_when_and_how_often_it_was_received(world, queue):
    world.send(queue)
    attributes = world.take_one(queue)["Attributes"]
    assert attributes["ApproximateReceiveCount"] == "1"
    assert attributes["SenderId"]
    assert int(attributes["SentTimestamp"]) <= int(attributes["ApproximateFirstReceiveTimestamp"])


def test_a_group_and_a_trace_header_are_kept_on_a_standard_queue(world, queue):
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
    sent = world.send(queue, MessageGroupId="tenant", MessageSystemAttributes=trace)
    assert sent["MD5OfMessageSystemAttributes"]
    attributes = world.take_one(queue)["Attributes"]
    assert attributes["MessageGroupId"] == "tenant"
    assert attributes["AWSTraceHeader"] == trace["AWSTraceHeader"]["StringValue"]


def test_the_trace_header_of_a_request_is_that_of_its_message_unless_the_message_has_one(world, queue):
    of_request, of_message = (f"Root=1-5759e988-bd862e3fe1be46a9942727{end};Sampled=1" for end in ("01", "02"))

    def trace_request(request, **_):
        request.headers["X-Amzn-Trace-Id"] = of_request

    world.sqs.meta.events.register("before-send.sqs", trace_request, unique_id="trace")
    try:
        own = {"AWSTraceHeader": {"DataType": "String", "StringValue": of_message}}
        world.send(queue, "by request")
        world.send(queue, "by message", MessageSystemAttributes=own)
    finally:
        world.sqs.meta.events.unregister("before-send.sqs", unique_id="trace")
    seen = {message["Body"]: message["Attributes"]["AWSTraceHeader"] for message in world.wait_for(queue, 2)}
    assert seen == {"by request": of_request, "by message": of_message}


@pytest.mark.parametrize("group", ["g" * 129, "a b"])
def test_a_group_has_at_most_128_visible_characters(world, queue, group):
    request = {"QueueUrl": queue, "MessageBody": "x", "MessageGroupId": group}
    assert world.refused("send_message", **request) == "InvalidParameterValue"


def test_a_delayed_message_stays_away_until_its_delay_has_passed(world, queue):
    watch = Watch()
    world.send(queue, DelaySeconds=2)
    assert world.counts(queue) == (0, 0, 1)
    world.take_one(queue)
    watch.at_least(2)


def test_the_delay_of_the_queue_holds_for_messages_without_their_own(world):
    queue = world.queue("delayed", DelaySeconds=2)
    watch = Watch()
    world.send(queue, "later")
    world.send(queue, "at once", DelaySeconds=0)
    assert world.take_one(queue)["Body"] == "at once"
    assert world.take_one(queue)["Body"] == "later"
    watch.at_least(2)


@pytest.mark.parametrize("delay", [-1, 901])
def test_a_delay_is_0_to_900_seconds(world, queue, delay):
    assert world.refused("send_message", QueueUrl=queue, MessageBody="x", DelaySeconds=delay) == "InvalidParameterValue"


@pytest.mark.parametrize("body", ["a\u0001b", "\u000b", "\ufffe", "\uffff"])
def test_characters_outside_xml_are_refused(world, queue, body):
    assert world.refused("send_message", QueueUrl=queue, MessageBody=body) == "InvalidMessageContents"


@pytest.mark.parametrize("body", ["tab\tline\nreturn\r", "日本", "\U0001f600"])
def test_all_other_characters_arrive_as_they_were_sent(world, queue, body):
    world.send(queue, body)
    assert world.take_one(queue)["Body"] == body


def test_an_empty_body_is_no_body(world, queue):
    assert world.refused("send_message", QueueUrl=queue, MessageBody="") == "MissingParameter"


def test_a_body_of_one_mebibyte_is_accepted(world, queue):
    world.send(queue, "x" * MIB)
    assert len(world.take_one(queue)["Body"]) == MIB


def test_one_byte_more_is_refused(world, queue):
    assert world.refused("send_message", QueueUrl=queue, MessageBody="x" * (MIB + 1)) == "InvalidParameterValue"


def test_attributes_count_towards_the_length(world, queue):
    attributes = {"a": {"DataType": "String", "StringValue": "b"}}
    request = {"QueueUrl": queue, "MessageBody": "x" * MIB, "MessageAttributes": attributes}
    assert world.refused("send_message", **request) == "InvalidParameterValue"


def test_a_queue_may_take_shorter_messages_only(world):
    queue = world.queue("short", MaximumMessageSize=1024)
    world.send(queue, "x" * 1024)
    assert world.refused("send_message", QueueUrl=queue, MessageBody="x" * 1025) == "InvalidParameterValue"


def test_more_than_ten_attributes_are_refused(world, queue):
    attributes = {f"a{i}": {"DataType": "String", "StringValue": "x"} for i in range(11)}
    request = {"QueueUrl": queue, "MessageBody": "x", "MessageAttributes": attributes}
    assert world.refused("send_message", **request) == "InvalidParameterValue"


def test_a_queue_that_does_not_exist_is_an_error_of_its_own_class(world, sqs, queue):
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as refusal:
        sqs.send_message(QueueUrl=queue + "-not", MessageBody="x")
    assert refusal.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_each_entry_of_a_batch_has_a_result_of_its_own(world, sqs, queue):
    entries = [{"Id": str(i), "MessageBody": f"m{i}", "DelaySeconds": 901 if i == 3 else 0} for i in range(10)]
    answer = sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    assert sorted(entry["Id"] for entry in answer["Successful"]) == [str(i) for i in range(10) if i != 3]
    (failed,) = answer["Failed"]
    assert (failed["Id"], failed["Code"], failed["SenderFault"]) == ("3", "InvalidParameterValue", True)
    assert len(world.wait_for(queue, 9)) == 9


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        ([], "EmptyBatchRequest"),
        (["a", "a"], "BatchEntryIdsNotDistinct"),
        ([str(i) for i in range(11)], "TooManyEntriesInBatchRequest"),
        (["a b"], "InvalidBatchEntryId"),
        (["i" * 81], "InvalidBatchEntryId"),
    ],
)
def test_a_batch_has_1_to_10_entries_with_distinct_legal_ids(world, queue, ids, code):
    entries = [{"Id": id, "MessageBody": "x"} for id in ids]
    refused = world.refused("send_message_batch", QueueUrl=queue, Entries=entries)
    assert refused == f"AWS.SimpleQueueService.{code}"


def test_a_batch_of_one_mebibyte_is_accepted(world, sqs, queue):
    entries = [{"Id": id, "MessageBody": "x" * (MIB // 2)} for id in "ab"]
    assert len(sqs.send_message_batch(QueueUrl=queue, Entries=entries)["Successful"]) == 2


def test_a_longer_batch_is_refused_as_a_whole(world, queue):
    entries = [{"Id": id, "MessageBody": "x" * (MIB // 2 + 1)} for id in "ab"]
    refused = world.refused("send_message_batch", QueueUrl=queue, Entries=entries)
    assert refused == "AWS.SimpleQueueService.BatchRequestTooLong"
    assert world.counts(queue) == (0, 0, 0)
