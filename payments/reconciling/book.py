"""The book of payments in the database: matching's questions as index probes, so that a million stay there.

Names of what is payable have an index of their own (``ix_payments_rest_name``); it is used only where a
question says it in the same words. Phones and addresses are read through once for each few hundred asked:
few lines hold one.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Select,
    Text,
    TextualSelect,
    bindparam,
    case,
    func,
    literal_column,
    select,
    text,
    type_coerce,
)
from sqlalchemy.orm import Session

from db.among import among, told
from db.filed import INITIAL, REST, SURNAME
from db.many import some_at_once
from db.models import Event, PaperPart, PaperRow, Payment, PaymentQuote, Standing
from db.money import Money
from payments.dates import business_day
from payments.lifecycle import PENDING, Status
from payments.matching.book import MOST, MOST_UNDER, NameKey
from payments.matching.evidence import Batch, Obligation
from payments.references import DEMO_PAPERS, DEMO_PREFIX

#: Money for these is expected, or welcome though we closed them.
PAYABLE = sorted(PENDING | {Status.EXPIRED, Status.CANCELLED})
_STATUSES = ", ".join(f"'{status}'" for status in PAYABLE)

_COLUMNS = (
    Payment.id,
    Payment.reference,
    Payment.event_id,
    Payment.amount_minor,
    Payment.amount_currency,
    Payment.received_minor,
    Payment.payer_name,
    type_coerce(Payment.created_at, Text).label("created_at"),  # see ``_day``
    Payment.payer_phone,
    Payment.payer_email,
    Payment.status,
    PaymentQuote.quoted_minor,
    PaymentQuote.quoted_currency,
)


def _named(wanted: str, newest: str, *, by_initial: bool) -> TextualSelect:
    """The newest that are payable of amounts and names, by the index on both. With ``by_initial`` of surnames
    only those whose first name begins so."""
    names = ", ".join(
        f"{'q' if column.key.startswith('quoted') else 'p'}.{column.key}" for column in _COLUMNS
    )
    of_them = (
        f"{REST} = wanted.rest AND {SURNAME} = wanted.surname"
        f" {f'AND {INITIAL} = wanted.initial' if by_initial else ''} AND p.status IN ({_STATUSES})"
    )
    return text(
        f"WITH wanted(rest, surname, initial) AS ({wanted})"  # noqa: S608 - our own words, values are bound
        f" SELECT {names}, wanted.rest, wanted.surname, wanted.initial"
        f" FROM wanted CROSS JOIN {newest.format(of_them=of_them, most=MOST)}"
        " LEFT JOIN payment_quotes q ON q.payment_id = p.id ORDER BY p.id DESC"
    ).columns(*_COLUMNS, *map(literal_column, ("rest", "surname", "initial")))


_WANTED = {
    "sqlite": (
        "SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')"
        " FROM json_each(:keys)",
        "payments p ON p.id IN (SELECT p.id FROM payments p WHERE {of_them} ORDER BY p.id DESC LIMIT {most})",
    ),
    "postgresql": (
        "SELECT * FROM unnest"
        "(CAST(:rests AS bigint[]), CAST(:surnames AS text[]), CAST(:initials AS text[]))",
        # an expression: else it might walk all payments from the newest, until it has met so many
        "LATERAL (SELECT p.* FROM payments p WHERE {of_them} ORDER BY p.id + 0 DESC LIMIT {most}) p",
    ),
}
#: By the dialect, and whether initials are told.
_NAMED = {
    (dialect, by_initial): _named(wanted, newest, by_initial=by_initial)
    for dialect, (wanted, newest) in _WANTED.items()
    for by_initial in (True, False)
}
_ASKED = select(*_COLUMNS).outerjoin(PaymentQuote, PaymentQuote.payment_id == Payment.id)
_PAYABLE = Payment.status.in_(PAYABLE)
_OWED = select(
    Payment.reference, Payment.id, Payment.amount_minor - Payment.received_minor, Payment.amount_currency
).where(_PAYABLE)


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
        return {row[1]: _obligation(row) for row in self._of_these(_ASKED, references)}

    def owed(self, references: Collection[str]) -> Mapping[str, tuple[int, Money]]:
        rows = self._of_these(_OWED, references)
        return {reference: (number, _money(minor, currency)) for reference, number, minor, currency in rows}

    def _of_these(
        self, asked: Select[*tuple[Any, ...]], references: Collection[str]
    ) -> Iterator[Sequence[Any]]:
        connection = self._session.connection()  # the ORM would cost as much again for each row
        sqlite = connection.dialect.name == "sqlite"
        asked = asked.where(among(Payment.reference, of=Text, sqlite=sqlite))
        for some in some_at_once(sorted(references)):
            yield from connection.execute(asked, told(some, sqlite=sqlite)).all()

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

    def by_amount_and_name(self, keys: Collection[NameKey]) -> Mapping[NameKey, Sequence[Obligation]]:
        found: dict[NameKey, list[Obligation]] = defaultdict(list)
        for by_initial in (True, False):
            of_them = sorted(key for key in keys if (key.initial is not None) is by_initial)
            for some in some_at_once(of_them):
                for *row, rest, surname, initial in self._named(some, by_initial=by_initial):
                    key = NameKey(rest, surname.upper(), initial.upper() if by_initial else None)
                    found[key].append(_obligation(row))
        return found

    def _named(self, keys: Sequence[NameKey], *, by_initial: bool) -> Sequence[Any]:
        """Bare values on SQLite: one with a type would not be looked up in an index on an expression."""
        connection = self._session.connection()
        dialect = connection.dialect.name
        rests = [key.minor for key in keys]
        surnames = [key.surname.lower() for key in keys]
        initials = [(key.initial or "").lower() for key in keys]
        if dialect == "sqlite":
            asked: dict[str, Any] = {"keys": json.dumps([*zip(rests, surnames, initials, strict=True)])}
        else:
            asked = {"rests": rests, "surnames": surnames, "initials": initials}
        return connection.execute(_NAMED[dialect, by_initial], asked).all()

    def by_contacts(self, contacts: Collection[str]) -> Mapping[str, Sequence[Obligation]]:
        found: dict[str, list[Obligation]] = defaultdict(list)
        for some in some_at_once(sorted(contacts)):
            contact = case((Payment.payer_email.in_(some), Payment.payer_email), else_=Payment.payer_phone)
            either = Payment.payer_email.in_(some) | Payment.payer_phone.in_(some)
            asked = _ASKED.add_columns(contact.label("contact")).where(either, _PAYABLE)
            for *row, reached in self._session.execute(asked.order_by(Payment.id.desc())):
                if len(found[reached]) < MOST:
                    found[reached].append(_obligation(row))
        return found

    def by_papers(self, numbers: Collection[str]) -> Mapping[str, Sequence[Obligation]]:
        if not numbers:
            return {}
        mode = DEMO_PAPERS if self._session.scalar(select(Payment.mode).limit(1)) == "demo" else ""
        found: dict[str, list[Obligation]] = defaultdict(list)
        asked = (
            select(*_COLUMNS, PaperRow.label)
            .select_from(PaperRow)
            .join(PaperPart, PaperPart.paper_id == PaperRow.id)
            .join(Payment, Payment.id == PaperPart.payment_id)
            .outerjoin(PaymentQuote, PaymentQuote.payment_id == Payment.id)
            .where(PaperRow.label.in_(bindparam("some", expanding=True)))
            .order_by(Payment.id)
        )
        for some in some_at_once(sorted(f"{mode}{one}" for one in numbers)):
            for *row, label in self._session.execute(asked, {"some": some}):
                found[label.removeprefix(mode)].append(_obligation(row))
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
        return [one for row in rows if (one := _obligation(row)).payable]

    def batches(self) -> Sequence[Batch]:
        return self._batches


def _obligation(row: Sequence[Any]) -> Obligation:
    """Of a row of ``_COLUMNS``."""
    (
        number, reference, event, minor, currency, received, name, created_at, phone, email, status,
        quoted, quoted_in,
    ) = row  # fmt: skip
    return Obligation(
        number, reference, str(event), _money(minor, currency), _money(received, currency), name,
        _day(created_at[:13]) if isinstance(created_at, str) else business_day(created_at), phone, email,
        payable=status in _PAYABLE_WORDS,
        quoted=Money(quoted, quoted_in) if quoted else None,
    )  # fmt: skip


@lru_cache(maxsize=10_000)
def _day(hour: str) -> date:
    """Of a moment as SQLite holds it, to the hour: reading all of it costs more than finding the payment."""
    return business_day(datetime.fromisoformat(hour).replace(tzinfo=UTC))


#: Prices are few: one of each will do for all that cost it.
_money = lru_cache(maxsize=1_000)(Money)


def _beyond(beginning: str) -> str:
    """The first text after all that begin so."""
    return beginning[:-1] + chr(ord(beginning[-1]) + 1)


_PAYABLE_WORDS = frozenset(PAYABLE)
