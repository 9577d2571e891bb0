"""The emulator, as we start it, does what AWS does where it would not by itself."""

import json
import pathlib

import botocore.exceptions
import deploy
import processes
import pytest

STACK = "probe"


@pytest.fixture(scope="module")
def emulator():
    with processes.emulator() as url:
        parameters = {"Concurrency": "2", "Alias": "live"}
        deploy.deploy(url, pathlib.Path(__file__).with_name("probe") / "template.yaml", STACK, parameters)
        yield url


def batches(emulator: str) -> list[list[str]]:
    """The batches that the probe has seen, oldest first."""
    logs = deploy.client("logs", emulator)
    try:
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{STACK}-function")["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [json.loads(event["message"])["batch"] for event in events if event["message"].startswith('{"batch"')]


def test_a_stream_goes_on_from_the_record_that_failed(emulator: str) -> None:
    items = [{"Put": {"TableName": f"{STACK}-table", "Item": {"key": {"S": key}}}} for key in ("a", "b", "c")]
    deploy.client("dynamodb", emulator).transact_write_items(TransactItems=items)

    def seen() -> list[str]:
        return [key for batch in batches(emulator) for key in batch]

    processes.wait_until(lambda: seen().count("b") >= 3, "the failed record comes three times", 60)
    processes.wait_until(lambda: seen()[-1] == "c", "the record after it comes", 60)
    assert seen().count("a") == 1, "what was done before the failure does not come again"
    assert seen().count("b") == 3


def test_a_queue_is_read_when_its_concurrency_is_a_parameter(emulator: str) -> None:
    sqs = deploy.client("sqs", emulator)
    url = sqs.get_queue_url(QueueName=f"{STACK}-queue")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="from the queue")
    processes.wait_until(lambda: ["from the queue"] in batches(emulator), "the message arrives", 30)


def test_sam_is_shown_the_parameters_that_were_given(emulator: str) -> None:
    functions = deploy.client("lambda", emulator)
    assert [alias["Name"] for alias in functions.list_aliases(FunctionName=f"{STACK}-function")["Aliases"]] == ["live"]
    sources = functions.list_event_source_mappings()["EventSourceMappings"]
    assert {source["FunctionArn"].rsplit(":", 1)[1] for source in sources} == {"live"}


def credentials_of_the_function(emulator: str) -> dict[str, str]:
    iam, sts = deploy.client("iam", emulator), deploy.client("sts", emulator)
    role = next(role for role in iam.list_roles()["Roles"] if role["RoleName"].startswith(f"{STACK}-"))
    return sts.assume_role(RoleArn=role["Arn"], RoleSessionName="test")["Credentials"]


def test_a_role_may_read_the_secret_that_it_refers_to(emulator: str) -> None:
    stack = deploy.client("cloudformation", emulator).describe_stacks(StackName=STACK)["Stacks"][0]
    secrets = deploy.client("secretsmanager", emulator, credentials_of_the_function(emulator))
    secret = secrets.get_secret_value(SecretId=stack["Outputs"][0]["OutputValue"])
    assert secret["ARN"] == stack["Outputs"][0]["OutputValue"]
    generated = json.loads(secret["SecretString"])
    assert (generated["current"], len(generated["1"])) == ("1", 64)


def test_who_may_delete_a_message_may_delete_ten(emulator: str) -> None:
    sqs = deploy.client("sqs", emulator, credentials_of_the_function(emulator))
    url = deploy.client("sqs", emulator).get_queue_url(QueueName=f"{STACK}-queue")["QueueUrl"]
    entries = [{"Id": "1", "ReceiptHandle": "of no message"}]
    # Allowed; that there is no such message is told in the answer.
    assert sqs.delete_message_batch(QueueUrl=url, Entries=entries)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_what_a_role_does_not_allow_is_refused(emulator: str) -> None:
    sqs = deploy.client("sqs", emulator, credentials_of_the_function(emulator))
    url = deploy.client("sqs", emulator).get_queue_url(QueueName=f"{STACK}-queue")["QueueUrl"]
    sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        sqs.send_message(QueueUrl=url, MessageBody="not allowed")


def test_it_listens_on_loopback_only(emulator: str) -> None:
    # Every socket of this machine that listens on the emulator's port, from /proc/net (addresses are in hex).
    port = f"{int(emulator.rsplit(':', 1)[1]):04X}"
    tables = [pathlib.Path("/proc/net") / table for table in ("tcp", "tcp6")]
    lines = [line.split() for table in tables for line in table.read_text().splitlines()]
    listening = {line[1] for line in lines if line[3] == "0A" and line[1].endswith(f":{port}")}
    assert listening == {f"0100007F:{port}"}
