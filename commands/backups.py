"""Commands about backups: make one, and put one back."""

from pathlib import Path
from typing import Annotated

import typer

import bootstrap
from bootstrap import App
from commands import AsJson, answer, aside, command_line, console, open_desk
from commands.run import is_answering
from payments.books import audit
from payments.errors import Conflict, InvalidInput
from payments.keeping import backups, restoring
from payments.keeping.stores import Store
from payments.personal_data import tombstones
from payments.personal_data.tombstones import Stones
from payments.working import worker as workers


def backup(
    folder: Annotated[Path | None, typer.Argument(help="Where it goes; by default BACKUP_FOLDER.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a backup while the desk runs: the whole database, examined, encrypted with ENCRYPTION_KEYS."""
    app = open_desk()
    folder = folder or app.settings.backup_folder
    if folder is None:
        raise InvalidInput("Say where it goes: `manage.py backup FOLDER`, or set BACKUP_FOLDER.")
    with app.sessions.begin() as session:
        audit.record(session, command_line(), "command_backup", str(folder), now=app.now())
    with aside.status("Copying and examining every payment …"):
        made = backups.make(app.sessions, app.backups_in(folder), now=app.now())
        copied = backups.copy_away(app.backups_in(folder), now=app.now())
    told = {"file": str(folder / made.file), "bytes": made.size, "sha256": made.sha256, "rows": made.rows}
    told |= {"findings": list(made.findings), "copied": copied}

    def show() -> None:
        console.print(
            f"{told['file']}\n{made.rows} rows, {made.size} bytes, SHA-256 {made.sha256}", markup=False
        )
        if copied and app.settings.backup_copy:
            console.print(f"Copied to {app.settings.backup_copy.where}.", markup=False)
        if made.findings:
            console.print(f"Its books do not add up, as those of the desk: {', '.join(made.findings)}.")

    answer(told, as_json, show)


def fetch_backup(
    folder: Annotated[Path, typer.Argument(help="Where it goes.", exists=True, file_okay=False)],
    name: Annotated[str, typer.Option(help="Another one than the newest.")] = "",
    as_json: AsJson = False,
) -> None:
    """Bring a backup back from BACKUP_COPY, the newest one; `restore` then puts it in place."""
    store = bootstrap.app().settings.backup_copy
    if store is None:
        raise InvalidInput("BACKUP_COPY is empty: there is no store to fetch one from.")
    name = name or backups.newest_in(store)
    with aside.status(f"Fetching {name} …"):
        store.fetch(name, folder / name)
        _fetch_erasures(store, folder)
    file = str(folder / name)
    answer({"file": file}, as_json, lambda: console.print(file, markup=False))


def _fetch_erasures(store: Store, folder: Path) -> None:
    """The list of who was erased comes with it, and is added to the one that is there."""
    if tombstones.NAME in store.names():
        fetched = folder / f"{tombstones.NAME}.fetched"
        store.fetch(tombstones.NAME, fetched)
        with (folder / tombstones.NAME).open("a") as kept:
            kept.write(fetched.read_text())
        fetched.unlink()


def restore(
    file: Annotated[Path, typer.Argument(help="A backup of this desk.", exists=True, dir_okay=False)],
    as_json: AsJson = False,
) -> None:
    """Put a backup back, once it was opened, examined and compared. The desk must be closed."""
    app = bootstrap.app()
    check_closed(app)
    place = app.backups_in(file.parent)
    with aside.status("Opening and examining the backup …"):
        manifest = restoring.restore(
            app.sessions, command_line(), place, file, mode=app.settings.mode, now=app.now(),
            stones=Stones((*app.stones.folders, file.parent)),
        )  # fmt: skip
    told = {"made_at": manifest.made_at, "rows": sum(manifest.rows.values())}

    def show() -> None:
        console.print(f"The desk is as it was at {manifest.made_at}, with {told['rows']} rows.")
        console.print(
            "What came since is not in it. Start the desk; then `manage.py sync --days N` asks the gateway "
            "for what was paid in so many days."
        )

    answer(told, as_json, show)


def check_closed(app: App) -> None:
    """Raises Conflict while the desk is open: its processes would go on with a database put aside."""
    settings = app.settings
    ports = (settings.dashboard_port, settings.webhook_port)
    if any(is_answering(port, "/healthz") for port in ports) or _worker_runs(app):
        raise Conflict("The desk is open. Close it, wait half a minute, and try again; nothing was changed.")


def _worker_runs(app: App) -> bool:
    try:
        with app.sessions.read() as session:
            return workers.pulse(session).alive(now=app.now())
    except Exception as error:  # noqa: BLE001 - a database that cannot be read is why one restores
        aside.print(f"The database that is there cannot be read ({type(error).__name__}).", markup=False)
        return False
