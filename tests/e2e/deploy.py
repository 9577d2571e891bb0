"""Deploys a SAM template into an emulator, as `sam deploy` would: code into S3, then CloudFormation.

Boto3 and not the AWS CLI, because version 1 of the CLI ignores AWS_ENDPOINT_URL for SQS and goes to the real AWS. Every
client here is made by `client`, which is given its endpoint and its (fake) credentials.
"""

import hashlib
import io
import json
import pathlib
import time
import urllib.parse
import zipfile

import boto3
from samtranslator.yaml_helper import yaml_parse

BUCKET = "e2e-code"
REGION = "us-east-1"


class DeployFailed(Exception):
    """CloudFormation gave up. The message says on which resources, and why."""


def client(service: str, endpoint_url: str, credentials: dict[str, str] | None = None):
    """An AWS client that can reach nothing but `endpoint_url`, which must be on this machine.

    Without `credentials` (as STS gives them) it may do everything there.
    """
    host = urllib.parse.urlsplit(endpoint_url).hostname
    if host != "127.0.0.1":
        raise ValueError(f"the endpoint must be on 127.0.0.1, not on {host}")
    credentials = credentials or {"AccessKeyId": "test", "SecretAccessKey": "test"}
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials.get("SessionToken"),
    )


def load(path: pathlib.Path) -> dict:
    """The template at `path`, with CloudFormation's short forms (`!Ref x`) as their long ones, which JSON can hold."""
    return yaml_parse(path.read_text())


def _zip(folder: pathlib.Path) -> bytes:
    """The folder as Lambda wants it: executable files, and no times, so that equal contents are equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in sorted(folder.iterdir()):
            entry = zipfile.ZipInfo(file.name, (2000, 1, 1, 0, 0, 0))
            entry.external_attr = 0o755 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())
    return buffer.getvalue()


def deploy(endpoint_url: str, path: pathlib.Path, stack: str, parameters: dict[str, str]) -> dict[str, str]:
    """Creates the stack from the template at `path` and returns its outputs.

    The template is sent as it stands, but for `CodeUri`: a folder there is zipped and put into S3. So is the template,
    because CloudFormation takes no more than 51,200 bytes of it in the request.
    """
    template = load(path)
    s3 = client("s3", endpoint_url)
    s3.create_bucket(Bucket=BUCKET)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            folder = (path.parent / resource["Properties"]["CodeUri"]).resolve()
            code = _zip(folder)
            key = hashlib.sha256(code).hexdigest() + ".zip"
            s3.put_object(Bucket=BUCKET, Key=key, Body=code)
            resource["Properties"]["CodeUri"] = {"Bucket": BUCKET, "Key": key}

    s3.put_object(Bucket=BUCKET, Key="template.json", Body=json.dumps(template))

    cloudformation = client("cloudformation", endpoint_url)
    cloudformation.create_stack(
        StackName=stack,
        TemplateURL=f"{endpoint_url}/{BUCKET}/template.json",
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )
    while True:
        description = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        if not description["StackStatus"].endswith("IN_PROGRESS"):
            break
        time.sleep(0.1)
    if description["StackStatus"] != "CREATE_COMPLETE":
        events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        reasons = [
            f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"
            for event in events
            if event["ResourceStatus"].endswith("FAILED")
        ]
        raise DeployFailed(f"{description['StackStatus']}: {'; '.join(reasons)}")
    return {output["OutputKey"]: output["OutputValue"] for output in description.get("Outputs", [])}


def delete(endpoint_url: str, stack: str) -> None:
    """Deletes the stack and waits until it is gone."""
    cloudformation = client("cloudformation", endpoint_url)
    cloudformation.delete_stack(StackName=stack)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
