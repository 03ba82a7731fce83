"""What the gateway may charge, as dated rates; what it did charge for each payment, and what to claim back.

Only lines of its own files tell what one payment cost. Rates are kept, never changed: new ones are added
from a day on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import FeeRates, Payment, Payout, PayoutLine
from db.money import Money
from payments.access.people import Action, Person, check, proven
from payments.books import audit
from payments.errors import Conflict
from payments.live import tallies
from payments.lump_sums.tariff import (
    Charged,
    EffectiveRate,
    FeeCheck,
    Rates,
    Tariff,
    check_fees,
    effective_rates,
)

#: What the gateway's own pages tell, until somebody writes down what the contract says.
PUBLISHED = Rates(date(2020, 1, 1))


def rates(session: Session, person: Person) -> list[Rates]:
    """All that hold or held, the newest first."""
    check(person, Action.SEE_BANK)
    return sorted(_rates(session), key=lambda one: one.valid_from, reverse=True)


def tariff(session: Session) -> Tariff:
    return Tariff(*_rates(session))


def _rates(session: Session) -> list[Rates]:
    kept = [
        Rates(
            row.valid_from, row.rate_bp, row.vat_bp, row.least_fee_minor, row.payout_fee_minor,
            row.least_payout_minor,
        )
        for row in session.scalars(select(FeeRates))
    ]  # fmt: skip
    return kept if any(one.valid_from == PUBLISHED.valid_from for one in kept) else [PUBLISHED, *kept]


def add_rates(
    session: Session,
    person: Person,
    *,
    valid_from: date,
    rate_bp: Mapping[str, int],
    payout_fee_minor: int,
    now: datetime,
    vat_bp: int = 1500,
    least_fee_minor: int = 0,
    least_payout_minor: int = 1000,
) -> None:
    """Write down what holds from a day on. Raises Conflict (there are rates of that day), InvalidInput."""
    check(person, Action.RECONCILE)
    proven(person, now=now)
    told = Rates(valid_from, dict(rate_bp), vat_bp, least_fee_minor, payout_fee_minor, least_payout_minor)
    if session.scalar(select(FeeRates.id).where(FeeRates.valid_from == valid_from)) is not None:
        raise Conflict(f"There are rates from {valid_from} already. Add what holds from another day.")
    session.add(
        FeeRates(
            valid_from=told.valid_from, rate_bp=dict(told.rate_bp), vat_bp=told.vat_bp,
            least_fee_minor=told.least_fee_minor, payout_fee_minor=told.payout_fee_minor,
            least_payout_minor=told.least_payout_minor, made_at=now, made_by=person.name,
        )
    )  # fmt: skip
    session.flush()
    audit.record(
        session, person, "add_fee_rates", valid_from.isoformat(), now=now, rates=dict(told.rate_bp),
        vat=told.vat_bp, payout_fee=told.payout_fee_minor,
    )  # fmt: skip
    tallies.bump(session)


# -- what was charged ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Variance:
    """A payment that cost another sum than the tariff says, by a cent or more. ``off`` above 0 was charged
    too much; ``is_rounding``: so little that nobody is to blame."""

    reference: str
    payer: str
    payout_id: int
    check: FeeCheck

    @property
    def off(self) -> Money:
        return Money(_off(self.check), self.check.charged.gross.currency)

    @property
    def is_rounding(self) -> bool:
        return self.check.variance_minor == 0


def _off(one: FeeCheck) -> int:
    """To the cent, rounding and all."""
    charged, expected = one.charged.charged_minor, one.expected
    return max(charged - expected.most.total_minor, 0) or min(charged - expected.least.total_minor, 0)


@dataclass(frozen=True)
class FeesTold:
    """Every payment of the files of some days, beside the tariff. ``checked`` of them were looked at."""

    checked: int
    rates: tuple[EffectiveRate, ...]
    variances: tuple[Variance, ...]

    @property
    def overcharged(self) -> Money:
        return _sum(one.off for one in self.variances if one.off.minor > 0 and not one.is_rounding)


def _sum(some: Iterable[Money]) -> Money:
    return Money(sum(one.minor for one in some))


def told(session: Session, person: Person, first: date, last: date) -> FeesTold:
    """What captures of these days cost, by the gateway's files. Raises InvalidInput where no rates hold."""
    check(person, Action.SEE_BANK)
    query = (
        select(PayoutLine, Payout.id, Payout.currency, Payment.reference, Payment.payer_name)
        .join(Payout, Payout.id == PayoutLine.payout_id)
        .join(Payment, Payment.id == PayoutLine.payment_id)
        .where(PayoutLine.kind == "capture", PayoutLine.state == "stands", PayoutLine.file_id.is_not(None))
        .where(PayoutLine.on.between(first, last))
        .order_by(PayoutLine.on, PayoutLine.id)
    )
    rows = session.execute(query).all()
    charged = [
        Charged(
            line.payment_id or 0, Money(line.gross_minor, currency), line.method or None, line.on or first,
            line.fee_minor + line.vat_minor,
        )
        for line, _, currency, *_ in rows
    ]  # fmt: skip
    checks = check_fees(charged, tariff(session))
    off = [
        Variance(reference, payer, payout, one)
        for one, (_, payout, _, reference, payer) in zip(checks, rows, strict=True)
        if _off(one)
    ]
    return FeesTold(len(rows), tuple(effective_rates(charged)), tuple(off))


def claim_letter(found: FeesTold, *, first: date, last: date, desk: str = "Events desk") -> str:
    """A draft to the gateway about what was charged beyond the tariff; "" when there is nothing to claim."""
    over = [one for one in found.variances if one.off.minor > 0 and not one.is_rounding]
    if not over:
        return ""
    rows = "\n".join(_claimed(one) for one in over)
    days = f"{first:%-d %b %Y} to {last:%-d %b %Y}"
    return (
        f"To: iKhokha merchant support\nSubject: Fees charged above our tariff, {days}\n\n"
        f"Dear iKhokha team,\n\n"
        f"We compared the fees of {found.checked} payments captured from {days} with the rates "
        f"agreed with us. {len(over)} of them were charged more than these rates allow, {found.overcharged} "
        f"in all, VAT included. A difference of two cents from rounding is not counted.\n\n"
        f"Date | Our reference | Amount | Method | Charged, incl. VAT | Expected | Too much\n{rows}\n\n"
        f"Please credit {found.overcharged} with the next payout, or tell us which rates you applied and "
        f"since when.\n\nKind regards\n{desk}\n"
    )


def _claimed(one: Variance) -> str:
    charged, currency = one.check.charged, one.check.charged.gross.currency
    least, most = one.check.expected.least.total_minor, one.check.expected.most.total_minor
    expected = str(Money(least, currency))
    if least != most:
        expected += f" – {Money(most, currency)}"
    method = (charged.method or "not told").replace("_", " ")
    return (
        f"{charged.captured_on:%-d %b %Y} | {one.reference} | {charged.gross} | {method} | "
        f"{Money(charged.charged_minor, currency)} | {expected} | {one.off}"
    )
