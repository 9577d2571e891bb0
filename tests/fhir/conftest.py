"""What `cargo test -p afferent-fhir` wrote: every record of the fixtures as FHIR, and the record beside it."""

import dataclasses
import decimal
import json
import pathlib

import pytest

FOLDER = pathlib.Path(__file__).parents[2] / "target/tmp/fhir"


@dataclasses.dataclass(frozen=True)
class Written:
    """A resource, its text, and the record that it was made of."""

    text: str
    resource: dict
    record: dict | None = None


def exact(text: str) -> dict:
    """JSON whose numbers keep the digits that they are written with."""
    return json.loads(text, parse_float=decimal.Decimal, parse_int=decimal.Decimal)


def lines(name: str) -> list[str]:
    path = FOLDER / name
    assert path.is_file(), f"{path} is missing: `cargo test -p afferent-fhir` writes it"
    return path.read_text().splitlines()


@pytest.fixture(scope="session")
def observations() -> list[Written]:
    written = []
    for line in lines("observations.ndjson"):
        record, resource = line.split('},"resource":', 1)
        text = resource[:-1]
        written.append(Written(text, json.loads(text), exact(record.removeprefix('{"record":') + "}")))
    assert len(written) > 600
    return written


@pytest.fixture(scope="session")
def others() -> list[Written]:
    """Devices, Patients, Bundles, OperationOutcomes, the CapabilityStatement."""
    return [Written(line, json.loads(line)) for line in lines("resources.ndjson")]
