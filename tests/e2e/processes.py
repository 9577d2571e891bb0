"""The programs around the stack: the emulator, the simulated Withings, and receivers of webhooks. All on 127.0.0.1."""

import contextlib
import http.server
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parents[2]


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(done, what: str, timeout_s: float, every_s: float = 0.1):
    """What `done` returns once it is true. It is asked again and again, until `timeout_s` is over."""
    until = time.monotonic() + timeout_s
    while True:
        result = done()
        if result:
            return result
        if time.monotonic() > until:
            raise TimeoutError(f"{what}: not within {timeout_s:g} s")
        time.sleep(every_s)


@contextlib.contextmanager
def running(name: str, command: list[str], port: int) -> Iterator[str]:
    """Runs a server until the block ends, and yields its address once it listens on `port`.

    It sees no variable of ours but PATH, so no AWS credentials or settings of the person who runs the tests. What it
    prints is in target/e2e/<name>.log.
    """
    logs = ROOT / "target" / "e2e"
    logs.mkdir(parents=True, exist_ok=True)
    # A home without AWS credentials.
    environment = {"PATH": os.environ["PATH"], "HOME": str(logs)}
    with (logs / f"{name}.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:

        def listens() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended with {process.returncode}: see {log.name}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
            return False

        wait_until(listens, f"{name} listens", 30)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT if name == "withings" else signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def emulator() -> contextlib.AbstractContextManager[str]:
    """ministack, mended."""
    port = free_port()
    launcher = pathlib.Path(__file__).with_name("launcher.py")
    return running("emulator", [sys.executable, str(launcher), str(port)], port)


class Withings:
    """The simulated Withings, by its control API (tests/withings)."""

    def __init__(self, url: str) -> None:
        self.url = url
        # The sample person is the only user there is.
        self.userid = next(iter(self.control("GET", "state")["users"].values()))["userid"]

    def control(self, method: str, path: str, body: object = None):
        """The answer of the control API."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/control/{path}", data=data, method=method)
        request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")


@contextlib.contextmanager
def withings() -> Iterator[Withings]:
    """A simulated Withings with its sample person, the same as `afferent-local demo` plays."""
    port = free_port()
    command = [str(ROOT / "target/debug/afferent-local"), "withings", "--port", str(port)]
    with running("withings", command, port) as url:
        yield Withings(url)


class Receiver:
    """A webhook endpoint that keeps what it gets, and answers always the same status."""

    def __init__(self, status: int) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.got.append((headers, body))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def __enter__(self) -> "Receiver":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class FunctionUrl:
    """A function URL in the emulator, which serves it under a path of its own address."""

    def __init__(self, emulator_url: str, url: str) -> None:
        name = url.split("//")[1].split(".")[0]
        self.base = f"{emulator_url}/_aws/lambda-url/{name}/"

    def call(self, method: str, path: str, body: bytes | None = None, key: str | None = None) -> tuple[int, bytes]:
        """Status and body of the answer, whatever the status."""
        request = urllib.request.Request(self.base + path.lstrip("/"), data=body, method=method)
        if key is not None:
            request.add_header("authorization", f"Bearer {key}")
        if body is not None:
            request.add_header("content-type", "application/x-www-form-urlencoded")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
