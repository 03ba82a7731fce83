"""Where somebody is signed in: one's own browsers, and for an admin everybody's; each can be signed out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import PersonRow, PersonSession
from payments.access import people, signin
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.errors import NotFound

#: What a browser calls itself → the word for it; the first that is found counts, since most name others too.
_PROGRAMS = (
    ("Edg", "Edge"), ("OPR", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"), ("CriOS", "Chrome"), ("HeadlessChrome", "Chrome"), ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)  # fmt: skip
_MACHINES = (
    ("iPhone", "an iPhone"), ("iPad", "an iPad"), ("Android", "Android"), ("Windows", "Windows"),
    ("CrOS", "a Chromebook"), ("Mac OS X", "a Mac"), ("Linux", "Linux"),
)  # fmt: skip


@dataclass(frozen=True)
class BrowserView:
    """One session, by the words for the browser it is in."""

    id: int
    person_id: int
    name: str
    email: str
    device: str
    address: str
    since: datetime
    active_at: datetime
    ends_at: datetime


def mine(session: Session, person: Person, *, now: datetime) -> list[BrowserView]:
    """One's own, the last used first."""
    return _open(session, now, of=person.id)


def everybodys(session: Session, by: Person, *, now: datetime) -> list[BrowserView]:
    """Of everybody at the desk. Raises NotAllowed."""
    check(by, Action.MANAGE_PEOPLE)
    return _open(session, now)


def sign_out(session: Session, by: Person, session_id: int, *, now: datetime) -> None:
    """End one session, at once: one's own, or as an admin anybody's. Raises NotFound, NotAllowed."""
    row = session.get(PersonSession, session_id)
    if row is None or (row.person_id != by.id and not by.may(Action.MANAGE_PEOPLE)):
        raise NotFound("There is no such session.")
    if row.revoked_at is None:
        _end(session, by, [row], now)


def sign_out_others(session: Session, person: Person, keep_id: int, *, now: datetime) -> int:
    """End every session of one's own but this one. Returns how many ended."""
    query = select(PersonSession).where(
        PersonSession.person_id == person.id,
        PersonSession.id != keep_id,
        PersonSession.revoked_at.is_(None),
        PersonSession.expires_at > now,
    )
    rows = session.scalars(query).all()
    _end(session, person, rows, now)
    return len(rows)


def device(browser: str) -> str:
    """``Chrome on Windows`` from what a browser calls itself; it may call itself anything."""
    program = next((word for sign, word in _PROGRAMS if re.search(rf"\b{sign}[/ ]", browser)), "A browser")
    machine = next((word for sign, word in _MACHINES if sign in browser), "")
    return f"{program} on {machine}" if machine else program


def _open(session: Session, now: datetime, *, of: int | None = None) -> list[BrowserView]:
    query = (
        select(PersonSession, PersonRow)
        .join(PersonRow, PersonRow.id == PersonSession.person_id)
        .where(PersonSession.revoked_at.is_(None), PersonSession.expires_at > now)
        .order_by(PersonSession.active_at.desc(), PersonSession.id.desc())
    )
    if of is not None:
        query = query.where(PersonSession.person_id == of)
    found = (
        (row, who, signin.ends_at(row.expires_at, row.active_at, who.role))
        for row, who in session.execute(query)
    )
    return [
        BrowserView(
            row.id, who.id, who.name, who.email, device(row.browser), row.address, row.created_at,
            row.active_at, ends,
        )
        for row, who, ends in found
        if ends > now and people.is_active(who, now)
    ]  # fmt: skip


def _end(session: Session, by: Person, rows: Sequence[PersonSession], now: datetime) -> None:
    for row in rows:
        row.revoked_at = now
        who = session.get_one(PersonRow, row.person_id)
        audit.record(session, by, "revoke_session", who.email, now=now, browser=device(row.browser))
