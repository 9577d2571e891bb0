"""The programs under test, and a fresh queue for each test."""

import json
import os
import subprocess
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from conformance.differences import DIFFERENCES
from conformance.world import World

ROOT = Path(__file__).parents[2]
ENDPOINT = os.environ.get("CONFORMANCE_ENDPOINT")
PROGRAMS = ["endpoint"] if ENDPOINT else ["afferent", "moto"]


def client(url):
    """An SQS client that can reach nothing but `url`, with credentials of nobody unless told otherwise."""
    key = os.environ.get("CONFORMANCE_ACCESS_KEY_ID")
    if key is None and (urlsplit(url).hostname or "").endswith((".amazonaws.com", ".aws", ".amazonaws.com.cn")):
        raise pytest.UsageError("AWS is only reached with CONFORMANCE_ACCESS_KEY_ID and its secret")
    return boto3.client(
        "sqs",
        endpoint_url=url,
        region_name=os.environ.get("CONFORMANCE_REGION", "us-east-1"),
        aws_access_key_id=key or "test",
        aws_secret_access_key=os.environ.get("CONFORMANCE_SECRET_ACCESS_KEY", "test"),
        config=Config(retries={"total_max_attempts": 1}, read_timeout=60, max_pool_connections=20),
    )


@pytest.fixture(scope="session")
def afferent():
    program = ROOT / "target" / "debug" / "local-sqs"
    if not program.exists():
        pytest.fail("build it first: cargo build -p local-sqs")
    with subprocess.Popen([program, "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        yield json.loads(process.stdout.readline())["url"]
        process.terminate()


@pytest.fixture(scope="session")
def moto():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=PROGRAMS)
def sqs(request):
    """A boto3 client of the program under test."""
    return client(ENDPOINT or request.getfixturevalue(request.param))


@pytest.fixture
def world(sqs):
    """Short ways to make queues and to wait for messages; the queues are deleted at the end."""
    world = World(sqs, uuid.uuid4().hex[:8])
    yield world
    world.delete_queues()


@pytest.fixture
def queue(world):
    """The URL of a fresh queue with a visibility timeout of 30 s."""
    return world.queue("q")


def pytest_collection_modifyitems(items):
    known = {(difference.test, difference.program): difference for difference in DIFFERENCES}
    for item in items:
        program = item.callspec.params.get("sqs") if hasattr(item, "callspec") else None
        if program is None:
            continue
        plain = item.name.replace(f"[{program}]", "").replace(f"[{program}-", "[")
        if difference := known.get((plain, program)) or known.get((item.originalname, program)):
            reason = f"{difference.program} differs. AWS: {difference.aws} ({difference.source})"
            item.add_marker(pytest.mark.xfail(strict=True, reason=reason))
