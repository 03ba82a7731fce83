"""The first day of a desk: what has to be there before payers come, as far as the desk itself can see it.

Nobody ticks a step off: it is done when the database shows that it happened, and open again when it does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Exists, exists, select
from sqlalchemy.orm import Session

from db.models import (
    Event,
    InboxEvent,
    OutboxMail,
    Passkey,
    Payment,
    PersonRow,
    Receipt,
    SecondFactor,
    StatementFile,
)
from payments.access.people import Action, Person, check, is_active, takes_two
from payments.access.second_factor import MONEY_ROLES
from payments.keeping import backups
from payments.lifecycle import Method
from payments.selling import events


class Step(StrEnum):
    """In the order in which they are done."""

    CREDENTIALS = "credentials"
    ADDRESSES = "addresses"
    KEYS = "keys"
    PEOPLE = "people"
    CODES = "codes"
    EVENT = "event"
    MAIL = "mail"
    MESSAGE = "message"
    PAYMENT = "payment"
    STATEMENT = "statement"
    BACKUP = "backup"


@dataclass(frozen=True)
class SetUp:
    """What the settings say. ``reachable``: the gateway's addresses lead here over https."""

    live: bool
    reachable: bool
    has_keys: bool


def observed(session: Session, person: Person, set_up: SetUp, *, now: datetime) -> Mapping[Step, bool]:
    """Each step, and whether it is done. Raises NotAllowed."""
    check(person, Action.MANAGE_SETTINGS)
    people = [row for row in session.scalars(select(PersonRow)) if is_active(row, now)]
    money = {row.id for row in people if row.role in MONEY_ROLES}
    with_codes = {
        *session.scalars(select(SecondFactor.person_id)),
        *session.scalars(select(Passkey.person_id)),
    }
    first = (
        exists()
        .where(Receipt.payment_id == Payment.id, Receipt.kind == Method.GATEWAY)
        .where(Payment.mode == ("live" if set_up.live else "demo"))
    )
    return {
        Step.CREDENTIALS: set_up.live,
        Step.ADDRESSES: set_up.reachable,
        Step.KEYS: set_up.has_keys,
        Step.PEOPLE: takes_two(session),
        Step.CODES: bool(money) and money <= with_codes,
        Step.EVENT: _any(session, exists().where(Event.state == events.State.OPEN)),
        Step.MAIL: _any(session, exists().where(OutboxMail.state == "sent")),
        Step.MESSAGE: _any(session, exists().where(InboxEvent.id > 0)),
        Step.PAYMENT: _any(session, first),
        Step.STATEMENT: _any(session, exists().where(StatementFile.undone_at.is_(None))),
        Step.BACKUP: backups.state(session).last is not None,
    }


def _any(session: Session, condition: Exists) -> bool:
    return bool(session.scalar(select(condition)))
