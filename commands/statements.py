"""Commands about bank and payout files."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from commands import AsJson, answer, console
from db.money import Money
from payments import statements
from payments.errors import InvalidInput, StatementFormatError, UnknownLayout
from payments.statements import Mapping, Statement

_SHOWN_LINES = 50


def read_statement(
    file: Annotated[Path, typer.Argument(help="A bank statement or payout file.")],
    as_json: AsJson = False,
    date_order: Annotated[
        str | None, typer.Option(help="What 03/04/2026 means when no row proves it: dmy, mdy or ymd.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="A JSON file that says what the columns of an unknown table are.")
    ] = None,
) -> None:
    """Read a bank or payout file as it would be imported, and import nothing."""
    data = bytes_of(file)
    chosen = mapping_of(mapping) if mapping else None
    with next_step():
        statement = statements.read(file.name, data, mapping=chosen, date_order=date_order)
    answer(_told(statement), as_json, lambda: _show(statement))


@contextmanager
def next_step() -> Iterator[None]:
    """A file that is refused says at this door what to give with it."""
    try:
        yield
    except UnknownLayout as error:
        raise InvalidInput(
            f"{error} Give them with --mapping FILE, or bring the file on the page Statements, which asks."
        ) from error
    except StatementFormatError as error:
        if "Say the order of day and month." not in error.reason:
            raise
        raise InvalidInput(f"{error} Add --date-order dmy, or mdy.") from error


def bytes_of(file: Path, *, most: int = statements.MAX_BYTES) -> bytes:
    """A file's bytes, all of them. Raises InvalidInput, also for more than ``most``: a part would be read as
    if it were the whole."""
    try:
        with file.open("rb") as opened:
            data = opened.read(most + 1)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.") from error
    if len(data) > most:
        raise InvalidInput(f"{file.name} is larger than {most // 1024 // 1024} MB. Bring it in parts.")
    return data


def mapping_of(file: Path) -> Mapping:
    """The mapping in a JSON file. Raises InvalidInput."""
    try:
        return Mapping.from_json(json.loads(bytes_of(file)))
    except ValueError as error:
        raise InvalidInput(f"{file} is not a mapping in JSON: {error}.") from error


def _told(statement: Statement) -> dict[str, Any]:
    return {
        "layout": statement.layout,
        "account": statement.account,
        "currency": statement.currency,
        "opening_minor": _minor(statement.opening),
        "closing_minor": _minor(statement.closing),
        "lines": [
            {
                "date": line.date.isoformat(),
                "amount_minor": line.amount.minor,
                "description": line.description,
                "reference": line.reference,
            }
            for line in statement.lines
        ],
        "quarantined": [{"row": row.row, "reason": row.reason} for row in statement.quarantined],
        "headers": [{"row": row.row, "name": row.name} for row in statement.headers],
        "footers": [{"row": row.row, "name": row.name} for row in statement.footers],
    }


def _minor(money: Money | None) -> int | None:
    return None if money is None else money.minor


def _show(statement: Statement) -> None:
    balances = (statement.opening, statement.closing)
    opening, closing = ("not said" if money is None else str(money) for money in balances)
    account = statement.account or "an account that is not named"
    console.print(f"{statement.layout}: {account}, opening {opening}, closing {closing}.", markup=False)
    table = Table("Row", "Date", "Amount", "Reference", "Description", box=None, pad_edge=False)
    for line in statement.lines[:_SHOWN_LINES]:
        cells = (str(line.row), line.date.isoformat(), str(line.amount), line.reference, line.description)
        table.add_row(*map(_plain, cells))
    console.print(table)
    if (more := len(statement.lines) - _SHOWN_LINES) > 0:
        console.print(f"… and {more} more lines; --json shows all.")
    for row in statement.quarantined:
        console.print(f"Row {row.row} waits for a person: {row.reason}", markup=False)
    proof = "They prove each other." if statement.balanced else "The balances do not prove the lines."
    kept = len(statement.headers) + len(statement.footers)
    counts = f"{len(statement.lines)} lines, {len(statement.quarantined)} quarantined, {kept} other rows"
    console.print(f"{counts}, of {statement.rows}. {proof}")


def _plain(text: str) -> str:
    """A bank's words are never markup."""
    return text.replace("[", r"\[")
