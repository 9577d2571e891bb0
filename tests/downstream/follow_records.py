#!/usr/bin/env python3
"""Follows the stream of the `records` table, as an app downstream would, and prints one line for each change.

    python follow_records.py --endpoint-url http://127.0.0.1:8001 --stack afferent --checkpoint reader.json

    MODIFY user=usr_1 record=rec_9 rev=2 status=amended kind=body_weight

No values are printed: they are health data. A change may come more than once, and it names the record's revision (`rev`):
an app keeps the highest revision that it has seen of a record and drops what is not higher. A record that Withings no
longer shows comes as a MODIFY with status entered-in-error; REMOVE means that it was erased. All that may be relied on is in
docs/stream.md.

With --checkpoint it goes on where it was. The checkpoint moves on when a change has been handled (here: printed), so what
was being handled during a crash comes again, and nothing is missed. The reader in Rust beside it keeps the same file.

Only the endpoint that is given is ever spoken to, with made-up credentials: this reads a stack on one machine. An app on
AWS makes its two clients by `boto3.client("dynamodb")` and `boto3.client("dynamodbstreams")` alone.
"""

import argparse
import collections
import json
import os
import pathlib
import sys
import time
from collections.abc import Iterator

import boto3

# AWS: a shard may be read five times a second (GetRecords). Lambda itself asks four times a second.
PAUSE_S = 0.25


def clients(endpoint_url: str) -> tuple:
    """A client for tables and one for streams."""
    settings = {
        "endpoint_url": endpoint_url,
        "region_name": "us-east-1",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    return boto3.client("dynamodb", **settings), boto3.client("dynamodbstreams", **settings)


class MissedError(Exception):
    """The checkpoint is older than what the stream holds (24 hours): read the table, and begin anew."""


class Follower:
    """Reads every shard of a stream, each after its parent's end, so that a record's changes stay in order."""

    def __init__(self, streams, arn: str, start: str, checkpoint: pathlib.Path | None = None) -> None:
        self.checkpoint = checkpoint
        self.streams = streams
        self.arn = arn
        self.start = start
        self.first_look = True
        self.iterators: dict[str, str] = {}
        self.last_number: dict[str, str] = {}
        self.finished: set[str] = set()
        if checkpoint and checkpoint.exists():
            # Whoever has a place to go on from begins new shards at their beginning.
            self.first_look = False
            for shard, place in json.loads(checkpoint.read_text())["shards"].items():
                if place["last"]:
                    self.last_number[shard] = place["last"]
                if place["end"] is not None and place["end"] == (place["last"] or ""):
                    self.finished.add(shard)

    def save(self) -> None:
        """What has been read so far has been handled. Written whole, so that a crash leaves the old file or the new one."""
        if self.checkpoint:
            places = {}
            for shard in sorted(self.finished | set(self.last_number)):
                last = self.last_number.get(shard)
                places[shard] = {"last": last, "end": (last or "") if shard in self.finished else None}
            beside = self.checkpoint.with_suffix(".new")
            beside.write_text(json.dumps({"shards": places}))
            beside.replace(self.checkpoint)

    def shards(self) -> Iterator[dict]:
        request = {"StreamArn": self.arn}
        while True:
            description = self.streams.describe_stream(**request)["StreamDescription"]
            yield from description["Shards"]
            if "LastEvaluatedShardId" not in description:
                return
            request["ExclusiveStartShardId"] = description["LastEvaluatedShardId"]

    def look_for_shards(self) -> None:
        """Opens shards that are new and whose parent has been read to its end, or is no longer there."""
        shards = {shard["ShardId"]: shard for shard in self.shards()}
        # A shard that appears later holds only changes from after we began, so none of it may be skipped.
        start = self.start if self.first_look else "TRIM_HORIZON"
        self.first_look = False
        # A shard that is no longer listed is older than the stream.
        self.finished &= set(shards)
        self.last_number = {name: last for name, last in self.last_number.items() if name in shards}
        for name, shard in shards.items():
            parent = shard.get("ParentShardId")
            parent_is_read = parent not in shards or parent in self.finished
            if name not in self.iterators and name not in self.finished and (parent_is_read or start == "LATEST"):
                self.open(name, start)

    def open(self, shard: str, start: str) -> None:
        where = {"ShardIteratorType": start}
        if shard in self.last_number:
            where = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": self.last_number[shard]}
        try:
            answer = self.streams.get_shard_iterator(StreamArn=self.arn, ShardId=shard, **where)
        except self.streams.exceptions.TrimmedDataAccessException as error:
            raise MissedError(MissedError.__doc__) from error
        self.iterators[shard] = answer["ShardIterator"]

    def read(self) -> Iterator[dict]:
        """What the open shards have to show now."""
        for shard, iterator in list(self.iterators.items()):
            try:
                answer = self.streams.get_records(ShardIterator=iterator)
            except self.streams.exceptions.ExpiredIteratorException:
                # Iterators live 15 minutes. Go on after the last change that was read.
                self.open(shard, self.start)
                continue
            except self.streams.exceptions.TrimmedDataAccessException as error:
                raise MissedError(MissedError.__doc__) from error
            for record in answer["Records"]:
                self.last_number[shard] = record["dynamodb"]["SequenceNumber"]
                yield record
            if answer.get("NextShardIterator"):
                self.iterators[shard] = answer["NextShardIterator"]
            else:
                del self.iterators[shard]
                self.finished.add(shard)

    def changes(self, until: float) -> Iterator[dict]:
        """Changes as they come, until the time `until` (of `time.monotonic`)."""
        next_look = 0.0
        while time.monotonic() < until:
            if time.monotonic() >= next_look or not self.iterators:
                self.look_for_shards()
                next_look = time.monotonic() + 5
            any_change = False
            for record in self.read():
                any_change = True
                yield record
            self.save()
            if not any_change:
                time.sleep(PAUSE_S)


def line(change: dict) -> str:
    """The change in one line, without values."""
    images = change["dynamodb"]
    image = images.get("NewImage") or images.get("OldImage") or {}
    fields = collections.ChainMap(images["Keys"], image)
    shown = [f"{name}={next(iter(fields[name].values()))}" for name in SHOWN if name in fields]
    return " ".join([change["eventName"], *shown])


SHOWN = ["user", "record", "rev", "status", "kind"]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--endpoint-url",
        default=os.environ.get("AFFERENT_DYNAMODB_URL"),
        help="DynamoDB's address (or set AFFERENT_DYNAMODB_URL)",
    )
    parser.add_argument("--stack", default="afferent", help="name of the stack (its table is <stack>-records)")
    parser.add_argument("--from-now", action="store_true", help="skip what is in the stream already")
    parser.add_argument("--checkpoint", type=pathlib.Path, metavar="FILE", help="go on from where this file says")
    parser.add_argument("--until-count", type=int, metavar="N", help="end after N changes")
    parser.add_argument("--timeout", type=float, metavar="S", help="end after S seconds; a failure if N is not reached")
    options = parser.parse_args(arguments)
    if not options.endpoint_url:
        parser.error("--endpoint-url is needed, so that nothing reaches AWS by accident")

    tables, streams = clients(options.endpoint_url)
    arn = tables.describe_table(TableName=f"{options.stack}-records")["Table"]["LatestStreamArn"]
    follower = Follower(streams, arn, "LATEST" if options.from_now else "TRIM_HORIZON", options.checkpoint)
    until = time.monotonic() + options.timeout if options.timeout else float("inf")
    seen = 0
    for change in follower.changes(until):
        print(line(change), flush=True)
        follower.save()
        seen += 1
        if seen == options.until_count:
            return 0
    return 0 if options.until_count is None else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)
