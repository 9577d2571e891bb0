"""Stopping and starting a function calls what it should, on an `aws` that only notes what it is asked."""

import os
import pathlib
import subprocess

import commands
import pytest
import template
import variables
from stack import Stack, short

SWITCH = commands.ROOT / "infra" / "switch.sh"

# Answers as the AWS CLI would, by what it is asked for, and notes each call.
STUB = """#!/usr/bin/env bash
echo "$*" >> "$CALLS"
case "$1 $2" in
    "lambda list-event-source-mappings") printf '%s\\n' $SOURCES ;;
    "lambda update-event-source-mapping") echo Disabling ;;
    "lambda get-event-source-mapping") echo "afferent-fetcher Enabled arn:aws:sqs:eu-west-1:1:afferent-pulls" ;;
    "lambda get-function-concurrency") echo "$CONCURRENCY" ;;
    "cloudformation describe-stacks") case "$*" in *"'Standing'"*) echo "$STANDING" ;; *) echo "$RESERVED" ;; esac ;;
esac
"""


class Aws:
    """The stub, and what it was asked."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.calls = folder / "calls"
        (folder / "aws").write_text(STUB)
        (folder / "aws").chmod(0o755)
        self.environment = {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "CALLS": str(self.calls),
            "SOURCES": "1111 2222",
            "RESERVED": "",
            "STANDING": "started",
            "CONCURRENCY": "None",
        }

    def switch(self, *words: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [SWITCH, *words], env={**self.environment, **environment}, capture_output=True, text=True, timeout=30
        )

    def asked(self) -> list[str]:
        """What changes something, in order."""
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [line for line in lines if line.split()[1].split("-")[0] in ("put", "delete", "update")]


@pytest.fixture
def aws(tmp_path: pathlib.Path) -> Aws:
    return Aws(tmp_path)


@pytest.mark.parametrize("function", ["fetcher", "fanout", "dispatcher"])
def test_a_function_that_reads_a_queue_or_the_stream_is_stopped_at_its_sources(aws: Aws, function: str) -> None:
    done = aws.switch("stop", function, "afferent")
    assert done.returncode == 0, done.stderr
    assert aws.asked() == [
        f"lambda update-event-source-mapping --uuid {id_} --no-enabled --output text --query State"
        for id_ in ("1111", "2222")
    ]
    assert f"':function:afferent-{function}:'" in aws.calls.read_text(), "those of the alias are found"
    aws.calls.unlink()
    assert aws.switch("start", function, "afferent").returncode == 0
    assert [line.split()[4] for line in aws.asked()] == ["--enabled", "--enabled"]


@pytest.mark.parametrize("function", ["ingest", "keeper", "api"])
def test_the_others_get_a_concurrency_of_nothing_and_lose_it_again(aws: Aws, function: str) -> None:
    assert aws.switch("stop", function, "afferent").returncode == 0
    assert aws.switch("start", function, "afferent").returncode == 0
    name = f"--function-name afferent-{function}"
    assert aws.asked() == [
        f"lambda put-function-concurrency {name} --reserved-concurrent-executions 0 --output text",
        f"lambda delete-function-concurrency {name}",
    ]


def test_a_function_that_the_stack_reserves_concurrency_for_gets_it_back(aws: Aws) -> None:
    assert aws.switch("start", "ingest", "afferent", RESERVED="20").returncode == 0
    assert aws.asked()[-1].endswith("--function-name afferent-ingest --reserved-concurrent-executions 20 --output text")
    assert "ParameterKey=='IngestConcurrency'" in aws.calls.read_text()


@pytest.mark.parametrize("function", ["fetcher", "keeper", "api"])
def test_who_starts_a_function_of_a_stack_that_is_deployed_stopped_is_told_to_deploy_it_started(aws: Aws, function: str) -> None:
    said = aws.switch("start", function, "afferent", STANDING="stopped")
    assert said.returncode == 0 and "deploy Standing=started" in said.stdout
    assert "Standing" not in aws.switch("start", function, "afferent").stdout


def test_what_is_started_is_what_a_stopped_stack_does_not_have(aws: Aws) -> None:
    # Function by function: its event sources if it reads something, its concurrency if not. (releases.py holds the template to it.)
    stopped = Stack(template.translate(template.source()), {}, {"Standing": "stopped"})
    reading = {short(function["FunctionName"]) for kind in ("sqs", "dynamodb") for _, _, function, _ in stopped.sources(kind)}
    for function in variables.FUNCTIONS:
        aws.calls.unlink(missing_ok=True)
        assert aws.switch("start", function, "afferent").returncode == 0
        undone = "update-event-source-mapping" if function in reading else "delete-function-concurrency"
        assert {line.split()[1] for line in aws.asked()} == {undone}


def test_who_stops_a_function_is_told_what_waits_where_and_for_how_long(aws: Aws) -> None:
    told = {
        function: aws.switch("stop", function, "afferent").stdout.split(".", 1)[1]
        for function in ("ingest", "fetcher", "fanout", "dispatcher", "keeper", "api")
    }
    assert "six hours" in told["ingest"]
    assert "four days" in told["fetcher"]
    assert "24 hours" in told["fanout"]
    assert "three days" in told["dispatcher"]
    assert len(set(told.values())) == 6


def test_how_the_functions_stand_is_one_line_for_each_source(aws: Aws) -> None:
    done = aws.switch("standing", "afferent", CONCURRENCY="0")
    assert done.returncode == 0, done.stderr
    assert aws.asked() == [], "nothing is changed"
    assert "afferent-ingest Stopped" in done.stdout
    assert done.stdout.count("Enabled") == 6
    assert "afferent-keeper Enabled" in aws.switch("standing", "afferent").stdout


def test_a_stack_that_is_not_there_is_said(aws: Aws) -> None:
    done = aws.switch("stop", "fetcher", "afferrent", SOURCES="")
    assert done.returncode == 1
    assert "afferrent" in done.stderr
    assert aws.asked() == []


@pytest.mark.parametrize(
    "words", [(), ("stop",), ("stop", "fetcher"), ("stop", "all", "afferent"), ("halt", "fetcher", "afferent")]
)
def test_what_makes_no_sense_is_not_begun(aws: Aws, words: tuple[str, ...]) -> None:
    done = aws.switch(*words)
    assert done.returncode == 2
    assert "usage" in done.stderr
    assert not aws.calls.exists()


def test_every_call_is_one_that_the_aws_cli_has(aws: Aws) -> None:
    text = SWITCH.read_text().replace("\\\n", " ")
    found = list(commands.calls(f"```sh\n{text}\n```", "aws"))
    assert len(found) >= 8
    assert [complaint for call in found if (complaint := commands.unknown_to_aws(call))] == []
