"""A translated template, with the questions that the rules ask of it; and the list of all rules.

A rule is a function from `Stack` to complaints: sentences that name the resource and say what is wrong.
"""

from collections.abc import Callable, Iterator

import choices


class Stack:
    """A translated template and the variables that the code reads, with the questions that the rules ask of them.

    `given` are values of parameters: the template is what CloudFormation would make of it with them.
    """

    def __init__(self, template: dict, read: dict[str, set[str]], given: choices.Given | None = None) -> None:
        self.given = given or {}
        self.template = choices.made(template, self.given)
        self.conditions = choices.conditions(template, self.given)
        # What CloudFormation asks of the parameters before it makes anything.
        self.template_rules = template.get("Rules", {})
        self.read = read
        self.parameters = template["Parameters"]

    def of_type(self, kind: str) -> dict[str, dict]:
        """The resources of a type, such as AWS::SQS::Queue, by logical name."""
        return {name: item for name, item in self.template["Resources"].items() if item["Type"] == kind}

    def names(self) -> set[str]:
        """The logical names of all resources that are made."""
        return set(self.template["Resources"])

    def value(self, value: object) -> object:
        """A parameter's value (or default) instead of a reference to it; anything else as it is."""
        if isinstance(value, dict) and value.get("Ref") in self.parameters:
            return self.given.get(value["Ref"], self.parameters[value["Ref"]].get("Default"))
        return value

    def function(self, value: object) -> dict | None:
        """The function that a reference points to, itself or by its alias."""
        item = self.template["Resources"].get(target(value), {})
        if item.get("Type") == "AWS::Lambda::Alias":
            item = self.template["Resources"][target(item["Properties"]["FunctionName"])]
        return item if item.get("Type") == "AWS::Lambda::Function" else None

    def functions(self) -> dict[str, dict]:
        """The functions by their short name (`ingest`), which is in their name after the stack's."""
        items = self.of_type("AWS::Lambda::Function").values()
        return {short(item["Properties"].get("FunctionName")): item for item in items}

    def variables(self, function: str) -> dict[str, object]:
        """The variables that the template sets for a function."""
        return self.functions()[function]["Properties"].get("Environment", {}).get("Variables", {})

    def sources(self, service: str) -> Iterator[tuple[str, dict, dict, dict]]:
        """Event sources of `sqs` or `dynamodb`: name, properties, the function's and the source's properties."""
        kind = {"sqs": "AWS::SQS::Queue", "dynamodb": "AWS::DynamoDB::Table"}[service]
        candidates = self.of_type(kind)
        for name, item in self.of_type("AWS::Lambda::EventSourceMapping").items():
            source = target(item["Properties"]["EventSourceArn"])
            if source in candidates:
                function = self.function(item["Properties"]["FunctionName"])
                yield name, item["Properties"], function["Properties"], candidates[source]["Properties"]

    def statements(self, effect: str = "Allow") -> Iterator[tuple[str, set[str], list]]:
        """Every statement of every role that allows (or denies) something: the role's name, actions, resources."""
        for name, role in self.of_type("AWS::IAM::Role").items():
            for policy in role["Properties"].get("Policies", []):
                for statement in listed(policy["PolicyDocument"]["Statement"]):
                    if statement["Effect"] == effect:
                        yield name, set(listed(statement["Action"])), listed(statement["Resource"])

    def actions(self, role: str, effect: str = "Allow") -> Iterator[tuple[str, object]]:
        """Every action that a role may take (or is denied), with each resource."""
        for name, actions, resources in self.statements(effect):
            if name == role:
                yield from ((action, resource) for action in sorted(actions) for resource in resources)


def listed(value: object) -> list:
    """IAM takes one or a list of many things."""
    return value if isinstance(value, list) else [value]


def target(value: object) -> str | None:
    """The logical name that Ref or GetAtt points to."""
    if isinstance(value, dict):
        if "Ref" in value:
            return value["Ref"]
        if "Fn::GetAtt" in value:
            return listed(value["Fn::GetAtt"])[0].split(".")[0]
        if "Fn::Sub" in value and isinstance(value["Fn::Sub"], str) and value["Fn::Sub"].startswith("${"):
            return value["Fn::Sub"][2:].split("}")[0].split(".")[0]
    return None


def short(name: object) -> str:
    """`ingest` of `!Sub ${AWS::StackName}-ingest`. Other names come back whole."""
    text = name.get("Fn::Sub", "") if isinstance(name, dict) else str(name)
    return text.removeprefix("${AWS::StackName}-")


def retention(queue: dict) -> int:
    """Seconds that a queue keeps a message; AWS's default is four days."""
    return queue.get("MessageRetentionPeriod", 345600)


Rule = Callable[[Stack], Iterator[str]]
RULES: list[Rule] = []


def rule(function: Rule) -> Rule:
    """Adds a rule to the list."""
    RULES.append(function)
    return function
