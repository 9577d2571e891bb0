"""Puts the sample person, its connection and webhook endpoints into a deployed stack, by `afferent-local seed`."""

import dataclasses
import json
import subprocess

import processes


@dataclasses.dataclass(frozen=True)
class Endpoint:
    id: str
    url: str
    # As Standard Webhooks writes it: whsec_ and base64.
    secret: str


@dataclasses.dataclass(frozen=True)
class Seeded:
    user: str
    connection: str
    # A key that may everything.
    key: str
    endpoints: list[Endpoint]


def seed(endpoint_url: str, stack: str, withings: processes.Withings, urls: list[str]) -> Seeded:
    """Connects the simulated Withings' sample person, and makes an endpoint for every event at each of `urls`."""
    tokens = withings.control("POST", f"users/{withings.userid}/tokens", {})
    command = [str(processes.ROOT / "target/debug/afferent-local"), "seed", "--bare"]
    command += ["--endpoint-url", endpoint_url, "--stack", stack]
    for url in urls:
        command += ["--webhook", url]
    # Tokens go by the environment: a command line can be seen by everyone.
    environment = {
        "WITHINGS_USERID": str(withings.userid),
        "WITHINGS_ACCESS_TOKEN": tokens["access_token"],
        "WITHINGS_REFRESH_TOKEN": tokens["refresh_token"],
        "WITHINGS_TIMEZONE": "Europe/Lisbon",
    }
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=60)
    answer = json.loads(done.stdout)
    endpoints = [Endpoint(**endpoint) for endpoint in answer["endpoints"]]
    return Seeded(answer["user"], answer["connection"], answer["key"], endpoints)
