"""Making a link, and the process ends in the middle of it: at any statement, at a commit, around the call."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import event, select

from db.models import Link
from db.money import Money
from payments import obligations
from payments.asking import links
from payments.books import integrity
from payments.errors import Conflict, GatewayError, GatewayUnavailable, OutcomeUnknown
from payments.gateways import IssuedLink, LinkRequest
from payments.hearing import sync
from tests.desk import ADDRESSES, ADMIN, FakeGateway, make_event, payment_of


class Died(BaseException):
    """The process ended here."""


@dataclass
class Mortal(FakeGateway):
    """Beside its call, too, the process may end: before anything was sent, and before the answer was read."""

    step: Callable[..., None] = lambda: None

    def issue(self, request: LinkRequest) -> IssuedLink:
        self.step()
        try:
            return super().issue(request)
        finally:
            self.step()


#: What becomes of the first call.
CALLS = {
    "a link": (None, None),
    "a link, and an answer that says otherwise": (None, OutcomeUnknown("It answered with status 500.")),
    "no link, and nobody knows": (OutcomeUnknown("No answer."), None),
    "no link": (GatewayUnavailable("Nobody answers the door."), None),
}


@pytest.mark.parametrize("failing, loses_answers", CALLS.values(), ids=CALLS)
def test_whoever_issues_dies_anywhere_and_the_form_has_one_link(
    sessions, now, failing, loses_answers, so_often
):
    """Somebody clicks again and again, and the worker looks up what is unknown: the gateway made one link,
    and the payment has it."""
    with sessions.begin() as session:
        make_event(session, now=now)
    gateway, at, died = Mortal(), 1, True
    while died:
        with sessions.read() as session:
            reference = obligations.draft_reference(session, ADMIN, "devconf", demo=True)
        draft = obligations.Draft(reference, "devconf", Money(15_000), "Zanele Mokoena", "z@example.org")
        gateway.failing, gateway.loses_answers = failing, loses_answers
        died = dies(sessions, gateway, draft, at, now)
        gateway.failing = gateway.loses_answers = None
        for minutes in (0, 1, 2, 5, 11, 12, 13):
            later = now + timedelta(minutes=minutes)
            with suppress(Conflict):  # it is on its way, as far as anybody knows
                send(sessions, gateway, draft, later)
            sync.step(sessions, {gateway.name: gateway}, now=later)
        with sessions.read() as session:
            payment = payment_of(session, reference)
            of_it = select(Link.gateway_reference).where(Link.payment_id == payment.id, Link.state == "open")
            made = [link for link, told in gateway.links.items() if told.reference.startswith(reference)]
            assert (payment.status, session.scalars(of_it).all()) == ("open", made), at
        assert len(made) == 1, at
        at += so_often(5, 1)
    assert at > 20
    with sessions.read() as session:
        assert integrity.examine(session) == ()


def dies(sessions, gateway, draft, at, now):
    """Whether whoever sent the form died at this step, or lived to the end of it."""
    with dying(sessions.engine, gateway, at):
        try:
            send(sessions, gateway, draft, now)
        except Died:
            return True
        except GatewayError:
            return False
    return False


@contextmanager
def dying(engine, gateway, at) -> Iterator[None]:
    taken = 0

    def step(*_: object) -> None:
        nonlocal taken
        taken += 1
        if taken == at:
            raise Died

    gateway.step = step
    for kind in ("before_cursor_execute", "commit"):
        event.listen(engine, kind, step)
    try:
        yield
    finally:
        for kind in ("before_cursor_execute", "commit"):
            event.remove(engine, kind, step)
        gateway.step = lambda: None


def send(sessions, gateway, draft, now):
    return links.issue(sessions, gateway, draft, person=ADMIN, addresses=ADDRESSES, now=now)
