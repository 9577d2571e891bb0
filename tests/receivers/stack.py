"""The local stack with an endpoint of ours: the real programs, everything on 127.0.0.1."""

import contextlib
import dataclasses
import http.server
import json
import pathlib
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = ROOT / "target/debug/afferent-local"


@dataclasses.dataclass(frozen=True)
class Request:
    """A webhook as it came in, byte for byte."""

    headers: dict[str, str]
    body: bytes
    at: float


class Endpoint:
    """A webhook endpoint that keeps what it gets and takes it."""

    def __init__(self) -> None:
        self.got: list[Request] = []
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                endpoint.got.append(Request(dict(self.headers.items()), body, time.time()))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhooks"

    def __enter__(self) -> "Endpoint":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def wait_until(self, found, timeout_s: float = 120):
        """What `found` says of the webhooks that came so far, once that is something."""
        until = time.monotonic() + timeout_s
        while not (result := found(list(self.got))):
            if time.monotonic() > until:
                raise TimeoutError(f"{len(self.got)} webhooks came in {timeout_s:g} s, and not what was waited for")
            time.sleep(0.05)
        return result


class Stack:
    """A stack that runs, and what it said of itself."""

    def __init__(self, said: list[str]) -> None:
        def address(of: str) -> str:
            return next(re.search(r"http://\S+", line).group() for line in said if line.startswith(of))

        self.dynamodb = address("DynamoDB")
        self.sqs = address("SQS")
        self.front = address("front door")
        self.withings = address("Withings")

    def control(self, path: str, body: object = None):
        """What the control API of the simulated Withings answers; a POST."""
        data = json.dumps(body).encode() if body is not None else b""
        request = urllib.request.Request(f"{self.withings}/control/{path}", data=data, method="POST")
        request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def userid(self) -> int:
        """The sample person's."""
        with urllib.request.urlopen(f"{self.withings}/control/state", timeout=60) as answer:
            return next(iter(json.loads(answer.read())["users"].values()))["userid"]

    def register(self, url: str) -> dict[str, str]:
        """Registers an endpoint for everything; its id, its secret, and an API key."""
        planted = self.program("seed", "--webhook", url)
        return {**planted["endpoints"][0], "key": planted["key"]}

    def endpoints(self, key: str, path: str, body: object = None):
        """What the API answers under `/v1/endpoints`; a POST."""
        data = json.dumps(body or {}).encode()
        request = urllib.request.Request(f"{self.front}/v1/endpoints{path}", data=data, method="POST")
        request.add_header("authorization", f"Bearer {key}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def program(self, command: str, *arguments: str):
        """What a command of the program says of this stack, as JSON."""
        call = [str(PROGRAM), command, *arguments, "--endpoint-url", self.dynamodb]
        done = subprocess.run(call, env={}, check=True, capture_output=True, text=True, timeout=60)
        return json.loads(done.stdout)


@contextlib.contextmanager
def running() -> Iterator[Stack]:
    """A stack with a sample person to whom nothing has happened yet."""
    assert PROGRAM.is_file(), f"{PROGRAM} is not built: `make test` builds it"
    # No variables of the person who runs the tests: no credentials, no other Withings.
    command = [str(PROGRAM), "run", "--quiet", "--bare"]
    with subprocess.Popen(command, env={}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            said = []
            while not any("Ctrl-C" in line for line in said):
                line = process.stdout.readline()
                assert line, f"the stack ended: {''.join(said)}"
                said.append(line)
            # What it goes on to say must not fill the pipe.
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield Stack(said)
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
