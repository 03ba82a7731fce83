"""Passkeys: a pair of keys for each, of which the desk keeps the public half; the other is used by a face, a
finger or a PIN, on somebody's own device, for this desk's address and no other.

Each is asked to verify its user, so it counts as both factors. What is asked is not stored but sealed, so
that strangers fill no table; it is taken once, within five minutes.
"""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, delete, exists, select
from sqlalchemy.orm import Session

from db.models import Passkey, UsedChallenge
from db.upsert import insert_once
from payments.access import guesses, tickets
from payments.access.people import Person, proven
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotFound
from payments.keeping.keyring import KeyRing
from payments.privacy import clean_line
from payments.telling import outbox

LASTS = timedelta(minutes=5)
#: Passkeys a person may have.
MOST = 10
#: What an answer is for: to come in, to confirm a step, to add one; the last two each of one person.
COME_IN, PROVE, ADD = "come_in", "prove.{}", "add.{}"
_CHALLENGE_BYTES = 32
_LONGEST_ANSWER = 8192

_TOO_LATE = "This took longer than five minutes. Try again."
_NOT_TAKEN = "This passkey could not be added. Try again; if it fails again, use another device."
_MAIL = """Hello {name},

{what}

If it was not you, tell an admin of your desk at once, and sign out everywhere under Your account.
"""
_ADDED = "A passkey was added to your account at Paydesk: {}. It signs you in by itself."
_REMOVED = "A passkey was removed from your account at Paydesk: {}. It signs nobody in any more."


@dataclass(frozen=True)
class Party:
    """Whom passkeys are for: the desk by its public name, and where its pages come from."""

    id: str
    origin: str
    name: str


@dataclass(frozen=True)
class Asked:
    """What a browser asks a device. ``sealed`` comes back with the answer."""

    options: str
    sealed: str


@dataclass(frozen=True)
class PasskeyView:
    id: int
    name: str
    made_at: datetime
    used_at: datetime | None


def party_of(url: str, name: str) -> Party | None:
    """The party of a desk with this address; None where it is a bare number, for which no device keeps a key.

    On a person's own machine it goes by the name ``localhost``.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", f":{parts.port}" if parts.port else ""
    try:
        if not ip_address(host).is_loopback:
            return None
        host = "localhost"
    except ValueError:
        pass  # a name
    return Party(host, f"{parts.scheme}://{host}{port}", name)


# -- those of a person ------------------------------------------------------------------------------


def has(person_id: Any) -> ColumnElement[bool]:
    """Whether a person has any, as a condition."""
    return exists().where(Passkey.person_id == person_id)


def has_any(session: Session, person_id: int) -> bool:
    return bool(session.scalar(select(has(person_id))))


def mine(session: Session, person: Person) -> list[PasskeyView]:
    """One's own, the oldest first."""
    return [PasskeyView(row.id, row.name, row.made_at, row.used_at) for row in _of(session, person.id)]


def remove(session: Session, person: Person, passkey_id: int, *, now: datetime) -> None:
    """One's own is known here no more. Raises ProveAgain, NotFound."""
    proven(person, now=now)
    row = session.get(Passkey, passkey_id)
    if row is None or row.person_id != person.id:
        raise NotFound("This passkey is not there any more.")
    session.delete(row)
    audit.record(session, person, "remove_passkey", person.email, now=now, name=row.name)
    _tell(session, person, _REMOVED.format(row.name), now)


def forget(session: Session, person_id: int) -> int:
    """All of somebody's, for whoever says so in the audit."""
    return int(session.execute(delete(Passkey).where(Passkey.person_id == person_id)).rowcount)  # type: ignore[attr-defined]


def ask_new(session: Session, person: Person, keys: KeyRing, party: Party, *, now: datetime) -> Asked:
    """What a browser needs to make one. Nothing is kept until it comes back. Raises CannotOpen, Conflict."""
    from webauthn import generate_registration_options
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    known = _of(session, person.id)
    if len(known) >= MOST:
        raise Conflict(f"You have {MOST} passkeys. Remove one that you do not use first.")
    challenge = secrets.token_bytes(_CHALLENGE_BYTES)
    handle = known[0].handle if known else secrets.token_bytes(_CHALLENGE_BYTES)
    options = generate_registration_options(
        rp_id=party.id, rp_name=party.name, user_id=handle, user_name=person.email,
        user_display_name=person.name, challenge=challenge, timeout=_milliseconds(),
        exclude_credentials=_described(known),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
    )  # fmt: skip
    return _asked(options, challenge + handle, ADD.format(person.id), keys, now)


def add(
    session: Session,
    person: Person,
    answer: str,
    sealed: str,
    name: str,
    keys: KeyRing,
    party: Party,
    *,
    now: datetime,
) -> None:
    """Keep the public half of what ``ask_new`` asked for. Raises InvalidInput, Conflict (known already)."""
    from webauthn import verify_registration_response
    from webauthn.helpers import bytes_to_base64url

    plain = _taken(sealed, ADD.format(person.id), keys, now)
    challenge, handle = plain[:_CHALLENGE_BYTES], plain[_CHALLENGE_BYTES:]
    told = clean_line(name, field="The name", longest=60) or "Passkey"
    try:
        made = verify_registration_response(
            credential=answer[:_LONGEST_ANSWER], expected_challenge=challenge, expected_rp_id=party.id,
            expected_origin=party.origin, require_user_verification=True,
        )  # fmt: skip
    except Exception as error:  # what a browser sends may trip the library anywhere: it is no passkey
        raise InvalidInput(_NOT_TAKEN) from error
    if not _once(session, challenge, now):
        raise InvalidInput(_TOO_LATE)
    values = {
        "person_id": person.id, "credential": bytes_to_base64url(made.credential_id),
        "public_key": made.credential_public_key, "handle": handle, "sign_count": made.sign_count,
        "name": told, "made_at": now,
    }  # fmt: skip
    if not insert_once(session, Passkey, Passkey.id, values):
        raise Conflict("This passkey is here already.")
    audit.record(session, person, "add_passkey", person.email, now=now, name=told)
    _tell(session, person, _ADDED.format(told), now)


# -- asking for one ---------------------------------------------------------------------------------


def ask_in(keys: KeyRing, party: Party, *, now: datetime) -> Asked:
    """What a browser needs to sign somebody in, whoever they are: their device knows. Raises CannotOpen."""
    return _ask((), COME_IN, keys, party, now)


def ask_proof(session: Session, person: Person, keys: KeyRing, party: Party, *, now: datetime) -> Asked:
    """What a browser needs to confirm that it is this person. Raises CannotOpen."""
    return _ask(_of(session, person.id), PROVE.format(person.id), keys, party, now)


def accept(
    session: Session,
    answer: str,
    sealed: str,
    purpose: str,
    keys: KeyRing,
    party: Party,
    *,
    now: datetime,
) -> Passkey | None:
    """The passkey whose answer this is, which is used up by it. None when it is nobody's, or answers nothing
    that was asked for this ``purpose`` here, or not by who may use it. Raises InvalidInput when it took too
    long."""
    challenge = _taken(sealed, purpose, keys, now)
    given = _parsed(answer)
    if given is None:
        return None
    row = session.scalar(select(Passkey).where(Passkey.credential == given.id).with_for_update())
    told = given.response.user_handle
    if row is None or (told is None and purpose == COME_IN) or told not in (None, row.handle):
        return None
    count = _signed(given, challenge, row, party)
    if count is None or not _once(session, challenge, now):
        return None
    row.sign_count, row.used_at = count, now
    return row


# -- inside -----------------------------------------------------------------------------------------


def _parsed(answer: str) -> Any:
    from webauthn.helpers import parse_authentication_credential_json

    try:
        given = parse_authentication_credential_json(answer[:_LONGEST_ANSWER])
    except Exception:  # noqa: BLE001 - what a browser sends may trip the library anywhere: it is no answer
        return None
    return given if re.fullmatch(r"[\w-]{1,1400}", given.id, re.ASCII) else None


def _signed(given: Any, challenge: bytes, row: Passkey, party: Party) -> int | None:
    """How often the device has signed, when this is its answer, for this desk, by its verified user."""
    from webauthn import verify_authentication_response

    try:
        signed = verify_authentication_response(
            credential=given, expected_challenge=challenge, expected_rp_id=party.id,
            expected_origin=party.origin, credential_public_key=row.public_key,
            credential_current_sign_count=row.sign_count, require_user_verification=True,
        )  # fmt: skip
    except Exception:  # noqa: BLE001 - as above
        return None
    return signed.new_sign_count


def _of(session: Session, person_id: int) -> list[Passkey]:
    return list(session.scalars(select(Passkey).where(Passkey.person_id == person_id).order_by(Passkey.id)))


def _ask(known: Iterable[Passkey], purpose: str, keys: KeyRing, party: Party, now: datetime) -> Asked:
    from webauthn import generate_authentication_options
    from webauthn.helpers.structs import UserVerificationRequirement

    challenge = secrets.token_bytes(_CHALLENGE_BYTES)
    options = generate_authentication_options(
        rp_id=party.id, challenge=challenge, timeout=_milliseconds(), allow_credentials=_described(known),
        user_verification=UserVerificationRequirement.REQUIRED,
    )  # fmt: skip
    return _asked(options, challenge, purpose, keys, now)


def _described(known: Iterable[Passkey]) -> list[Any]:
    from webauthn.helpers import base64url_to_bytes
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(row.credential)) for row in known]


def _asked(options: Any, plain: bytes, purpose: str, keys: KeyRing, now: datetime) -> Asked:
    from webauthn import options_to_json

    return Asked(options_to_json(options), tickets.give(plain, keys, f"passkeys.{purpose}", now=now))


def _taken(sealed: str, purpose: str, keys: KeyRing, now: datetime) -> bytes:
    plain = tickets.take(sealed, keys, f"passkeys.{purpose}", lasts=LASTS, now=now)
    if plain is None:
        raise InvalidInput(_TOO_LATE)
    return plain


def _once(session: Session, challenge: bytes, now: datetime) -> bool:
    """Whether nobody answered this before. What is too old to be answered is forgotten."""
    session.execute(delete(UsedChallenge).where(UsedChallenge.used_at < now - 2 * LASTS))
    values = {"challenge_hash": guesses.hash_of(challenge.hex()), "used_at": now}
    return insert_once(session, UsedChallenge, UsedChallenge.challenge_hash, values)


def _milliseconds() -> int:
    return int(LASTS.total_seconds() * 1000)


def _tell(session: Session, person: Person, what: str, now: datetime) -> None:
    """A mail to whose passkey it is: who did it may be somebody else."""
    body = _MAIL.format(name=person.name, what=what)
    key = f"passkey:{secrets.token_hex(8)}"
    outbox.to_person(session, key, person.email, "Your account at Paydesk", body, about="passkey", now=now)
