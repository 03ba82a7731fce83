"""What the database is asked for a file: what is filtered, in the order of the screen, as ready cells.

The statements are made here, where people and their events are known, and run elsewhere (``child``). The
cells of a CSV file are made by the database; where one may need the guard, ``lines`` sees to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Dialect,
    Select,
    Text,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
    true,
)
from sqlalchemy.orm import Session

from db.models import Category, Event, Link, Payment, PaymentQuote, Place
from payments.access.people import Person
from payments.exports import lines, profiles
from payments.exports.layout import COLUMNS, Format, Kind, Layout, Zone
from payments.finding import conditions
from payments.finding.conditions import Filter
from payments.finding.found import NEWEST, OLDEST, Found, joined, of_links, of_names, sums
from payments.finding.rows import told_links
from payments.selling import exchange

_HUNDRED: ColumnElement[int] = literal_column("100")


def _people() -> ColumnElement[int]:
    """Whom a payment is for: one, or several with a place each."""
    return case((Payment.place_count > 0, Payment.place_count), else_=literal_column("1"))


def _people_names() -> ColumnElement[str]:
    """The names of several people in their order; of one person the payer's column tells."""
    ours = select(Place.name).where(Place.payment_id == Payment.id).order_by(Place.number)
    named = ours.correlate(Payment).subquery("named")
    return select(func.aggregate_strings(named.c.name, "; ")).scalar_subquery()


def _of_its_quote(field: Any) -> ColumnElement[Any]:
    ours = select(field).where(PaymentQuote.payment_id == Payment.id)
    return ours.correlate(Payment).scalar_subquery()


def _decimal(whole: Any, unit: int) -> ColumnElement[str]:
    """``250.00`` of 25000 hundredths, as a text on both databases."""
    of_unit: ColumnElement[int] = literal_column(str(unit))
    units = whole.op("/")(of_unit)
    digits = func.substr(cast(of_unit + whole - units * of_unit, Text), 2)
    return cast(units, Text).concat(".").concat(digits)


_FIELDS: Mapping[str, Any] = {
    "reference": Payment.reference,
    "event": Event.code,
    "event_name": Event.name,
    "category": Category.name,
    "payer": Payment.payer_name,
    "email": Payment.payer_email,
    "phone": Payment.payer_phone,
    "amount": Payment.amount_minor,
    "received": Payment.received_minor,
    "refunded": Payment.refunded_minor,
    "currency": Payment.amount_currency,
    "payment_status": Payment.status,
    "payment_method": Payment.method,
    "payment_id": Link.gateway_reference,
    "transaction_reference": Link.wire_reference,
    "payment_date": Payment.paid_at,
    "created": Payment.created_at,
    "created_sast": Payment.created_at,
    "created_utc": Payment.created_at,
    "paid_sast": Payment.paid_at,
    "paid_utc": Payment.paid_at,
    "mode": Payment.mode,
    "review": Payment.review,
    "note": Payment.note,
    "origin": Payment.origin,
    "people": _people(),
    "people_names": _people_names(),
    "quoted_amount": _of_its_quote(_decimal(PaymentQuote.quoted_minor, 100)),
    "quoted_currency": _of_its_quote(PaymentQuote.quoted_currency),
    "exchange_rate": _of_its_quote(_decimal(PaymentQuote.rate_micro, exchange.MICRO)),
    "rate_source": _of_its_quote(PaymentQuote.rate_source),
    "rate_date": _of_its_quote(PaymentQuote.rate_at),
    **profiles.FIELDS,
}
_OF_LINKS = {"payment_id", "transaction_reference"}
#: How a cell begins that is told by another table: a join of a million rows is left out where none is.
_OF_NAMES = (f"{Event.__tablename__}.", f"{Category.__tablename__}.")


@dataclass(frozen=True)
class Statement:
    """As the driver takes it: on SQLite a list of parameters, on PostgreSQL named ones; plain values."""

    sql: str
    params: list[Any] | dict[str, Any]


def totals(session: Session, person: Person, wanted: Filter) -> Statement:
    """Currency, count, asked and received in minor units."""
    return _compiled(sums(conditions.where(session, person, wanted)), session.get_bind().dialect)


def rows(session: Session, person: Person, wanted: Filter, layout: Layout) -> Statement:
    """The rows of a file: for CSV cells as text, on SQLite already one line; for XLSX plain values.

    Raises InvalidInput for a sort that needs a narrower filter.
    """
    dialect = session.get_bind().dialect
    texts = _cells(dialect, layout.format, layout.columns, layout.zone)
    selected: list[ColumnElement[Any]] = [literal_column(text) for text in texts]
    found = Found(session, person, wanted)
    links = of_links(layout.sort) or bool(_OF_LINKS & set(layout.columns))
    sideways = links and dialect.name == "postgresql" and not of_links(layout.sort)
    names = of_names(layout.sort) or any(table in text for text in texts for table in _OF_NAMES)
    query = joined(select(*selected), links=links and not sideways, names=names)
    query = query.outerjoin(told_links(), true()) if sideways else query
    query = query.where(*found.where.all()).order_by(*_order(found, layout.sort))
    return _compiled(query, dialect)


@lru_cache(maxsize=64)
def _cells(dialect: Dialect, format_: Format, columns: tuple[str, ...], zone: Zone) -> tuple[str, ...]:
    """What is selected, written out: made once for each kind of file, since making it takes longer than
    anything else before the first byte."""
    utc, csv = zone is Zone.UTC, format_ is Format.CSV
    write = _Sqlite(csv=csv, utc=utc) if dialect.name == "sqlite" else _Postgres(csv=csv, utc=utc)
    made = write.row([write.cell(COLUMNS[name].kind, _FIELDS[name]) for name in columns])
    return tuple(_written(cell, dialect) for cell in made)


def _written(cell: ColumnElement[Any], dialect: Dialect) -> str:
    """Its words within a query over payments: alone, what it looks up there would be another query's."""
    query = joined(select(cell.label("this_cell")), links=True, names=True)
    whole = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    text = whole.removeprefix("SELECT ").split(" AS this_cell", 1)[0]
    # A driver with named parameters has each % doubled, and so it will be again.
    return text.replace("%%", "%") if dialect.paramstyle == "pyformat" else text


def _order(found: Found, sort: str) -> tuple[Any, ...]:
    """As on the screen."""
    if sort not in (NEWEST, OLDEST):
        return found.order(sort)
    if sort == OLDEST:
        return (Payment.id,)
    top = {payment_id: place for place, payment_id in enumerate(found.best)}
    first = (case(top, value=Payment.id, else_=len(top)),) if top else ()
    return (*first, Payment.id.desc())


def _compiled(
    query: Select[*tuple[Any, ...]] | CompoundSelect[*tuple[Any, ...]], dialect: Dialect
) -> Statement:
    compiled = query.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    plain = {name: _plain(value, dialect.name) for name, value in compiled.params.items()}
    names = compiled.positiontup
    return Statement(str(compiled), [plain[name] for name in names] if names is not None else plain)


def _plain(value: Any, database: str) -> Any:
    """Moments as the database writes them."""
    if isinstance(value, datetime):
        utc = value.astimezone(UTC)
        return f"{utc:%Y-%m-%d %H:%M:%S.%f}" if database == "sqlite" else utc.isoformat()
    return value


class _Sqlite:
    """Makes whole lines."""

    def __init__(self, *, csv: bool, utc: bool) -> None:
        self._csv = csv
        self._utc = utc

    def row(self, made: list[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
        if not self._csv:
            return made
        between = (literal(f'"{lines.BETWEEN}"') for _ in made)
        pieces = [piece for pair in zip(made, between, strict=True) for piece in pair]
        return [func.concat(literal('"'), *pieces[:-1], literal('"'))]

    def cell(self, kind: Kind, field: Any) -> ColumnElement[Any]:
        match kind:
            case Kind.TEXT if self._csv:
                return func.replace(field, '"', '""')
            case Kind.PHONE if self._csv:
                return case((field.op("GLOB")("+[0-9]*"), func.concat(lines.PHONE, field)), else_=field)
            case Kind.MONEY if self._csv:
                return func.format("%d.%02d", field.op("/")(_HUNDRED), field.op("%")(_HUNDRED))
            case Kind.COUNT if self._csv:
                return cast(field, Text)
            case Kind.SAST | Kind.UTC | Kind.ZONE:
                return self._moment(field, utc=kind is Kind.UTC or (kind is Kind.ZONE and self._utc))
        return field

    def _moment(self, field: Any, *, utc: bool) -> ColumnElement[Any]:
        if not utc:
            return func.datetime(func.substr(field, 1, 19), "+2 hours")  # Johannesburg, the whole year
        if not self._csv:
            return func.substr(field, 1, 19)
        return func.substr(field, 1, 10).concat("T").concat(func.substr(field, 12, 8)).concat("Z")


class _Postgres:
    """Makes cells, none NULL, of which COPY makes a line as SQLite's are."""

    def __init__(self, *, csv: bool, utc: bool) -> None:
        self._csv = csv
        self._utc = utc

    def row(self, made: list[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
        return [func.coalesce(cell, "") for cell in made] if self._csv else made

    def cell(self, kind: Kind, field: Any) -> ColumnElement[Any]:
        match kind:
            case Kind.PHONE if self._csv:
                return case((func.starts_with(field, "+"), literal(lines.PHONE).concat(field)), else_=field)
            case Kind.MONEY if self._csv:
                return func.text(field * literal_column("0.01"))  # a decimal number: exact
            case Kind.COUNT if self._csv:
                return func.text(field)
            case Kind.SAST | Kind.UTC | Kind.ZONE:
                return self._moment(field, utc=kind is Kind.UTC or (kind is Kind.ZONE and self._utc))
        return field

    def _moment(self, field: Any, *, utc: bool) -> ColumnElement[Any]:
        clock = field.op("AT TIME ZONE")(literal_column("INTERVAL '0'" if utc else "INTERVAL '2 hours'"))
        text = func.left(func.text(clock), 19)
        return func.replace(text, " ", "T").concat("Z") if utc and self._csv else text
