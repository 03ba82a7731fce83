"""The book of payments in the database: matching's questions as index probes, so that a million stay there.

Names of what is payable have an index of their own (``ix_payments_rest_surname``); it is used only where a
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
from db.many import some_at_once
from db.models import Event, PaperPart, PaperRow, Payment, PaymentQuote, Standing
from db.money import Money
from payments.dates import business_day
from payments.lifecycle import PENDING, Status
from payments.matching.book import MOST, MOST_UNDER
from payments.matching.evidence import Batch, Obligation
from payments.references import DEMO_PAPERS, DEMO_PREFIX

#: Money for these is expected, or welcome though we closed them.
PAYABLE = sorted(PENDING | {Status.EXPIRED, Status.CANCELLED})
#: The last word of a name. ``matching.names.surname`` also folds accents and skips titles: what that would
#: add is left to a person.
_SURNAME = "lower(replace(payer_name, rtrim(payer_name, replace(payer_name, ' ', '')), ''))"
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


_OF_THEM = f"""
    SELECT {{columns}} FROM payments p WHERE (p.amount_minor - p.received_minor) = wanted.rest
    AND {_SURNAME.replace("payer_name", "p.payer_name")} = wanted.surname AND p.status IN ({_STATUSES})
    ORDER BY {{newest}} DESC LIMIT {MOST}
"""  # noqa: S608 - our own words, values are bound


def _named(wanted: str, newest: str) -> TextualSelect:
    """The newest that are payable of amounts and surnames, by the index on both."""
    names = ", ".join(
        f"{'q' if column.key.startswith('quoted') else 'p'}.{column.key}" for column in _COLUMNS
    )
    return text(
        f"WITH wanted(rest, surname) AS ({wanted})"  # noqa: S608 - our own words, values are bound
        f" SELECT {names}, wanted.rest, wanted.surname FROM wanted CROSS JOIN {newest}"
        " LEFT JOIN payment_quotes q ON q.payment_id = p.id ORDER BY p.id DESC"
    ).columns(*_COLUMNS, literal_column("rest"), literal_column("surname"))


_NAMED = {
    "sqlite": _named(
        "SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:keys)",
        f"payments p ON p.id IN ({_OF_THEM.format(columns='p.id', newest='p.id')})",
    ),
    "postgresql": _named(
        "SELECT * FROM unnest(CAST(:rests AS bigint[]), CAST(:surnames AS text[]))",
        # an expression: else it might walk all payments from the newest, until it has met so many
        f"LATERAL ({_OF_THEM.format(columns='p.*', newest='p.id + 0')}) p",
    ),
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

    def by_amount_and_surname(
        self, keys: Collection[tuple[int, str]]
    ) -> Mapping[tuple[int, str], Sequence[Obligation]]:
        found: dict[tuple[int, str], list[Obligation]] = defaultdict(list)
        for some in some_at_once(sorted(keys)):
            for row in self._named(some):
                found[row[-2], row[-1].upper()].append(_obligation(row[:-2]))
        return found

    def _named(self, keys: Sequence[tuple[int, str]]) -> Sequence[Any]:
        """Bare values on SQLite: one with a type would not be looked up in an index on an expression."""
        connection = self._session.connection()
        if connection.dialect.name == "sqlite":
            asked = {"keys": json.dumps([(rest, surname.lower()) for rest, surname in keys])}
            return connection.execute(_NAMED["sqlite"], asked).all()
        rests, surnames = [rest for rest, _ in keys], [surname.lower() for _, surname in keys]
        return connection.execute(_NAMED["postgresql"], {"rests": rests, "surnames": surnames}).all()

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
