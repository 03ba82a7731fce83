"""Who has read what payers are told in a language: a speaker's word, kept with the texts they read."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Meta
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.errors import Conflict, InvalidInput
from payments.payers import payer_pages, payer_words
from payments.payers.payer_words import Language
from payments.privacy import clean_line
from payments.watching import standstill

_KEY = "texts_read:"


@dataclass(frozen=True)
class Reading:
    """``speaker`` read the texts as they are now."""

    speaker: str
    at: datetime


def digest(language: Language) -> str:
    """Which texts a speaker has read: changed ones, of a message or of a page, are not read yet."""
    told = [payer_words.digest(language), *payer_pages.told(language)]
    return hashlib.sha256(json.dumps(told, ensure_ascii=False).encode()).hexdigest()


def readings(session: Session) -> Mapping[Language, Reading]:
    """The languages whose texts a speaker has read as they stand; English is the desk's own, and not here."""
    kept = session.execute(select(Meta.key, Meta.value).where(Meta.key.startswith(_KEY)))
    found: dict[Language, Reading] = {}
    for key, value in kept:
        language, told = Language(key.removeprefix(_KEY)), json.loads(value)
        if told["digest"] == digest(language):
            found[language] = Reading(told["speaker"], datetime.fromisoformat(told["at"]))
    return found


def is_read(session: Session, language: Language) -> bool:
    return language is Language.ENGLISH or language in readings(session)


def sign(session: Session, person: Person, language: Language, speaker: str, *, now: datetime) -> None:
    """Somebody who speaks the language has read its texts and stands by them.

    Raises NotAllowed, InvalidInput, Conflict (somebody else did already, or the desk stands still).
    """
    standstill.refuse(session)
    check(person, Action.MANAGE_SETTINGS)
    name = clean_line(speaker, field="The speaker's name", longest=120)
    if not any(char.isalpha() for char in name):
        raise InvalidInput("Who read it? Give the name of the speaker who stands by these texts.")
    if (known := readings(session).get(language)) is not None:
        if known.speaker == name:  # pressed twice
            return
        raise Conflict(f"{known.speaker} read these texts as they are already.")
    told = {"speaker": name, "at": now.isoformat(), "digest": digest(language)}
    session.merge(Meta(key=f"{_KEY}{language}", value=json.dumps(told)))
    audit.record(session, person, "sign_texts", language, now=now, speaker=name, digest=told["digest"])
