"""What `cargo test -p afferent-fhir` wrote: every record of the fixtures as FHIR, and the record beside it.

It is judged only if it was made from the sources that are there now.
"""

import dataclasses
import decimal
import hashlib
import json
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = ROOT / "target/tmp/fhir"
# As in shared/fhir/tests/fhir/written.rs.
SOURCES = ["shared/domain/src/record", "shared/fhir/src", "shared/normalise/src", "tests/fixtures/withings"]


@dataclasses.dataclass(frozen=True)
class Written:
    """A resource, its text, and the record that it was made of."""

    text: str
    resource: dict
    record: dict | None = None


def exact(text: str) -> dict:
    """JSON whose numbers keep the digits that they are written with."""
    return json.loads(text, parse_float=decimal.Decimal, parse_int=decimal.Decimal)


def stamp() -> str:
    """A digest of all sources."""

    def digest(data: bytes) -> str:
        return hashlib.sha256(data).hexdigest()

    paths = [path for folder in SOURCES for path in (ROOT / folder).rglob("*") if path.is_file()]
    lines = [f"{path.relative_to(ROOT).as_posix()} {digest(path.read_bytes())}\n" for path in paths]
    return digest("".join(sorted(lines)).encode())


def read(name: str) -> str:
    path = FOLDER / name
    assert path.is_file(), f"{path} is missing: `cargo test -p afferent-fhir` writes it"
    return path.read_text()


def lines(name: str) -> list[str]:
    assert read("stamp") == stamp(), f"{FOLDER} was made from other sources: `cargo test -p afferent-fhir` makes it anew"
    return read(name).splitlines()


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
