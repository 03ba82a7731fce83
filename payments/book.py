"""The book of payments in the database: matching's questions as index probes, so that a million stay there.

``SURNAME_INDEX`` is the one index that a big desk needs besides those it has. Without it the names of what is
payable are read through once for each few hundred names asked, as phones and addresses always are: few lines
hold one.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, bindparam, case, func, literal_column, select, text
from sqlalchemy.orm import Session

from db.models import Event, PaperPart, PaperRow, Payment, PaymentQuote, Standing
from db.money import Money
from payments.dates import business_day
from payments.lifecycle import PENDING, Status
from payments.matching.book import MOST, MOST_UNDER
from payments.matching.evidence import Batch, Obligation
from payments.references import DEMO_PAPERS, DEMO_PREFIX

#: Money for these is expected, or welcome though we closed them.
PAYABLE = sorted(PENDING | {Status.EXPIRED, Status.CANCELLED})
_AT_ONCE = 500
#: The last word of a name. ``matching.names.surname`` also folds accents and skips titles: what that would
#: add is left to a person.
_SURNAME = "lower(replace(payer_name, rtrim(payer_name, replace(payer_name, ' ', '')), ''))"
_REST = "(amount_minor - received_minor)"
_STATUSES = ", ".join(f"'{status}'" for status in PAYABLE)
SURNAME_INDEX = (
    f"CREATE INDEX IF NOT EXISTS ix_payments_rest_surname ON payments ({_REST}, {_SURNAME}, created_at)"
    f" WHERE status IN ({_STATUSES})"
)

_COLUMNS = (
    Payment.id,
    Payment.reference,
    Payment.event_id,
    Payment.amount_minor,
    Payment.amount_currency,
    Payment.received_minor,
    Payment.payer_name,
    Payment.created_at,
    Payment.payer_phone,
    Payment.payer_email,
    Payment.status,
    PaymentQuote.quoted_minor,
    PaymentQuote.quoted_currency,
)
_ASKED = select(*_COLUMNS).outerjoin(PaymentQuote, PaymentQuote.payment_id == Payment.id)
_PAYABLE = Payment.status.in_(PAYABLE)


class SqlBook:
    """The payments of one picture of the database; ``batches`` are what waits for the bank."""

    def __init__(self, session: Session, batches: Iterable[Batch] = ()) -> None:
        self._session, self._batches = session, list(batches)

    def heads(self) -> Collection[str]:
        prefixes = self._session.scalars(select(Event.reference_prefix).distinct())
        mode = self._session.scalar(select(Payment.mode).limit(1))
        return {f"{DEMO_PREFIX if mode == 'demo' else ''}{prefix}" for prefix in prefixes}

    def payable_count(self) -> int:
        total = select(func.coalesce(func.sum(Standing.count), 0)).where(Standing.status.in_(PAYABLE))
        return int(self._session.scalar(total) or 0)

    def by_references(self, references: Collection[str]) -> Mapping[str, Obligation]:
        asked = _ASKED.where(Payment.reference.in_(bindparam("some", expanding=True)))
        rows = (
            row
            for some in _batched(sorted(references))
            for row in self._session.execute(asked, {"some": some})
        )
        return {row.reference: _obligation(row) for row in rows}

    def by_beginnings(self, beginnings: Collection[str]) -> Mapping[str, Sequence[Obligation]]:
        asked = _ASKED.where(
            Payment.reference >= bindparam("first"), Payment.reference < bindparam("beyond"), _PAYABLE
        ).limit(MOST)
        return {
            one: [
                _obligation(row)
                for row in self._session.execute(asked, {"first": one, "beyond": _beyond(one)})
                if row.reference.startswith(one)
            ]
            for one in sorted(beginnings)
        }

    def by_amount_and_surname(
        self, keys: Collection[tuple[int, str]]
    ) -> Mapping[tuple[int, str], Sequence[Obligation]]:
        found: dict[tuple[int, str], list[Obligation]] = defaultdict(list)
        for some in _batched(sorted(keys)):
            for row in self._named(some):
                key = (row.amount_minor - row.received_minor, row.wanted.upper())
                if len(found[key]) < MOST:
                    found[key].append(_obligation(row))
        return found

    def _named(self, keys: Sequence[tuple[int, str]]) -> Sequence[Row[Any]]:
        """Bare values on SQLite: one with a type would not be looked up in an index on an expression."""
        typed = self._session.get_bind().dialect.name == "postgresql"
        one = "(CAST(:a{0} AS bigint), CAST(:s{0} AS text))" if typed else "(:a{0}, :s{0})"
        asked = ", ".join(one.format(number) for number in range(len(keys)))
        names = ", ".join(
            f"{'q' if column.class_ is PaymentQuote else 'p'}.{column.key}" for column in _COLUMNS
        )
        surname = _SURNAME.replace("payer_name", "p.payer_name")
        statement = text(
            f"WITH wanted(rest, surname) AS (VALUES {asked})"  # noqa: S608 - our own words, values are bound
            f" SELECT wanted.surname AS wanted, {names} FROM wanted CROSS JOIN payments p"
            " LEFT JOIN payment_quotes q ON q.payment_id = p.id"
            f" WHERE (p.amount_minor - p.received_minor) = wanted.rest AND {surname} = wanted.surname"
            f" AND p.status IN ({_STATUSES}) ORDER BY p.id DESC"
        ).columns(literal_column("wanted"), *_COLUMNS)
        values: dict[str, Any] = {f"a{number}": rest for number, (rest, _) in enumerate(keys)}
        values |= {f"s{number}": surname.lower() for number, (_, surname) in enumerate(keys)}
        return self._session.execute(statement, values).all()

    def by_contacts(self, contacts: Collection[str]) -> Mapping[str, Sequence[Obligation]]:
        found: dict[str, list[Obligation]] = defaultdict(list)
        for some in _batched(sorted(contacts)):
            contact = case((Payment.payer_email.in_(some), Payment.payer_email), else_=Payment.payer_phone)
            either = Payment.payer_email.in_(some) | Payment.payer_phone.in_(some)
            asked = _ASKED.add_columns(contact.label("contact")).where(either, _PAYABLE)
            for row in self._session.execute(asked.order_by(Payment.id.desc())):
                if len(found[row.contact]) < MOST:
                    found[row.contact].append(_obligation(row))
        return found

    def by_papers(self, numbers: Collection[str]) -> Mapping[str, Sequence[Obligation]]:
        if not numbers:
            return {}
        mode = DEMO_PAPERS if self._session.scalar(select(Payment.mode).limit(1)) == "demo" else ""
        found: dict[str, list[Obligation]] = defaultdict(list)
        asked = (
            select(PaperRow.label, *_COLUMNS)
            .join(PaperPart, PaperPart.paper_id == PaperRow.id)
            .join(Payment, Payment.id == PaperPart.payment_id)
            .outerjoin(PaymentQuote, PaymentQuote.payment_id == Payment.id)
            .where(PaperRow.label.in_(bindparam("some", expanding=True)))
            .order_by(Payment.id)
        )
        for some in _batched(sorted(f"{mode}{one}" for one in numbers)):
            for row in self._session.execute(asked, {"some": some}):
                found[row.label.removeprefix(mode)].append(_obligation(row))
        return found

    def payable_under(self, head: str) -> Sequence[str]:
        asked = select(Payment.reference).where(
            Payment.reference >= f"{head}_", Payment.reference < _beyond(f"{head}_"), _PAYABLE
        )
        found = self._session.scalars(asked.limit(MOST_UNDER + 1)).all()
        return found if len(found) <= MOST_UNDER else []

    def quoted(self) -> Sequence[Obligation]:
        """From the few that were quoted to their payments, by id. An outer join, and what is payable chosen
        here: else SQLite might begin with all payments that are payable, and look whether each was quoted."""
        asked = select(*_COLUMNS).select_from(PaymentQuote)
        rows = self._session.execute(asked.outerjoin(Payment, Payment.id == PaymentQuote.payment_id))
        return [one for one in map(_obligation, rows) if one.payable]

    def batches(self) -> Sequence[Batch]:
        return self._batches


def _obligation(row: Any) -> Obligation:
    return Obligation(
        row.id,
        row.reference,
        str(row.event_id),
        Money(row.amount_minor, row.amount_currency),
        Money(row.received_minor, row.amount_currency),
        row.payer_name,
        business_day(row.created_at),
        row.payer_phone,
        row.payer_email,
        payable=row.status in _PAYABLE_WORDS,
        quoted=Money(row.quoted_minor, row.quoted_currency) if row.quoted_minor else None,
    )


def _beyond(beginning: str) -> str:
    """The first text after all that begin so."""
    return beginning[:-1] + chr(ord(beginning[-1]) + 1)


_PAYABLE_WORDS = frozenset(PAYABLE)


def _batched(some: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(some), _AT_ONCE):
        yield some[start : start + _AT_ONCE]
