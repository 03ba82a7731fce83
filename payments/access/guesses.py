"""How often somebody may guess: written down before anything is compared; a restart forgets nothing."""

import hashlib
import math
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from sqlalchemy import ColumnElement, delete, func, select, text, update
from sqlalchemy.orm import Session

from db.models import PersonRow, SignInAttempt
from db.session import Sessions
from payments.access import people
from payments.errors import NotAllowed

#: Failures of one account before it has to wait, and the longest wait.
FREE_FAILURES = 5
LONGEST_WAIT_S = 900
#: Failures from one address in a quarter of an hour, and attempts of everybody in a minute.
FAILURES_AN_ADDRESS = 20
ATTEMPTS_A_MINUTE = 100
#: Wrong codes of one person in a quarter of an hour: of a million codes three fit.
WRONG_CODES = 5
_QUARTER = timedelta(minutes=15)
_REMEMBERED = timedelta(days=1)
#: Where codes are guessed from does not matter: they are counted by person.
_CODES = "codes"

_SLOW_DOWN = "Too many attempts. Wait {} and try again, or ask an admin for a sign-in link."


@dataclass(frozen=True)
class Attempt:
    id: int
    known: str | None  # the hash to compare with; None when nobody can come in by this address


def account_of(email: str) -> str:
    """How an address is kept. What no address can hold would be a fault of the database's, not of theirs."""
    plain = unicodedata.normalize("NFC", email).strip().lower()[:254]
    return plain if plain.isprintable() else ""


def attempt(sessions: Sessions, account: str, address: str, *, now: datetime, steady: datetime) -> Attempt:
    """Write an attempt down, unless there were too many: that raises NotAllowed.

    Attempts of a time to come, by a clock that was ahead, are taken as of now: they lock, and not for long.
    """
    with sessions.begin() as session:
        if session.get_bind().dialect.name == "postgresql":  # SQLite lets one writer in at a time anyway
            session.execute(text("LOCK TABLE sign_in_attempts IN EXCLUSIVE MODE"))
        session.execute(delete(SignInAttempt).where(SignInAttempt.at < steady - _REMEMBERED))
        session.execute(update(SignInAttempt).where(SignInAttempt.at > steady).values(at=steady))
        place = _place(address)
        left_s = wait_s(session, account, place, steady)
        if left_s <= 0:
            row = session.scalar(select(PersonRow).where(PersonRow.email == account))
            known = row.password_hash if row is not None and people.is_active(row, now) else None
            kept = SignInAttempt(email_hash=hash_of(account), address=place, at=steady, succeeded=False)
            session.add(kept)
            session.flush()
            return Attempt(kept.id, known)
    raise NotAllowed(_SLOW_DOWN.format(_said(left_s)))  # out here: what was set right above is kept


def wait_s(session: Session, account: str, place: str, now: datetime) -> float:
    """How long until the next attempt may reach the hash. The attempts that were refused do not count."""
    everybody = _nth_latest(session, ATTEMPTS_A_MINUTE)
    from_here = _nth_latest(
        session, FAILURES_AN_ADDRESS, SignInAttempt.address == place, SignInAttempt.succeeded.is_(False)
    )
    return max(
        _left_s(everybody, timedelta(minutes=1), now=now),
        _left_s(from_here, _QUARTER, now=now),
        _account_wait_s(session, account, now),
    )


def _account_wait_s(session: Session, account: str, now: datetime) -> float:
    """After five failures in a row 1, 2, 4 … seconds, at most 15 minutes. It never locks for good."""
    ours = SignInAttempt.email_hash == hash_of(account)
    last_good = session.scalar(select(func.max(SignInAttempt.id)).where(ours, SignInAttempt.succeeded)) or 0
    failures, latest = session.execute(
        select(func.count(), func.max(SignInAttempt.at)).where(ours, SignInAttempt.id > last_good)
    ).one()
    if failures < FREE_FAILURES:
        return 0
    wait_s = min(2 ** min(failures - FREE_FAILURES, 10), LONGEST_WAIT_S)
    return _left_s(latest, timedelta(seconds=wait_s), now=now)


def _nth_latest(session: Session, n: int, *conditions: ColumnElement[bool]) -> datetime | None:
    query = select(SignInAttempt.at).where(*conditions).order_by(SignInAttempt.at.desc())
    return session.scalar(query.offset(n - 1).limit(1))


def _left_s(since: datetime | None, lasts: timedelta, *, now: datetime) -> float:
    return 0 if since is None else (since + lasts - now).total_seconds()


def _said(wait_s: float) -> str:
    whole = math.ceil(wait_s)
    if whole > 60:
        return f"{math.ceil(whole / 60)} minutes"
    return "a second" if whole == 1 else f"{whole} seconds"


def _place(address: str) -> str:
    """What one visitor cannot change at will: of an IPv6 address the network."""
    try:
        known = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(known, IPv6Address) and known.ipv4_mapped is None:
        return str(ip_network((known, 64), strict=False))
    return str(known)


def code_attempt(session: Session, person_id: int, *, steady: datetime) -> SignInAttempt | None:
    """Write down that a code of this person is tried, as a wrong one until ``succeeded`` is set; None when
    too many were wrong. Whoever asks holds the person's factor: two at once count each other."""
    account = hash_of(f"{_CODES} {person_id}")
    if code_wait_s(session, person_id, steady=steady) > 0:
        return None
    kept = SignInAttempt(email_hash=account, address=_CODES, at=steady, succeeded=False)
    session.add(kept)
    session.flush()
    return kept


def code_wait_s(session: Session, person_id: int, *, steady: datetime) -> float:
    """How long until another code of this person may be tried."""
    ours = SignInAttempt.email_hash == hash_of(f"{_CODES} {person_id}")
    return _left_s(
        _nth_latest(session, WRONG_CODES, ours, SignInAttempt.succeeded.is_(False)), _QUARTER, now=steady
    )


def too_many_codes(wait_s: float) -> NotAllowed:
    return NotAllowed(f"Too many wrong codes. Wait {_said(wait_s)} and try again.")


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def fitted(session: Session, attempt: Attempt) -> None:
    """It was no wrong guess."""
    session.get_one(SignInAttempt, attempt.id).succeeded = True
