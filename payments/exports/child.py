"""The process that writes one file: ``python -m payments.exports.child sqlite`` takes a job, answers frames.

The job is a line of JSON on standard input (``run`` makes it); a spare child waits for it with all loaded.
A frame is a letter, a length and bytes: H is what the file will hold, D its bytes, P how far it is, E that it
is whole. Whoever sees no E has no whole file. It ends when nobody reads any more.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from db import stream
from db.stream import Picture
from payments.exports import csv_file

#: Seconds between two words about how far it is.
TELL_EVERY_S = 0.25
#: Seconds that a first byte may wait for the count.
COUNT_WITHIN_S = 0.05
#: It lets the hook and the pages go first where they want the same processor. By more than this a file would
#: hardly get on beside others that never rest.
GIVES_WAY = 5
#: Where each session of processes has its share of the processors, and we have one of our own.
_OUR_SHARE = Path("/proc/self/autogroup")


def main() -> None:
    _give_way()
    stream.load(sys.argv[1])
    line = sys.stdin.buffer.readline()
    if line:
        try:
            write(json.loads(line), sys.stdout.buffer)
        except BrokenPipeError:
            os._exit(1)  # nobody is left to flush to


def _give_way() -> None:
    os.nice(GIVES_WAY)
    with suppress(OSError):  # other systems have no such shares
        _OUR_SHARE.write_text(str(GIVES_WAY))


def write(job: dict[str, Any], out: BinaryIO) -> None:
    """Count, sums and rows are of one picture; a file of other rows than were counted is not whole.

    A count that would keep the first byte waiting is made after the rows.
    """
    with _picture(job) as picture:
        totals = _Totals(picture, job)
        _frame(out, "H", totals.soon() if job["format"] == "csv" else totals.told())
        done, spoke = 0, time.monotonic()
        for data, count in _pieces(picture, job, totals):
            done += count
            if data:
                _send(out, "D", data)
            if (now := time.monotonic()) - spoke > TELL_EVERY_S:
                spoke = now
                _frame(out, "P", {"rows": done})
        if done != (told := totals.told())["rows"]:
            raise RuntimeError(f"{told['rows']} payments were counted and {done} written")
        _frame(out, "E", told)


class _Totals:
    """Rows and sums, counted once, when they are first needed."""

    def __init__(self, picture: Picture, job: dict[str, Any]) -> None:
        self._picture = picture
        self._statement = job["totals"]
        self._told: dict[str, Any] | None = None

    def soon(self) -> dict[str, Any] | None:
        found = self._picture.rows_within(COUNT_WITHIN_S, self._statement["sql"], self._statement["params"])
        self._told = _told(found) if found is not None else None
        return self._told

    def told(self) -> dict[str, Any]:
        if self._told is None:
            self._told = _told(self._picture.rows(self._statement["sql"], self._statement["params"]))
        return self._told


def _picture(job: dict[str, Any]) -> AbstractContextManager[Picture]:
    if job["database"] == "sqlite":
        return stream.sqlite(job["url"], job["views"])
    return stream.postgres(job["url"], job["views"])


def _pieces(picture: Picture, job: dict[str, Any], totals: _Totals) -> Iterator[tuple[bytes, int]]:
    if job["format"] == "csv":
        yield from csv_file.pieces(picture, job)
        if job["ending"]:
            yield csv_file.ending(totals.told(), job), 0
        return
    from payments.exports import xlsx_file  # its writer takes a while to load, and CSV needs none

    yield from xlsx_file.pieces(picture, job, totals.told())


def _told(totals: list[tuple[Any, ...]]) -> dict[str, Any]:
    """Asked and received by currency, in minor units."""
    rows = sorted((currency, int(count), int(asked), int(here)) for currency, count, asked, here in totals)
    return {"rows": sum(row[1] for row in rows), "sums": {row[0]: [row[2], row[3]] for row in rows}}


def _frame(out: BinaryIO, letter: str, told: Any) -> None:
    _send(out, letter, json.dumps(told).encode())


def _send(out: BinaryIO, letter: str, data: bytes) -> None:
    out.write(letter.encode() + len(data).to_bytes(4, "big"))
    out.write(data)
    out.flush()


if __name__ == "__main__":
    main()
