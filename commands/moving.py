"""``manage.py move-to-postgres``: the whole desk from SQLite to PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

import bootstrap
from bootstrap import App
from commands import AsJson, answer, aside, command_line, console
from commands.backups import check_closed
from db import backup as copies
from db.move import Progress as Tell
from db.session import check_postgres, open_engine
from payments.errors import InvalidInput
from payments.keeping import moving


def move_to_postgres(as_json: AsJson = False) -> None:
    """Move the desk from SQLite into the empty PostgreSQL of NEW_DATABASE_URL. The desk must be closed."""
    app = bootstrap.app()
    if not app.settings.new_database_url:
        raise InvalidInput("Set NEW_DATABASE_URL to an empty database: postgresql+psycopg://user@host/name.")
    check_closed(app)
    bootstrap.claim_mode(app.sessions, app.settings.mode)
    target = open_engine(app.settings.new_database_url, statement_s=0)
    try:
        check_postgres(target)
        with _shown(app) as tell:
            moved = moving.move_to_postgres(
                app.sessions, target, command_line(), now=app.now(), progress=tell
            )
    finally:
        target.dispose()
    told = {"tables": moved.tables, "rows": moved.rows, "amounts": moved.amounts, "audit": moved.entries}

    def show() -> None:
        console.print(
            f"{moved.rows} rows of {moved.tables} tables are there. Each table has as many rows as before, "
            f"{moved.amounts} sums by column and currency are the same, the {moved.entries} entries of the "
            f"audit are whole, and the books add up."
        )
        console.print("Set DATABASE_URL to the new database and start the desk. The old file is only kept.")

    answer(told, as_json, show)


@contextmanager
def _shown(app: App) -> Iterator[Tell]:
    """A bar over all rows, with the table that is being copied."""
    with app.sessions.engine.connect() as connection:
        rows = sum(copies.count(connection).values())
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=aside) as bar:
        task = bar.add_task("Copying", total=rows)
        done = 0

        def tell(table: str, more: int) -> None:
            nonlocal done
            done += more
            said = "Comparing and examining" if done >= rows else table
            bar.update(task, advance=more, description=said)

        yield tell
