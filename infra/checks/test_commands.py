"""What a runbook says to type can be typed."""

import pathlib
import re

import commands
import pytest
import template
from commands import PAGES, blocks, calls, routes

MAKEFILE = (commands.ROOT / "Makefile").read_text()
PARAMETERS = set(template.source()["Parameters"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_its_commands_are_there(page: pathlib.Path) -> None:
    text = page.read_text()
    wrong = [complaint for call in calls(text, "aws") if (complaint := commands.unknown_to_aws(call))]
    for call in calls(text, "make"):
        wrong += filter(None, [commands.unknown_to_make(call, MAKEFILE)])
        wrong += [f"{call}: no parameter {name}" for name in commands.parameters(call) - PARAMETERS]
    # A setting by itself, such as `WithingsLimit=80`.
    named = {found[1] for line in blocks(text) if (found := re.fullmatch(r"([A-Z][a-z]+[A-Z]\w*)=\S+", line))}
    wrong += [f"no parameter {name}" for name in named - PARAMETERS]
    wrong += [f"the API has no {route}" for route in routes(text) if route not in commands.of_the_api()]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_its_links_lead_somewhere(page: pathlib.Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_pages_are_full_of_commands() -> None:
    # So that a change of how they are found does not leave the tests above with nothing to look at.
    text = "\n".join(page.read_text() for page in PAGES)
    assert len(set(calls(text, "aws"))) > 40
    assert len(set(calls(text, "make"))) > 15
    assert len(set(routes(text))) > 8
    nested = 'aws sqs purge-queue --queue-url "$(aws sqs get-queue-url --queue-name q --output text)" --region r'
    assert [call[:2] for call in calls(f"```sh\n{nested}\n```", "aws")] == [
        ("sqs", "get-queue-url"),
        ("sqs", "purge-queue"),
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("aws sqs purge-queues --queue-url u", "aws sqs has no purge-queues"),
        ("aws sqs purge-queue --queue u", "aws sqs purge-queue has no --queue"),
        ("aws queues purge --url u", "aws has no service queues"),
        ("aws logs tail g --until 1h", "aws logs tail has no --until"),
        ('x=$(aws sqs get-queue-url --name "$Q")', "aws sqs get-queue-url has no --name"),
    ],
)
def test_a_command_that_aws_does_not_have_is_noticed(line: str, complaint: str) -> None:
    (call,) = calls(f"```sh\n{line}\n```", "aws")
    assert commands.unknown_to_aws(call) == complaint


def test_what_make_does_not_have_is_noticed() -> None:
    (call,) = calls("`make halt FN=keeper`", "make")
    assert commands.unknown_to_make(call, MAKEFILE) == "make has no halt"
    (call,) = calls("`make stop FUNCTION=keeper`", "make")
    assert commands.unknown_to_make(call, MAKEFILE) == "make stop knows no FUNCTION"
    (call,) = calls('`make deploy PARAMETERS="Memory=1 LogLevel=INFO"`', "make")
    assert commands.parameters(call) - PARAMETERS == {"Memory"}


def test_a_route_that_the_api_does_not_have_is_noticed() -> None:
    (route,) = routes("`POST /v1/endpoints/{endpoint}/stop`")
    assert route == ("POST", "/v1/endpoints/{}/stop")
    assert route not in commands.of_the_api()
    (route,) = routes('```sh\ncurl -X POST "$AFFERENT_URL/v1/endpoints/$ENDPOINT/disable"\n```')
    assert route in commands.of_the_api()
