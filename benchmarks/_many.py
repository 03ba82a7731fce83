"""A database with as many invented payments as wanted, put straight into the tables.

``fill(engine, 1_000_000)`` takes a minute: rows go in by the driver, on PostgreSQL by COPY. Names,
amounts, days and notes differ as they do at a desk; one name in fifty, one note in ten
needs the guard against formulas.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import Engine, text

from tests.crowd import look_over, number_on, put, without_indexes

EVENTS = 40
_START = datetime(2026, 1, 1, tzinfo=UTC)
_FIRST = ("Thandi", "Sipho", "Zanele", "Pieter", "Ayesha", "Johan", "Thandéka", "Lerato", "Ravi", "Zoë")
_LAST = ("Mokoena", "Dlamini", "van der Merwe", "Naidoo", "Õunapuu", "Khumalo", "Botha", "Patel", "Nkosi")
NOTES = (*[""] * 36, "paid at the door; +1 guest", 'he said "later"', "two\nlines", "=1+1")
_STATUSES = ("paid",) * 7 + ("open", "open", "failed", "expired", "refunded", "cancelled")

PAYMENTS = (
    "id", "reference", "event_id", "category_id", "mode", "status", "method", "amount_minor",
    "amount_currency", "received_minor", "refunded_minor", "payer_name", "payer_email", "payer_phone", "note",
    "review", "version", "created_by", "created_at", "updated_at", "paid_at", "search_text",
)  # fmt: skip
LINKS = (
    "id", "payment_id", "gateway", "wire_reference", "gateway_reference", "url", "state", "amount_minor",
    "amount_currency", "return_token", "requested_at", "active_at",
)  # fmt: skip


def fill(engine: Engine, count: int) -> None:
    """``count`` payments, seven in ten with a link, of forty events; the same ones for the same count."""
    with engine.begin() as connection, without_indexes(connection):
        for number in range(1, EVENTS + 1):
            currency = "USD" if number == EVENTS else "ZAR"
            connection.execute(
                text(
                    "INSERT INTO events (id, code, name, starts_on, ends_on, state, currency,"
                    " reference_prefix, created_at) VALUES (:id, :code, :name, '2026-12-01', '2026-12-03',"
                    " 'open', :currency, 'REG', '2026-01-01 00:00:00')"
                ),
                {
                    "id": number,
                    "code": f"EVENT-{number}",
                    "name": f"Event {number}, 2026",
                    "currency": currency,
                },
            )
            connection.execute(
                text(
                    "INSERT INTO categories (id, event_id, name, price_minor, position, active)"
                    " VALUES (:id, :id, 'Regular', 150000, 1, :yes)"
                ),
                {"id": number, "yes": True},
            )
        put(connection, "payments", PAYMENTS, _payments(count))
        put(connection, "links", LINKS, _links(count))
        number_on(connection, "payments", "links")
    look_over(engine)


def _payments(count: int) -> Iterator[tuple[Any, ...]]:
    dice = Random(count)
    for number in range(1, count + 1):
        status, amount = dice.choice(_STATUSES), dice.choice((15_000, 45_050, 150_000, 1_234_56))
        paid = status in ("paid", "refunded")
        event = number % EVENTS + 1
        at = _START + timedelta(seconds=number * 31_000_000 // count)
        first, last = dice.choice(_FIRST), dice.choice(_LAST)
        created = f"{at:%Y-%m-%d %H:%M:%S.%f}"
        name = f"{first} {last}" if number % 50 else f"{last}; {first}"
        email = f"{first.lower()}{number}@example.org" if number % 5 else ""
        phone = f"+2782{number:07d}" if number % 2 else ""
        yield (
            number, f"DEMO_REG_{number:07d}", event, event, "demo", status, "gateway" if paid else None,
            amount, "USD" if event == EVENTS else "ZAR", amount if paid else 0, 0, name, email, phone,
            dice.choice(NOTES), "paid_late" if number % 97 == 0 else None, 1, "Thandi", created, created,
            f"{at + timedelta(minutes=7):%Y-%m-%d %H:%M:%S.%f}" if paid else None,
            f"{name} {email}".casefold(),
        )  # fmt: skip


def _links(count: int) -> Iterator[tuple[Any, ...]]:
    for number in range(1, count + 1):
        if number % 10 >= 3:
            at = f"{_START + timedelta(seconds=number * 31_000_000 // count):%Y-%m-%d %H:%M:%S.%f}"
            yield (
                number, number, "ikhokha", f"DEMO_REG_{number:07d}", f"gw{number:012d}",
                f"https://securepay.ikhokha.red/gw{number:012d}", "paid", 15_000, "ZAR",
                f"token-{number:030d}", at, at,
            )  # fmt: skip
