"""The translated template in a form for reviewers: what there is, its properties sorted, each permission on a line.

A change of the template shows in the diff of this text as what it means in the account: a permission more, a default
changed, a queue that forgets earlier.
"""

import hashlib
import json
from collections.abc import Iterator

from stack import listed

# A longer text (the body of a dashboard) is told by its digest; the template's own diff shows it.
LONGEST = 400


def digest(template: dict) -> str:
    """The whole text."""
    lines = [
        "What infra/template.yaml means in an account, derived from its translation. After a change of the template:",
        "UPDATE=1 make check-template. Read the diff of this file: every line of a role is one permission.",
    ]
    for section, write in SECTIONS.items():
        lines += ["", section]
        for name, item in sorted(template.get(section, {}).items()):
            lines += [f"  {line}".rstrip() for line in write(name, item)]
    return "\n".join(lines) + "\n"


def _parameter(name: str, item: dict) -> Iterator[str]:
    yield f"{name} {item['Type']}"
    yield from _properties({key: value for key, value in item.items() if key not in ("Type", "Description")})


def _condition(name: str, item: object) -> Iterator[str]:
    yield f"{name} = {text(item)}"


def _resource(name: str, item: dict) -> Iterator[str]:
    yield f"{name} {item['Type']}"
    yield from _properties({key: value for key, value in item.items() if key not in ("Type", "Properties")})
    properties = dict(item.get("Properties", {}))
    if item["Type"] == "AWS::IAM::Role":
        for statement in _statements(properties.pop("AssumeRolePolicyDocument")):
            yield from (f"  {line}" for line in _permissions("assume", statement))
        for policy in properties.pop("Policies", []):
            yield from _policy(policy)
    for key in ("PolicyDocument", "ResourcePolicy"):
        if isinstance(properties.get(key), dict) and "Statement" in properties[key]:
            for statement in _statements(properties.pop(key)):
                yield from (f"  {line}" for line in _permissions("", statement))
    yield from _properties(properties)


def _mapping(name: str, item: dict) -> Iterator[str]:
    yield name
    yield from _properties(item)


def _output(name: str, item: dict) -> Iterator[str]:
    when = f" if {item['Condition']}" if "Condition" in item else ""
    yield f"{name} = {text(item['Value'])}{when}"


SECTIONS = {
    "Parameters": _parameter,
    "Rules": _mapping,
    "Mappings": _mapping,
    "Conditions": _condition,
    "Resources": _resource,
    "Outputs": _output,
}


def _policy(policy: dict) -> Iterator[str]:
    """A policy of a role; it may be there under a condition only."""
    for when, branch in branches(policy):
        for statement in _statements(branch["PolicyDocument"]):
            yield from (f"  {line}{when}" for line in _permissions("", statement))


def _statements(document: dict) -> list[dict]:
    found = []
    for statement in listed(document["Statement"]):
        for when, branch in branches(statement):
            found.append({**branch, "When": when})
    return found


def branches(value: object) -> Iterator[tuple[str, dict]]:
    """What stands under conditions (Fn::If), each with the condition; what is left out (AWS::NoValue) is not told."""
    if isinstance(value, dict) and "Fn::If" in value:
        condition, then, otherwise = value["Fn::If"]
        for name, branch in ((condition, then), (f"not {condition}", otherwise)):
            for when, inner in branches(branch):
                yield f" if {name}{when}", inner
    elif value != {"Ref": "AWS::NoValue"}:
        yield "", value


def _permissions(prefix: str, statement: dict) -> Iterator[str]:
    """One line for each action on each resource, of each principal."""
    effect = statement["Effect"].lower()
    only = f" only if {text(statement['Condition'])}" if "Condition" in statement else ""
    principal = f" {text(statement['Principal'])}" if "Principal" in statement else ""
    sid = f" ({statement['Sid']})" if "Sid" in statement else ""
    for action in sorted(listed(statement["Action"])):
        for resource in sorted(text(resource) for resource in listed(statement.get("Resource", ""))):
            words = [prefix, effect, action, resource]
            yield " ".join(word for word in words if word) + principal + only + sid + statement["When"]


def _properties(value: object, path: str = "") -> Iterator[str]:
    """A line for each leaf, by its path."""
    # At the top there are names of properties, of which one may be `Condition`.
    if isinstance(value, dict) and value and not (path and is_intrinsic(value)):
        for key in sorted(value):
            yield from _properties(value[key], f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, dict) and not is_intrinsic(item) for item in value):
        for place, item in enumerate(value):
            yield from _properties(item, f"{path}[{place}]")
    elif path:
        yield f"  {path} = {text(value)}"


def is_intrinsic(value: object) -> bool:
    """Whether CloudFormation puts something else in its place."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::", "Condition"))


def text(value: object) -> str:
    """A value on one line, references as a reader would write them."""
    if isinstance(value, dict):
        if set(value) == {"Ref"}:
            written = value["Ref"]
        elif set(value) == {"Condition"} and isinstance(value["Condition"], str):
            written = value["Condition"]
        elif set(value) == {"Fn::GetAtt"}:
            written = ".".join(listed(value["Fn::GetAtt"]))
        elif set(value) == {"Fn::Sub"}:
            written = text(value["Fn::Sub"])
        elif set(value) == {"Fn::If"}:
            condition, then, otherwise = value["Fn::If"]
            written = f"({text(then)} if {condition} else {text(otherwise)})"
        elif set(value) == {"Fn::Join"} and isinstance(value["Fn::Join"][1], list):
            separator, parts = value["Fn::Join"]
            written = separator.join("${" + text(part) + "}" if is_intrinsic(part) else str(part) for part in parts)
        else:
            written = ", ".join(f"{key}: {text(item)}" for key, item in sorted(value.items()))
            written = "{" + written + "}"
    elif isinstance(value, list):
        written = "[" + ", ".join(text(item) for item in value) + "]"
    elif isinstance(value, bool) or value is None:
        written = json.dumps(value)
    else:
        written = str(value)
    if len(written) > LONGEST:
        return f"(a text of {len(written)} characters, SHA-256 {hashlib.sha256(written.encode()).hexdigest()[:16]})"
    return " ".join(written.split())
