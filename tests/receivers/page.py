"""What docs/delivery.md shows: its snippets by name, and its tables."""

import pathlib
import re

ROOT = pathlib.Path(__file__).parents[2]
TEXT = (ROOT / "docs/delivery.md").read_text()

# A fence without this line before it is no snippet but an illustration.
SNIPPETS: dict[str, str] = dict(re.findall(r"<!-- snippet: (\S+) -->\n```\w+\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE))


def python(name: str) -> dict:
    """What a Python snippet defines."""
    defined: dict = {"__name__": name}
    exec(compile(SNIPPETS[name], f"docs/delivery.md: {name}", "exec"), defined)
    return defined


def table(first_heading: str) -> dict[str, str]:
    """The rows of the table whose first column has this heading: its first column's names, in code marks, to its second."""
    rows = TEXT.split(f"| {first_heading} |", 1)[1].splitlines()[2:]
    cells = [row.strip("| ").split(" | ") for row in rows[: rows.index("")]]
    return {name: cell[1] for cell in cells for name in re.findall(r"`([^`]+)`", cell[0])}
