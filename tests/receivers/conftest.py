"""A day of webhooks, delivered by the real programs, for every test of this folder."""

import dataclasses
import json
import pathlib
import subprocess

import pytest
import stack as local

# How many categories there are; each brings an event at least.
CATEGORIES = 16


@dataclasses.dataclass(frozen=True)
class Day:
    """What an endpoint got, and what it verifies by."""

    requests: list[local.Request]
    secret: str


@pytest.fixture(scope="session")
def stack():
    with local.running() as stack:
        yield stack


@pytest.fixture(scope="session")
def endpoint(stack):
    with local.Endpoint() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def registered(stack, endpoint):
    return stack.register(endpoint.url)


@pytest.fixture(scope="session")
def day(stack, endpoint, registered) -> Day:
    stack.control(f"users/{stack.userid()}/play")
    enough = endpoint.wait_until(lambda got: got if len(got) >= CATEGORIES else None)
    return Day(enough, registered["secret"])


@pytest.fixture(scope="session")
def journal(stack, registered, day) -> dict[str, str]:
    """Where the journal of the sample person is."""
    subjects = [json.loads(request.body)["subject"] for request in day.requests]
    return {"api": stack.front, "key": registered["key"], "user": max(subjects, key=subjects.count)}


@pytest.fixture(scope="session")
def node():
    """Runs a module of this folder with Node, with one JSON line on its standard input; what it prints, as JSON."""
    folder = pathlib.Path(__file__).parent

    def run(module: str | pathlib.Path, said: object):
        assert (folder / "node_modules").is_dir(), "the Node packages are not there: `make test` installs them"
        done = subprocess.run(
            ["node", str(module)], cwd=folder, input=json.dumps(said), capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
