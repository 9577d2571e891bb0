"""What is kept here and derived from the template: the text for reviewers, and what the CDK construct is made of."""

import json
import pathlib
import textwrap
from collections.abc import Callable

import review

ROOT = pathlib.Path(__file__).parents[2]

# Of a line of a comment in TypeScript.
WIDTH = 110

TYPES = {"Number": "number", "CommaDelimitedList": "string[]"}


def cdk_template(translated: dict) -> str:
    """The translation as the CDK includes it (it cannot translate by itself). Where the code lies, the construct says."""
    return json.dumps(translated, indent=1, sort_keys=True) + "\n"


def cdk_parameters(translated: dict) -> str:
    """The template's parameters as TypeScript."""
    parameters = translated["Parameters"]
    hidden = sorted(name for name, item in parameters.items() if is_hidden(item))
    lines = [
        "// Derived from infra/template.yaml by infra/checks/derived.py: UPDATE=1 make check-template.",
        "",
        "/** The template's parameters. What is left out has the template's default. */",
        "export interface AfferentParameters {",
    ]
    for name, item in sorted(parameters.items()):
        if name in hidden:
            continue
        lines.append("  /**")
        lines += [f"   * {line}" for line in _described(item)]
        lines.append("   */")
        optional = "?" if "Default" in item else ""
        lines.append(f"  readonly {_camel(name)}{optional}: {_type(item)};")
    lines += [
        "}",
        "",
        "/**",
        " * Parameters that are secrets. They stay parameters of the stack (`cdk deploy --parameters Name=value`), because a",
        " * value in code would stand in the synthesised template in the clear.",
        " */",
        f"export const SECRET_PARAMETERS = {_list(hidden)} as const;",
        "",
        "/** The template's names of the parameters. */",
        "export const PARAMETER_NAMES: Readonly<Record<keyof AfferentParameters, string>> = {",
    ]
    lines += [f"  {_camel(name)}: {json.dumps(name)}," for name in sorted(parameters) if name not in hidden]
    lines.append("};")
    return "\n".join(lines) + "\n"


def is_hidden(parameter: dict) -> bool:
    """Whether CloudFormation hides the parameter's value."""
    return str(parameter.get("NoEcho")).lower() == "true"


def _described(parameter: dict) -> list[str]:
    # A comment must not be ended by what it quotes.
    text = " ".join(str(parameter.get("Description", "")).split()).replace("*/", "* /")
    lines = textwrap.wrap(text, WIDTH)
    for key, words in (("MinValue", "At least"), ("MaxValue", "At most"), ("MaxLength", "Characters at most:")):
        if key in parameter:
            lines.append(f"{words} {parameter[key]}.")
    if "Default" in parameter:
        lines.append(f"@default {json.dumps(parameter['Default'])}".replace("*/", "* /"))
    return lines


def _type(parameter: dict) -> str:
    allowed = parameter.get("AllowedValues")
    if allowed:
        return " | ".join(json.dumps(value) for value in allowed)
    return TYPES.get(parameter["Type"], "string")


def _list(names: list[str]) -> str:
    return "[" + ", ".join(json.dumps(name) for name in names) + "]"


def _camel(name: str) -> str:
    return name[0].lower() + name[1:]


DERIVED: dict[str, Callable[[dict], str]] = {
    "infra/review/stack.txt": review.digest,
    "infra/cdk/template.json": cdk_template,
    "infra/cdk/lib/parameters.ts": cdk_parameters,
}
