"""The command that brings a file of registrations in."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table

import words
from commands import AsEmail, AsJson, acting, answer, aside, command_line, console, open_desk
from commands.statements import bytes_of
from payments.books import audit
from payments.errors import InvalidInput, quoted
from payments.registering import registration_files
from payments.registering.registration_changes import Becomes
from payments.registering.registration_files import COLUMNS, FileView, Preview, Result
from payments.sheets.reading import Column

_SHOWN = 50


def import_registrations(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX, a registration a row, with headings.")],
    event: Annotated[str, typer.Option(help="The code of the event they are for.")],
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MEANING=HEADING",
            help=f"What a column means, where its heading does not say: {', '.join(COLUMNS)}.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would come of it; change nothing.")
    ] = False,
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """Create or update payments by registration id. What was paid is never altered: such a row is refused."""
    app, data = open_desk(), bytes_of(file)
    with app.sessions.begin() as session:
        person = acting(session, app.settings, as_email)
        if not dry_run:
            audit.record(
                session, command_line(), "command_import_registrations", file.name, now=app.now(),
                acting_as=person.email,
            )  # fmt: skip
    with app.sessions.read() as session:
        there = registration_files.opened(person, file.name, data)
        meant = registration_files.suggest(session, person, event, there) | _meant(column or [])
        preview = registration_files.look(
            session, person, event, there, data, meant, demo=app.settings.demo, now=app.now()
        )
    if dry_run:
        rows = [_foreseen(row) for row in preview.rows]
        answer(_told(preview, rows, None), as_json, lambda: _show(preview, rows, dry_run=True))
        return
    with Progress(console=aside, transient=True) as bar:
        task = bar.add_task("Rows", total=None)
        view = registration_files.import_all(
            app.sessions, app.gateways, person, preview, addresses=app.settings.addresses,
            demo=app.settings.demo, now=app.now(),
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    with app.sessions.read() as session:
        became = registration_files.results(session, person, view.id)
    answer(_told(preview, became, view), as_json, lambda: _show(preview, became, dry_run=False))


def _meant(said: Sequence[str]) -> dict[Column, str]:
    """Raises InvalidInput for a meaning that no column has."""
    found: dict[Column, str] = {}
    for one in said:
        meaning, _, heading = one.partition("=")
        if meaning.strip() not in COLUMNS or not heading.strip():
            raise InvalidInput(
                f"{quoted(one)} says no meaning of a column. Write one of {', '.join(COLUMNS)}=HEADING."
            )
        found[Column(meaning.strip())] = heading.strip()
    return found


def _foreseen(row: registration_files.Looked) -> Result:
    return Result(row.number, row.registration_id, str(row.change.becomes), row.change.told, row.reference)


def _told(preview: Preview, rows: Sequence[Result], view: FileView | None) -> dict[str, Any]:
    return {
        "file": preview.file,
        "sha256": preview.sha256,
        "event": preview.event_code,
        "dry_run": view is None,
        "import": view.id if view else None,
        "columns": {str(column): heading for column, heading in preview.meant.items()},
        "rows": len(rows),
        **{str(one): sum(row.outcome == one for row in rows) for one in Becomes},
        "results": [
            {
                "row": row.number,
                "registration_id": row.registration_id,
                "outcome": row.outcome,
                "why": row.why,
                "reference": row.reference or None,
            }
            for row in rows
        ],
    }


def _show(preview: Preview, rows: Sequence[Result], *, dry_run: bool) -> None:
    counts = ", ".join(f"{sum(row.outcome == one for row in rows)} {one}" for one in Becomes)
    console.print(
        f"{preview.file}: {words.count(len(rows), 'row', 'rows')}: {counts}."
        f"{' Nothing was changed.' if dry_run else ''}",
        markup=False,
    )
    table = Table("Row", "Registration", "Outcome", "Payment", "Why")
    looked_at = [row for row in rows if row.outcome != Becomes.UNCHANGED]
    for row in looked_at[:_SHOWN]:
        table.add_row(str(row.number), row.registration_id, row.outcome, row.reference, row.why)
    console.print(table)
    if len(looked_at) > _SHOWN:
        console.print(f"And {len(looked_at) - _SHOWN} more; --json lists them all.")
