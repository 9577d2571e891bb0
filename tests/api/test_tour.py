"""docs/tour.md: its commands, one after the other in one shell, against a stack of their own."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import local

TEXT = (local.ROOT / "docs/tour.md").read_text()
# A fence, and before it the mark of what is run, with what its output holds (a regular expression).
STEPS = re.findall(r"<!-- tour(?:: (.+?))? -->\n```sh\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
# Printed after each step, so that its output can be told from the next one's.
END = "----- end of step {} -----"
# A minute until the scheduler ticks, and as much again for a slow machine.
PATIENCE_S = 240


def test_every_command_of_the_tour_does_what_it_says() -> None:
    assert shutil.which("curl"), "the tour is made of curl, and there is none here"
    script = "set -eu -o pipefail\n" + "".join(f"{commands}\necho '{END.format(n)}'\n" for n, (_, commands) in enumerate(STEPS))
    with local.running("--gap-ms", "50") as stack:
        path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
        variables = {"PATH": path, "API": stack.front, "KEY": stack.key, "RECEIVER": stack.receiver}
        done = subprocess.run(["bash", "-c", script], env=variables, capture_output=True, text=True, timeout=PATIENCE_S)
        rest = done.stdout
        assert done.returncode == 0, f"{rest}\n{done.stderr}"
        assert "urn:afferent:problem:" not in rest, f"something was refused:\n{rest}"
        for number, (expected, commands) in enumerate(STEPS):
            shown, rest = rest.split(END.format(number), 1)
            assert re.search(expected or "", shown, re.MULTILINE), f"{commands}\nshows\n{shown}\nand not {expected}"


def test_the_commands_of_the_readme_connect_somebody_and_read_what_comes_of_it() -> None:
    readme = (local.ROOT / "README.md").read_text()
    commands = next(fence for fence in re.findall(r"^```sh\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE) if "/v1/link" in fence)
    link, find, read = commands.strip().splitlines()

    def run(command: list[str]) -> str:
        done = subprocess.run(command, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def typed(command: str, stack: local.Stack, user: str = "") -> dict:
        filled = command.replace("afk_…", stack.key).replace("http://127.0.0.1:8000", stack.front).replace("usr_…", user)
        return json.loads(run(["bash", "-c", filled]))

    with local.running("--gap-ms", "50") as stack, tempfile.TemporaryDirectory() as folder:
        address, cookies = typed(link, stack)["link_url"], f"{folder}/cookies"
        # What the browser does with it.
        run(["curl", "-sS", "-c", cookies, "-o", f"{folder}/page", address])
        went_on = ["curl", "-sS", "-L", "-b", cookies, address, "-d", "choice=continue", "-H", "Accept: application/json"]
        assert '"connected"' in run(went_on)
        found = typed(find, stack)["users"]
        assert [one["reference_id"] for one in found] == ["person-1"]
        assert "records" in typed(read, stack, found[0]["user"])


def test_what_is_not_run_is_what_only_a_person_can_do() -> None:
    fences = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    left_out = [fence for fence in fences if fence not in [commands for _, commands in STEPS]]
    assert [fence.split()[0] for fence in left_out] == ["make", "export", "export"]
