"""The API against its own OpenAPI document: whatever it is asked, nothing breaks and nothing undocumented comes.

`CASES` is how many requests each operation gets, beside those of the document's own examples. Without `SEED` they are the same
every time, as a gate wants them; with it they are others, and `--hypothesis-seed` of the same number makes the same ones again.
"""

import collections
import json
import os

import hypothesis
import local
import schemathesis
from openapi_spec_validator import validate
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

DOCUMENT = json.loads((local.ROOT / "docs/openapi.json").read_text())
CASES = int(os.environ.get("CASES", "2"))
SEED = os.environ.get("SEED")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]
# What takes the sample person away, for whom the other requests ask.
ENDINGS = ("/erase", "/disconnect")

schema = schemathesis.openapi.from_dict(DOCUMENT)
counted: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)


def test_the_document_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    validate(DOCUMENT)


def aimed(case: schemathesis.Case, stack: local.Stack, there: dict[str, str], receiver: local.Receiver) -> None:
    """Points three of four requests to what there is, and every endpoint to this machine."""
    before = counted[case.operation.label].total()
    if case.path_parameters and before % 4 and not case.path.endswith(ENDINGS):
        case.path_parameters.update({name: there[name] for name in case.path_parameters if name in there})
    # Generated keys come again and again, and then nothing is done.
    if before % 8:
        case.headers.pop("Idempotency-Key", None)
    # Whom a FHIR search is about stands in its query or form.
    for parameters in (case.query, case.body):
        if isinstance(parameters, dict) and "patient" in parameters and before % 4:
            parameters["patient"] = there["patient"]
    if isinstance(case.body, dict):
        if "url" in case.body:
            case.body["url"] = receiver.url
        if "queue_url" in case.body:
            case.body["queue_url"] = f"{stack.sqs}/000000000000/customer"


@schema.parametrize()
@hypothesis.settings(
    max_examples=CASES,
    deadline=None,
    derandomize=SEED is None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_nothing_breaks_and_nothing_undocumented_comes(case, stack, there, receiver, keys) -> None:
    aimed(case, stack, there, receiver)
    # Of five requests two come from whoever may do less.
    key = keys[[0, 1, 0, 2, 0][counted[case.operation.label].total() % 5]]
    headers = {"authorization": f"Bearer {key}"}
    response = case.call(base_url=stack.front, headers=headers, allow_redirects=False)
    counted[case.operation.label][response.status_code] += 1
    case.validate_response(response, checks=CHECKS)


def test_every_operation_was_asked(capsys) -> None:
    with capsys.disabled():
        statuses = sum(counted.values(), collections.Counter())
        seed = "" if SEED is None else f", SEED={SEED}"
        print(f"\n{statuses.total()} requests{seed} to {len(counted)} operations: {dict(sorted(statuses.items()))}")
    if CASES >= 100:
        assert statuses.total() >= 5_000
    operations = [
        f"{method.upper()} {path}" for path, item in DOCUMENT["paths"].items() for method in item if method != "parameters"
    ]
    assert sorted(counted) == sorted(operations)
