"""Delegates from abroad in the demo year: rates of exchange, and payments that were quoted in dollars."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from db.models import Event
from db.money import Money
from db.session import Sessions
from payments import references
from payments.access.people import Person
from payments.obligations import Draft
from payments.selling import quotes, rates
from payments.selling.events import event_row

#: Since how many hours it holds, the rand for a dollar in millionths, and by which source.
RATES = ((50, 18_391_000, "SARB mid"), (26, 18_452_000, "SARB mid"))
#: Invented people; the bodies of their references are fixed, so that two seeds are the same.
DELEGATES = (
    ("Wanjiru Kamau", "wanjiru.kamau@example.org", Money(250_00, "USD"), "7KAMAU"),
    ("Adaeze Okafor", "adaeze.okafor@example.org", Money(250_00, "USD"), "4QKAF7"),
    ("Ingrid Solberg", "ingrid.solberg@example.org", Money(120_00, "USD"), "9SBERG"),
)


def enter_rates(sessions: Sessions, finance: Person, ends: datetime) -> None:
    with sessions.begin() as session:
        for hours, micro, source in RATES:
            since = ends - timedelta(hours=hours)
            rates.enter(session, finance, "USD", micro, source, since, now=ends)


def drafts(sessions: Sessions, finance: Person, event_code: str, ends: datetime) -> Iterator[Draft]:
    """What each of them is asked for, by the rate of now."""
    for name, email, quoted, body in DELEGATES:
        with sessions.read() as session:
            event: Event = event_row(session, finance, event_code)
            charged = quotes.of(session, event, quoted, now=ends).charged
            reference = references.with_check(event.reference_prefix, body, demo=True)
        yield Draft(
            reference, event_code, charged, name, email, note="Participation from abroad", quoted=quoted
        )
