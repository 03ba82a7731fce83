"""How each person likes their desk: columns of a list, what they opened last, what they get by mail.

It changes nothing for anybody else, so it is neither audited nor refused while the desk stands still.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Choice
from db.upsert import insert_into
from payments.access.people import Action, Person, check
from payments.privacy import clean_line

#: What was opened last: so many are remembered.
RECENT = 8
_RECENT_KEY, _LEDGER_KEY, _MAIL_KEY = "recent", "ledger", "mail"


@dataclass(frozen=True)
class Mail:
    """What somebody gets by mail. ``morning``: once a day what waits for them; ``requests``: that one waits
    for their decision; ``answers``: how their own ended. ``events``: the ids of which alone the first two
    tell; empty is all that they reach."""

    morning: bool = False
    requests: bool = True
    answers: bool = True
    events: frozenset[int] = frozenset()

    def about(self, scope: frozenset[int] | None) -> bool:
        """Whether it tells of what concerns these events; None is all."""
        return not self.events or scope is None or bool(self.events & scope)


def columns(session: Session, person: Person, of: str) -> tuple[str, ...]:
    """The columns somebody chose for a list, in their order; empty when they never did."""
    return _names(session, person, f"columns:{of}", ",")


def choose_columns(session: Session, person: Person, of: str, names: Sequence[str]) -> None:
    _keep(session, person, f"columns:{of}", ",".join(names))


def recent(session: Session, person: Person) -> tuple[str, ...]:
    """What was opened last, the newest first, each as ``opened`` was told it."""
    return _names(session, person, _RECENT_KEY, "\n")


def opened(session: Session, person: Person, what: str) -> None:
    """Remember what somebody opened; ``what`` is one line without a payer's name in it."""
    before = [one for one in recent(session, person) if one != what]
    _keep(session, person, _RECENT_KEY, "\n".join([what, *before][:RECENT]))


def ledger(session: Session, person: Person) -> Mapping[str, str]:
    """What somebody's accounting package calls its accounts, as they said it last."""
    return dict(line.partition("=")[::2] for line in _names(session, person, _LEDGER_KEY, "\n"))


def keep_ledger(session: Session, person: Person, names: Mapping[str, str]) -> None:
    """Raises InvalidInput for a name that is too long, or a card number."""
    told = {key: clean_line(value, field="The name", longest=80) for key, value in names.items()}
    _keep(session, person, _LEDGER_KEY, "\n".join(f"{key}={value}" for key, value in told.items()))


def mail(session: Session, person_id: int) -> Mail:
    """What they chose, or as it is for everybody at first."""
    kept = _kept(session, person_id, _MAIL_KEY)
    return _mail(kept) if kept else Mail()


def each_morning(session: Session) -> Mapping[int, Mail]:
    """By id, those who wish to be told each morning."""
    kept = session.execute(select(Choice.person_id, Choice.value).where(Choice.key == _MAIL_KEY))
    found = {person_id: _mail(value) for person_id, value in kept}
    return {person_id: wanted for person_id, wanted in found.items() if wanted.morning}


def choose_mail(session: Session, person: Person, wanted: Mail) -> None:
    told = {**vars(wanted), "events": sorted(wanted.events)}
    _keep(session, person, _MAIL_KEY, json.dumps(told, sort_keys=True))


def _mail(kept: str) -> Mail:
    told = json.loads(kept)
    return Mail(**{**told, "events": frozenset(told["events"])})


def _names(session: Session, person: Person, key: str, separator: str) -> tuple[str, ...]:
    check(person, Action.SEE)
    kept = _kept(session, person.id, key)
    return tuple(kept.split(separator)) if kept else ()


def _kept(session: Session, person_id: int, key: str) -> str | None:
    return session.scalar(select(Choice.value).where(Choice.person_id == person_id, Choice.key == key))


def _keep(session: Session, person: Person, key: str, value: str) -> None:
    check(person, Action.SEE)
    insert = insert_into(session, Choice)
    session.execute(
        insert.values(person_id=person.id, key=key, value=value).on_conflict_do_update(
            index_elements=["person_id", "key"], set_={"value": insert.excluded.value}
        )
    )
