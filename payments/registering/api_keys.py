"""Keys of other systems, a registration site for one: each for one event, with scopes, shown once.

Whoever holds a key acts as a person of the desk who is here for that event alone: what they may is looked up
in the one policy, and what they did stands in the audit under the key's name.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import ApiKey, Event
from payments.access.people import Action, Person, Role, check, proven
from payments.books import audit
from payments.errors import InvalidInput, NotAllowed, NotFound
from payments.privacy import clean_line
from payments.second_person import approvals, entrusting
from payments.second_person.approvals import ApprovalView, Ask, What
from payments.selling.events import event_row

_WHOLE = re.compile(r"pd_(?:demo|live)_([a-z0-9]{12})_([A-Za-z0-9_-]{43})", re.ASCII)
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
#: Keys in use of one event: more are a mistake.
MOST = 20


class Scope(StrEnum):
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True)
class Caller:
    """Who calls: the key, as the person it acts as, for its one event."""

    key_id: int
    event_code: str
    scopes: frozenset[Scope]
    person: Person

    def needs(self, scope: Scope) -> None:
        """Raises NotAllowed."""
        if scope not in self.scopes:
            raise NotAllowed(
                f"This key may not {scope}. An admin of the desk makes one that may.",
                by=self.person,
                what=scope,
            )


@dataclass(frozen=True)
class KeyView:
    """A line of the list. ``handle`` is the part of the key that is no secret."""

    id: int
    event_code: str
    event_name: str
    name: str
    handle: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    created_by: str
    used_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None


def make(
    session: Session,
    person: Person,
    event_code: str,
    name: str,
    scopes: Iterable[Scope],
    *,
    demo: bool,
    now: datetime,
) -> str:
    """A new key, whole: it is shown once, and only its hash is kept.

    Raises NotAllowed, NotFound, InvalidInput, Conflict (the desk stands still, or nobody else approved it).
    """
    event, wanted = _wanted(session, person, event_code, name, scopes)
    proven(person, now=now)
    name, allowed = wanted.bound["name"], " ".join(wanted.bound["scopes"])
    second = entrusting.used_up(session, person, wanted, now=now)
    handle, secret = "".join(secrets.choice(_ALPHABET) for _ in range(12)), secrets.token_urlsafe(32)
    session.add(
        ApiKey(
            event_id=event.id, name=name, handle=handle, secret_hash=_hash(secret),
            scopes=allowed, created_at=now, created_by=person.name,
        )
    )  # fmt: skip
    audit.record(
        session, person, "make_api_key", f"{name} ({handle})", now=now, event_id=event.id,
        scopes=allowed, **second,
    )  # fmt: skip
    return f"pd_{'demo' if demo else 'live'}_{handle}_{secret}"


def ask(
    session: Session,
    person: Person,
    event_code: str,
    name: str,
    scopes: Iterable[Scope],
    why: str,
    *,
    now: datetime,
) -> ApprovalView:
    """Ask a second person for exactly such a key. Raises as ``make`` does, and as ``approvals.ask``."""
    _, wanted = _wanted(session, person, event_code, name, scopes)
    proven(person, now=now)
    return approvals.ask(session, person, wanted, why, now=now)


def _wanted(
    session: Session, person: Person, event_code: str, name: str, scopes: Iterable[Scope]
) -> tuple[Event, Ask]:
    """Exactly which key. Raises NotAllowed, NotFound, InvalidInput."""
    event = event_row(session, person, event_code)
    check(person, Action.MANAGE_EVENTS, event.id)
    name = clean_line(name, field="The name", longest=60)
    wanted = sorted(set(scopes))
    if not name:
        raise InvalidInput("Say which system the key is for, such as Registration site.")
    if not wanted:
        raise InvalidInput("A key may read, write, or both.")
    in_use = select(ApiKey.id).where(ApiKey.event_id == event.id, ApiKey.revoked_at.is_(None))
    if len(session.scalars(in_use).all()) >= MOST:
        raise InvalidInput(f"{event.name} has {MOST} keys in use. Revoke those that nobody needs first.")
    told = {"event": event.code, "name": name, "scopes": [str(scope) for scope in wanted]}
    return event, Ask(What.MAKE_KEY, name[: entrusting.SUBJECT], told, frozenset({event.id}))


def revoke(session: Session, person: Person, key_id: int, *, now: datetime) -> None:
    """Shut a key out, at once; what was done with it stays. Raises NotAllowed, NotFound."""
    row = session.get(ApiKey, key_id)
    if row is None or not person.may(Action.SEE, row.event_id):
        raise NotFound("There is no such key.")
    check(person, Action.MANAGE_EVENTS, row.event_id)
    proven(person, now=now)
    if row.revoked_at is not None:
        return
    row.revoked_at, row.revoked_by = now, person.name
    audit.record(
        session, person, "revoke_api_key", f"{row.name} ({row.handle})", now=now, event_id=row.event_id
    )


def list_keys(session: Session, person: Person) -> tuple[KeyView, ...]:
    """The keys of this person's events, those in use first, then the newest."""
    check(person, Action.MANAGE_EVENTS)
    query = select(ApiKey, Event).join(Event).order_by(ApiKey.revoked_at.is_not(None), ApiKey.id.desc())
    if person.events is not None:
        query = query.where(ApiKey.event_id.in_(sorted(person.events)))
    return tuple(_view(key, event) for key, event in session.execute(query))


def find(session: Session, whole: str) -> Caller | None:
    """Who holds this key; None for what is none, or is revoked."""
    read = _WHOLE.fullmatch(whole)
    if read is None:
        return None
    row = session.execute(
        select(ApiKey, Event.code).join(Event).where(ApiKey.handle == read[1], ApiKey.revoked_at.is_(None))
    ).first()
    given = _hash(read[2])
    if row is None or not secrets.compare_digest(row[0].secret_hash, given):
        return None
    key, code = row
    scopes = frozenset(Scope(scope) for scope in key.scopes.split())
    role = Role.ORGANISER if Scope.WRITE in scopes else Role.VIEWER
    return Caller(key.id, code, scopes, Person(0, f"api:{key.name}", "", role, frozenset({key.event_id})))


def called(session: Session, caller: Caller, what: str, *, now: datetime) -> None:
    """Write down that a key was used, and for what; also while the desk stands still."""
    key = session.get_one(ApiKey, caller.key_id)
    key.used_at = now
    audit.record(session, caller.person, "api_call", what, now=now, event_id=key.event_id, key=key.id)


def _hash(secret: str) -> str:
    """One round is enough: a secret of 256 drawn bits cannot be guessed, however quick the guessing."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _view(key: ApiKey, event: Event) -> KeyView:
    return KeyView(
        id=key.id,
        event_code=event.code,
        event_name=event.name,
        name=key.name,
        handle=key.handle,
        scopes=tuple(Scope(scope) for scope in key.scopes.split()),
        created_at=key.created_at,
        created_by=key.created_by,
        used_at=key.used_at,
        revoked_at=key.revoked_at,
        revoked_by=key.revoked_by,
    )
