"""How far a payer came with a payment link, and why a payment failed, as far as the desk can know it."""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from db.models import Payment
from payments.finding import pasts
from payments.live import tallies


class Stage(StrEnum):
    """From the least to the most; a payment never goes back.

    Whoever opens the gateway's page and leaves by closing it tells nobody: ``opened`` is only who was seen.
    """

    ASKED = "asked"  # there is no link that can be paid, or none is needed
    ISSUED = "issued"
    OPENED = "opened"  # a browser came back from the gateway's page
    ATTEMPTED = "attempted"  # the gateway told of an attempt that failed
    PAID = "paid"  # money came through a link


#: Each stage that somebody comes to with a link, and all after it: who is counted as having come so far.
FURTHER: Mapping[Stage, tuple[Stage, ...]] = {
    stage: tuple(Stage)[nth:] for nth, stage in enumerate(Stage) if stage is not Stage.ASKED
}

#: Why a payment failed, where the gateway gave no code of its own.
NO_LINK, UNREACHABLE, NOT_MADE, NO_CODE = "no_link", "unreachable", "not_made", "no_code"
_ORDER = list(Stage)
_CODE = re.compile("[A-Za-z0-9-]{1,12}")


def came_to(session: Session, payment: Payment, stage: Stage, *, now: datetime) -> None:
    """The payer was seen at a stage. The payment's row must be held (``holding.payment``)."""
    if not is_before(payment, stage):
        return
    pasts.payment(session, payment, now)
    was = tallies.place(payment)
    payment.stage = stage
    tallies.moved(session, payment, was, now)


def is_before(payment: Payment, stage: Stage) -> bool:
    return _ORDER.index(Stage(payment.stage)) < _ORDER.index(stage)


def failed_for(session: Session, payment: Payment, why: str, *, now: datetime) -> None:
    """Why the last attempt failed. The payment's row must be held."""
    if payment.failure != why:
        pasts.payment(session, payment, now)
    was = tallies.place(payment)
    payment.failure = why
    tallies.moved(session, payment, was, now)


def failure_of(code: str | None) -> str:
    """The gateway's code, where it is one: ``00`` is its word for all went well, and tells nothing here."""
    return code if code and code != "00" and _CODE.fullmatch(code) else NO_CODE
