"""A small desk for tests: an event, people, a gateway that says what the test has it say."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from sqlalchemy.orm import Session

from db.models import Category, Event, Payment
from db.money import Money
from db.session import Sessions
from payments import obligations
from payments.access.people import ALWAYS, Person, Role
from payments.asking import links
from payments.errors import GatewayError, InvalidInput, NotFromGateway
from payments.gateways import Answer, GatewayEvent, IssuedLink, LinkRequest, LinkStatus
from tests import network

ADMIN = Person(1, "Thandi Nkosi", "thandi@example.org", Role.ADMIN, None, ALWAYS)
ADDRESSES = links.Addresses(
    webhook_url="http://127.0.0.1:8000/webhooks/ikhokha",
    return_url="http://127.0.0.1:8000/return",
    failure_url="http://127.0.0.1:8000/return",
    cancel_url="http://127.0.0.1:8000/return",
)


def proved(person: Person) -> Person:
    """This person, as somebody who has just shown who they are."""
    return replace(person, proved_at=ALWAYS)


def make_event(session: Session, code: str = "devconf", *, now: datetime, state: str = "open") -> Event:
    """An event of three days with a price list of two lines."""
    event = Event(
        code=code,
        name=f"{code.title()} 2026",
        starts_on=date(2026, 12, 1),
        ends_on=date(2026, 12, 3),
        state=state,
        currency="ZAR",
        reference_prefix="REG",
        created_at=now,
    )
    event.categories = [
        Category(name="Regular", price_minor=150_000, position=1),
        Category(name="Student", price_minor=45_000, position=2),
    ]
    session.add(event)
    session.flush()
    return event


@dataclass
class FakeGateway:
    """Knows the links it was asked for; answers as the test sets it."""

    name: str = "ikhokha"
    links: dict[str, LinkStatus] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    requests: list[LinkRequest] = field(default_factory=list)
    failing: GatewayError | None = None
    clock: datetime | None = None
    loses_answers: GatewayError | None = None  # the link is made, and nobody hears of it

    def issue(self, request: LinkRequest) -> IssuedLink:
        network.crosses("the gateway")
        self.requests.append(request)
        if self.failing:
            raise self.failing
        gateway_reference = f"link{len(self.links) + 1:011d}"
        self.links[gateway_reference] = LinkStatus(
            gateway_reference=gateway_reference,
            answer=Answer.OPEN,
            word="UNPAID",
            amount_minor=request.amount.minor,
            currency=None,
            reference=request.reference,
            created_at=None,
            raw="{}",
        )
        if self.loses_answers:
            raise self.loses_answers
        return IssuedLink(gateway_reference, f"https://securepay.ikhokha.red/{gateway_reference}")

    def says(self, link: str, answer: Answer, word: str, **other: object) -> None:
        known = self.links[link]
        self.links[link] = replace(known, answer=answer, word=word, **other)  # type: ignore[arg-type]

    def status(self, gateway_reference: str) -> LinkStatus:
        network.crosses("the gateway")
        self.asked.append(gateway_reference)
        if self.failing:
            raise self.failing
        return self.links[gateway_reference]

    def status_by_reference(self, reference: str) -> LinkStatus | None:
        network.crosses("the gateway")
        self.asked.append(reference)
        if self.failing:
            raise self.failing
        return next((link for link in self.links.values() if link.reference == reference), None)

    def history(self, first: date, last: date) -> list[LinkStatus]:
        network.crosses("the gateway")
        return list(self.links.values())

    def told_time(self) -> datetime | None:
        return self.clock

    def read_event(self, path: str, headers: Mapping[str, str], body: bytes) -> GatewayEvent:
        if headers.get("ik-sign") != "good":
            raise NotFromGateway("the signature does not fit")
        gateway_reference, _, word = body.decode().partition(" ")
        if not word:
            raise InvalidInput("no event")
        return GatewayEvent(gateway_reference, None, word, "00")

    def claimed_link(self, body: bytes) -> str | None:
        return body.decode().partition(" ")[0]


def issue(
    sessions: Sessions,
    gateway: FakeGateway,
    *,
    now: datetime,
    event: str = "devconf",
    amount: Money | None = None,
    **draft: object,
) -> links.LinkView:
    """A link as a colleague would issue it."""
    with sessions.read() as session:
        reference = obligations.draft_reference(session, ADMIN, event, demo=True)
    values: dict[str, object] = {"payer_name": "Zanele Mokoena", "payer_email": "zanele@example.org"} | draft
    wanted = obligations.Draft(reference, event, amount or Money(15_000), **values)  # type: ignore[arg-type]
    return links.issue(sessions, gateway, wanted, person=ADMIN, addresses=ADDRESSES, now=now)


def payment_of(session: Session, reference: str) -> Payment:
    return session.query(Payment).where(Payment.reference == reference).one()
