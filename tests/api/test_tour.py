"""docs/tour.md: its commands, one after the other in one shell, against a stack of their own."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

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


def test_what_is_not_run_is_what_only_a_person_can_do() -> None:
    fences = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    left_out = [fence for fence in fences if fence not in [commands for _, commands in STEPS]]
    assert [fence.split()[0] for fence in left_out] == ["make", "export", "export"]
