"""A child that writes a file, and its bytes as they come. Whoever stops listening ends the child."""

import fcntl
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db.money import Money
from payments.access.people import Person
from payments.dates import Span
from payments.errors import Conflict
from payments.exports import statement
from payments.exports.layout import COLUMNS, SIGNS, Layout, about
from payments.finding import as_of, filters
from payments.finding.conditions import DAYS, Filter

_ROOT = Path(__file__).parents[2]
_MODULE = "payments.exports.child"
#: A child goes on while we pass on what came: of the usual 64 kB, half a piece, it waits for us each time.
_PIPE = 1 << 20


@dataclass(frozen=True)
class Contents:
    """Rows, and what was asked and received, by currency."""

    rows: int
    sums: Mapping[str, Money]
    received: Mapping[str, Money]


class BrokenOff(Conflict):
    """The file ended before it was whole."""


Job = dict[str, Any]


def job(
    session: Session, person: Person, wanted: Filter, layout: Layout, reference: str, *, now: datetime
) -> Job:
    """Everything a child needs; ``session`` is of the filter's moment. It holds the database's password: it
    goes through a pipe, nowhere else."""
    engine = session.get_bind().engine
    return {
        "database": engine.dialect.name,
        "url": _address(engine),
        "views": as_of.views(engine.dialect.name, wanted.as_of) if wanted.as_of else [],
        "totals": asdict(statement.totals(session, person, wanted)),
        "rows": asdict(statement.rows(session, person, wanted, layout)),
        "reference": reference,
        "format": layout.format,
        "columns": list(layout.columns),
        "kinds": [COLUMNS[name].kind for name in layout.columns],
        "separator": SIGNS[layout.separator],
        "bom": layout.bom,
        "opening": layout.opening,
        "ending": layout.ending,
        "about": about(
            layout, spans(wanted), now, reference, asked=filters.for_others(wanted), as_of=wanted.as_of
        ),
    }


def spans(wanted: Filter) -> dict[str, Span]:
    """The days a filter is about, by what they are the days of."""
    dated = {basis: getattr(wanted, basis) for basis in DAYS}
    return {basis: span for basis, span in dated.items() if span is not None}


def _address(engine: Engine) -> str:
    if engine.dialect.name == "sqlite":
        return str(engine.url.database)
    return engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


class Children:
    """Starts children for ``sqlite`` or ``postgresql``. A spare one is kept ready."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._spare: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def warm(self) -> None:
        """Have a spare."""
        with self._lock:
            if self._spare is not None and self._spare.poll() is not None:
                _end(self._spare)
                self._spare = None
            self._spare = self._spare or _start(self._database)

    def write(self, job: Job) -> "File":
        """A child on its job. Raises BrokenOff when it cannot begin."""
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is not None:
            with suppress(BrokenOff):  # it can have died while it waited, and nobody was told yet
                return File(spare, job)
        return File(_start(self._database), job)

    def close(self) -> None:
        with self._lock:
            if self._spare is not None:
                _end(self._spare)
            self._spare = None


def _start(database: str) -> subprocess.Popen[bytes]:
    """In a group of its own: Ctrl-C reaches us, and our end reaches it through its pipes."""
    command = [sys.executable, "-m", _MODULE, database]
    process = subprocess.Popen(  # noqa: S603 - our own program
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    with suppress(OSError, AttributeError):  # more than this person may have, or a system without
        assert process.stdout is not None
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, _PIPE)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):  # it has gone with a word unread
                pipe.close()
    process.kill()
    process.wait()


class File:
    """A file being written by a child."""

    def __init__(self, process: subprocess.Popen[bytes], job: Job) -> None:
        self._process = process
        self.rows_done = 0
        self.whole = False
        try:
            self._tell(job)
            letter, told = self._read()
            if letter != "H":
                raise BrokenOff(_BROKEN)
            self.contents = _contents(json.loads(told))  # None: it is counted after the rows
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def pieces(self) -> Iterator[bytes]:
        """The bytes of the file, an empty piece when there is only news of how far it is.

        Raises BrokenOff when it ends before it is whole; then what came is no file.
        """
        try:
            while not self.whole:
                letter, data = self._read()
                if letter == "D":
                    yield data
                elif letter == "P":
                    self.rows_done = json.loads(data)["rows"]
                    yield b""
                else:
                    self.contents = _contents(json.loads(data))
                    self.whole = True
        finally:
            self.close()

    def close(self) -> None:
        """End the child, whatever it is doing."""
        _end(self._process)

    def _tell(self, job: Job) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise BrokenOff(_BROKEN) from error

    def _read(self) -> tuple[str, bytes]:
        assert self._process.stdout is not None
        return read_frame(self._process.stdout)


def read_frame(stream: IO[bytes]) -> tuple[str, bytes]:
    """The letter and the bytes of the next frame. Raises BrokenOff when there is no whole one."""
    head = stream.read(5)
    size = int.from_bytes(head[1:], "big")
    data = stream.read(size)
    if len(head) < 5 or len(data) < size:
        raise BrokenOff(_BROKEN)
    return head[:1].decode(), data


_BROKEN = "The file broke off before it was whole. Nothing is lost: export it again."


def _contents(told: dict[str, Any] | None) -> Contents | None:
    if told is None:
        return None
    sums = told["sums"]
    return Contents(
        rows=told["rows"],
        sums={currency: Money(asked, currency) for currency, (asked, _) in sums.items()},
        received={currency: Money(here, currency) for currency, (_, here) in sums.items()},
    )
