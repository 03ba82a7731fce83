"""The nightly draft: each day that is over and not signed, drawn up by the worker, so that it waits ready.

The page draws a day anew whenever somebody looks; this is what the night found, to be held against it.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import BankAccount, DayDraft, Meta
from db.session import Sessions
from payments import dates
from payments.access.people import SYSTEM, Action, Person, check
from payments.sign_off import closing
from payments.sign_off.closed_days import ClosedDays
from payments.sign_off.closing import Draft, Figures

#: How far back a day is still drawn up; older ones wait for whoever opens them.
BACK = timedelta(days=62)
_MADE = "days_drafted"


@dataclass(frozen=True)
class NightView:
    """What the worker found of a day, and in how many ways it could not be signed then."""

    made_at: datetime
    figures: Figures
    blockers: int


def due(session: Session, *, now: datetime) -> bool:
    """Whether the drafts of this business day are still to be made."""
    made = session.get(Meta, _MADE)
    return made is None or made.value != dates.business_day(now).isoformat()


def make(sessions: Sessions, *, now: datetime) -> int:
    """Draw up every day that is over, not signed, and has something booked; returns how many."""
    today, made = dates.business_day(now), 0
    with sessions.begin() as session:
        for account_id in session.scalars(select(BankAccount.id).where(BankAccount.retired_at.is_(None))):
            closed = ClosedDays(session, account_id)
            found = closing.figures_by_day(session, account_id, today - BACK, today - timedelta(days=1))
            days = [day for day in sorted(found) if not closed.holds(day)]
            for day, one in closing.drafts(session, SYSTEM, account_id, days, now=now).items():
                _keep(session, day, one, now)
            made += len(days)
        session.merge(Meta(key=_MADE, value=today.isoformat()))
    return made


def _keep(session: Session, day: date, one: Draft, now: datetime) -> None:
    session.merge(
        DayDraft(
            account_id=one.account_id, on=day, made_at=now, figures=closing.to_plain(one),
            blockers=len(one.blockers),
        )
    )  # fmt: skip


def last(session: Session, person: Person, account_id: int, on: date) -> NightView | None:
    """What the last night that looked at a day found."""
    check(person, Action.SEE_BANK)
    row = session.get(DayDraft, (account_id, on))
    return NightView(row.made_at, closing.figures_of(row.figures), row.blockers) if row else None
