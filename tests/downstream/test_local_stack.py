"""The follower on our own local stack: the real programs, a played day, the stream as an app downstream reads it."""

import pathlib
import re
import subprocess
from collections.abc import Iterator

import follow_records
import pytest

PROGRAM = pathlib.Path(__file__).parents[2] / "target/debug/afferent-local"


@pytest.fixture
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


def test_a_downstream_app_sees_each_record_of_a_played_day_and_no_value(dynamodb_url: str, capsys) -> None:
    ended = follow_records.main(["--endpoint-url", dynamodb_url, "--until-count", "25", "--timeout", "300"])
    lines = capsys.readouterr().out.splitlines()
    assert ended == 0
    assert all(re.fullmatch(r"(INSERT|MODIFY) user=\S+ record=rec_\S+ rev=\d+ status=\S+ kind=\S+", line) for line in lines)
    records = [re.search(r"record=(\S+) rev=(\d+)", line).groups() for line in lines]
    assert len(set(records)) == len(records)
