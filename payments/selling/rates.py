"""Rates of exchange as people enter them: what one unit is in rand, by which source, from when on.

The newest that holds by now is the one, for a week; then nothing is quoted until somebody enters another.
None is ever changed or taken away, and none comes from outside by itself.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import ExchangeRate
from db.money import Money
from payments import dates
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.errors import Conflict, InvalidInput
from payments.privacy import clean_line
from payments.selling import exchange
from payments.selling.exchange import FOREIGN

#: By an older rate nothing is quoted any more.
HOLDS = timedelta(days=7)
#: A rate may be entered so long before it holds.
AHEAD = timedelta(days=31)
#: One that is further from the last than this, in hundredths of a percent, is confirmed a second time.
UNUSUAL_BP = 2_000
#: The next step, wherever a rate is missing.
ENTER_ONE = "Finance enters one under Finance → Prices, with its source."


@dataclass(frozen=True)
class Rate:
    """``micro`` is rand for one unit, in millionths."""

    currency: str
    micro: int
    source: str
    holds_from: datetime
    entered_by: str
    entered_at: datetime

    @property
    def text(self) -> str:
        """``US$1 = R18.4500, SARB mid 25 Nov, from 25 Nov 2026, 14:05``."""
        one = str(Money(100, self.currency)).removesuffix(".00")
        since = dates.say_moment(self.holds_from)
        return f"{one} = R{exchange.decimal(self.micro)}, {self.source}, from {since}"

    def is_old(self, now: datetime) -> bool:
        return now - self.holds_from > HOLDS


def enter(
    session: Session,
    person: Person,
    currency: str,
    micro: int,
    source: str,
    holds_from: datetime,
    *,
    sure: bool = False,
    now: datetime,
) -> Rate:
    """Add a rate; payments that were quoted keep theirs.

    ``sure``: somebody confirmed that it is far from the last. Raises NotAllowed, InvalidInput, Conflict
    (nobody is sure of one that is far from the last).
    """
    check(person, Action.SET_RATES)
    if currency not in FOREIGN:
        raise InvalidInput(f"A rate is of one of {', '.join(FOREIGN)}, in rand.")
    if not 1 <= micro <= exchange.LARGEST_MICRO:
        raise InvalidInput("A rate is more than nothing, and R1 000 for one unit at the most.")
    said = clean_line(source, field="The source", longest=120)
    if not said:
        raise InvalidInput(
            "Say where the rate is from, like SARB mid 25 Nov: it stands on what is quoted by it."
        )
    if holds_from > now + AHEAD or now - holds_from > HOLDS:
        raise InvalidInput(
            f"A rate holds from a moment of the last {HOLDS.days} days, or of the next {AHEAD.days}. "
            f"Change the day."
        )
    last = _last_entered(session, currency)
    if last is not None and not sure and far_from(last, micro):
        raise Conflict(
            f"R{exchange.decimal(micro)} is {percent(last, micro)} away from the last, "
            f"R{exchange.decimal(last.micro)}. Confirm that it is meant, or correct it."
        )
    row = ExchangeRate(
        currency=currency, rate_micro=micro, source=said, holds_from=holds_from, entered_by=person.name,
        entered_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    audit.record(
        session, person, "enter_rate", currency, now=now, rate=exchange.decimal(micro), source=said,
        holds_from=holds_from.isoformat(), was=exchange.decimal(last.micro) if last else "",
    )  # fmt: skip
    return _rate(row)


def far_from(last: Rate, micro: int) -> bool:
    return exchange.differs_by_bp(micro, last.micro) > UNUSUAL_BP


def percent(last: Rate, micro: int) -> str:
    """``25.3 %``."""
    tenths = exchange.differs_by_bp(micro, last.micro) // 10
    return f"{tenths // 10}.{tenths % 10} %"


def newest(session: Session, currency: str, *, now: datetime) -> Rate | None:
    """The one that holds by now, however old it is."""
    query = select(ExchangeRate).where(ExchangeRate.currency == currency, ExchangeRate.holds_from <= now)
    row = session.scalars(
        query.order_by(ExchangeRate.holds_from.desc(), ExchangeRate.id.desc()).limit(1)
    ).first()
    return _rate(row) if row is not None else None


def to_quote_by(session: Session, currency: str, *, now: datetime) -> Rate:
    """The one that holds by now. Raises InvalidInput for a currency that is none, and Conflict where there is
    no rate or only an old one."""
    if currency not in FOREIGN:
        raise InvalidInput(
            f"An amount is quoted in one of {', '.join(FOREIGN)}; rand are charged as they are."
        )
    rate = newest(session, currency, now=now)
    if rate is None:
        raise Conflict(f"There is no rate for {currency} yet. {ENTER_ONE}")
    if rate.is_old(now):
        raise Conflict(
            f"The last rate for {currency} is of {dates.say_moment(rate.holds_from)}: nothing is quoted by "
            f"one that is older than {HOLDS.days} days. {ENTER_ONE}"
        )
    return rate


def current(session: Session, *, now: datetime) -> tuple[Rate, ...]:
    """What holds by now of each currency that has a rate, old ones too."""
    found = (newest(session, currency, now=now) for currency in FOREIGN)
    return tuple(rate for rate in found if rate is not None)


def history(session: Session, person: Person, *, most: int = 200) -> tuple[Rate, ...]:
    """What was entered, the latest first. Raises NotAllowed."""
    check(person, Action.RECORD)
    rows = session.scalars(select(ExchangeRate).order_by(ExchangeRate.id.desc()).limit(most))
    return tuple(_rate(row) for row in rows)


def _last_entered(session: Session, currency: str) -> Rate | None:
    query = select(ExchangeRate).where(ExchangeRate.currency == currency)
    row = session.scalars(query.order_by(ExchangeRate.id.desc()).limit(1)).first()
    return _rate(row) if row is not None else None


def _rate(row: ExchangeRate) -> Rate:
    return Rate(row.currency, row.rate_micro, row.source, row.holds_from, row.entered_by, row.entered_at)
