"""The readers on our own local stack: the real programs, a played day, the stream as docs/stream.md says it is."""

import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator

import follow_records
import pytest
from boto3.dynamodb.types import TypeDeserializer

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = ROOT / "target/debug/afferent-local"
READERS = {
    "python": [sys.executable, str(ROOT / "tests/downstream/follow_records.py")],
    "rust": [str(ROOT / "target/debug/stream-reader")],
}
# A played day brings so many records, or some more.
RECORDS = 25
LINE = re.compile(r"(INSERT|MODIFY|REMOVE) user=(\S+) record=(\S+) rev=(\d+) status=(\S+) kind=(\S+)")


@pytest.fixture(scope="module")
def dynamodb_url() -> Iterator[str]:
    assert PROGRAM.is_file(), f"{PROGRAM} is not built: `make test` builds it"
    command = [str(PROGRAM), "run", "--bare", "--gap-ms", "50"]
    # No variables of the person who runs the tests: no credentials, no other Withings.
    with subprocess.Popen(command, env={}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout
            lines = iter(process.stdout.readline, "")
            yield next(found.group() for line in lines if "DynamoDB" in line and (found := re.search(r"http://\S+", line)))
        finally:
            process.kill()


def follow(reader: str, dynamodb_url: str, count: int, *more: str) -> list[tuple[str, ...]]:
    """What a reader prints of so many changes: name, user, record, revision, status, kind."""
    command = [*READERS[reader], "--endpoint-url", dynamodb_url, "--until-count", str(count), "--timeout", "300", *more]
    assert pathlib.Path(command[0]).is_file(), f"{command[0]} is not built: `make test` builds it"
    done = subprocess.run(command, env={}, stdout=subprocess.PIPE, text=True, timeout=330, check=True)
    found = [LINE.fullmatch(line) for line in done.stdout.splitlines()]
    # Whatever else there were in a line might be a value.
    assert all(found), done.stdout
    return [match.groups() for match in found]


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_sees_each_record_of_a_played_day(reader: str, dynamodb_url: str) -> None:
    changes = follow(reader, dynamodb_url, RECORDS)
    revisions = [change[1:4] for change in changes]
    assert len(set(revisions)) == len(revisions)
    first = [change for change in changes if change[3] == "1"]
    assert all(change[0] == "INSERT" for change in first) and len(first) > RECORDS / 2


def test_both_readers_see_the_same(dynamodb_url: str) -> None:
    assert follow("rust", dynamodb_url, RECORDS) == follow("python", dynamodb_url, RECORDS)


@pytest.mark.parametrize(("first", "second"), [("python", "rust"), ("rust", "python"), ("rust", "rust")])
def test_a_reader_goes_on_where_the_checkpoint_says_whoever_kept_it(
    first: str, second: str, dynamodb_url: str, tmp_path: pathlib.Path
) -> None:
    checkpoint = ["--checkpoint", str(tmp_path / "reader.json")]
    parts = follow(first, dynamodb_url, 7, *checkpoint) + follow(second, dynamodb_url, RECORDS - 7, *checkpoint)
    assert parts == follow("python", dynamodb_url, RECORDS)


@pytest.mark.parametrize("reader", READERS)
def test_an_erasure_is_a_removal_and_a_reader_sees_whose(reader: str, dynamodb_url: str, tmp_path: pathlib.Path) -> None:
    checkpoint = ["--checkpoint", str(tmp_path / "reader.json")]
    tables, _streams = follow_records.clients(dynamodb_url)
    item = {"user": {"S": f"usr_{reader}"}, "record": {"S": "rec_1"}, "rev": {"N": "3"}, "status": {"S": "final"}}
    item["kind"] = {"S": "body_weight"}
    tables.put_item(TableName="afferent-records", Item=item)
    # As keeper erases a person.
    tables.delete_item(TableName="afferent-records", Key={name: item[name] for name in ("user", "record")})
    # What else was played comes before, and may come meanwhile.
    seen: list[tuple[str, ...]] = []
    while len(seen) < 2:
        seen += [change for change in follow(reader, dynamodb_url, 10, *checkpoint) if change[1] == f"usr_{reader}"]
        last = {"user": {"S": "usr_end"}, "record": {"S": "rec_end"}, "status": {"S": "final"}, "kind": {"S": "end"}}
        for rev in range(10):
            # So that there are ten more.
            tables.put_item(TableName="afferent-records", Item=last | {"rev": {"N": str(rev)}})
    assert seen == [
        ("INSERT", f"usr_{reader}", "rec_1", "3", "final", "body_weight"),
        ("REMOVE", f"usr_{reader}", "rec_1", "3", "final", "body_weight"),
    ]


def test_an_item_has_the_attributes_of_the_contract_and_no_others(dynamodb_url: str) -> None:
    contract = (ROOT / "docs/stream.md").read_text().split("## An item")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (\S+) \| (always|sometimes) \|", contract, re.MULTILINE)
    documented = {name: (kind, presence) for names, kind, presence in rows for name in re.findall(r"\w+", names)}
    follow("python", dynamodb_url, RECORDS)
    tables, _streams = follow_records.clients(dynamodb_url)
    items = [item for item in tables.scan(TableName="afferent-records")["Items"] if item["user"]["S"] != "usr_end"]
    assert len(items) >= RECORDS / 2
    for item in items:
        for name, value in item.items():
            assert name in documented, f"{name} of {item['kind']} is not in docs/stream.md"
            assert documented[name][0] == next(iter(value)), (name, value)
        for name, (_kind, presence) in documented.items():
            assert presence == "sometimes" or name in item, f"{name} is missing in {item['kind']}"
    assert all(TypeDeserializer().deserialize(item["v"]) == 1 for item in items)
