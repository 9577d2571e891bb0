"""docs/deploying.md has every parameter, as the template has it, and names none that there is not."""

import os
import re

import parameters
import template
import variables

SOURCE = template.source()


def test_the_page_has_every_parameter_as_the_template_has_it() -> None:
    text, derived = parameters.PAGE.read_text(), parameters.table(SOURCE)
    if os.environ.get("UPDATE"):
        text = parameters.put_into(text, derived)
        parameters.PAGE.write_text(text)
    assert parameters.of_page(text) == derived, "docs/deploying.md differs: UPDATE=1 make check-template"


def test_another_default_is_another_table() -> None:
    changed = template.source()
    changed["Parameters"]["LogRetentionDays"]["Default"] = 1
    assert parameters.table(changed) != parameters.table(SOURCE)


def test_no_page_sets_a_parameter_that_there_is_not() -> None:
    pages = [*variables.ROOT.glob("docs/**/*.md"), variables.ROOT / "README.md"]
    for page in pages:
        for line in re.findall(r'PARAMETERS="([^"]*)"', page.read_text()):
            named = set(re.findall(r"\b([A-Z][A-Za-z0-9]+)=", line))
            assert named <= set(SOURCE["Parameters"]), f"{page.name}: {sorted(named - set(SOURCE['Parameters']))}"


def test_outputs_that_the_page_names_are_there() -> None:
    page = parameters.PAGE.read_text()
    named = set(re.findall(r"output `(\w+)`", page))
    assert named and named <= set(SOURCE["Outputs"]), named - set(SOURCE["Outputs"])
