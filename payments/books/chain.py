"""The chain of the audit: what makes an entry that was changed, taken out or put in show.

Each entry has a mac: HMAC-SHA256 over itself and the mac before it, with a key that is not in the database.
Whoever can write to the database can neither change an entry nor add one without the key; and what they could
still do, take away the newest, shows against an anchor: once an hour the newest entry's number and mac are
written to a file outside. Entries from before there was a chain are bound as one into its first mac.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Result, Row, select, text
from sqlalchemy.orm import Session

from db.models import AuditEntry, Meta
from db.session import Sessions
from db.upsert import insert_once
from payments.errors import Conflict, quoted
from payments.keeping.keyring import KeyRing

#: Under this name ``Sessions.carried`` has the desk's Chain.
CARRIED = "chain"
_KEYS = "audit_keys"
#: PostgreSQL's writers of the audit take turns on this lock: only the commit's last moment is under it.
_TURN = 4_061_868_204


@dataclass(frozen=True)
class Chain:
    """What a process chains with, the first key for new entries, each for old ones; and where anchors are.

    Keys are asked for when first needed: who only looks at something else draws none. Without a key a chain
    is a plain SHA-256, which shows an accident and no intent: for tests and tools.
    """

    keys: Callable[[], KeyRing] = KeyRing
    anchors: Path | None = None

    @cached_property
    def ring(self) -> KeyRing:
        return self.keys()


UNKEYED = Chain()


def beside(sessions: Sessions, engine: Engine) -> Sessions:
    """Sessions on a copy of a desk's database, with its keys; anchors are of the desk itself."""
    with sessions.read() as session:
        return Sessions(engine, {CARRIED: replace(of(session), anchors=None)})


@dataclass(frozen=True)
class Anchor:
    """The newest entry as it was. ``restored``: a backup was put back then, or a new database begun (entry
    0); what the desk knew before is not there any more."""

    at: datetime
    entry: int
    mac: str
    restored: bool = False


@dataclass(frozen=True)
class Broken:
    """The first entry that is not as it was written, by its number; and in which way."""

    entry: int
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """``early`` of the ``entries`` are from before the chain, and bound as one into its first."""

    entries: int
    early: int
    last: int
    mac: str
    anchor: Anchor | None
    broken: Broken | None


def of(session: Session) -> Chain:
    """The chain that this session writes to and looks at."""
    found: Chain = session.info.get(CARRIED, UNKEYED)
    return found


# -- adding -------------------------------------------------------------------------------------------


def append(session: Session, entries: Iterable[AuditEntry]) -> None:
    """Number the entries, chain them to the newest, and add them. The commit has to follow at once: on
    PostgreSQL nobody else can add an entry until then."""
    ring = of(session).ring
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": _TURN})
    newest = _newest(session)
    number, before = (newest.id, newest.mac) if newest else (0, None)
    before = before or _bound(session)
    for number, entry in enumerate(entries, number + 1):  # noqa: B020 it goes on from the newest
        entry.id, entry.mac_key = number, ring.current
        # As the database will give it back: no tuples, no number as a name.
        entry.detail = json.loads(json.dumps(entry.detail))
        entry.mac = before = _mac(_key(ring, ring.current), before, _said(entry))
        session.add(entry)


def _newest(session: Session) -> Row[int, str | None] | None:
    newest = select(AuditEntry.id, AuditEntry.mac).order_by(AuditEntry.id.desc())
    return session.execute(newest.limit(1)).one_or_none()


def _key(ring: KeyRing, name: str) -> bytes:
    """A key of the ring; a chain without keys has an empty one."""
    return ring.keys.get(name, b"")


def _said(entry: AuditEntry | Row[Any]) -> bytes:
    """An entry as it is chained: the same bytes of the object that is written and of the row that is read."""
    at = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    whole = [entry.id, at, entry.actor, entry.action, entry.subject, entry.event_id, entry.detail]
    return json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()


def _mac(key: bytes, before: str, said: bytes) -> str:
    return hmac.new(key, before.encode() + said, hashlib.sha256).hexdigest()


def _bound(session: Session) -> str:
    """What the first mac begins with: all entries there were before."""
    digest = hashlib.sha256()
    with _rows(session) as rows:
        for row in rows:
            digest.update(_said(row) + b"\n")
    return digest.hexdigest()


def _rows(session: Session) -> Result[Any]:
    entry = AuditEntry
    columns = select(
        entry.id, entry.at, entry.actor, entry.action, entry.subject, entry.event_id, entry.detail,
        entry.mac, entry.mac_key,
    )  # fmt: skip
    return session.execute(columns.order_by(entry.id).execution_options(yield_per=2_000))


# -- looking ------------------------------------------------------------------------------------------


def verify(session: Session) -> Verdict:
    """Go through every entry from the first, and hold them against the anchors. Raises Conflict for anchors
    that are not the desk's."""
    chain = of(session)
    anchors = _since_restored(read_anchors(chain))
    waiting = {anchor.entry: anchor for anchor in anchors if anchor.entry}
    walk = _Walk(chain.ring)
    with _rows(session) as rows:
        for row in rows:
            walk.take(row)
            anchor = waiting.pop(row.id, None)
            if walk.broken is None and anchor is not None and anchor.mac != row.mac:
                walk.broken = Broken(row.id, f"is another one than was there on {_when(anchor)}.")
            if walk.broken is not None:
                break
    if walk.broken is None and waiting:
        first = min(waiting)
        walk.broken = Broken(first, f"is gone: it was there on {_when(waiting[first])}.")
    return Verdict(
        walk.count, walk.early, walk.last, walk.before, anchors[-1] if anchors else None, walk.broken
    )


class _Walk:
    """From entry to entry: how many, the last one's mac, and the first that is not what it should be."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._bound = hashlib.sha256()
        self.count = self.early = self.last = 0
        self.before = ""
        self.broken: Broken | None = None

    def take(self, row: Row[Any]) -> None:
        said = _said(row)
        if row.mac is None and not self.before:
            self.early += 1
            self._bound.update(said + b"\n")
        elif fault := self._fault(row, said):
            self.broken = Broken(row.id, fault)
            return
        else:
            self.before = row.mac
        self.count += 1
        self.last = row.id

    def _fault(self, row: Row[Any], said: bytes) -> str:
        """In which way this is not the entry that was written after the one before; "" when it is."""
        if row.mac is None:
            return "was added without the chain."
        if row.id != self.last + 1:
            return f"follows {self.last}: those between are gone."
        if row.mac_key != self._ring.current and row.mac_key not in self._ring.keys:
            return f"was written with the key {quoted(row.mac_key)}, which is none of this desk's."
        before = self.before or self._bound.hexdigest()
        if not hmac.compare_digest(row.mac, _mac(_key(self._ring, row.mac_key), before, said)):
            return "is not as it was written, or the one before it is not."
        return ""


def broken_by(session: Session) -> Iterator[str]:
    """For the examination of the books: what is wrong with the audit."""
    if broken := verify(session).broken:
        yield f"entry {broken.entry} {broken.sentence}"


# -- keys ---------------------------------------------------------------------------------------------


def claim_keys(sessions: Sessions, *, now: datetime) -> None:
    """The first process of a desk tells the database by a print of its keys which they are; all others must
    have the same. With a new database the anchors begin anew. Raises Conflict."""
    with sessions.begin() as session:
        ring = of(session).ring
        prints = {
            name: hashlib.sha256(b"print of " + key).hexdigest()[:16] for name, key in ring.keys.items()
        }
        insert_once(session, Meta, Meta.key, {"key": _KEYS, "value": "{}"})
        kept = session.scalars(select(Meta).where(Meta.key == _KEYS).with_for_update()).one()
        known: dict[str, str] = json.loads(kept.value)
        _check_same(prints, known)
        if prints.keys() - known.keys():
            kept.value = json.dumps(known | prints)
        chain = of(session)
    if prints and not known and chain.anchors is not None:
        _write(chain, Anchor(now, 0, "", restored=True))


def _check_same(prints: Mapping[str, str], known: Mapping[str, str]) -> None:
    for name, one in prints.items():
        if known.get(name, one) != one:
            raise Conflict(
                f"The audit of this desk is chained with another key named {quoted(name)}. Set AUDIT_KEYS to "
                f"what the desk's first machine has, there or in DATA_DIR/audit.keys."
            )
    if prints and known.keys() - prints.keys():
        missing = ", ".join(sorted(known.keys() - prints.keys()))
        raise Conflict(
            f"The audit of this desk is chained with {missing}, which is not among AUDIT_KEYS. Put it behind "
            f"the new one: what it chained is looked at with it. A drawn key is in DATA_DIR/audit.keys."
        )


# -- anchors ------------------------------------------------------------------------------------------


def drop_anchor(sessions: Sessions, *, now: datetime, restored: bool = False) -> Anchor | None:
    """Write down outside the database what the newest entry is, if it is another one than last time."""
    with sessions.read() as session:
        chain = of(session)
        newest = _newest(session)
    if chain.anchors is None or newest is None or newest.mac is None:
        return None
    anchor = Anchor(now, newest.id, newest.mac, restored)
    last = read_anchors(chain)[-1:]
    if restored or not last or (last[0].entry, last[0].mac) != (anchor.entry, anchor.mac):
        _write(chain, anchor)
    return anchor


def _write(chain: Chain, anchor: Anchor) -> None:
    assert chain.anchors is not None
    chain.anchors.parent.mkdir(parents=True, exist_ok=True)
    line = f"{_line(chain.ring, chain.ring.current, anchor)}\n"
    file = os.open(chain.anchors, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
        os.fsync(file)
    finally:
        os.close(file)


def _line(ring: KeyRing, name: str, anchor: Anchor) -> str:
    said = [anchor.at.astimezone(UTC).isoformat(), anchor.entry, anchor.mac, anchor.restored, name]
    return json.dumps([*said, _mac(_key(ring, name), "anchor", json.dumps(said).encode())])


def read_anchors(chain: Chain) -> list[Anchor]:
    """Every anchor of the file, oldest first. Raises Conflict for a line that the desk did not write."""
    lines: Sequence[str] = []
    if chain.anchors is not None:
        with suppress(FileNotFoundError):
            lines = chain.anchors.read_text().splitlines()
    return [_anchor(chain, number, line) for number, line in enumerate(lines, 1)]


def _anchor(chain: Chain, number: int, line: str) -> Anchor:
    try:
        at, entry, mac, restored, name, _ = json.loads(line)
        anchor = Anchor(datetime.fromisoformat(at), int(entry), str(mac), bool(restored))
        if hmac.compare_digest(line, _line(chain.ring, name, anchor)):
            return anchor
    except (ValueError, TypeError, AttributeError):
        pass
    raise Conflict(
        f"Line {number} of {chain.anchors} is none that this desk wrote. Find out who changed it; put the "
        f"file back from a copy, or move it away and the next anchor begins a new one."
    )


def _since_restored(anchors: Sequence[Anchor]) -> list[Anchor]:
    """The anchors that the database must still fit: none from before a backup was put back."""
    starts = [place for place, anchor in enumerate(anchors) if anchor.restored]
    return list(anchors[starts[-1] :] if starts else anchors)


def _when(anchor: Anchor) -> str:
    return f"{anchor.at:%-d %B %Y, %H:%M} UTC"
