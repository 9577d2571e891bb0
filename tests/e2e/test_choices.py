"""The same template with what it leaves to choose: an HTTP API, a Kinesis stream, readers of another account."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import botocore.exceptions
import deploy
import processes
import pytest
from test_outcome import CALLBACK_SECRET, PARAMETERS

STACK = "choices"
EXTERNAL_ID = "agreed-upon-with-the-readers"
CHOICES = {
    # Nothing is read from Withings here.
    "WithingsApiUrl": "http://127.0.0.1:9",
    "FrontDoor": "http-api",
    "RecordsKinesis": "on",
    "ReaderPrincipals": "arn:aws:iam::000000000000:root",
    "ReaderExternalId": EXTERNAL_ID,
}
RECORD = {"user": {"S": "usr_1"}, "record": {"S": "rec_1"}, "rev": {"N": "1"}, "status": {"S": "final"}}


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    with processes.emulator() as url:
        yield url


@pytest.fixture(scope="module")
def outputs(emulator: str) -> dict[str, str]:
    outputs = deploy.deploy(emulator, processes.ROOT / "infra/template.yaml", STACK, PARAMETERS | CHOICES)
    deploy.client("dynamodb", emulator).put_item(TableName=outputs["RecordsTableName"], Item=RECORD)
    return outputs


def call(emulator: str, base: str, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Status and body. The emulator serves an HTTP API under a path of its own address."""
    name = base.split("//")[1].split(".")[0]
    url = f"{emulator}/_aws/execute-api/{name}/$default/{path}"
    request = urllib.request.Request(url, data=body, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_an_http_api_leads_notifications_to_ingest(emulator: str, outputs: dict[str, str]) -> None:
    base, secret = outputs["FrontDoorUrl"], f"withings/{CALLBACK_SECRET}"
    assert [call(emulator, base, method, secret)[0] for method in ("HEAD", "GET")] == [200, 200]
    assert call(emulator, base, "POST", secret, b"userid=1&appli=1")[0] == 200
    assert call(emulator, base, "POST", "withings/another-secret", b"userid=1&appli=1")[0] == 404


def test_an_http_api_leads_everything_else_to_api(emulator: str, outputs: dict[str, str]) -> None:
    base = outputs["ApiUrl"]
    assert base == outputs["FrontDoorUrl"]
    assert outputs["WithingsRedirectUrl"] == f"{base}v1/oauth/callback"
    assert json.loads(call(emulator, base, "GET", "v1/health")[1]) == {"status": "ok"}
    assert call(emulator, base, "GET", "v1/users")[0] == 401
    assert call(emulator, base, "GET", "no/such/path")[0] == 404


def reader(emulator: str, outputs: dict[str, str], service: str):
    sts = deploy.client("sts", emulator)
    request = {"RoleArn": outputs["RecordsReaderRoleArn"], "RoleSessionName": "reader", "ExternalId": EXTERNAL_ID}
    return deploy.client(service, emulator, sts.assume_role(**request)["Credentials"])


def test_a_reader_reads_records_and_nothing_else(emulator: str, outputs: dict[str, str]) -> None:
    tables = reader(emulator, outputs, "dynamodb")
    records = outputs["RecordsTableName"]
    key = {name: RECORD[name] for name in ("user", "record")}
    assert tables.get_item(TableName=records, Key=key)["Item"] == RECORD
    denied = pytest.raises(botocore.exceptions.ClientError, match="AccessDenied")
    with denied:
        tables.put_item(TableName=records, Item=RECORD)
    with denied:
        tables.scan(TableName=records)
    for table in ("Events", "Deliveries", "Notifications", "Connections", "Endpoints", "Keys"):
        with denied:
            tables.scan(TableName=outputs[f"{table}TableName"])


def test_a_reader_finds_the_kinesis_stream(emulator: str, outputs: dict[str, str]) -> None:
    # (This emulator connects no table with it, and asks for permissions of the table's own stream by another name.)
    kinesis = reader(emulator, outputs, "kinesis")
    summary = kinesis.describe_stream_summary(StreamARN=outputs["RecordsKinesisArn"])["StreamDescriptionSummary"]
    assert (summary["StreamName"], summary["RetentionPeriodHours"]) == (f"{STACK}-records", 24)
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        kinesis.put_record(StreamARN=outputs["RecordsKinesisArn"], Data=b"{}", PartitionKey="1")
