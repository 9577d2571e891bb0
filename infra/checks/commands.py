"""The commands of the runbooks: what they call must be there.

Those of `afferent` are held against the tool itself by `infra/operator/tests/tool/runbooks.rs`.
"""

import functools
import json
import pathlib
import re
from collections.abc import Iterator

import botocore.session
from botocore import xform_name

ROOT = pathlib.Path(__file__).parents[2]

PAGES = [*sorted((ROOT / "docs" / "runbooks").glob("*.md")), ROOT / "docs" / "operating.md"]

# Options of every command of the AWS CLI, as far as the runbooks use them (AWS CLI v2, "Command line options"; the
# second line is of commands that give pages).
GLOBAL = {"cli-binary-format", "endpoint-url", "output", "profile", "query", "region"} | {
    "max-items",
    "page-size",
    "starting-token",
}

# Commands that are the CLI's own, beside the operations of the services, with their options (AWS CLI v2, `aws logs tail`).
OF_THE_CLI = {("logs", "tail"): {"filter-pattern", "follow", "format", "since"}}

Command = tuple[str, ...]


def blocks(page: str) -> Iterator[str]:
    """The lines of a page's shell blocks, and its inline code."""
    yield from (line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines())
    yield from re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"```.*?```", "", page, flags=re.DOTALL))


def _nested(line: str) -> Iterator[str]:
    """A line's commands: itself, and those in `$(…)`, each by itself. What is between single quotes is no command."""
    line = re.sub(r"'[^']*'", "''", line)
    open_: list[list[str]] = [[]]
    for part in re.split(r"(\$\(|\))", line):
        if part == "$(":
            open_.append([])
        elif part == ")" and len(open_) > 1:
            yield "".join(open_.pop())
        else:
            open_[-1].append(part)
    yield from ("".join(parts) for parts in open_)


def calls(page: str, program: str) -> Iterator[Command]:
    """Every call of a program on a page, as words."""
    for line in blocks(page):
        for command in _nested(line):
            found = re.search(rf"(?:^|[=|;&(] ?|\s){program} (.*)", command)
            if found:
                yield tuple(re.split(r"[|;]", found[1])[0].split())


@functools.cache
def _service(name: str) -> dict[str, set[str]] | None:
    """The operations of a service as the CLI names them, each with its options."""
    session = botocore.session.get_session()
    if name not in session.get_available_services():
        return None
    model = session.get_service_model(name)
    operations = {}
    for operation in map(model.operation_model, model.operation_names):
        members = operation.input_shape.members.items() if operation.input_shape else []
        options = {xform_name(member, "-") for member, _ in members}
        options |= {f"no-{xform_name(member, '-')}" for member, shape in members if shape.type_name == "boolean"}
        operations[xform_name(operation.name, "-")] = options
    return operations


def unknown_to_aws(call: Command) -> str | None:
    """What the AWS CLI would not understand of a call."""
    service, operation, *words = call
    options = OF_THE_CLI.get((service, operation))
    if options is None:
        operations = _service(service)
        if operations is None:
            return f"aws has no service {service}"
        if operation not in operations:
            return f"aws {service} has no {operation}"
        options = operations[operation]
    for word in words:
        option = re.fullmatch(r"--([a-z0-9-]+)", word)
        if option and option[1] not in options | GLOBAL:
            return f"aws {service} {operation} has no --{option[1]}"
    return None


def targets(makefile: str) -> set[str]:
    """What can be made."""
    return set(re.findall(r"^([a-z0-9-]+)(?: [a-z0-9- ]+)?:(?!=).*$", makefile, re.MULTILINE)) | {
        target for line in re.findall(r"^([a-z0-9-]+(?: [a-z0-9-]+)+):", makefile, re.MULTILINE) for target in line.split()
    }


def unknown_to_make(call: Command, makefile: str) -> str | None:
    """What make would not understand of a call."""
    if call[0] not in targets(makefile):
        return f"make has no {call[0]}"
    variables = set(re.findall(r"^([A-Z_]+) \??=", makefile, re.MULTILINE)) | {"FN"}
    for word in call[1:]:
        name = re.match(r"([A-Z]+)=", word)
        if name and name[1] not in variables:
            return f"make {call[0]} knows no {name[1]}"
    return None


def parameters(call: Command) -> set[str]:
    """The template's parameters that a deployment sets."""
    return set(re.findall(r'(?:PARAMETERS="|\s)([A-Z][a-z][A-Za-z0-9]*)=', " ".join(call)))


def routes(page: str) -> Iterator[tuple[str, str]]:
    """Every route of the API on a page: method and path, with `{}` for what is to be filled in."""
    for line in blocks(page):
        path = re.search(r"(/v1/[A-Za-z0-9_/{}$-]*)", line)
        if not path:
            continue
        method = re.search(r"\b(GET|POST|PATCH|DELETE|PUT)\b", line)
        yield (method[1] if method else "GET"), re.sub(r"\{[a-z]+\}|\$[A-Z_]+", "{}", path[1].rstrip("/"))


@functools.cache
def of_the_api() -> set[tuple[str, str]]:
    document = json.loads((ROOT / "docs" / "openapi.json").read_text())
    return {
        (method.upper(), re.sub(r"\{[^}]*\}", "{}", path)) for path, item in document["paths"].items() for method in item
    }
