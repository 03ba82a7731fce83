"""Desks to be measured: so many invented payments, with their links and all running totals.

One is made once for each size and database and kept, so that finding, the live page and files are measured
over the same one: the crowd of the golden queries with its planted payments, in forty events, and with notes
of which one in ten is awkward in a file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, text

from benchmarks import _totals
from benchmarks._many import EVENTS, NOTES
from db.migrate import migrate
from db.session import open_engine
from tests import crowd
from tests.served import Served, serving

_KNOWN = len(crowd.EVENTS) + len(crowd.SMALL_EVENTS)
_MORE = {
    f"EVENT-{n}": (f"Event {n}, 2026", "REG", ("Regular", "Student")) for n in range(_KNOWN + 1, EVENTS + 1)
}


@dataclass(frozen=True)
class Desks:
    """``sqlite``'s in a folder, ``postgresql``'s on a server."""

    kind: str
    folder: Path
    server: str

    def file(self, size: int) -> Path | None:
        return self.folder / f"desk{size}.db" if self.kind == "sqlite" else None

    @contextmanager
    def of(self, size: int) -> Iterator[tuple[Engine, str]]:
        """A desk with so many payments, which are made where there are none."""
        url = f"sqlite:///{self.file(size)}" if self.kind == "sqlite" else self._database(f"desk{size}")
        engine = open_engine(url)
        try:
            migrate(engine)
            if _is_empty(engine, "payments"):
                crowd.fill(engine, size, events=crowd.EVENTS | _MORE, notes=NOTES)
            if _is_empty(engine, "made_hours"):
                _totals.count(engine)
            yield engine, url
        finally:
            engine.dispose()

    @contextmanager
    def served(self, size: int) -> Iterator[tuple[Served, str]]:
        """Its door, open."""
        place = self.folder / f"{self.kind}-{size}"  # with the keys of its audit
        place.mkdir(exist_ok=True)
        with self.of(size) as (_, url), serving(place, DATABASE_URL=url) as served:
            yield served, url

    def _database(self, name: str) -> str:
        admin = open_engine(self.server, statement_s=0, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            known = text("SELECT 1 FROM pg_database WHERE datname = :name")
            if connection.execute(known, {"name": name}).first() is None:
                connection.execute(text(f"CREATE DATABASE {name}"))
        url = admin.url.set(database=name).render_as_string(hide_password=False)
        admin.dispose()
        return url


def _is_empty(engine: Engine, table: str) -> bool:
    with engine.connect() as connection:
        return connection.execute(text(f"SELECT 1 FROM {table} LIMIT 1")).first() is None
