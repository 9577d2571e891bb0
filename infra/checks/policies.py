"""Checkov's rules on the translated template, each exception with its reason.

    .venv/bin/python infra/checks/policies.py .tools/checkov/bin/checkov

Checkov rather than cfn-guard: it brings its rules along, where cfn-guard brings a language to write them in, and what
we would write stands in invariants.py already. cdk-nag's rules are a second opinion (infra/cdk).
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
from typing import NamedTuple

import template

FUNCTION = r"AWS::Lambda::Function\..*"


class Excuse(NamedTuple):
    """A rule that does not fit, on which resources, and why."""

    rule: str
    resources: str
    reason: str


EXCUSES = (
    Excuse("CKV_AWS_258", r"AWS::Lambda::Url\.(Ingest|Api)FunctionUrl", "Withings cannot sign for AWS, and apps "
               "have keys of ours: the secret in the path and the API's own keys are the locks (docs/security.md)"),
    Excuse("CKV_AWS_116", FUNCTION, "that queue is for asynchronous invocations; here queues, stream and schedules "
               "have dead-letter queues and retry policies of their own"),
    Excuse("CKV_AWS_117", FUNCTION, "a VPC needs a NAT gateway to reach Withings and endpoints, which costs more "
               "than all the rest; nothing here lies in a network"),
    Excuse("CKV_AWS_173", FUNCTION, "no variable holds a secret (invariant no_variable_holds_a_secret); Lambda "
               "encrypts them by its own key"),
    Excuse("CKV_AWS_115", FUNCTION, "concurrency is bounded where work comes in: event sources have a maximum; "
               "reserved concurrency would take it from the account for ever"),
)  # fmt: skip

# Something wrong that every run must find, so that a run that looks at nothing fails.
PROBE = "ProbeWithoutEncryption"


def complaints(report: dict) -> list[str]:
    """What the report of one run says that nobody excused, and excuses that excuse nothing."""
    failed = {(item["check_id"], item["resource"]): item["check_name"] for item in report["results"]["failed_checks"]}
    found, used = [], set()
    if not any(resource.endswith(f".{PROBE}") for _, resource in failed):
        found.append("the queue without encryption was not found: the rules did not run")
    for (rule, resource), name in sorted(failed.items()):
        fits = [item for item in EXCUSES if item.rule == rule and re.fullmatch(item.resources, resource)]
        used.update(fits)
        if not fits and not resource.endswith(f".{PROBE}"):
            found.append(f"{rule} {resource}: {name}")
    found += [f"{item.rule}: nothing is found that this excuse is for" for item in EXCUSES if item not in used]
    return found


def main(checkov: str) -> int:
    """Runs Checkov over the translated template."""
    translated = template.translate(template.source())
    translated["Resources"][PROBE] = {"Type": "AWS::SQS::Queue", "Properties": {"SqsManagedSseEnabled": False}}
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "template.json"
        file.write_text(json.dumps(translated))
        # `--skip-download`: no rules and no severities from its maker's service.
        options = ["--framework", "cloudformation", "--skip-download", "--quiet", "--compact", "-o", "json"]
        run = subprocess.run([checkov, "-f", str(file), *options], capture_output=True, text=True, check=False)
    try:
        report = json.loads(run.stdout)
    except json.JSONDecodeError:
        sys.stderr.write(run.stderr)
        return 1
    found = complaints(report)
    for line in found:
        print(line)
    summary = report["summary"]
    print(f"checkov: {summary['passed']} passed, {summary['failed']} failed of which {len(found)} unexcused")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
