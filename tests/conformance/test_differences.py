"""The table of differences names tests and programs that exist."""

import ast
from pathlib import Path

from conformance.conftest import PROGRAMS
from conformance.differences import DIFFERENCES


def test_every_difference_names_a_test_and_says_what_aws_does_and_where_it_says_so():
    files = Path(__file__).parent.glob("test_*.py")
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    tests = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    assert {difference.test.partition("[")[0] for difference in DIFFERENCES} <= tests
    assert {difference.program for difference in DIFFERENCES} <= {"afferent", "moto", *PROGRAMS}
    assert all(difference.aws and difference.source for difference in DIFFERENCES)
    assert len({difference[:2] for difference in DIFFERENCES}) == len(DIFFERENCES)
