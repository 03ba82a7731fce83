"""Commands about files: export payments, and say whether a file is one of ours."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from bootstrap import App
from commands import AsEmail, AsJson, answer, aside, asking, console, open_desk, utc
from commands.payments import wanted_by
from payments.access.people import Person
from payments.errors import InvalidInput, quoted
from payments.exports import layout as layouts
from payments.exports import presets, records, verify
from payments.exports.delivery import Delivery
from payments.exports.layout import Format, Layout, Separator, Zone
from payments.exports.run import Children, Contents


def export(
    query: Annotated[str, typer.Argument(help='Which payments; "" is all of them.')],
    output: Annotated[Path, typer.Option(help="The file to write; only you may read it.")],
    format_: Annotated[str | None, typer.Option("--format", help="csv or xlsx.")] = None,
    preset: Annotated[str, typer.Option(help="A preset of the person named by --as.")] = "",
    columns: Annotated[str, typer.Option(help="Names with commas between: reference,amount,currency.")] = "",
    separator: Annotated[Separator | None, typer.Option(help="Between the cells of a CSV file.")] = None,
    zone: Annotated[Zone | None, typer.Option(help="The clock of created and payment_date.")] = None,
    bom: Annotated[bool | None, typer.Option(help="The mark by which Excel knows UTF-8.")] = None,
    opening: Annotated[bool | None, typer.Option(help="First lines that say what the file is.")] = None,
    ending: Annotated[bool | None, typer.Option(help="A last line with count and sums.")] = None,
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """Write exactly the payments found to a file."""
    app = open_desk()
    given = {"separator": separator, "zone": zone, "bom": bom, "opening": opening, "ending": ending}
    with app.sessions.begin() as session:
        person = asking(session, as_email)
        layout = presets.named(session, person, preset).layout if preset else Layout()
        chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if format_ is not None:
            chosen["format"] = _format(format_)
        if columns:
            chosen["columns"] = tuple(name.strip() for name in columns.split(","))
        asked = records.ask(
            session, person, wanted_by(session, person, query, app.now()), replace(layout, **chosen),
            demo=app.settings.demo, now=app.now(),
        )  # fmt: skip
    contents = _write(app, person, asked.reference, output)
    with app.sessions.read() as session:
        written = records.get(session, person, asked.reference)
    told = {
        "rows": contents.rows, "output": str(output), "export": written.reference, "sha256": written.sha256,
        "sums": {currency: money.minor for currency, money in contents.sums.items()},
        "received": {currency: money.minor for currency, money in contents.received.items()},
    }  # fmt: skip
    answer(told, as_json, lambda: console.print(f"{contents.rows} payments are in {output}."))


def verify_export(
    file: Annotated[Path, typer.Argument(help="The file that somebody brings.")],
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a file is an export, statement or journal of this desk, unchanged; exit 1 when not."""
    app = open_desk()
    try:
        with file.open("rb") as brought, app.sessions.read() as session:
            verdict = verify.verify(session, asking(session, as_email), brought, file.name)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.") from error
    told = {
        "verdict": str(verdict.word),
        "sha256": verdict.sha256,
        "claims": verdict.claims,
        "differences": list(verdict.differences),
        "export": _told(verdict.export) if verdict.export else None,
    }
    answer(told, as_json, lambda: _show(verdict))
    if verdict.word is not verify.Word.GENUINE:
        sys.exit(1)


def _format(word: str) -> Format:
    try:
        return Format(word)
    except ValueError as error:
        raise InvalidInput(f"Payments are exported as csv or xlsx, not {quoted(word)}.") from error


def _write(app: App, person: Person, reference: str, output: Path) -> Contents:
    """A file that appears whole or not at all."""
    children = Children(app.sessions.engine.dialect.name)
    delivery = Delivery(app.sessions, children, person, reference, app.now)
    try:
        with _appearing(output) as file, aside.status("Counting …") as status:
            for piece in delivery.pieces():
                file.write(piece)
                if not piece:
                    status.update(f"{delivery.rows_done:,} of {delivery.rows or '…'} payments")
    finally:
        delivery.end("The command was ended before the file was whole.")
    assert delivery.contents is not None
    return delivery.contents


@contextmanager
def _appearing(output: Path) -> Iterator[Any]:
    unfinished = output.with_name(f".{output.name}.part")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with open(descriptor, "wb") as file:
                yield file
            unfinished.replace(output)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidInput(f"{output} cannot be written: {error.strerror}.") from error


def _told(export: records.ExportView) -> dict[str, Any]:
    contents = export.contents
    return {
        "reference": export.reference,
        "by": export.actor,
        "asked_at": utc(export.asked_at),
        "state": export.state,
        "rows": contents.rows if contents else None,
        "sums": {currency: money.minor for currency, money in contents.sums.items()} if contents else {},
        "sha256": export.sha256,
        "columns": list(export.layout.columns),
        "personal": list(layouts.personal(export.layout.columns)),
    }


def _show(verdict: verify.Verdict) -> None:
    export = verdict.export
    if export is not None and verdict.word is verify.Word.GENUINE:
        console.print(f"Genuine and unchanged: {export.reference}, {export.file_name}, by {export.actor}.")
    elif verdict.word is verify.Word.GENUINE:
        paper = f", {verdict.paper.file_name}, by {verdict.paper.by}" if verdict.paper else ""
        console.print(f"Genuine and unchanged: {verdict.claims}{paper}.", markup=False)
    elif export is not None:
        console.print(f"Changed. It claims to be {export.reference}, exported by {export.actor}.")
        for difference in verdict.differences:
            console.print(f"  · {difference}", markup=False)
    else:
        claim = f" It claims to be {verdict.claims}." if verdict.claims else ""
        console.print(f"Not a file of this desk that you may see.{claim}", markup=False)
