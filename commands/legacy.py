"""The command that brings records of the earlier system in."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table

import words
from commands import AsEmail, AsJson, acting, answer, aside, command_line, console, open_desk
from commands.statements import bytes_of
from payments import legacy
from payments.books import audit
from payments.circles import without_looking_for_circles
from payments.legacy import Report
from payments.legacy.files import MAX_BYTES

_SHOWN = 50


def import_legacy(
    file: Annotated[Path, typer.Argument(help="Its records: JSON keyed by record id, a JSON list, or CSV.")],
    currency: Annotated[
        str, typer.Option(help="What its amounts are in, such as ZAR or USD: never assumed.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would come of it; change nothing.")
    ] = False,
    as_email: AsEmail = None,
    as_json: AsJson = False,
) -> None:
    """Bring the records of the earlier system in, each once. The same file again changes nothing."""
    app = open_desk()
    data = bytes_of(file, most=MAX_BYTES)
    with app.sessions.begin() as session:
        person = acting(session, app.settings, as_email)
        if not dry_run:
            audit.record(
                session,
                command_line(),
                "command_import_legacy",
                file.name,
                now=app.now(),
                acting_as=person.email,
            )
    if dry_run:
        with app.sessions.read() as session:
            report = legacy.look(session, person, file.name, data, currency.upper())
    else:
        with without_looking_for_circles(), Progress(console=aside, transient=True) as bar:
            looking = bar.add_task("Reading", total=None)
            writing = bar.add_task("Writing", total=None, start=False)

            def writes(done: int, total: int) -> None:
                bar.start_task(writing)
                bar.update(writing, completed=done, total=total)

            report = legacy.import_file(
                app.sessions,
                person,
                file.name,
                data,
                currency.upper(),
                demo=app.settings.demo,
                now=app.now(),
                progress=writes,
                reading=lambda done, total: bar.update(looking, completed=done, total=total),
            )
    answer(_told(report, dry_run), as_json, lambda: _show(report, dry_run))


def _told(report: Report, dry_run: bool) -> dict[str, Any]:
    return {
        "file": report.file,
        "sha256": report.sha256,
        "currency": report.currency,
        "dry_run": dry_run,
        "records": report.records,
        "new": report.new,
        "known": report.known,
        "changed": report.changed,
        "payments": report.payments,
        "demo": report.demo,
        "faulty": report.faulty,
        "shapes": dict(report.shapes),
        "statuses": {str(status): count for status, count in report.statuses.items()},
        "sums_minor": {str(status): money.minor for status, money in report.sums.items()},
        "events": list(report.events),
        "issues": [
            {"record": key, "fault": str(issue.fault), "reason": issue.sentence}
            for key, issue in report.issues
        ],
    }


def _show(report: Report, dry_run: bool) -> None:
    would = "would come in" if dry_run else "came in"
    console.print(
        f"{report.file}: {words.count(report.records, 'record', 'records')}, of which {report.new} new "
        f"({report.payments} payments, {report.demo} trials, {report.faulty} unreadable) {would}, "
        f"{report.known} here already, {report.changed} changed since.",
        markup=False,
    )
    table = Table("Status", "Payments", "Amount")
    for status, count in report.statuses.items():
        table.add_row(words.STATUS[status].word, words.number(count), str(report.sums[status]))
    console.print(table)
    if report.events:
        made = "Would be made" if dry_run else "Made"
        console.print(
            f"{made}, closed: the events {', '.join(report.events)}. Check their days.", markup=False
        )
    issues = Table("Record", "Issue")
    for key, issue in report.issues[:_SHOWN]:
        issues.add_row(key, issue.sentence)
    console.print(issues)
    if len(report.issues) > _SHOWN:
        console.print(f"And {len(report.issues) - _SHOWN} more; --json lists them all.")
