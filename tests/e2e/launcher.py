"""Starts ministack, the AWS emulator that `make e2e` deploys to, with what we need mended.

    python tests/e2e/launcher.py PORT

It listens on 127.0.0.1 only, runs the `bootstrap` binaries as plain processes, and stops on SIGTERM. The mends reach
into private parts of ministack, so its version is pinned in `tests/requirements.txt` and checked here;
`test_launcher.py` shows that they do what they say.
"""

import importlib.metadata
import json
import os
import runpy
import socketserver
import sys

VERSION = "1.5.33"
SERVICES = [
    "apigateway", "cloudformation", "cloudwatch", "dynamodb", "dynamodbstreams", "events", "iam", "kinesis", "lambda", "logs",
    "s3", "scheduler", "secretsmanager", "sqs", "sts",
]  # fmt: skip


def settings(port: int) -> dict[str, str]:
    """The environment that ministack reads, and hands on to the functions it runs."""
    return {
        "GATEWAY_PORT": str(port),
        # Without these two it would listen on every interface.
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        # Its MQTT broker, which would listen on port 8883.
        "IOT_MTLS_ENABLED": "0",
        "SERVICES": ",".join(SERVICES),
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),
        # Handed on to the functions: their AWS is this process, whatever the shell around it says.
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        # Each function gets its role's credentials, and a call that the role does not allow is refused, as on AWS.
        "AUTH": "true",
    }


def send_small_packets_at_once() -> None:
    """The runtime API writes headers and body apart: Nagle's algorithm and delayed ACK cost each invocation 40 ms."""
    socketserver.StreamRequestHandler.disable_nagle_algorithm = True


def honour_partial_stream_failures() -> None:
    """A stream batch that failed in part must go on from the first record that failed.

    AWS: "Lambda retries the lowest sequence number" (Using Lambda with DynamoDB, reporting batch item failures).
    ministack moves on past the whole batch, so the failed record and all after it would be lost. Here the mapping's
    position is set to the failed record and the batch is reported as failed: then ministack leaves the position alone,
    waits its usual pause, and reads again from there. Its own age limit (MaximumRecordAgeInSeconds) still ends that.
    """
    from ministack.services import lambda_svc

    execute = lambda_svc._execute_function

    def mapping_of(function: dict, stream: str) -> dict | None:
        name = (function.get("config") or function).get("FunctionName")
        for _account, _region, mapping in lambda_svc._iter_all_esms():
            if mapping.get("EventSourceArn") == stream and mapping.get("FunctionName") == name:
                return mapping
        return None

    def execute_and_resume(function: dict, event: dict, *args, **kwargs) -> dict:
        result = execute(function, event, *args, **kwargs)
        records = event.get("Records") if isinstance(event, dict) else None
        if not records or records[0].get("eventSource") != "aws:dynamodb" or result.get("error"):
            return result
        mapping = mapping_of(function, records[0].get("eventSourceARN"))
        if mapping is None or "ReportBatchItemFailures" not in (mapping.get("FunctionResponseTypes") or []):
            return result
        good = records_before_failure(records, result.get("body"))
        if good == len(records):
            return result
        with lambda_svc._dynamodb_stream_positions_lock:
            lambda_svc._dynamodb_stream_positions[mapping["UUID"]] += good
        answer = {"errorType": "PartialFailure", "errorMessage": f"{good} of {len(records)} records done"}
        return {"error": True, "body": answer}

    lambda_svc._execute_function = execute_and_resume


def read_maximum_concurrency_as_a_number() -> None:
    """CloudFormation turns a template's parameter into the type that the property wants; ministack keeps its text.

    A text for MaximumConcurrency stops its poller, and with it every queue.
    """
    from ministack.services import lambda_svc

    concurrency = lambda_svc._sqs_esm_concurrency

    def concurrency_of_numbers(mapping: dict, *args, **kwargs) -> int:
        scaling = mapping.get("ScalingConfig") or {}
        if "MaximumConcurrency" in scaling:
            scaling["MaximumConcurrency"] = int(scaling["MaximumConcurrency"])
        return concurrency(mapping, *args, **kwargs)

    lambda_svc._sqs_esm_concurrency = concurrency_of_numbers


def refer_to_secrets_by_their_arn() -> None:
    """A template's Ref to a secret is its ARN; in ministack it is its name.

    AWS: AWS::SecretsManager::Secret, return values. A role that names its secrets by Ref would be allowed nothing.
    (The emulator could no longer update or delete the secret as part of its stack; we never do.)
    """
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::SecretsManager::Secret"]
    create = handlers["create"]

    def create_and_name_by_arn(*args, **kwargs) -> tuple[str, dict]:
        _name, attributes = create(*args, **kwargs)
        return attributes["Arn"], attributes

    handlers["create"] = create_and_name_by_arn


def allow_batches_of_what_is_allowed() -> None:
    """SQS's batch calls have no permission of their own: who may send a message may send ten.

    AWS: Amazon SQS API permissions, "SendMessageBatch: sqs:SendMessage", and so on. ministack asks for an action
    sqs:SendMessageBatch, which no policy can name.
    """
    from ministack.core import iam_actions

    extract = iam_actions.extract_iam_action

    def extract_single(*args, **kwargs) -> str | None:
        action = extract(*args, **kwargs)
        return action.removesuffix("Batch") if action and action.startswith("sqs:") else action

    iam_actions.extract_iam_action = extract_single


def take_http_for_tls() -> None:
    """On AWS every call of ours goes by TLS; here it goes by plain HTTP, which our queues deny.

    (That they do is how we know that the emulator reads their policies: without this nothing works.)
    """
    from ministack.core import iam_evaluator

    resolve = iam_evaluator._resolve_condition_key

    def resolve_but_transport(key: str, *args, **kwargs) -> object:
        return "true" if key.lower() == "aws:securetransport" else resolve(key, *args, **kwargs)

    iam_evaluator._resolve_condition_key = resolve_but_transport


def show_parameters_to_sam() -> None:
    """SAM reads the values of some parameters: whether a function is deployed by CodeDeploy, an alias's name.

    ministack translates with none, so defaults would go before what was given.
    """
    from ministack.services.cloudformation import engine, handlers
    from samtranslator.translator import transform as sam

    apply, translate = handlers._apply_transforms, sam.transform

    def apply_with_parameters(template: dict, provided=None, previous=None) -> dict:
        values = engine._transform_parameters(template, provided, previous)
        sam.transform = lambda fragment, _none, *rest: translate(fragment, values, *rest)
        try:
            return apply(template, provided, previous)
        finally:
            sam.transform = translate

    handlers._apply_transforms = apply_with_parameters


def records_before_failure(records: list[dict], answer: object) -> int:
    """How many records from the first on are done. An answer that cannot be read fails the batch whole, as on AWS."""
    try:
        if isinstance(answer, str):
            answer = json.loads(answer or "null")
        failed = {failure["itemIdentifier"] for failure in (answer or {}).get("batchItemFailures") or []}
    except (AttributeError, KeyError, TypeError, ValueError):
        return 0
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
    if not failed <= set(numbers):
        return 0
    return next((index for index, number in enumerate(numbers) if number in failed), len(records))


def main() -> None:
    version = importlib.metadata.version("ministack")
    if version != VERSION:
        sys.exit(f"ministack {version} is installed; these mends were written for {VERSION}")
    os.environ.update(settings(int(sys.argv[1])))
    send_small_packets_at_once()
    honour_partial_stream_failures()
    read_maximum_concurrency_as_a_number()
    refer_to_secrets_by_their_arn()
    allow_batches_of_what_is_allowed()
    take_http_for_tls()
    show_parameters_to_sam()
    sys.argv = ["ministack"]
    runpy.run_module("ministack", run_name="__main__")


if __name__ == "__main__":
    main()
