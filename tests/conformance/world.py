"""What the tests say over and over."""

import json
import threading
import time

import pytest
from botocore.exceptions import ClientError

# How long a test waits for what must come. Far more than any machine needs.
LIMIT = 30.0
# How much earlier than due something may be seen: clocks that are read by two processes.
TOLERANCE = 0.1


class World:
    def __init__(self, sqs, suffix):
        self.sqs = sqs
        self.suffix = suffix
        self.urls = []

    def queue(self, name, **attributes):
        """Makes a queue; attributes by AWS's names."""
        attributes = {key: value if isinstance(value, str) else json.dumps(value) for key, value in attributes.items()}
        made = self.sqs.create_queue(QueueName=f"{name}-{self.suffix}", Attributes=attributes)
        self.urls.append(made["QueueUrl"])
        return made["QueueUrl"]

    def delete_queues(self):
        for url in self.urls:
            try:
                self.sqs.delete_queue(QueueUrl=url)
            except self.sqs.exceptions.QueueDoesNotExist:
                pass

    def with_dead_letters(self, receives):
        """A queue with a visibility timeout of 1 s, and its dead-letter queue."""
        dead = self.queue("dead")
        policy = {"deadLetterTargetArn": self.arn(dead), "maxReceiveCount": receives}
        return self.queue("source", VisibilityTimeout=1, RedrivePolicy=policy), dead

    def arn(self, queue):
        return self.attributes(queue)["QueueArn"]

    def attributes(self, queue):
        return self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]

    def counts(self, queue):
        """Visible, in flight, delayed."""
        names = ["", "NotVisible", "Delayed"]
        return tuple(int(self.attributes(queue)["ApproximateNumberOfMessages" + name]) for name in names)

    def send(self, queue, body="x", **more):
        return self.sqs.send_message(QueueUrl=queue, MessageBody=body, **more)

    def take(self, queue, **more):
        """What can be received now, up to ten."""
        ask = {"MaxNumberOfMessages": 10, "WaitTimeSeconds": 0, "MessageSystemAttributeNames": ["All"], **more}
        return self.sqs.receive_message(QueueUrl=queue, **ask).get("Messages", [])

    def wait_for(self, queue, count=1, **more):
        """Receives until there are `count` messages."""
        messages, end = [], time.monotonic() + LIMIT
        while len(messages) < count and time.monotonic() < end:
            messages += self.take(queue, WaitTimeSeconds=1, **more)
        assert len(messages) >= count, f"{len(messages)} of {count} messages came within {LIMIT} s"
        return messages

    def take_one(self, queue, **more):
        (message,) = self.wait_for(queue, **more)
        return message

    def refused(self, operation, **request):
        """The code with which SQS refuses a call."""
        with pytest.raises(ClientError) as refusal:
            getattr(self.sqs, operation)(**request)
        return refusal.value.response["Error"]["Code"]


class Watch:
    """A stop watch that only ever asserts lower bounds."""

    def __init__(self):
        self.start = time.monotonic()

    def elapsed(self):
        return time.monotonic() - self.start

    def at_least(self, seconds):
        assert self.elapsed() >= seconds - TOLERANCE, f"{self.elapsed():.2f} s instead of at least {seconds} s"


def in_background(work):
    """Runs `work` in a thread; the returned function waits for its result."""
    result = {}

    def run():
        result["value"] = work()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def join():
        thread.join(LIMIT)
        assert "value" in result, "it did not end, or failed"
        return result["value"]

    return join
