"""Commands about personal data: what is let go as its time is over, and who could have seen whose."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from commands import AsJson, answer, aside, command_line, console, open_desk
from payments import dates
from payments.books import audit
from payments.errors import InvalidInput, quoted
from payments.keeping import resealing
from payments.personal_data import breach, retention
from payments.personal_data.breach import Window


def retention_(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let go of personal data whose time is over; the worker does the same once a day."""
    app = open_desk()
    with aside.status("Looking through what is held …"):
        if dry_run:
            with app.sessions.read() as session:
                report = retention.dry_run(session, command_line(), app.settings.terms, now=app.now())
        else:
            report = retention.run(app.sessions, app.settings.terms, app.stones, now=app.now())
    told = {"dry_run": dry_run, "let_go": dict(report.counts), "held_back": report.held_back}

    def show() -> None:
        for what, number in retention.told(report):
            console.print(f"{number:>8}  {what}", markup=False)
        if not report.counts:
            console.print("Nothing is due.")
        if report.held_back:
            console.print(f"{report.held_back} payers wait: a dispute, a refund or a request is not over.")
        if dry_run:
            console.print("Nothing was changed.")

    answer(told, as_json, show)


def reseal(as_json: AsJson = False) -> None:
    """Encrypt anew, with the first of ENCRYPTION_KEYS, what an older key encrypted; while the desk runs."""
    app = open_desk()
    with app.sessions.begin() as session:
        audit.record(session, command_line(), "reseal", app.keys.current, now=app.now())
    with aside.status("Sealing anew …"):
        report = resealing.run(app.sessions, app.keys)
        with app.sessions.read() as session:
            needed = dict(resealing.told(session, app.keys, app.settings.backup_folder))
    told = {"resealed": dict(report.done), "failed": list(report.failed), "old_keys": needed}

    def show() -> None:
        for what, number in report.done.items():
            console.print(f"{number:>8}  {what}", markup=False)
        for why in report.failed:
            console.print(f"Not done: {why}", markup=False)
        for name, needs in needed.items():
            said = f"is still needed for {needs}" if needs else "can be taken out of ENCRYPTION_KEYS"
            console.print(f"The key {quoted(name)} {said}.", markup=False)

    answer(told, as_json, show)
    if report.failed:
        raise typer.Exit(1)


def access_list(
    first: Annotated[str, typer.Option("--from", help="A moment, 2026-11-23T08:00; Johannesburg's clock.")],
    last: Annotated[str, typer.Option("--to", help="Another.")],
    output: Annotated[Path, typer.Option(help="The CSV file to write.")],
    account: Annotated[str, typer.Option(help="Part of an address or name.")] = "",
    host: Annotated[str, typer.Option(help="An address people sign in from.")] = "",
    as_json: AsJson = False,
) -> None:
    """Who saw, took, mailed or changed whose data in a time: what the Regulator asks after a breach."""
    app = open_desk()
    window = Window(_moment(first), _moment(last), account, host)
    with app.sessions.begin() as session:
        file = breach.take(session, command_line(), window, now=app.now())
    output.write_bytes(file.data)
    rows = file.data.count(b"\r\n") - 1
    answer({"file": str(output), "rows": rows}, as_json, lambda: console.print(f"{output}: {rows} rows"))


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=dates.SAST)
    except ValueError as error:
        raise InvalidInput(f"{quoted(text)} is no moment. Write it like 2026-11-23T08:00.") from error
