"""DeleteMessage and DeleteMessageBatch."""

import time


def test_a_deleted_message_does_not_return(world, sqs):
    queue = world.queue("brief", VisibilityTimeout=1)
    world.send(queue)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=world.take_one(queue)["ReceiptHandle"])
    assert world.counts(queue) == (0, 0, 0)
    time.sleep(1.2)
    assert world.take(queue) == []


def test_deleting_twice_is_deleting_once(world, sqs, queue):
    world.send(queue)
    handle = world.take_one(queue)["ReceiptHandle"]
    for _ in range(2):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)


def test_the_latest_handle_deletes_even_after_its_timeout(world, sqs, queue):
    world.send(queue)
    handle = world.take_one(queue, VisibilityTimeout=0)["ReceiptHandle"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
    assert world.counts(queue) == (0, 0, 0)


def test_an_older_handle_is_answered_with_success(world, sqs, queue):
    world.send(queue)
    older = world.take_one(queue, VisibilityTimeout=0)["ReceiptHandle"]
    world.take_one(queue)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=older)


def test_a_handle_that_was_never_issued_is_invalid(world, queue):
    assert world.refused("delete_message", QueueUrl=queue, ReceiptHandle="bogus") == "ReceiptHandleIsInvalid"


def test_a_batch_deletes_each_message_on_its_own(world, sqs, queue):
    for i in range(9):
        world.send(queue, str(i))
    handles = [message["ReceiptHandle"] for message in world.wait_for(queue, 9)]
    entries = [{"Id": str(i), "ReceiptHandle": handle} for i, handle in enumerate([*handles, "bogus"])]
    answer = sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
    assert sorted(entry["Id"] for entry in answer["Successful"]) == [str(i) for i in range(9)]
    assert [(entry["Id"], entry["Code"]) for entry in answer["Failed"]] == [("9", "ReceiptHandleIsInvalid")]
    assert world.counts(queue) == (0, 0, 0)
