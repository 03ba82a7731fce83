"""The truth of the pretend world: each link that was made, and whether it was really paid."""

import json
import secrets
import string
import threading
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Self

from payments.errors import InvalidInput, NotFound, quoted

_ID_LETTERS = string.ascii_lowercase + string.digits


@dataclass(frozen=True)
class SimulatedLink:
    link_id: str
    reference: str
    amount_minor: int
    description: str
    created_at: datetime
    callback_url: str
    success_url: str
    failure_url: str
    cancel_url: str = ""
    status: str = "UNPAID"  # the gateway's words: UNPAID, FAILURE, PAID
    method: str | None = None  # card or instant_eft; the gateway never tells
    paid_at: datetime | None = None
    attempts: int = 0

    @property
    def paid(self) -> bool:
        return self.status == "PAID"


class Ledger:
    """Links by id and by reference, in memory and, when ``file`` is given, in a file of JSON lines.

    A line is a whole link and the last one counts, so that a desk started twice knows its links. One
    process writes a file at a time: fill it before the simulator starts, or through the running one.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._links: dict[str, SimulatedLink] = {}
        self._newest: dict[str, str] = {}  # reference -> id of the newest link made for it
        self._file = None
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._load(file)
            self._file = file.open("a", encoding="utf-8", buffering=1)

    def add(self, link: SimulatedLink) -> SimulatedLink:
        """Keep a new link, or the new state of a known one."""
        with self._lock:
            self._keep(link)
            if self._file is not None:
                self._file.write(_line(link))
        return link

    def change(self, link_id: str, **fields: Any) -> SimulatedLink:
        return self.add(replace(self.get(link_id), **fields))

    def get(self, link_id: str) -> SimulatedLink:
        link = self._links.get(link_id)
        if link is None:
            raise NotFound(f"There is no payment link {quoted(link_id)}.")
        return link

    def find_by_reference(self, reference: str) -> SimulatedLink | None:
        """The newest link made for a reference: the gateway makes as many as it is asked for."""
        link_id = self._newest.get(reference)
        return self._links[link_id] if link_id else None

    def all(self) -> list[SimulatedLink]:
        """Every link, oldest first."""
        with self._lock:
            return list(self._links.values())

    def between(self, first: date, last: date) -> list[SimulatedLink]:
        """Links made from ``first`` to ``last``, both included, by UTC day."""
        return [link for link in self.all() if first <= link.created_at.date() <= last]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep(self, link: SimulatedLink) -> None:
        if link.link_id not in self._links:
            self._newest[link.reference] = link.link_id
        self._links[link.link_id] = link

    def _load(self, file: Path) -> None:
        if not file.exists():
            return
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    self._keep(_link(line))
                except (ValueError, TypeError, KeyError) as error:
                    raise InvalidInput(
                        f"Line {number} of {file} is no simulated link. "
                        f"Delete the file to let the simulator forget its links."
                    ) from error


def new_link_id() -> str:
    """Fifteen of a-z and 0-9, as the gateway's are."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(15))


def _line(link: SimulatedLink) -> str:
    return json.dumps(asdict(link), default=datetime.isoformat, ensure_ascii=False) + "\n"


def _link(line: str) -> SimulatedLink:
    fields = json.loads(line)
    paid_at = fields["paid_at"]
    fields["created_at"] = datetime.fromisoformat(fields["created_at"])
    fields["paid_at"] = datetime.fromisoformat(paid_at) if paid_at else None
    return SimulatedLink(**fields)
