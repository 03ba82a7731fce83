"""Codes from an app on somebody's phone, and codes on paper for when the phone is lost.

RFC 6238 as every authenticator app has it: six digits, half a minute, SHA-1. A code is taken once, and half
a minute early or late. The secret is encrypted with the key ring; of the codes on paper only hashes are kept.
"""

import base64
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from db.models import PersonRow, RecoveryCode, SecondFactor
from payments.access import guesses, passkeys, people, staff, tickets
from payments.access.people import Action, Person, Role, check, proven
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotFound
from payments.keeping.keyring import KeyRing

#: Who moves money, or says who may: what they do takes a code.
MONEY_ROLES = frozenset({Role.ADMIN, Role.FINANCE})
STEP_S, DIGITS = 30, 6
#: Steps that a phone's clock may be off.
DRIFT = 1
_SECRET_BYTES = 20
#: How long a secret that is shown may be confirmed.
_SHOWN_FOR = timedelta(minutes=30)
_PLACE, _SHOWN_PLACE = "second_factors.sealed.{}", "second_factors.shown.{}"
#: 24 of 31 characters are 118 bits: one round of a hash is enough (ASVS 6.5.2 asks for 112).
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_GROUPS, _GROUP = 6, 4
RECOVERY_CODES = 8


@dataclass(frozen=True)
class Offer:
    """A secret that is shown to be put into an app. ``sealed`` comes back with the first code of it."""

    uri: str
    spoken: str
    sealed: str


@dataclass(frozen=True)
class Standing:
    """What somebody has set up: since when, and how many codes on paper are left."""

    since: datetime
    left: int


def standing(session: Session, person_id: int) -> Standing | None:
    row = session.get(SecondFactor, person_id)
    if row is None:
        return None
    left = select(func.count(RecoveryCode.id)).where(
        RecoveryCode.person_id == person_id, RecoveryCode.used_at.is_(None)
    )
    return Standing(row.since, session.scalar(left) or 0)


def has_app(session: Session, person_id: int) -> bool:
    return session.get(SecondFactor, person_id) is not None


def has_any(session: Session, person_id: int) -> bool:
    """Whether somebody has an app for codes, or a passkey."""
    return has_app(session, person_id) or passkeys.has_any(session, person_id)


def offer(person: Person, keys: KeyRing, *, issuer: str, now: datetime) -> Offer:
    """A new secret for somebody's app. Nothing is kept until its first code is given back.

    Raises CannotOpen when there is no key to encrypt it with.
    """
    return _offer(person, secrets.token_bytes(_SECRET_BYTES), keys, issuer, now)


def offered(person: Person, sealed: str, keys: KeyRing, *, issuer: str, now: datetime) -> Offer:
    """The same offer again, so that nobody has to scan twice. Raises as ``confirm`` does."""
    return _offer(person, _shown(person, sealed, keys, now), keys, issuer, now)


def confirm(
    session: Session, person: Person, sealed: str, code: str, keys: KeyRing, *, now: datetime
) -> tuple[str, ...]:
    """Take the secret into use, by a code of it; returns the codes to keep on paper, shown once.

    It replaces the one before, its codes on paper too. Whoever calls has asked for password or old code.
    Raises InvalidInput (the code does not fit, or was shown too long ago).
    """
    secret = _shown(person, sealed, keys, now)
    step = _fitting(secret, _digits(code), 0, now)
    if step is None:
        raise InvalidInput(
            "This code does not fit. Wait for the next one and type that; if it fails again, set your "
            "phone's clock to the network's time."
        )
    row = session.get(SecondFactor, person.id) or SecondFactor(person_id=person.id)
    row.sealed, row.last_step, row.since = keys.seal(secret, _PLACE.format(person.id)), step, now
    session.add(row)
    session.execute(delete(RecoveryCode).where(RecoveryCode.person_id == person.id))
    papers = tuple(_drawn() for _ in range(RECOVERY_CODES))
    session.add_all(
        RecoveryCode(person_id=person.id, code_hash=_paper_hash(paper), made_at=now) for paper in papers
    )
    audit.record(session, person, "set_up_codes", person.email, now=now)
    return papers


def passes(
    session: Session, row: PersonRow, typed: str, keys: KeyRing, *, now: datetime, steady: datetime
) -> bool:
    """Whether this is a code of theirs; it is used up by it. Somebody without an app needs none, unless they
    have a passkey: that is asked for elsewhere, and a password is not enough beside it.

    After five wrong ones in a quarter of an hour nothing fits. Raises CannotOpen when the key is not here.
    """
    factor = session.scalar(select(SecondFactor).where(SecondFactor.person_id == row.id).with_for_update())
    if factor is None:
        return not passkeys.has_any(session, row.id)
    tried = guesses.code_attempt(session, row.id, steady=steady)
    if tried is None:
        return False
    tried.succeeded = _is_theirs(session, factor, typed, keys, now) or _is_on_paper(session, row, typed, now)
    return tried.succeeded


def reset(
    session: Session, by: Person, person_id: int, *, now: datetime, approval: int | None = None
) -> None:
    """Somebody lost phone and paper: take their app and passkeys away, and password and sessions with them.
    They come in by a new link and set up both: whoever holds that link is them, so it takes two people.
    Never one's own. Raises NotAllowed, NotFound, Conflict."""
    check(by, Action.MANAGE_PEOPLE)
    proven(by, now=now)
    row = to_reset(session, by, person_id)
    second = people.seconded(session, by, approval, now=now)
    passkeys.forget(session, person_id)
    session.execute(delete(SecondFactor).where(SecondFactor.person_id == person_id))
    session.execute(delete(RecoveryCode).where(RecoveryCode.person_id == person_id))
    row.password_hash = None
    staff.end_sessions(session, row, now)
    audit.record(session, by, "reset_codes", row.email, now=now, **second)


def to_reset(session: Session, by: Person, person_id: int) -> PersonRow:
    """Whose app and passkeys can be taken away by this person. Raises NotFound, Conflict."""
    row = session.get(PersonRow, person_id)
    if row is None or not has_any(session, person_id):
        raise NotFound("This person has no app for codes and no passkey.")
    if by.id == person_id:
        raise Conflict("You cannot take your own app away. Set up another phone under Your account instead.")
    return row


# -- inside -----------------------------------------------------------------------------------------


def _offer(person: Person, secret: bytes, keys: KeyRing, issuer: str, now: datetime) -> Offer:
    encoded = base64.b32encode(secret).decode()
    return Offer(
        uri=_totp(secret).get_provisioning_uri(person.email, issuer),
        spoken=" ".join(encoded[at : at + 4] for at in range(0, len(encoded), 4)),
        sealed=tickets.give(secret, keys, _SHOWN_PLACE.format(person.id), now=now),
    )


def _shown(person: Person, sealed: str, keys: KeyRing, now: datetime) -> bytes:
    secret = tickets.take(sealed, keys, _SHOWN_PLACE.format(person.id), lasts=_SHOWN_FOR, now=now)
    if secret is None:
        raise InvalidInput("This was shown too long ago. Open the page again and scan the new square.")
    return secret


def _is_theirs(session: Session, factor: SecondFactor, typed: str, keys: KeyRing, now: datetime) -> bool:
    digits = _digits(typed)
    if not digits:
        return False
    secret = keys.open(factor.sealed, _PLACE.format(factor.person_id))
    step = _fitting(secret, digits, factor.last_step, now)
    if step is not None:
        factor.last_step = step
    return step is not None


def _is_on_paper(session: Session, row: PersonRow, typed: str, now: datetime) -> bool:
    unused = update(RecoveryCode).where(
        RecoveryCode.person_id == row.id,
        RecoveryCode.code_hash == _paper_hash(typed),
        RecoveryCode.used_at.is_(None),
    )
    if session.execute(unused.values(used_at=now)).rowcount != 1:  # type: ignore[attr-defined]
        return False
    audit.record(session, people.person_of(row), "use_recovery_code", row.email, now=now)
    return True


def _fitting(secret: bytes, digits: str, last_step: int, now: datetime) -> int | None:
    """The half minute, later than the last that was used, whose code this is."""
    totp, current = _totp(secret), int(now.timestamp()) // STEP_S
    steps = range(max(current - DRIFT, last_step + 1), current + DRIFT + 1)
    fits = [step for step in steps if secrets.compare_digest(totp.generate(step * STEP_S), digits.encode())]
    return fits[0] if fits else None


def _totp(secret: bytes) -> TOTP:
    return TOTP(secret, DIGITS, SHA1(), STEP_S)  # noqa: S303 - RFC 6238, and what every app knows


def _digits(typed: str) -> str:
    """Six digits however they are spaced; nothing for anything else."""
    bare = re.sub(r"[\s-]", "", typed)
    return bare if re.fullmatch(f"[0-9]{{{DIGITS}}}", bare, re.ASCII) else ""


def _drawn() -> str:
    drawn = "".join(secrets.choice(_ALPHABET) for _ in range(_GROUPS * _GROUP))
    return "-".join(drawn[at : at + _GROUP] for at in range(0, len(drawn), _GROUP))


def _paper_hash(typed: str) -> str:
    return guesses.hash_of("paper " + re.sub(r"[\s-]", "", typed).upper())
