"""A CSV file (RFC 4180, UTF-8, every field quoted, CRLF) from lines the database has made."""

from collections.abc import Iterator
from typing import Any

from db.stream import Picture
from payments.exports.cells import quoted
from payments.exports.lines import BETWEEN, guarded

#: The first lines go out at once; then so many at a time.
FIRST, MANY = 50, 1_000
_BOM = "\ufeff"


def pieces(picture: Picture, job: dict[str, Any]) -> Iterator[tuple[bytes, int]]:
    """The bytes of the file, but its last line, and how many payments are in them."""
    yield _top(job).encode(), 0
    statement, separator = job["rows"], job["separator"]
    texts = [kind in ("text", "phone") for kind in job["kinds"]]
    for some in picture.lines(statement["sql"], statement["params"], BETWEEN, FIRST, MANY):
        yield guarded(some, texts, separator.encode()), len(some)


def ending(told: dict[str, Any], job: dict[str, Any]) -> bytes:
    """The last line: nothing was cut when it is there and says what the file holds."""
    sums = [
        f"{currency} {decimal(amount)} {word}"
        for currency, amounts in told["sums"].items()
        for word, amount in zip(("asked", "received"), amounts, strict=True)
    ]
    text = ", ".join([f"# end, {told['rows']} rows", *sums, f"export {job['reference']}"])
    return line([text], job["separator"]).encode()


def decimal(minor: int) -> str:
    """``1234.56``. All currencies of the desk have two decimals, and no sum here is below nothing."""
    whole, cents = divmod(minor, 100)
    return f"{whole}.{cents:02d}"


def _top(job: dict[str, Any]) -> str:
    opening = [["# " + name, value] for name, value in job["about"]] if job["opening"] else []
    lines = [*opening, job["columns"]]
    return (_BOM if job["bom"] else "") + "".join(line(cells, job["separator"]) for cells in lines)


def line(cells: list[str], separator: str) -> str:
    """Cells that start no formula, as a line."""
    return separator.join(map(quoted, cells)) + "\r\n"
