"""The follower sees what an app downstream needs. The stream here is moto's, which we did not write."""

import boto3
import follow_records
import pytest
from moto.server import ThreadedMotoServer


@pytest.fixture(scope="module")
def endpoint_url():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def dynamodb(endpoint_url, request):
    client, _streams = follow_records.clients(endpoint_url)
    table = "afferent-records"
    client.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("user", "record")],
        KeySchema=[{"AttributeName": "user", "KeyType": "HASH"}, {"AttributeName": "record", "KeyType": "RANGE"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    yield client
    client.delete_table(TableName=table)


def put(client, record: str, rev: int, status: str, value: str) -> None:
    item = {
        "user": {"S": "usr_1"},
        "record": {"S": record},
        "rev": {"N": str(rev)},
        "status": {"S": status},
        "kind": {"S": "body_weight"},
        "value": {"N": value},
    }
    client.put_item(TableName="afferent-records", Item=item)


def test_each_change_is_one_line_in_order_and_without_values(endpoint_url, dynamodb, capsys) -> None:
    put(dynamodb, "rec_1", 1, "final", "81.25")
    put(dynamodb, "rec_1", 2, "amended", "81.35")
    put(dynamodb, "rec_2", 1, "final", "79.75")
    key = {"user": {"S": "usr_1"}, "record": {"S": "rec_2"}}
    dynamodb.delete_item(TableName="afferent-records", Key=key)

    ended = follow_records.main(["--endpoint-url", endpoint_url, "--until-count", "4", "--timeout", "30"])

    assert ended == 0
    assert capsys.readouterr().out.splitlines() == [
        "INSERT user=usr_1 record=rec_1 rev=1 status=final kind=body_weight",
        "MODIFY user=usr_1 record=rec_1 rev=2 status=amended kind=body_weight",
        "INSERT user=usr_1 record=rec_2 rev=1 status=final kind=body_weight",
        "REMOVE user=usr_1 record=rec_2 rev=1 status=final kind=body_weight",
    ]


def test_too_few_changes_in_time_are_a_failure(endpoint_url, dynamodb) -> None:
    put(dynamodb, "rec_1", 1, "final", "81.25")
    assert follow_records.main(["--endpoint-url", endpoint_url, "--until-count", "2", "--timeout", "1"]) == 1


def test_without_an_endpoint_nothing_is_asked(monkeypatch) -> None:
    monkeypatch.delenv("AFFERENT_DYNAMODB_URL", raising=False)
    monkeypatch.setattr(boto3, "client", lambda *_args, **_kwargs: pytest.fail("a client was made"))
    with pytest.raises(SystemExit):
        follow_records.main([])


def test_a_shard_is_read_only_after_its_parent() -> None:
    streams = FakeStreams()
    follower = follow_records.Follower(streams, "arn", "TRIM_HORIZON")
    follower.look_for_shards()
    assert list(follower.iterators) == ["parent"]
    assert [change["dynamodb"]["SequenceNumber"] for change in follower.read()] == ["1"]
    follower.look_for_shards()
    assert list(follower.iterators) == ["child"]


def test_a_reader_goes_on_after_the_last_change_that_it_handled(endpoint_url, dynamodb, capsys, tmp_path) -> None:
    for rev in (1, 2, 3):
        put(dynamodb, "rec_1", rev, "final", "81.25")
    arguments = ["--endpoint-url", endpoint_url, "--checkpoint", str(tmp_path / "reader.json")]
    assert follow_records.main([*arguments, "--until-count", "2", "--timeout", "30"]) == 0
    assert follow_records.main([*arguments, "--until-count", "1", "--timeout", "30"]) == 0
    revisions = [line.split(" rev=")[1].split()[0] for line in capsys.readouterr().out.splitlines()]
    assert revisions == ["1", "2", "3"]


def test_a_checkpoint_that_is_older_than_the_stream_is_an_error_and_not_a_gap(tmp_path) -> None:
    checkpoint = tmp_path / "reader.json"
    checkpoint.write_text('{"shards": {"parent": {"last": "1", "end": null}}}')
    follower = follow_records.Follower(TrimmedStreams(), "arn", "TRIM_HORIZON", checkpoint)
    with pytest.raises(follow_records.MissedError):
        follower.look_for_shards()


def test_what_was_read_of_a_shard_to_its_end_is_not_read_again(tmp_path) -> None:
    checkpoint = tmp_path / "reader.json"
    first = follow_records.Follower(FakeStreams(), "arn", "TRIM_HORIZON", checkpoint)
    first.look_for_shards()
    assert len(list(first.read())) == 1
    first.save()
    second = follow_records.Follower(FakeStreams(), "arn", "TRIM_HORIZON", checkpoint)
    second.look_for_shards()
    assert list(second.iterators) == ["child"]


class FakeStreams:
    """A stream whose first shard has been closed and goes on in a second one."""

    class exceptions:  # noqa: N801 (boto3's name)
        class ExpiredIteratorException(Exception):
            pass

        class TrimmedDataAccessException(Exception):
            pass

    def describe_stream(self, **_request):
        shards = [{"ShardId": "child", "ParentShardId": "parent"}, {"ShardId": "parent"}]
        return {"StreamDescription": {"Shards": shards}}

    def get_shard_iterator(self, ShardId: str, **_request):  # noqa: N803 (boto3's name)
        return {"ShardIterator": ShardId}

    def get_records(self, ShardIterator: str):  # noqa: N803 (boto3's name)
        number = {"parent": "1", "child": "2"}[ShardIterator]
        return {"Records": [{"dynamodb": {"SequenceNumber": number}}]}


class TrimmedStreams(FakeStreams):
    """The same stream a day later."""

    def get_shard_iterator(self, ShardIteratorType: str, **_request):  # noqa: N803 (boto3's name)
        assert ShardIteratorType == "AFTER_SEQUENCE_NUMBER"
        raise self.exceptions.TrimmedDataAccessException
