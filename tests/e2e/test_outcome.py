"""The shipped template and bootstraps, in an emulator that we did not write, do what they do on our own local stack.

One run: the simulated Withings plays its sixteen categories to the function URL of `ingest`; one webhook endpoint is
healthy, one always answers 500. Then the tests look at what became of it.
"""

import base64
import collections
import dataclasses
import hashlib
import hmac
import json
import pathlib
import platform
import subprocess
import sys
import zlib

import deploy
import processes
import pytest
import seeding
from boto3.dynamodb.types import TypeDeserializer

STACK = "e2e"
CALLBACK_SECRET = "the-callback-secret-of-this-test"
# What the simulated Withings takes as its one application.
CLIENT = {"WithingsClientId": "sim-client", "WithingsClientSecret": "sim-secret"}
PARAMETERS = {
    **CLIENT,
    "CallbackSecretSha256": hashlib.sha256(CALLBACK_SECRET.encode()).hexdigest(),
    # As the bootstraps were built: for this machine.
    "Architecture": "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64",
    "DeletionProtection": "false",
    # The emulator has no CodeDeploy and no saved queries; what watches a stack is checked in infra/checks.
    "Deployment": "AllAtOnce",
    "Alarms": "false",
    # The receivers of this test are on this machine.
    "EndpointNetworks": "127.0.0.0/8",
    "EndpointPorts": "1-65535",
}
TABLES = ["records", "events", "deliveries", "notifications"]
CATEGORIES = 16


@dataclasses.dataclass
class Outcome:
    """What was there when everything had come to rest."""

    emulator: str
    outputs: dict[str, str]
    ingest: processes.FunctionUrl
    api: processes.FunctionUrl
    seeded: seeding.Seeded
    withings: dict
    withings_notifications: list[dict]
    healthy: processes.Receiver
    failing: processes.Receiver
    tables: dict[str, list[dict]]

    def events(self) -> list[dict]:
        """The journal without its heads and markers."""
        return [item for item in self.tables["events"] if item["sequence"] > 0 and "body" in item]

    def changes(self) -> list[dict]:
        """The events that tell of records, and not of an endpoint that fails."""
        return [event for event in self.events() if "about" not in event]

    def deliveries(self, endpoint: seeding.Endpoint) -> list[dict]:
        return [item for item in self.tables["deliveries"] if item["item"] == endpoint.id]

    def attempts(self, endpoint: seeding.Endpoint) -> list[dict]:
        return [item for item in self.tables["deliveries"] if item["item"].startswith(endpoint.id + "#")]


def read_tables(emulator: str) -> dict[str, list[dict]]:
    """Every item of the tables, as plain values. A test may scan."""
    dynamodb, read = deploy.client("dynamodb", emulator), TypeDeserializer().deserialize
    tables = {}
    for table in TABLES:
        pages = dynamodb.get_paginator("scan").paginate(TableName=f"{STACK}-{table}")
        items = [item for page in pages for item in page["Items"]]
        tables[table] = [unpacked({name: read(value) for name, value in item.items()}) for item in items]
    return tables


def unpacked(item: dict) -> dict:
    """An item with the text of its event, which is packed by DEFLATE where that makes it shorter."""
    packed = item.pop("packed", None)
    return item if packed is None else item | {"body": zlib.decompress(packed.value, wbits=-15).decode()}


def is_tried_or_kept_back(delivery: dict) -> bool:
    """Whether a delivery to the failing endpoint has its first cycle behind it, or its breaker opened before."""
    return delivery.get("attempts", 0) >= 2 or delivery.get("waits_for") == "breaker"


def unfinished(tables: dict[str, list[dict]], seeded: seeding.Seeded) -> dict[str, object]:
    """What is still to be done, but for the waiting for the failing endpoint's next cycle. Nothing, at rest."""
    states = collections.Counter(item["state"] for item in tables["notifications"])
    records = {(item["user"], item["record"], item["rev"]) for item in tables["records"]}
    events = [item for item in tables["events"] if item["sequence"] > 0 and "body" in item]
    journalled = {(item["journal"], item.get("record"), item.get("rev")) for item in events}
    deliveries = {(item["event"], item["item"]): item for item in tables["deliveries"]}
    healthy, failing = seeded.endpoints
    good = [deliveries.get((event["event"], healthy.id), {}) for event in events]
    changes = [event for event in events if "about" not in event]
    bad = [deliveries.get((event["event"], failing.id), {}) for event in changes]
    findings = {
        "notifications to come": max(CATEGORIES - states.total(), 0),
        "notifications waiting": states["waiting"],
        "records without event": len(records - journalled),
        "events not delivered": sum(1 for delivery in good if delivery.get("state") != "delivered"),
        "events not tried twice": sum(1 for delivery in bad if not is_tried_or_kept_back(delivery)),
        "no record yet": not records,
    }
    return {finding: count for finding, count in findings.items() if count}


def wait_for_rest(emulator: str, seeded: seeding.Seeded) -> dict[str, list[dict]]:
    """The tables, once all is done. If it never is, says what is left, and keeps what the functions logged."""
    tables: dict[str, list[dict]] = {}

    def at_rest() -> bool:
        tables.update(read_tables(emulator))
        return not unfinished(tables, seeded)

    try:
        processes.wait_until(at_rest, "everything comes to rest", 180, every_s=1)
    except TimeoutError as error:
        raise AssertionError(f"{error}; {unfinished(tables, seeded)}; see target/e2e/*.log") from None
    finally:
        keep_logs(emulator)
    return tables


def keep_logs(emulator: str) -> None:
    """Writes what each function logged into target/e2e/<function>.log."""
    logs = deploy.client("logs", emulator)
    for group in logs.describe_log_groups()["logGroups"]:
        name = group["logGroupName"].rsplit("/", 1)[-1]
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        lines = [event["message"] for page in pages for event in page["events"]]
        (processes.ROOT / "target" / "e2e" / f"{name}.log").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def outcome():
    with (
        processes.Receiver(200) as healthy,
        processes.Receiver(500) as failing,
        processes.withings() as withings,
        processes.emulator() as emulator,
    ):
        parameters = PARAMETERS | {"WithingsApiUrl": withings.url}
        outputs = deploy.deploy(emulator, processes.ROOT / "infra/template.yaml", STACK, parameters)
        ingest = processes.FunctionUrl(emulator, outputs["FrontDoorUrl"])
        seeded = seeding.seed(emulator, STACK, withings, [healthy.url, failing.url])

        callback = f"{ingest.base}withings/{CALLBACK_SECRET}"
        withings.control("POST", f"users/{withings.userid}/subscriptions", {"callbackurl": callback})
        withings.control("POST", f"users/{withings.userid}/play")
        tables = wait_for_rest(emulator, seeded)

        yield Outcome(
            emulator=emulator,
            outputs=outputs,
            ingest=ingest,
            api=processes.FunctionUrl(emulator, outputs["ApiUrl"]),
            seeded=seeded,
            withings=withings.control("GET", "stats"),
            withings_notifications=withings.control("GET", "notifications"),
            healthy=healthy,
            failing=failing,
            tables=tables,
        )


@pytest.fixture(scope="module")
def local() -> dict:
    """The report of the same play on our own local stack."""
    report = processes.ROOT / "target/demo/report.json"
    report.unlink(missing_ok=True)
    log = processes.ROOT / "target/e2e/demo.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        command = [str(processes.ROOT / "target/debug/afferent-local"), "demo", "--bootstraps", "target/release"]
        subprocess.run(command, cwd=processes.ROOT, stdout=output, stderr=output, timeout=300, check=True)
    return json.loads(report.read_text())


def test_every_notification_is_accepted_at_its_first_try(outcome: Outcome) -> None:
    assert outcome.withings["notifications"]["sent"] >= CATEGORIES
    assert outcome.withings["notifications"]["delivered"] == outcome.withings["notifications"]["sent"]
    assert outcome.withings["notifications"]["tries"] == outcome.withings["notifications"]["sent"]
    assert len({item["appli"] for item in outcome.withings_notifications}) == CATEGORIES


def test_every_notification_ends_as_satisfied_or_recorded(outcome: Outcome) -> None:
    states = collections.Counter(item["state"] for item in outcome.tables["notifications"])
    assert set(states) <= {"satisfied", "recorded"}, states
    assert sum(states.values()) == outcome.withings["notifications"]["sent"]


def test_withings_refuses_no_call(outcome: Outcome) -> None:
    assert outcome.withings["calls"] > 0
    assert (outcome.withings["refused"], outcome.withings["duplicate_refused"]) == (0, 0)


def test_every_revision_of_a_record_is_one_event(outcome: Outcome) -> None:
    records = {(item["user"], item["record"]): item["rev"] for item in outcome.tables["records"]}
    revisions = [(event["journal"], event["record"], event["rev"]) for event in outcome.changes()]
    assert len(revisions) == len(set(revisions))
    newest: dict[tuple[str, str], int] = {}
    for user, record, rev in revisions:
        newest[user, record] = max(rev, newest.get((user, record), 0))
    assert newest == records


def test_each_journal_counts_without_gaps(outcome: Outcome) -> None:
    journals: dict[str, list[int]] = collections.defaultdict(list)
    for event in outcome.events():
        journals[event["journal"]].append(int(event["sequence"]))
    for numbers in journals.values():
        assert sorted(numbers) == list(range(1, len(numbers) + 1))


def test_the_healthy_endpoint_got_every_event(outcome: Outcome) -> None:
    got = {headers["webhook-id"]: body for headers, body in outcome.healthy.got}
    events = {event["event"]: event["body"].encode() for event in outcome.events()}
    assert {event: got.get(event) for event in events} == events
    # That the other endpoint fails may have been told since.
    later = [json.loads(body)["type"] for event, body in got.items() if event not in events]
    assert all(event_type.startswith("endpoint.") for event_type in later), later


def test_every_request_is_signed_as_standard_webhooks_says(outcome: Outcome) -> None:
    for receiver, endpoint in zip((outcome.healthy, outcome.failing), outcome.seeded.endpoints, strict=True):
        assert receiver.got
        key = base64.b64decode(endpoint.secret.removeprefix("whsec_"))
        for headers, body in receiver.got:
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
            signature = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
            assert f"v1,{signature}" in headers["webhook-signature"].split(" ")


def test_the_failing_endpoint_is_tried_twice_a_cycle_and_waits_for_the_next(outcome: Outcome) -> None:
    _healthy, failing = outcome.seeded.endpoints
    deliveries = outcome.deliveries(failing)
    assert len(deliveries) == len(outcome.changes())
    assert {delivery["state"] for delivery in deliveries} <= {"queued", "held", "parked"}
    tries = collections.Counter(attempt["event"] for attempt in outcome.attempts(failing))
    assert sum(tries.values()) >= 2
    for delivery in deliveries:
        assert is_tried_or_kept_back(delivery | {"attempts": tries[delivery["event"]]}), delivery


def test_nothing_is_dead(outcome: Outcome) -> None:
    sqs = deploy.client("sqs", outcome.emulator)
    for name in ("PullsDead", "BackfillDead", "DeliveriesDead", "FanoutFailures"):
        url = outcome.outputs[f"{name}QueueUrl"]
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        assert answer["Attributes"]["ApproximateNumberOfMessages"] == "0", name


@pytest.mark.parametrize("task", ["minute", "daily"])
def test_the_keeper_may_do_all_that_it_does(outcome: Outcome, task: str) -> None:
    functions = deploy.client("lambda", outcome.emulator)
    answer = functions.invoke(FunctionName=f"{STACK}-keeper", Payload=json.dumps({"task": task}))
    assert "FunctionError" not in answer, answer["Payload"].read()


def test_the_api_is_up(outcome: Outcome) -> None:
    assert outcome.api.call("GET", "v1/health")[0] == 200


def test_the_front_door_answers_as_withings_needs_it(outcome: Outcome) -> None:
    path = f"withings/{CALLBACK_SECRET}"
    assert outcome.ingest.call("HEAD", path)[0] == 200
    assert outcome.ingest.call("GET", path)[0] == 200
    assert outcome.ingest.call("POST", "withings/another-secret", b"userid=1&appli=1")[0] == 404
    assert outcome.ingest.call("POST", path, b"x" * (16 * 1024 + 1))[0] == 413


def test_an_app_downstream_sees_every_change_in_the_stream(outcome: Outcome) -> None:
    count = len(outcome.changes())
    follower = pathlib.Path(__file__).parents[1] / "downstream" / "follow_records.py"
    command = [sys.executable, str(follower), "--endpoint-url", outcome.emulator, "--stack", STACK]
    command += ["--until-count", str(count), "--timeout", "30"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    assert len(set(done.stdout.splitlines())) == count


def test_the_outcome_is_that_of_the_local_stack(outcome: Outcome, local: dict) -> None:
    healthy, _failing = outcome.seeded.endpoints
    events = len(outcome.events())
    delivered = sum(1 for delivery in outcome.deliveries(healthy) if delivery["state"] == "delivered")
    here = {
        "notifications": len(outcome.tables["notifications"]),
        "lost": events - delivered,
        "withings_refused": outcome.withings["refused"] + outcome.withings["duplicate_refused"],
    }
    assert here == {name: local[name] for name in here}

    # Series are kept by the hour, and the two plays began at different minutes of an hour. So a kind may have a record
    # or two more here than there; but no kind is missing, and on both sides each revision is one event, one delivery. (The
    # record of the profile has two: what the notification said, and what the call showed that verified it.)
    kinds = collections.Counter(record["kind"] for record in outcome.tables["records"])
    assert set(kinds) == set(local["kinds"])
    assert all(abs(count - local["kinds"][kind]) <= 2 for kind, count in kinds.items()), (kinds, local["kinds"])
    revisions = sum(int(record["rev"]) for record in outcome.tables["records"])
    assert revisions == len(outcome.tables["records"]) + 1
    assert revisions == len(outcome.changes())
    assert events == len(outcome.deliveries(healthy)) == delivered
    assert local["records"] + 1 == local["events"] == local["deliveries"] == local["delivered"]
