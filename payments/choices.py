"""How each person likes their desk: columns of a list, what they opened last.

It changes nothing for anybody else, so it is neither audited nor refused while the desk stands still.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Choice
from db.upsert import insert_into
from payments.people import Action, Person, check
from payments.privacy import clean

#: What was opened last: so many are remembered.
RECENT = 8
_RECENT_KEY, _LEDGER_KEY = "recent", "ledger"


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
    told = {
        key: clean(value, field="The name", longest=80).replace("\n", " ") for key, value in names.items()
    }
    _keep(session, person, _LEDGER_KEY, "\n".join(f"{key}={value}" for key, value in told.items()))


def _names(session: Session, person: Person, key: str, separator: str) -> tuple[str, ...]:
    check(person, Action.SEE)
    kept = session.scalar(select(Choice.value).where(Choice.person_id == person.id, Choice.key == key))
    return tuple(kept.split(separator)) if kept else ()


def _keep(session: Session, person: Person, key: str, value: str) -> None:
    check(person, Action.SEE)
    insert = insert_into(session, Choice)
    session.execute(
        insert.values(person_id=person.id, key=key, value=value).on_conflict_do_update(
            index_elements=["person_id", "key"], set_={"value": insert.excluded.value}
        )
    )
