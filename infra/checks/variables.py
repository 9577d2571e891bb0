"""What the code says and the template must fit: the environment variables that each function reads, and a limit."""

import pathlib
import re
import tomllib

ROOT = pathlib.Path(__file__).parents[2]

FUNCTIONS = ("ingest", "fetcher", "fanout", "dispatcher", "keeper", "api")

# `Env::required`, `Env::optional` and `Env::parsed`; `variable` is what shared/aws calls the second, and `number(env, …)` what
# the dispatcher calls the third with its bounds.
READ = re.compile(r'\b(?:required|optional|parsed|variable|number)(?:::<\w+>)?\(\s*(?:env,\s*)?"([A-Z][A-Z0-9_]*)"')

# Read by the code and knowingly not set by the template, each with its reason.
NOT_SET = {
    "AWS_REGION": "Lambda sets it",
    "AWS_ACCESS_KEY_ID": "Lambda sets it",
    "AWS_SECRET_ACCESS_KEY": "Lambda sets it",
    "AWS_SESSION_TOKEN": "Lambda sets it",
    "AWS_LAMBDA_FUNCTION_NAME": "Lambda sets it",
    "AWS_LAMBDA_LOG_FORMAT": "Lambda sets it from LoggingConfig",
    "AWS_LAMBDA_LOG_LEVEL": "Lambda sets it from LoggingConfig",
    "AWS_ENDPOINT_URL": "for emulators; without it the endpoints follow from the region",
    "AWS_CA_BUNDLE": "for emulators; without it Amazon's roots are trusted and no others",
}


def of_code(root: pathlib.Path = ROOT) -> dict[str, set[str]]:
    """Every variable that a function reads, itself or in the crates of `shared` that it depends on, by function."""
    return {name: set().union(*map(_of_crate, _crates(root, root / "functions" / name))) for name in FUNCTIONS}


def most_receives(root: pathlib.Path = ROOT) -> int:
    """How often the message of a delivery is received before the code replaces it."""
    text = (root / "shared/domain/src/delivery/hold.rs").read_text()
    return int(re.search(r"const MOST_RECEIVES: u32 = (\d+);", text)[1])


def _crates(root: pathlib.Path, crate: pathlib.Path) -> set[pathlib.Path]:
    dependencies = tomllib.loads((crate / "Cargo.toml").read_text())["dependencies"]
    ours = (root / "shared" / name.removeprefix("afferent-") for name in dependencies if name.startswith("afferent-"))
    return {crate}.union(*(_crates(root, dependency) for dependency in ours))


def _of_crate(crate: pathlib.Path) -> set[str]:
    # Unit tests stand at the end of a file.
    texts = (path.read_text().split("#[cfg(test)]")[0] for path in (crate / "src").rglob("*.rs"))
    return {name for text in texts for name in READ.findall(text)}
