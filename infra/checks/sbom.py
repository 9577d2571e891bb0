"""What each deployed function is made of, in CycloneDX 1.5: `make sbom` writes target/sbom/<function>.json.

From `cargo tree`, because it resolves the features of the one function as the build does; tools that read
`cargo metadata` list whatever any program of the workspace turns on. Macros run in the compiler and are not part of what is deployed.
"""

import json
import pathlib
import re
import subprocess
import sys
import tomllib

import variables

# Name, version, licence, and the line's depth before them.
LINE = re.compile(r"(\d+)(\S+) v(\S+)(?: \(.*\))?\|(.*)")


def document(function: str, tree: str, checksums: dict[tuple[str, str], str]) -> dict:
    """The bill of one function. `tree` is what cargo prints with `--prefix depth` and `--format {p}|{l}`."""
    path: list[str] = []
    components: dict[str, dict] = {}
    needs: dict[str, set[str]] = {}
    for line in tree.splitlines():
        depth, name, version, licence = LINE.fullmatch(line).groups()
        checksum = checksums.get((name, version))
        ref = f"pkg:cargo/{name}@{version}"
        component = {"type": "library", "bom-ref": ref, "name": name, "version": version}
        if licence:
            component["licenses"] = [{"expression": licence.replace("/", " OR ")}]
        if checksum:
            component |= {"purl": ref, "hashes": [{"alg": "SHA-256", "content": checksum}]}
        components[ref] = component
        del path[int(depth) :]
        if path:
            needs.setdefault(path[-1], set()).add(ref)
        path.append(ref)
    root = next(iter(components))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {**components.pop(root), "type": "application"}},
        "components": [components[ref] for ref in sorted(components)],
        "dependencies": [{"ref": ref, "dependsOn": sorted(needs.get(ref, ()))} for ref in [root, *sorted(components)]],
    }


def checksums(lock: str) -> dict[tuple[str, str], str]:
    """The SHA-256 of every crate that comes from the registry."""
    packages = tomllib.loads(lock)["package"]
    return {(item["name"], item["version"]): item["checksum"] for item in packages if "checksum" in item}


def tree(function: str, architecture: str) -> str:
    """What cargo says of one function."""
    options = ["--edges", "normal,no-proc-macro", "--no-dedupe", "--prefix", "depth", "--format", "{p}|{l}"]
    command = ["cargo", "tree", "--locked", "--package", function, "--target", architecture, *options]
    return subprocess.run(command, cwd=variables.ROOT, capture_output=True, text=True, check=True).stdout


def main(folder: str, architecture: str) -> None:
    """Writes all bills."""
    known = checksums((variables.ROOT / "Cargo.lock").read_text())
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    for function in variables.FUNCTIONS:
        bill = document(function, tree(function, architecture), known)
        pathlib.Path(folder, f"{function}.json").write_text(json.dumps(bill, indent=1) + "\n")
        print(f"{function}: {len(bill['components'])} crates")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
