"""The sample files, what a reader makes of one as plain JSON, and thousands of ways to damage them.

Every name, account and amount in ``samples/`` is invented; ``samples/README.md`` says where each layout is
described. The damage is the same in every run; which of it a run looks at is drawn from its seed.
"""

import csv
import io
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from db.money import Money
from payments import statements
from payments.statements import Mapping, Statement, StatementFormatError, UnknownLayout

SAMPLES = Path(__file__).parent / "samples"


class Sample(NamedTuple):
    path: Path
    mapping: Mapping | None

    @property
    def name(self) -> str:
        return str(self.path.relative_to(SAMPLES))

    @property
    def data(self) -> bytes:
        return self.path.read_bytes()

    @property
    def expected(self) -> Path:
        return self.path.with_name(f"{self.path.name}.expected.json")


def samples() -> list[Sample]:
    files = [
        path for path in sorted(SAMPLES.rglob("*")) if path.is_file() and path.suffix not in (".json", ".md")
    ]
    return [Sample(path, _mapping(path)) for path in files]


def _mapping(path: Path) -> Mapping | None:
    said = path.with_name(f"{path.name}.mapping.json")
    return Mapping.from_json(json.loads(said.read_text(encoding="utf-8"))) if said.exists() else None


def told(sample: Sample) -> dict[str, Any]:
    """What reading a sample gives, as its expected file holds it."""
    try:
        statement = statements.read(sample.path.name, sample.data, mapping=sample.mapping)
    except UnknownLayout as error:
        return {"unknown_layout": str(error), "rows": [list(row) for row in error.rows]}
    except StatementFormatError as error:
        return {"refused": str(error), "line": error.line}
    return as_json(statement)


def as_json(statement: Statement) -> dict[str, Any]:
    return {
        "layout": statement.layout,
        "account": statement.account,
        "currency": statement.currency,
        "opening": _decimal(statement.opening),
        "closing": _decimal(statement.closing),
        "balanced": statement.balanced,
        "lines": [
            {
                "row": line.row,
                "date": line.date.isoformat(),
                "amount": line.amount.decimal,
                "fee": line.fee.decimal,
                "description": line.description,
                "reference": line.reference,
                "balance": _decimal(line.balance),
                "ordinal": line.ordinal,
                "raw": line.raw,
            }
            for line in statement.lines
        ],
        "quarantined": [[row.row, row.reason, row.raw] for row in statement.quarantined],
        "headers": [[row.row, row.name] for row in statement.headers],
        "footers": [[row.row, row.name] for row in statement.footers],
        "rows": statement.rows,
        "blank_rows": statement.blank_rows,
        "nul_bytes": statement.nul_bytes,
        "encoding": statement.encoding,
    }


def _decimal(money: Money | None) -> str | None:
    return None if money is None else money.decimal


def content(statement: Statement) -> list[tuple[object, ...]]:
    """What every format of the same statement must agree on."""
    return [
        (line.date, line.amount, line.description, line.reference, line.ordinal) for line in statement.lines
    ]


class Mutation(NamedTuple):
    """A damaged file. ``same`` ones may not change a single line: only how the file is written."""

    name: str
    file: str
    data: bytes
    same: bool


NAMES = (
    "../../x.csv",
    "C:\\fakepath\\x.csv",
    "n" * 300 + ".csv",
    "\u202efdp.csv",
    "x\0y.csv",
    "",
    ".csv",
    "x.exe",
)


def mutations(sample: Sample) -> Iterator[Mutation]:
    file, data = sample.path.name, sample.data
    for number, name in enumerate(NAMES):
        yield Mutation(f"named {number}", name, data, False)
    for name, damaged in _bytes_damaged(data):
        yield Mutation(name, file, damaged, False)
    if data.startswith(b"PK") or not data or b"\0" in data:
        return
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return
    for name, damaged, same in _rewritten(sample, text):
        yield Mutation(name, file, damaged, same)
    for name, changed in _text_damaged(text):
        yield Mutation(name, file, changed.encode("utf-8", "surrogatepass"), False)


def drawn(count: int, dice: random.Random) -> Iterator[tuple[Sample, list[Mutation]]]:
    """So many of all mutations there are, or all of them: every sample in turn, with what was drawn of it."""
    parents = samples()
    total = sum(1 for sample in parents for _ in mutations(sample))
    chosen = set(dice.sample(range(total), min(count, total)))
    number = 0
    for sample in parents:
        some = []
        for mutation in mutations(sample):
            if number in chosen:
                some.append(mutation)
            number += 1
        yield sample, some


def _bytes_damaged(data: bytes) -> Iterator[tuple[str, bytes]]:
    for part in range(1, 12):
        yield f"cut off at {part}/12", data[: len(data) * part // 12]
    for part in range(1, 9):
        place = len(data) * part // 9
        yield f"a byte 0xFF at {part}/9", data[:place] + b"\xff" + data[place:]
        yield f"a NUL at {part}/9", data[:place] + b"\0" + data[place:]
        yield f"broken UTF-8 at {part}/9", data[:place] + b"\xc3" + data[place:]
    yield "twice", data + data
    yield "in capitals", data.upper()
    yield "backwards", data[::-1]


def _rewritten(sample: Sample, text: str) -> Iterator[tuple[str, bytes, bool]]:
    """The same text in other encodings, with other line ends and, for tables, other separators."""
    is_mapped = sample.mapping is not None and (sample.mapping.encoding or sample.mapping.separator)
    table = sample.path.suffix == ".csv"
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    yield "UTF-8 with its mark", plain.encode("utf-8-sig"), table
    yield "UTF-16 with its mark", plain.encode("utf-16"), table
    yield "UTF-16 big end first", b"\xfe\xff" + plain.encode("utf-16-be"), table
    yield "UTF-16 without its mark", plain.encode("utf-16-le"), False
    yield "cp1252", plain.encode("cp1252", "replace"), plain.isascii()
    yield "cp850", plain.encode("cp850", "replace"), plain.isascii()
    for name, end in (("LF", "\n"), ("CRLF", "\r\n"), ("CR", "\r")):
        yield name, plain.replace("\n", end).encode(), table
    yield "mixed line ends", plain.replace("\n", "\r\n", 3).encode(), table
    yield "no last line end", plain.rstrip("\n").encode(), table
    yield "blank rows below", (plain + "\n\n\n").encode(), table
    if table and "continues" not in plain:
        for separator in ",;\t|":
            yield (
                f"separated by {separator!r}",
                _separated(plain, separator),
                not is_mapped and _is_table(plain),
            )
            yield f"sep={separator}", f"sep={separator}\n".encode() + _separated(plain, separator), False


def _is_table(text: str) -> bool:
    return '"' not in text and "'" not in text and ";" not in text and "|" not in text and "\t" not in text


def _separated(text: str, separator: str) -> bytes:
    out = io.StringIO(newline="")
    try:
        csv.writer(out, delimiter=separator).writerows(csv.reader(io.StringIO(text, newline="")))
    except csv.Error:
        return text.encode()
    return out.getvalue().encode()


_CHANGES = (
    ("a date of no calendar", r"2026[-/]?03[-/]?13", "2026-02-31"),
    ("a day of Excel", r"2026[-/]?03[-/]?13", "46094"),
    ("the year 1899", r"2026[-/]?03[-/]?13", "1899-12-30"),
    ("dates month first", r"(2026)[-/](\d\d)[-/](\d\d)", r"\2/\3/\1"),
    ("dates day first", r"(2026)[-/](\d\d)[-/](\d\d)", r"\3/\2/\1"),
    ("dates with two digits", r"20(26)[-/](\d\d)[-/](\d\d)", r"\3/\2/\1"),
    ("dates in Afrikaans", r"(2026)[-/]03[-/](\d\d)", r"\2 Mrt \1"),
    ("every date 03/04", r"2026[-/]?03[-/]?(\d\d)", "03/04/2026"),
    ("an amount a cent off", r"750\.00", "750.01"),
    ("a balance a cent off", r"11500\.00", "11500.01"),
    ("decimal commas", r"(\d)\.(\d\d)\b", r"\1,\2"),
    ("quoted decimal commas", r"(-?\d+)\.(\d\d)\b", r'"\1,\2"'),
    ("amounts in brackets", r"-(\d+\.\d\d)", r"(\1)"),
    ("trailing minus", r"-(\d+\.\d\d)", r"\1-"),
    ("true minus", r"-(\d+\.\d\d)", "\u2212\\1"),
    ("rand signs", r"\b(\d+\.\d\d)", r"R\1"),
    ("dollar signs on some", r"750\.00", "$750.00"),
    ("Cr and Dr", r"-(\d+\.\d\d)", r"\1 Dr"),
    ("thin spaces", r"(\d)(\d{3}\.\d\d)", "\\1\u2009\\2"),
    ("full-width digits", r"750", "７５０"),
    ("1e5", r"750\.00", "1e5"),
    ("underscores", r"750\.00", "7_5_0.00"),
    ("NaN", r"750\.00", "NaN"),
    ("three decimals", r"750\.00", "750.005"),
    ("no amount", r"750\.00", ""),
    ("huge amounts", r"750\.00", "9" * 15 + ".00"),
    ("amounts without cents", r"\.00", ""),
    ("an unclosed quotation mark", r"SERVICE", '"SERVICE'),
    ("smart quotes", r"SERVICE", "“SERVICE”"),
    ("a quotation mark inside", r"SERVICE", 'SER"VICE'),
    ("a formula", r"SERVICE", "=cmd|' /C calc'!A0"),
    ("a separator inside", r"SERVICE", "SERVICE,"),
    ("a card number", r"SERVICE", "4111 1111 1111 1111 SERVICE"),
    ("an ID number", r"SERVICE", "8001015009087"),
    ("a heading in other words", r"(?i)amount", "Value"),
    ("a heading in Afrikaans", r"(?i)\bamount\b", "Bedrag"),
    ("a heading with spaces", r"(?i)\bbalance\b", "  Balance  "),
    ("no digits", r"\d", ""),
    ("no commas", ",", ""),
    ("only commas", r"[^,\n]", ""),
    ("a control character", r"SERVICE", "SERVICE\x01"),
    ("half a character", r"SERVICE", "SERVICE\ud800"),
    ("an emoji", r"SERVICE", "SERVICE 💳"),
    ("another direction", r"SERVICE", "\u202eSERVICE"),
    ("a cell of 200 kB", r"SERVICE", "S" * 200_000),
    ("tags", r"SERVICE", "<script>SERVICE</script>"),
    ("another currency", r"ZAR", "USD"),
)


def _text_damaged(text: str) -> Iterator[tuple[str, str]]:
    for name, pattern, new in _CHANGES:
        if (changed := re.sub(pattern, new, text)) != text:
            yield name, changed
        once = re.sub(pattern, new, text, count=1)
        if once not in (changed, text):
            yield f"{name}, once", once
    lines = text.split("\n")
    for number in range(min(len(lines), 14)):
        yield f"without row {number + 1}", "\n".join(lines[:number] + lines[number + 1 :])
        yield f"row {number + 1} twice", "\n".join(lines[: number + 1] + lines[number:])
        yield (
            f"row {number + 1} cut",
            "\n".join([*lines[:number], lines[number][: len(lines[number]) // 2], *lines[number + 1 :]]),
        )
        yield (
            f"row {number + 1} longer",
            "\n".join([*lines[:number], lines[number] + ",x,y", *lines[number + 1 :]]),
        )
        yield (
            f"a total below row {number + 1}",
            "\n".join([*lines[: number + 1], "Total:,,,,99.00,1.00,5.00", *lines[number + 1 :]]),
        )
