"""What the stack sends is as shared/schemas says, by a validator that others wrote."""

import json
import pathlib

import jsonschema
import page
import pytest
import referencing
from conftest import Day

FOLDER = pathlib.Path(__file__).parents[2] / "shared/schemas/schema"


@pytest.fixture(scope="module")
def schemas() -> referencing.Registry:
    resources = [referencing.Resource.from_contents(json.loads(path.read_text())) for path in FOLDER.glob("*.json")]
    return resources @ referencing.Registry()


def assert_holds(event: dict, schemas: referencing.Registry) -> None:
    schema = schemas.contents(event["dataschema"])
    jsonschema.Draft202012Validator(schema, registry=schemas).validate(event)


def test_every_schema_is_one_and_holds_its_own_examples(schemas) -> None:
    count = 0
    for name in schemas:
        schema = schemas.contents(name)
        jsonschema.Draft202012Validator.check_schema(schema)
        for example in schema.get("examples", []):
            jsonschema.Draft202012Validator(schema, registry=schemas).validate(example)
            count += 1
    assert count >= 80


def test_every_webhook_of_the_day_is_as_its_schema_says(day: Day, schemas) -> None:
    for request in day.requests:
        assert_holds(json.loads(request.body), schemas)


def test_every_event_of_the_journal_is_as_its_schema_says(journal, schemas) -> None:
    for event in page.python("replay.py")["events_after"](**journal, after=0):
        assert_holds(event, schemas)


def test_an_event_of_another_shape_is_refused(day: Day, schemas) -> None:
    event = json.loads(day.requests[0].body)
    event["data"]["record"]["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError):
        assert_holds(event, schemas)
