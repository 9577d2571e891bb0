"""HL7's own rules, by their names and in HL7's words (FHIRPath), evaluated by an engine that others wrote.

FHIR R4 (4.0.1): the definitions of Observation, Quantity, Period, Reference, Bundle, CapabilityStatement, and of the vital
signs profiles.
"""

import collections
import datetime
import json
import re
from collections.abc import Iterator

import pytest
from conftest import Written
from fhirpathpy import compile as fhirpath
from fhirpathpy.models import models

PROFILE = "http://hl7.org/fhir/StructureDefinition/"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"

# The rule, and where it is to be asked ("" for the resource itself).
OBSERVATION = {
    "dom-2": ("", "contained.contained.empty()"),
    "dom-4": ("", "contained.meta.versionId.empty() and contained.meta.lastUpdated.empty()"),
    "dom-5": ("", "contained.meta.security.empty()"),
    "obs-6": ("", "dataAbsentReason.empty() or value.empty()"),
    "obs-7": ("", "value.empty() or component.code.where(coding.intersect(%resource.code.coding).exists()).empty()"),
}
VITAL = {
    "vs-2": (
        "",
        "(component.empty() and hasMember.empty()) implies (dataAbsentReason.exists() or value.exists())",
    ),
    "vs-3": ("component", "value.exists() or dataAbsentReason.exists()"),
}
BUNDLE = {
    "bdl-1": ("", "total.empty() or (type = 'searchset') or (type = 'history')"),
    "bdl-2": ("", "entry.search.empty() or (type = 'searchset')"),
    "bdl-5": ("entry", "resource.exists() or request.exists() or response.exists()"),
    "bdl-7": (
        "",
        "(type = 'history') or entry.where(fullUrl.exists()).select(fullUrl&resource.meta.versionId).isDistinct()",
    ),
    "bdl-8": ("entry", "fullUrl.contains('/_history/').not()"),
}
CAPABILITY = {
    "cpb-1": ("", "rest.exists() or messaging.exists() or document.exists()"),
    "cpb-2": ("", "(description.count() + software.count() + implementation.count()) > 0"),
    "cpb-9": ("rest", "resource.select(type).isDistinct()"),
    "cpb-12": ("rest.resource", "searchParam.select(name).isDistinct()"),
}

# The profile of one number: its code, and the units that it takes.
QUANTITIES = {
    "bodyweight": ("29463-7", {"g", "kg", "[lb_av]"}),
    "bodyheight": ("8302-2", {"cm", "[in_i]"}),
    "heartrate": ("8867-4", {"/min"}),
    "bodytemp": ("8310-5", {"Cel", "[degF]"}),
    "oxygensat": ("2708-6", {"%"}),
    "resprate": ("9279-1", {"/min"}),
}
# Codes that mean a profile wherever they are an Observation's own.
RESERVED = {code: name for name, (code, _) in QUANTITIES.items()} | {"85354-9": "bp", "59408-5": "oxygensat"}
STATUSES = {"registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown"}


def elements(part: object, path: str) -> Iterator[object]:
    """Every element at a path."""
    if isinstance(part, list):
        for item in part:
            yield from elements(item, path)
    elif not path:
        yield part
    elif isinstance(part, dict):
        name, _, rest = path.partition(".")
        if name in part:
            yield from elements(part[name], rest)


def broken(resource: dict, rules: dict[str, tuple[str, str]]) -> list[str]:
    """The names of the rules that a resource breaks."""
    found = []
    for name, (path, words) in rules.items():
        rule = compiled(words)
        for element in elements(resource, path):
            # A part of a resource is asked about by itself; %resource is the whole. Its `value[x]` has no type there.
            if path and "value" in words:
                element = {**element, **{"value": v for k, v in element.items() if k.startswith("value")}}
            if rule(element, {"resource": resource}) != [True]:
                found.append(name)
    return found


COMPILED: dict[str, object] = {}


def compiled(words: str):
    return COMPILED.setdefault(words, fhirpath(words, models["r4"]))


def some(observations: list[Written]) -> list[dict]:
    """One Observation of each shape: the engine takes its time."""
    shapes = {}
    for written in observations:
        resource = written.resource
        parts = tuple(json.dumps(part["code"]) + str(sorted(part)) for part in resource.get("component", []))
        shapes.setdefault((json.dumps(resource["code"]), tuple(sorted(resource)), resource["status"], parts), resource)
    return list(shapes.values())


def claims(resource: dict, profile: str) -> bool:
    return PROFILE + profile in resource["meta"].get("profile", [])


def codes(concept: dict, system: str) -> set[str]:
    return {coding["code"] for coding in concept["coding"] if coding["system"] == system}


def test_observations_keep_the_rules(observations: list[Written]) -> None:
    chosen = some(observations)
    assert len(chosen) > 150
    for resource in chosen:
        assert broken(resource, OBSERVATION) == [], resource


def test_vital_signs_keep_the_rules_of_their_profile(observations: list[Written]) -> None:
    chosen = [resource for resource in some(observations) if resource["meta"].get("profile")]
    assert len(chosen) > 20
    for resource in chosen:
        assert broken(resource, VITAL) == [], resource


def test_bundles_and_capabilities_keep_the_rules(others: list[Written]) -> None:
    rules = {"Bundle": BUNDLE, "CapabilityStatement": CAPABILITY}
    for written in others:
        assert broken(written.resource, rules.get(written.resource["resourceType"], {})) == [], written.text


@pytest.mark.parametrize(
    ("rules", "rule", "change"),
    [
        (OBSERVATION, "obs-6", {"dataAbsentReason": {"text": "x"}, "valueString": "x"}),
        (OBSERVATION, "obs-7", {"valueString": "x", "component": "itself"}),
        (VITAL, "vs-2", {"component": [], "valueQuantity": None, "dataAbsentReason": None}),
        (VITAL, "vs-3", {"component": [{"code": {"text": "x"}}]}),
    ],
)
def test_the_engine_finds_a_broken_rule(observations: list[Written], rules, rule, change) -> None:
    first = next(written.resource for written in observations if "valueQuantity" in written.resource)
    if change.get("component") == "itself":
        change = {**change, "component": [{"code": first["code"], "valueString": "x"}]}
    resource = {name: value for name, value in {**first, **change}.items() if value}
    if "valueString" in change:
        resource.pop("valueQuantity")
    assert rule in broken(resource, rules)


def test_the_codes_of_vital_signs_come_with_their_profile_and_the_profiles_with_their_codes(observations) -> None:
    count = collections.Counter()
    for resource in (written.resource for written in observations):
        own = codes(resource["code"], LOINC)
        for code, profile in RESERVED.items():
            assert (code not in own) or claims(resource, profile), resource
        for profile, (code, units) in QUANTITIES.items():
            if not claims(resource, profile):
                continue
            count[profile] += 1
            assert code in own
            assert_vital(resource)
            assert not set(resource) & {"valueString", "valueCodeableConcept", "valueSampledData"}
            if "valueQuantity" in resource:
                quantity = resource["valueQuantity"]
                assert quantity["system"] == UCUM and quantity["code"] in units and quantity["unit"], resource
            else:
                assert resource["dataAbsentReason"]["coding"]
    assert set(count) >= set(QUANTITIES) - {"resprate"} and min(count.values()) >= 3, count


def test_a_blood_pressure_follows_its_profile(observations: list[Written]) -> None:
    panels = [written.resource for written in observations if claims(written.resource, "bp")]
    assert len(panels) >= 6
    for panel in panels:
        assert "85354-9" in codes(panel["code"], LOINC)
        assert_vital(panel)
        assert not [name for name in panel if name.startswith("value")]
        for code in ("8480-6", "8462-4"):
            (part,) = [part for part in panel["component"] if code in codes(part["code"], LOINC)]
            if "valueQuantity" in part:
                quantity = part["valueQuantity"]
                assert quantity["system"] == UCUM and quantity["code"] == "mm[Hg]" and quantity["unit"]
            else:
                assert part["dataAbsentReason"]


def assert_vital(resource: dict) -> None:
    """What the profile of all vital signs asks for: category, status, code, subject, and vs-1."""
    assert any("vital-signs" in codes(category, CATEGORY) for category in resource["category"])
    assert resource["subject"]["reference"].startswith("Patient/")
    assert ("effectiveDateTime" in resource) != ("effectivePeriod" in resource)
    if "effectiveDateTime" in resource:
        assert len(resource["effectiveDateTime"]) >= 8


def test_required_codes_are_of_their_value_sets(observations: list[Written], others: list[Written]) -> None:
    assert {written.resource["status"] for written in observations} <= STATUSES
    issues = {"invalid", "login", "forbidden", "not-found", "not-supported", "deleted", "throttled", "transient"}
    for written in others:
        for issue in written.resource.get("issue", []):
            assert issue["code"] in issues and issue["severity"] in {"fatal", "error", "warning", "information"}


def test_times_are_of_the_form_that_fhir_gives_them(observations: list[Written]) -> None:
    """And per-1: no period ends before it begins."""
    form = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")
    for resource in (written.resource for written in observations):
        periods = [part["valuePeriod"] for part in resource.get("component", []) if "valuePeriod" in part]
        periods += [resource["effectivePeriod"]] if "effectivePeriod" in resource else []
        times = [time for period in periods for time in period.values()] + [resource["issued"]]
        times += [resource["meta"]["lastUpdated"]]
        times += [resource["effectiveDateTime"]] if "effectiveDateTime" in resource else []
        for time in times:
            assert form.fullmatch(time), time
            datetime.datetime.fromisoformat(time)
        for period in periods:
            start, end = (datetime.datetime.fromisoformat(period[name]) for name in ("start", "end"))
            assert start <= end, period


def test_references_are_relative_and_point_within_the_patient(observations: list[Written]) -> None:
    for resource in (written.resource for written in observations):
        patient = resource["subject"]["reference"].removeprefix("Patient/")
        assert resource["id"].startswith(patient + ".")
        device = resource.get("device", {}).get("reference")
        assert device is None or device.startswith(f"Device/{patient}.")


def test_nothing_says_who_the_person_is_at_withings(observations: list[Written]) -> None:
    for written in observations:
        assert not re.search(r"userid|grpid|\bgroup\b", written.text)
