"""docs/delivery.md says what the stack does, and its snippets work."""

import base64
import io
import json
import pathlib
import re
import sqlite3
import urllib.error
import urllib.request

import page
import pytest
from conftest import Day

# Headers that HTTP itself brings.
TRANSPORT = {"accept", "content-length", "host"}


def test_the_page_names_every_header_and_member_that_comes_and_no_other(day: Day) -> None:
    for request in day.requests:
        headers = {name.lower() for name in request.headers} - TRANSPORT
        assert headers <= set(page.table("header"))
        assert set(page.table("header")) - headers <= {"traceparent"}, "what comes only sometimes"
        members = set(json.loads(request.body))
        assert members <= set(page.table("member"))
        assert set(page.table("member")) - members == {"run", "test"}, "what comes only sometimes"


def test_every_snippet_of_the_page_is_run() -> None:
    run = {"receiver.py", "receiver.mjs", "receiver.rs", "replay.py", "replay.mjs", "replay.rs"}
    policies = {"queue-policy.json", "key-policy.json"}
    assert set(page.SNIPPETS) == run | policies
    fences = re.findall(r"^```(?:python|js|rust)$", page.TEXT, re.MULTILINE)
    assert len(fences) == len(run), "a fence of code without a name is not run"


def test_the_policies_of_the_page_let_the_dispatcher_do_what_its_role_allows_and_no_more() -> None:
    policy = json.loads(page.SNIPPETS["queue-policy.json"])
    assert [statement["Action"] for statement in policy["Statement"]] == ["sqs:SendMessage"]
    key = json.loads(page.SNIPPETS["key-policy.json"])
    template = (pathlib.Path(__file__).parents[2] / "infra" / "template.yaml").read_text()
    allowed = template.split("- Sid: DeliverEncrypted\n")[1].split("- Sid:")[0]
    assert set(key["Action"]) == set(re.findall(r"kms:(?!ViaService)\w+", allowed))
    assert key["Condition"]["StringLike"] == dict(re.findall(r'"(kms:ViaService)": "([^"]*)"', allowed))


@pytest.fixture
def inbox(day: Day):
    return page.python("receiver.py")["Inbox"](day.secret, sqlite3.connect(":memory:"))


def rows(inbox, table: str) -> list[tuple]:
    return inbox.database.execute(f"select * from {table}").fetchall()


def test_the_python_receiver_takes_each_event_once(day: Day, inbox) -> None:
    for request in reversed(day.requests + day.requests):
        assert inbox.receive(request.headers, request.body) == 204
    assert len(rows(inbox, "seen")) == len({json.loads(request.body)["id"] for request in day.requests})
    assert rows(inbox, "records")


def test_the_python_receiver_answers_401_to_what_does_not_verify(day: Day, inbox) -> None:
    request = day.requests[0]
    assert inbox.receive(request.headers, request.body + b" ") == 401
    assert rows(inbox, "seen") == []


def revision(request, rev: int) -> dict:
    event = json.loads(request.body)
    event["id"] = f"evt_{rev}"
    event["data"]["record"]["rev"] = rev
    return event


def test_the_python_receiver_keeps_the_newest_revision_whatever_comes_last(day: Day, inbox) -> None:
    for rev in [3, 7, 5]:
        event = revision(day.requests[0], rev)
        inbox.take(event, json.dumps(event))
    assert [row[1] for row in rows(inbox, "records")] == [7]


@pytest.fixture
def snippets():
    """The JavaScript snippets as modules where Node finds the packages."""
    folder = pathlib.Path(__file__).parent
    names = [name for name in page.SNIPPETS if name.endswith(".mjs")]
    for name in names:
        (folder / f"snippet-{name}").write_text(page.SNIPPETS[name])
    yield
    for name in names:
        (folder / f"snippet-{name}").unlink()


def test_the_javascript_receiver_does_the_same(day: Day, node, snippets) -> None:
    requests = [
        {"headers": request.headers, "body": base64.b64encode(request.body).decode()} for request in day.requests
    ]
    revisions = [revision(day.requests[0], rev) for rev in [3, 7, 5]]
    said = node("receive.mjs", {"secret": day.secret, "requests": requests, "revisions": revisions})
    assert said["statuses"] == [204] * (2 * len(requests))
    assert said["forged"] == 401
    assert said["seen"] == len({json.loads(request.body)["id"] for request in day.requests})
    assert said["rev"] == 7


def test_the_python_replay_reads_the_whole_journal(day: Day, journal, inbox) -> None:
    events = list(page.python("replay.py")["events_after"](**journal, after=0))
    assert [int(event["sequence"]) for event in events] == list(range(1, len(events) + 1))
    delivered = [json.loads(request.body) for request in day.requests]
    ours = {event["id"] for event in delivered if event["subject"] == journal["user"]}
    assert ours
    assert ours <= {event["id"] for event in events}
    for event in events:
        inbox.take(event, json.dumps(event))
    assert len(rows(inbox, "seen")) == len(events)


def test_the_replay_goes_on_at_the_oldest_event_that_is_kept(monkeypatch) -> None:
    asked = []

    def answer(request, timeout):
        after = int(re.search(r"after=(\d+)", request.full_url).group(1))
        asked.append(after)
        if after < 8:
            raise urllib.error.HTTPError(request.full_url, 410, "Gone", None, io.BytesIO(b'{"oldest": 9}'))
        return io.BytesIO(json.dumps({"events": [{"id": "evt_9"}] if after == 8 else [], "next": None}).encode())

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    events = page.python("replay.py")["events_after"]("http://127.0.0.1:1", "afk_", "usr_1", 3)
    assert (list(events), asked) == ([{"id": "evt_9"}], [3, 8])


def test_the_javascript_replay_reads_the_same(journal, node, snippets) -> None:
    expected = [event["id"] for event in page.python("replay.py")["events_after"](**journal, after=2)]
    # The journal may have grown in between.
    assert node("replay.mjs", {**journal, "after": 2})[: len(expected)] == expected
