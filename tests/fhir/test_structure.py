"""Every resource is of the structure that FHIR R4 gives it, by models that others made of HL7's definitions."""

import decimal

import pydantic
import pytest
from conftest import Written, exact
from fhir.resources.R4B import get_fhir_model_class


def validate(text: str, kind: str):
    return get_fhir_model_class(kind).model_validate_json(text)


def test_every_observation_is_one(observations: list[Written]) -> None:
    for written in observations:
        read = validate(written.text, "Observation")
        assert read.id == written.resource["id"]


def test_every_other_resource_is_what_it_says(others: list[Written]) -> None:
    kinds = set()
    for written in others:
        kind = written.resource["resourceType"]
        validate(written.text, kind)
        kinds.add(kind)
    assert kinds == {"Device", "Patient", "Bundle", "OperationOutcome", "CapabilityStatement"}


def test_a_resource_of_another_structure_is_refused(observations: list[Written]) -> None:
    text = observations[0].text
    for wrong in [
        text.replace('"status":', '"standing":'),
        text.replace('"subject":{', '"subject":{"surprise":1,'),
        text.replace('"code":{"coding":[', '"code":{"coding":['.replace("[", "[7,")),
    ]:
        assert wrong != text
        with pytest.raises((pydantic.ValidationError, ValueError)):
            validate(wrong, "Observation")


def test_decimals_have_the_digits_that_withings_sent(observations: list[Written]) -> None:
    """`value * 10^unit`: 8120 and -2 are 81.20, not 81.2 and not 81.2000000001."""
    compared = 0
    for written in observations:
        raw, quantity = written.record.get("raw"), exact(written.text).get("valueQuantity")
        if not raw or not quantity or raw["value"] == 0:
            continue
        sent = decimal.Decimal(int(raw["value"])).scaleb(int(raw["unit"]))
        if written.record["kind"] == "body_height":
            sent = sent.scaleb(2)
        value = quantity["value"]
        assert value == sent == written.record["value"], written.text
        places = max(0, -sent.as_tuple().exponent)
        assert max(0, -value.as_tuple().exponent) == places, written.text
        compared += 1
    assert compared > 200


def test_no_digit_of_a_sample_is_lost(observations: list[Written]) -> None:
    compared = 0
    for written in observations:
        series = written.record.get("series")
        if not series or written.resource["status"] == "entered-in-error":
            continue
        sampled = written.resource["component"][0]["valueSampledData"]
        step = decimal.Decimal(sampled["period"]) / 1000
        found = {
            place * step: decimal.Decimal(value)
            for place, value in enumerate(sampled["data"].split(" "))
            if value != "E"
        }
        assert found == dict(zip(series["offsets_s"], series["values"], strict=True)), written.text
        compared += 1
    assert compared > 20


def test_every_part_of_a_compound_has_its_value(observations: list[Written]) -> None:
    compared = 0
    for written in observations:
        if written.resource["status"] == "entered-in-error":
            continue
        parts = exact(written.text).get("component", [])
        for part, shown in zip(written.record.get("components", []), parts, strict=False):
            if "value" in part:
                assert shown["valueQuantity"]["value"] == part["value"], written.text
                assert shown["valueQuantity"].get("code") == part.get("unit"), written.text
                compared += 1
    assert compared > 300
