"""The table of parameters in docs/deploying.md, as the template has them."""

import pathlib
import re

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "deploying.md"

BEGIN = "<!-- Derived from infra/template.yaml: UPDATE=1 make check-template. -->\n"
END = "<!-- End of what is derived. -->\n"


def table(template: dict) -> str:
    """A table for each group of parameters."""
    parts = []
    for group in template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]:
        parts.append(f"\n### {group['Label']['default']}\n\n| parameter | default | may be | means |\n|---|---|---|---|\n")
        parts += [_row(name, template["Parameters"][name]) for name in group["Parameters"]]
    return "".join(parts) + "\n"


def of_page(text: str) -> str:
    """What stands between the marks."""
    return text.split(BEGIN)[1].split(END)[0]


def put_into(text: str, derived: str) -> str:
    """The page with another table."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + derived + END + rest.split(END)[1]


def _row(name: str, item: dict) -> str:
    default = item.get("Default", "(must be given)")
    shown = f"`{default}`" if str(default) and "Default" in item else ("empty" if default == "" else default)
    description = re.sub(r"\s+", " ", item["Description"]).strip().replace("|", "\\|").replace("<", "&lt;")
    hidden = " Hidden in the console." if str(item.get("NoEcho")).lower() == "true" else ""
    return f"| `{name}` | {shown} | {_bounds(item)} | {description}{hidden} |\n"


def _bounds(item: dict) -> str:
    values = item.get("AllowedValues")
    if values:
        return ", ".join(f"`{value}`" for value in values)
    if "MinValue" in item:
        return f"{item['MinValue']} to {item['MaxValue']}" if "MaxValue" in item else f"{item['MinValue']} or more"
    if "MaxLength" in item:
        return f"up to {item['MaxLength']} characters"
    return "a text of its form"
