"""A search for secrets and health values in everything that the functions wrote or told a collector of OpenTelemetry, and
in the problems that callers were told, in a run of all tests.

    .venv/bin/python infra/checks/leaks.py target/traces

The last step of `make test`. What is searched for: the secrets of every stack of the run and the values that tests
planted (both are noted while the tests run: infra/local/src/traces), and whatever looks like a secret of ours. What is
found is told by its kind and place, never by itself.
"""

import pathlib
import re
import sys
from collections.abc import Iterator

# Secrets that are known by their looks. The simulated Withings begins its tokens and codes with the same digits.
LOOKS = {
    "an access token, refresh token or code of Withings": rb"70ce4070ce40[0-9a-f]{28}",
    "an API key": rb"afk_[a-z0-9]{26}_[0-9a-f]{64}",
    "a signing secret": rb"whsec_[A-Za-z0-9+/]{24,}={0,2}",
    "a link's token": rb"lnk_[0-9a-f]{64}",
    "a bearer's header": rb"[Bb]earer (?!\[)[A-Za-z0-9._~+/-]{16,}",
    "an AWS signature": rb"AWS4-HMAC-SHA256 Credential=",
}

# What is searched.
SEARCHED = ("logs", "answers", "spans")


def planted(folder: pathlib.Path) -> dict[bytes, str]:
    """Every value that was planted, with its kind."""
    values = {}
    for file in sorted((folder / "planted").glob("*.txt")):
        for line in file.read_bytes().splitlines():
            kind, _, value = line.partition(b"\t")
            values[value] = kind.decode()
    return values


def leaks(folder: pathlib.Path) -> Iterator[str]:
    """Every line that shows something, by file, line number and kind."""
    values = planted(folder)
    # One expression, so that each line is read once. The longest first: one value may begin another.
    texts = sorted(values, key=len, reverse=True)
    known = re.compile(b"|".join(re.escape(text) for text in texts)) if texts else None
    looks = {kind: re.compile(pattern) for kind, pattern in LOOKS.items()}
    for part in SEARCHED:
        for file in sorted((folder / part).glob("*.txt")):
            for number, line in enumerate(file.read_bytes().splitlines(), 1):
                kinds = {kind for kind, pattern in looks.items() if pattern.search(line)}
                if known:
                    kinds.update(values[match.group()] for match in known.finditer(line))
                for kind in sorted(kinds):
                    yield f"{part}/{file.name}:{number}: {kind}"


def main(name: str) -> int:
    """Searches, and tells how much was searched for what."""
    folder = pathlib.Path(name)
    found = list(leaks(folder))
    for line in found[:100]:
        print(line)
    lines = {
        part: sum(file.read_bytes().count(b"\n") for file in (folder / part).glob("*.txt")) for part in SEARCHED
    }
    values = planted(folder)
    for part, count in lines.items():
        if not count:
            print(f"nothing in {folder / part}: was the whole suite run with traces?")
    if not values:
        print("nothing was planted: was the whole suite run with traces?")
    print(
        f"leaks: {lines['logs']} lines of logs, {lines['answers']} of problems and {lines['spans']} of spans searched for"
        f" {len(values)} planted values and {len(LOOKS)} kinds of secrets, {len(found)} found"
    )
    return 1 if found or not values or not all(lines.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
