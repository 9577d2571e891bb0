"""Breaking a template on purpose: what the tests share that show of each rule that it can fail.

A breakage is the name of the rule that must notice it, and a function that damages a template in place (a third part
says with which parameters it shows, where that matters).
"""

import copy
import functools
from collections.abc import Callable, Iterable

import choices
import template as source
import variables
from stack import Stack

Damage = Callable[[dict], object]


def damaged(template: dict, damage: Damage) -> dict:
    """A copy of the template, broken."""
    broken = copy.deepcopy(template)
    damage(broken)
    return broken


@functools.cache
def _read() -> dict[str, set[str]]:
    return variables.of_code()


def stack_of(template: dict, given: choices.Given) -> Stack:
    """The stack that a template makes with these values of parameters."""
    return Stack(source.translate(template, {"Deployment": "Canary10Percent5Minutes"} | given), _read(), given)


def properties(template: dict, resource: str) -> dict:
    """A resource's properties, for the changing."""
    return template["Resources"][resource]["Properties"]


def statement(template: dict, role: str, sid: str) -> dict:
    """A statement of a role by its Sid, also one that is there under a condition only."""
    found = list(properties(template, role)["Policies"][0]["PolicyDocument"]["Statement"])
    found += [item["Fn::If"][1] for item in found if "Fn::If" in item]
    return next(item for item in found if item.get("Sid") == sid)


def complaints(rules: Iterable[Callable], name: str, subject: object) -> list[str]:
    """What the rule of this name says of a stack (or of whatever it is a rule about)."""
    return list(next(rule for rule in rules if rule.__name__ == name)(subject))


def unshown(rules: Iterable[Callable], breakages: dict[str, tuple], *modules: str) -> set[str]:
    """Rules of these modules (of all, if none is named) that no breakage shows to fail, and names that are no rule's."""
    names = {rule.__name__ for rule in rules if not modules or rule.__module__ in modules}
    return names ^ {breakage[0] for breakage in breakages.values()}
