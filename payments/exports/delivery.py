"""From the record that was asked for to the last byte: a file is written, hashed and written down."""

import hashlib
import time
from collections.abc import Callable, Iterator
from datetime import datetime

from db.session import Sessions
from payments.access.people import Person
from payments.exports import records, run
from payments.exports.records import ExportView
from payments.exports.run import Children, Contents
from payments.finding import as_of

#: Seconds between two words in the record about how far a file is.
TELL_EVERY_S = 0.5
_LEFT = "Whoever asked for it went away before it was whole."


class Delivery:
    """One file on its way. ``end`` always follows, whatever happened: it ends the child and says so."""

    def __init__(
        self,
        sessions: Sessions,
        children: Children,
        person: Person,
        reference: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._sessions = sessions
        self._person = person
        self._clock = clock
        with sessions.begin() as session:
            self.asked: ExportView = records.begin(session, person, reference, now=clock())
        try:
            with as_of.read(sessions, self.asked.wanted.as_of, now=clock()) as session:
                job = run.job(
                    session, person, self.asked.wanted, self.asked.layout, reference, now=self.asked.asked_at
                )
            self._file = children.write(job)
        except BaseException as error:
            self._broken(str(error))
            raise
        self._ended = False

    @property
    def rows(self) -> int | None:
        """How many there will be, when that is known before the first."""
        return self._file.contents.rows if self._file.contents else None

    @property
    def rows_done(self) -> int:
        return self._file.rows_done

    @property
    def contents(self) -> Contents | None:
        return self._file.contents

    @property
    def child(self) -> int:
        """The child's process id."""
        return self._file.pid

    def pieces(self) -> Iterator[bytes]:
        """The bytes; an empty piece is no byte, only time. Raises BrokenOff."""
        digest, size, told = hashlib.sha256(), 0, time.monotonic()
        for piece in self._file.pieces():
            digest.update(piece)
            size += len(piece)
            yield piece
            if time.monotonic() - told > TELL_EVERY_S:
                told = time.monotonic()
                with self._sessions.begin() as session:
                    records.tell(session, self._person, self.asked.reference, self._file.rows_done)
        assert self._file.contents is not None
        with self._sessions.begin() as session:
            records.finish(
                session, self._person, self.asked.reference, self._file.contents, digest.hexdigest(), size,
                now=self._clock(),
            )  # fmt: skip
        self._ended = True

    def end(self, problem: str = _LEFT) -> None:
        self._file.close()
        if not self._ended:
            self._ended = True
            self._broken(problem)

    def _broken(self, problem: str) -> None:
        with self._sessions.begin() as session:
            records.break_off(session, self._person, self.asked.reference, problem, now=self._clock())
