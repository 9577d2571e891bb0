"""The bill of materials names what cargo names."""

import sbom
import variables

TREE = """\
0ingest v0.1.0 (/somewhere/functions/ingest)|MIT OR Apache-2.0
1afferent-domain v0.1.0 (/somewhere/shared/domain)|MIT OR Apache-2.0
2ring v0.17.14|Apache-2.0 AND ISC
1ring v0.17.14|Apache-2.0 AND ISC
1fnv v1.0.7|Apache-2.0 / MIT
"""


def test_every_crate_is_there_once_with_licence_checksum_and_what_it_needs() -> None:
    bill = sbom.document("ingest", TREE, {("ring", "0.17.14"): "ab" * 32})
    names = [component["name"] for component in bill["components"]]
    assert names == ["afferent-domain", "fnv", "ring"]
    assert bill["metadata"]["component"]["name"] == "ingest"
    ring = bill["components"][2]
    assert ring["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    assert ring["purl"] == "pkg:cargo/ring@0.17.14"
    assert ring["licenses"] == [{"expression": "Apache-2.0 AND ISC"}]
    needs = {item["ref"]: item["dependsOn"] for item in bill["dependencies"]}
    assert needs["pkg:cargo/afferent-domain@0.1.0"] == ["pkg:cargo/ring@0.17.14"]
    assert len(needs["pkg:cargo/ingest@0.1.0"]) == 3


def test_every_crate_of_the_registry_has_a_checksum() -> None:
    known = sbom.checksums((variables.ROOT / "Cargo.lock").read_text())
    assert all(len(checksum) == 64 for checksum in known.values())
    assert any(name == "ring" for name, _ in known)
