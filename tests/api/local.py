"""The local stack: the real programs, everything on 127.0.0.1, and nothing else in reach of its endpoints."""

import contextlib
import http.server
import json
import pathlib
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parents[2]
PROGRAM = ROOT / "target/debug/afferent-local"


class Receiver:
    """An endpoint that takes everything and counts it."""

    def __init__(self) -> None:
        self.got: list[dict] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append({"headers": dict(self.headers.items()), "body": body})
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks"

    def __enter__(self) -> "Receiver":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class Stack:
    """A stack that runs, and what it said of itself."""

    def __init__(self, said: str) -> None:
        def address(of: str) -> str:
            return re.search(rf"^{of}.*?(http://\S+)", said, re.MULTILINE).group(1)

        self.front = address("front door")
        self.sqs = address("SQS")
        self.withings = address("Withings")
        self.receiver = address("receiver of webhooks")
        self.key = re.search(r"Bearer (afk_\w+)", said).group(1)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, object]:
        """Status and body of the API's answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.front}{path}", data, {"authorization": f"Bearer {self.key}"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def control(self, method: str, path: str, body: object = None):
        """What the control API of the simulated Withings answers."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.withings}/control/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def userid(self) -> int:
        """The sample person's at Withings."""
        return next(iter(self.control("GET", "state")["users"].values()))["userid"]

    def wait_until(self, path: str, found, timeout_s: float = 120):
        """What `found` says of the answer at `path`, once that is something."""
        until = time.monotonic() + timeout_s
        while not (result := found(self.ask("GET", path)[1])):
            if time.monotonic() > until:
                raise TimeoutError(f"{path} did not become what was waited for in {timeout_s:g} s")
            time.sleep(0.1)
        return result


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[Stack]:
    """A stack with a sample person."""
    assert PROGRAM.is_file(), f"{PROGRAM} is not built: `make test` builds it"
    # No variables of the person who runs the tests: no credentials, no other Withings.
    command = [str(PROGRAM), "run", *arguments]
    with subprocess.Popen(command, env={}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            said = ""
            while "Ctrl-C" not in said:
                line = process.stdout.readline()
                assert line, f"the stack ended: {said}"
                said += line
            # What it goes on to say must not fill the pipe.
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield Stack(said)
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
