"""Each test that ``docs/reliability.md`` names as a proof is there: one with another name proves nothing."""

import ast
import re
from pathlib import Path

from tests.guarded import GUARDS

TESTS = Path(__file__).parent
SAID = (TESTS.parent / "docs/reliability.md").read_text(encoding="utf-8")


def names_in(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {
        node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


THERE = {path.stem: names_in(path) for path in TESTS.glob("test_*.py")}


def test_each_test_and_file_in_backticks_is_there():
    """One that was cut (``test_what_…``) is the beginning of a name."""
    names = set(THERE).union(*THERE.values())
    named = re.findall(r"`(test_\w+)(…?)`", SAID)
    assert len(named) > 100
    assert [name for name, cut in named if not any(is_it(name, one, cut) for one in names)] == []


def is_it(name: str, one: str, cut: str) -> bool:
    return one.startswith(name) if cut else one == name


def test_of_each_requirement_the_words_beside_a_file_are_of_a_test_in_it():
    """``| R16 | … | `test_transport` slow answer, huge one | … |``"""
    rows = [row.split("|") for row in SAID.partition("## Requirement by requirement")[2].splitlines()]
    proofs = [row[3] for row in rows if len(row) == 6]
    said = [
        (file, "_".join(re.findall(r"\w+", words.lower())))
        for proof in proofs
        for file, beside in re.findall(r"`(test_\w+)`([^`;]*)", proof)
        for words in beside.split(",")
    ]
    assert len(said) > 80
    assert [(file, words) for file, words in said if not any(words in name for name in THERE[file])] == []


def test_each_requirement_of_the_edge_has_its_row():
    asked = [*range(1, 14), *range(16, 29), 30, 33]
    assert [nth for nth in asked if f"\n| R{nth} | " not in SAID] == []


def test_the_table_of_guards_has_each_guard_that_is_taken_away():
    table = SAID.partition("| without | goes red |")[2].partition("## ")[0]
    rows = [row.split(" | ")[0].removeprefix("| ") for row in table.splitlines() if row.startswith("| ")]
    assert rows == [guard.name for guard in GUARDS]
