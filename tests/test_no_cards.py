"""A thousand spellings of card numbers through every way in; afterwards the database holds none (R44)."""

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import select

from db.models import Base, Link
from db.money import Money
from payments import obligations
from payments.access import staff
from payments.access.people import Role
from payments.asking import links
from payments.errors import InvalidInput
from payments.finding import filters, search
from payments.gateways import Answer, GatewayEvent
from payments.hearing import inbox, sync
from payments.hearing.inbox import Message
from payments.privacy import has_card_number
from payments.selling import events
from payments.selling.events import EventDraft
from tests.desk import ADDRESSES, ADMIN, issue, make_event
from tests.test_privacy import CARDS, SEPARATORS, grouped

AROUND = (
    "card @ thanks", "PAN:@;", "n°@.", "(@)", "Thandi @ Nkosi", "\u200b@\u200b", "#@#", "no. @, cvv 123",
    '"@"', "=@", "12 @", "@ 12/27", "x@x", "é@é", "a-@-b", "_@_", "<@>", "\t@\t", "0 @ 0", "R@ paid",
    "ref @", "@!",
)  # fmt: skip
SPELLINGS = [
    *(separator.join(grouped(card, "fours")) for card in CARDS for separator in SEPARATORS.values()),
    *(around.replace("@", card) for card in CARDS for around in AROUND),
]


@pytest.fixture
def desk(sessions, gateway, now):
    with sessions.begin() as session:
        make_event(session, now=now)
    return issue(sessions, gateway, now=now)


def ways_in(sessions, gateway, now):
    """What a person types, each as a call that must refuse it."""
    day = date(2026, 12, 1)
    with sessions.read() as session:
        reference = obligations.draft_reference(session, ADMIN, "devconf", demo=True)

    def link(**typed):
        draft = obligations.Draft(reference, "devconf", Money(100), **({"payer_name": "Zanele"} | typed))
        links.issue(sessions, gateway, draft, person=ADMIN, addresses=ADDRESSES, now=now)

    def event(name):
        with sessions.begin() as session:
            events.save_event(session, ADMIN, EventDraft("x", name, day, day), now=now)

    def person(name):
        with sessions.begin() as session:
            staff.create_person(
                session, ADMIN, name=name, email="x@example.org", role=Role.VIEWER, events=None, now=now
            )

    return {
        "name": lambda text: link(payer_name=text),
        "e-mail": lambda text: link(payer_email=text),
        "phone": lambda text: link(payer_phone=text),
        "note": lambda text: link(note=text),
        "event": event,
        "person": person,
        "search": search.parse,
        "address": lambda text: filters.from_query([("text", text)]),
    }


def test_there_are_a_thousand_spellings():
    assert len(set(SPELLINGS)) >= 1_000


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_every_form_refuses_every_spelling(sessions, gateway, desk, now):
    for way in ways_in(sessions, gateway, now).values():
        for text in SPELLINGS:
            with pytest.raises(InvalidInput):
                way(text)
    assert_no_cards(sessions)


def test_what_machines_send_is_kept_masked(sessions, gateway, desk, now):
    with sessions.begin() as session:
        link_id = session.scalars(select(Link.id)).one()
        for nth, text in enumerate(SPELLINGS):
            headers = {"ik-sign": "good", "user-agent": text}
            message = Message("ikhokha", "/webhooks/ikhokha", headers, f"{nth} {text}".encode(), now)
            inbox.accept(session, message, GatewayEvent(text, text, text, text))
            inbox.accept_unverified(session, message, "no", text)
    for text in SPELLINGS[::25]:
        gateway.says("link00000000001", Answer.UNCLEAR, text, raw=f'{{"text": "{text}"}}')
        sync.ask(sessions, {gateway.name: gateway}, link_id, now=now)
    assert_no_cards(sessions)


def assert_no_cards(sessions):
    with sessions.read() as session:
        for table in Base.metadata.sorted_tables:
            for row in session.execute(table.select()):
                for column, value in row._mapping.items():
                    text = value.decode("utf-8", "replace") if column == "body" else str(value)
                    if column != "digest":
                        assert not has_card_number(text), (table.name, column, text)
    if sessions.engine.dialect.name == "sqlite":
        sessions.engine.dispose()
        database = Path(sessions.engine.url.database)
        raw = b"".join(file.read_bytes() for file in database.parent.glob(f"{database.name}*"))
        assert not [card for card in CARDS if card.encode() in raw]
