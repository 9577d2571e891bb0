"""What a translated template makes for given values of its parameters: conditions worked out, as CloudFormation does."""

import itertools
from collections.abc import Iterator

NOTHING = {"Ref": "AWS::NoValue"}

KEY = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"

# What decides which resources there are, beside the default: of these every combination is looked at.
SHAPES: list[dict[str, str]] = [
    {"FrontDoor": "http-api"},
    {"KmsKeyArn": KEY},
    {"Deployment": "AllAtOnce"},
    {"RecordsKinesis": "on"},
    {"ReaderPrincipals": "arn:aws:iam::123456789012:root", "ReaderExternalId": "an-id-of-16-characters"},
]

# What adds or leaves out something of its own: looked at one by one, and all together with each of the above.
EXTRAS: list[dict[str, object]] = [
    {"IngestConcurrency": "20"},
    {"ApiConcurrency": "20"},
    {"AlarmEmail": "operations@example.org"},
    {"QuietHours": 6},
    {"AlarmEmail": "operations@example.org", "MonthlyBudget": 100},
    {"RedirectUrl": "https://api.example.org/v1/oauth/callback"},
    {"RunbooksUrl": "https://example.org/runbooks/"},
    {
        "CollectorLayerArn": "arn:aws:lambda:eu-west-1:123456789012:layer:collector:1",
        "OtlpEndpoint": "http://localhost:4318",
    },
    {"Alarms": "false"},
    {"Standing": "stopped"},
    {"Alarms": "false", "Standing": "stopped", "AlarmEmail": "operations@example.org", "MonthlyBudget": 100, "QuietHours": 6},
]

# What an operator chooses: values of parameters.
Given = dict[str, object]


def every() -> Iterator[Given]:
    """The default first."""
    all_but_silence = {name: value for extra in EXTRAS[:-3] for name, value in extra.items()}
    for chosen in itertools.product([False, True], repeat=len(SHAPES)):
        shape = {name: value for use, choice in zip(chosen, SHAPES, strict=True) if use for name, value in choice.items()}
        yield shape
        yield {**shape, **all_but_silence}
    yield from EXTRAS


def made(template: dict, given: Given) -> dict:
    """The template without conditions: what is not made is left out, and each `Fn::If` is what it comes to."""
    choice = _Choice(template, given)
    resolved = {name: section for name, section in template.items() if name not in ("Conditions", "Rules")}
    for section in ("Resources", "Outputs"):
        items = template.get(section, {})
        resolved[section] = {
            name: choice.resolve({key: value for key, value in item.items() if key != "Condition"})
            for name, item in items.items()
            if "Condition" not in item or choice.holds({"Condition": item["Condition"]})
        }
    return resolved


def conditions(template: dict, given: Given) -> dict[str, bool]:
    """Which conditions hold."""
    choice = _Choice(template, given)
    return {name: choice.holds(condition) for name, condition in template.get("Conditions", {}).items()}


class _Choice:
    def __init__(self, template: dict, given: Given) -> None:
        unknown = set(given) - set(template.get("Parameters", {}))
        if unknown:
            raise ValueError(f"the template has no parameter {sorted(unknown)}")
        self.conditions = template.get("Conditions", {})
        self.values = {name: item.get("Default", "(given)") for name, item in template.get("Parameters", {}).items()}
        self.values |= given

    def holds(self, condition: dict) -> bool:
        ((name, argument),) = condition.items()
        match name:
            case "Condition":
                return self.holds(self.conditions[argument])
            case "Fn::Equals":
                one, other = (self.text(value) for value in argument)
                return one == other
            case "Fn::Not":
                return not self.holds(argument[0])
            case "Fn::And":
                return all(self.holds(part) for part in argument)
            case "Fn::Or":
                return any(self.holds(part) for part in argument)
        raise ValueError(f"{name} is no condition")

    def text(self, value: object) -> str:
        return str(self.values[value["Ref"]] if isinstance(value, dict) else value)

    def resolve(self, value: object) -> object:
        if isinstance(value, list):
            return [item for item in (self.resolve(item) for item in value) if item != NOTHING]
        if not isinstance(value, dict):
            return value
        if "Fn::If" in value:
            condition, then, otherwise = value["Fn::If"]
            return self.resolve(then if self.holds({"Condition": condition}) else otherwise)
        items = ((name, self.resolve(item)) for name, item in value.items())
        return {name: item for name, item in items if item != NOTHING}
