"""What somebody typed stands between “ and ” in every sentence of ours, however it came into it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from payments.errors import quoted

ROOT = Path(__file__).parent.parent
PLACES = (
    "words", "ui", "pages", "payments", "commands", "signin_pages", "api", "db", "simulator",
    *(path.name for path in ROOT.glob("*.py")),
)  # fmt: skip
#: A whole sentence or the beginning of one: a statement of SQL is neither.
SENTENCE = re.compile(r"[A-Z“{].*[a-z] .*[.:,;] ?$|[A-Z][a-z]+ .* [a-z]+ ")
STRAIGHT = re.compile(r"(?<!\w)'[^'\n]+'(?!\w)")
#: A command within a sentence.
CODE = re.compile("`[^`]*`")
#: What only a programmer reads.
FOR_US = {"payments/second_person/approvals.py": 1, "db/money.py": 2, "db/types.py": 1}


def texts(tree: ast.AST) -> Iterator[str]:
    """Each text of a file as it is written, its docstrings left out; ``{}`` for what is put into it."""
    told = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)
    } | {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
            yield "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value


def files() -> list[Path]:
    there = (ROOT / place for place in PLACES)
    found = (path for one in there for path in ([one] if one.is_file() else one.rglob("*.py")))
    return sorted(path for path in found if "migrations" not in path.parts)  # statements for a database


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_sentence_has_quotation_marks_of_a_programmer(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    raw = [n for n in ast.walk(tree) if isinstance(n, ast.FormattedValue) and n.conversion == ord("r")]
    assert len(raw) == FOR_US.get(str(path.relative_to(ROOT)), 0), "say quoted(…), not {…!r}"
    told = [one for one in texts(tree) if STRAIGHT.search(CODE.sub("", one)) and SENTENCE.search(one)]
    assert told == []


@pytest.mark.parametrize(
    "sentence, found",
    [
        ("There is no preset 'month' here. Make one.", True),
        ("The gateway's answer names another payment's amount.", False),
        ("SELECT name FROM sqlite_master WHERE type = 'trigger'", False),
        ("There is no preset “month” here.", False),
    ],
)
def test_what_is_looked_for_is_found(sentence, found):
    assert bool(STRAIGHT.search(sentence) and SENTENCE.search(sentence)) is found


def test_what_nobody_sees_is_spelled_out():
    assert quoted("O'Brien") == "“O'Brien”"
    assert quoted("a\n\x1b[31mb\u200b") == "“a\\n\\x1b[31mb\\u200b”"
    assert quoted(5) == "“5”"
