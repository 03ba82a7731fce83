"""One desk in a storm drawn from one integer: real services, a real database, everything else unreliable.

The gateway keeps the truth of who paid, and is down, slow or silent when it likes. The post loses, delays,
doubles, reorders and corrupts what the gateway sends; a forger sends what it never said. Statements fail,
transactions are lost, and everything in memory with them. Then the faults stop, three days pass, and what
the desk says must be the truth.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from email.message import EmailMessage
from random import Random
from typing import Any

from sqlalchemy import Engine, event, select
from sqlalchemy.exc import OperationalError

from db.models import InboxEvent, Payment
from db.money import Money
from db.session import Sessions
from payments import lifecycle, obligations
from payments.asking import links
from payments.errors import (
    GatewayRefused,
    GatewayUnavailable,
    InvalidInput,
    NotFromGateway,
    OutcomeUnknown,
    PaymentsError,
)
from payments.gateways import Answer, GatewayEvent, IssuedLink, LinkRequest, LinkStatus
from payments.gateways.ikhokha import Config, IKhokha
from payments.hearing import inbox
from payments.hearing.inbox import Message
from payments.lifecycle import PENDING, Source, Status
from payments.working.worker import Worker
from tests import hook, network
from tests.desk import ADDRESSES, ADMIN, make_event

STEPS = 45
#: Of an engine, what a fault can strike at.
_MOMENTS = ("begin", "before_cursor_execute", "commit")
MOST_PAYMENTS = 6
_ANSWERS = {"PAID": Answer.PAID, "UNPAID": Answer.OPEN, "FAILURE": Answer.ATTEMPT_FAILED}
_CODEC = IKhokha(
    Config("demo", "demo_secret", "http://127.0.0.1:9", "http://127.0.0.1:9", link_hosts=("127.0.0.1:9",))
)


class Crash(BaseException):
    """The process died here. No code may catch it."""


@dataclass
class Faults:
    """Makes a statement or commit of a database fail, ``countdown`` from now, while steps are played."""

    countdown: int = 0
    error: BaseException | None = None
    looking: bool = False
    fired: int = 0

    def attach(self, engine: Engine) -> None:
        for moment in _MOMENTS:
            event.listen(engine, moment, self._strike)

    def detach(self, engine: Engine) -> None:
        for moment in _MOMENTS:
            event.remove(engine, moment, self._strike)

    def arm(self, countdown: int, error: BaseException) -> None:
        self.countdown, self.error = countdown, error

    def disarm(self) -> None:
        self.countdown, self.error = 0, None

    def _strike(self, *_: Any) -> None:
        if self.error is None or self.looking:
            return
        self.countdown -= 1
        if self.countdown <= 0:
            error, self.error = self.error, None
            self.fired += 1
            raise error


@dataclass
class PayPage:
    """The truth about one link: what the payer did, and what the gateway says of it."""

    gateway_reference: str
    reference: str
    amount_minor: int
    known_at: datetime  # made late: until then the gateway denies it
    word: str = "UNPAID"
    paid_at: datetime | None = None
    told_at: datetime | None = None  # from when an answer says so
    lies: dict[str, Any] = field(default_factory=dict)  # what an answer gets wrong

    def status(self, now: datetime) -> LinkStatus:
        word = "PAID" if self.told_at and now >= self.told_at else self.word
        told: dict[str, Any] = {"amount_minor": self.amount_minor, "reference": self.reference} | self.lies
        return LinkStatus(
            gateway_reference=self.gateway_reference,
            answer=_ANSWERS.get(word, Answer.UNCLEAR),
            word=word,
            currency=told.pop("currency", None),
            created_at=None,
            raw="{}",
            **told,
        )


@dataclass
class StormGateway:
    """Keeps the truth. ``dice`` None: the faults are over."""

    now: datetime
    dice: Random | None = None
    down_until: datetime | None = None
    pages: dict[str, PayPage] = field(default_factory=dict)
    wire_references: set[str] = field(default_factory=set)
    name: str = "ikhokha"

    def issue(self, request: LinkRequest) -> IssuedLink:
        assert request.reference not in self.wire_references, f"asked twice for {request.reference}"
        self.wire_references.add(request.reference)
        self._reach()
        fate = self.dice.random() if self.dice else 1.0
        if fate < 0.08:
            raise GatewayRefused("IK-002", "Not today.")
        if fate < 0.14:
            raise OutcomeUnknown("No answer, and nothing was made.")
        late = timedelta(minutes=self.dice.uniform(0, 25)) if self.dice and fate < 0.2 else timedelta()
        page = PayPage(
            f"link{len(self.pages) + 1:011d}", request.reference, request.amount.minor, self.now + late
        )
        self.pages[page.gateway_reference] = page
        if fate < 0.32:
            raise OutcomeUnknown("No answer, and the link was made.")
        return IssuedLink(page.gateway_reference, f"https://pay.example.org/{page.gateway_reference}")

    def status(self, gateway_reference: str) -> LinkStatus:
        self._reach()
        return self.pages[gateway_reference].status(self.now)

    def status_by_reference(self, reference: str) -> LinkStatus | None:
        self._reach()
        return next((page.status(self.now) for page in self.known() if page.reference == reference), None)

    def history(self, first: date, last: date) -> list[LinkStatus]:
        self._reach()
        return [page.status(self.now) for page in self.known()]

    def told_time(self) -> datetime | None:
        return None

    def read_event(self, path: str, headers: Mapping[str, str], body: bytes) -> GatewayEvent:
        return _CODEC.read_event(path, headers, body)

    def claimed_link(self, body: bytes) -> str | None:
        return _CODEC.claimed_link(body)

    def known(self) -> list[PayPage]:
        return [page for page in self.pages.values() if page.known_at <= self.now]

    def _reach(self) -> None:
        network.crosses("the gateway")
        if self.dice is None:
            return
        if (self.down_until and self.now < self.down_until) or self.dice.random() < 0.1:
            raise GatewayUnavailable("The gateway cannot be reached.")


@dataclass(frozen=True)
class Letter:
    """A message under way. It arrives at ``due`` or later."""

    due: datetime
    body: bytes
    headers: Mapping[str, str]


class Storm:
    """A desk, its gateway, its payers and its bad luck. ``play`` takes steps; each has a seed of its own, so
    that leaving some out does not change what the others do."""

    def __init__(self, sessions: Sessions, now: datetime) -> None:
        self.sessions = sessions
        self.gateway = StormGateway(now)
        self.faults = Faults()
        self.faults.attach(sessions.engine)
        self.post: list[Letter] = []
        self.acked: set[bytes] = set()
        self.genuine: set[bytes] = set()
        self.mails: dict[str, set[str]] = {}
        self.drafts: list[obligations.Draft] = []
        self.told: list[str] = []
        self.dice = Random(0)
        with sessions.begin() as session:
            make_event(session, now=now)
        self._restart()

    @property
    def now(self) -> datetime:
        return self.gateway.now

    @property
    def gateways(self) -> dict[str, StormGateway]:
        return {self.gateway.name: self.gateway}

    def play(self, step: tuple[str, int]) -> None:
        """One step. The world's errors are expected, anything else is a finding."""
        name, seed = step
        self.dice = self.gateway.dice = Random(seed)
        self.gateway.now += timedelta(seconds=self.dice.uniform(0, 40))
        outcome = ""
        self.faults.looking = False
        try:
            STEPS_OF[name](self)
        except Crash:
            outcome = "crashed"
            self._restart()
        except OperationalError:
            outcome = "the database was busy"
        except PaymentsError as error:
            outcome = f"{type(error).__name__}: {error}"
        self.faults.looking = True
        self.told.append(f"{self.now:%d %H:%M:%S} {name} {seed} {outcome}".rstrip())

    def calm(self) -> None:
        """The faults stop, what is under way arrives, and three days pass with a worker."""
        self.faults.disarm()
        self.gateway.dice, self.dice = None, Random(0)
        for letter in self.post:
            self._knock(letter)
        self.post.clear()
        self._restart()
        began = self.now
        for minutes in (1, 6, 20, 60, 240, 960, 1_500, 2_900, 4_320):
            self.gateway.now = began + timedelta(minutes=minutes)
            for _ in range(2):  # five links a round
                self.worker.round(now=self.now)
                self.gateway.now += timedelta(seconds=2)

    def replay(self) -> None:
        """Everything ever received once more, at the door and behind it, and the whole history."""
        for body in sorted(self.acked):
            self._knock(Letter(self.now, body, hook.signed(body)))
        with self.sessions.read() as session:
            ids = session.scalars(select(InboxEvent.id)).all()
        for inbox_id in ids:
            inbox.process(self.sessions, self.gateways, inbox_id, now=self.now)
        self._restart()
        self.gateway.now += timedelta(days=1)
        self.worker.round(now=self.now)

    def _restart(self) -> None:
        """What was only in memory is gone."""
        self.worker = Worker(self.sessions, self.gateways, self._send_mail, "desk@example.org")

    def _send_mail(self, message: EmailMessage) -> None:
        if self.gateway.dice and self.dice.random() < 0.15:
            raise OSError("The mail server is away.")
        self.mails.setdefault(message["To"], set()).add(message["Message-ID"])

    # -- the post and the door ---------------------------------------------------------------------------

    def _says(self, page: PayPage, word: str) -> None:
        """The gateway sends a message. The post does what it likes with it."""
        other = {"externalTransactionID": page.reference} if self.dice.random() < 0.5 else {}
        body = hook.event(page.gateway_reference, word, **other)
        self.genuine.add(body)
        if self.dice.random() < 0.3:
            return
        for _ in range(self.dice.choice((1, 1, 2, 3))):
            due = self.now + timedelta(minutes=self.dice.choice((0, 0, 0, 1, 10, 100, 1_440)))
            self.post.append(Letter(due, body, hook.signed(body)))

    def _knock(self, letter: Letter) -> None:
        """What the door does with a message: verify, keep, commit, answer, ring."""
        message = Message("ikhokha", hook.PATH, letter.headers, letter.body, self.now, "127.0.0.1")
        try:
            told: GatewayEvent | None = self.gateway.read_event(hook.PATH, letter.headers, letter.body)
        except NotFromGateway as error:
            claimed = self.gateway.claimed_link(letter.body)
            with self.sessions.begin() as session:
                inbox.accept_unverified(session, message, str(error), claimed)
            return
        except InvalidInput:
            told = None
        with self.sessions.begin() as session:
            inbox_id = inbox.accept(session, message, told)
        self.acked.add(letter.body)
        if self.dice.random() < 0.7:  # else this process was too busy to ask
            inbox.process(self.sessions, self.gateways, inbox_id, now=self.now)

    def arrive(self) -> None:
        """A few of the letters that are due, in any order. Who hears no answer sends again, or gives up."""
        due = [letter for letter in self.post if letter.due <= self.now]
        for letter in self.dice.sample(due, min(len(due), 3)):
            self.post.remove(letter)
            fate = self.dice.random()
            if fate < 0.08:
                self._knock(Letter(letter.due, _spoilt(letter.body, self.dice), letter.headers))
                continue
            if fate < 0.6:
                self.post.append(letter)
            self._knock(letter)

    def forge(self) -> None:
        """A stranger who knows a link's id says it is paid, with whatever signature can be had."""
        page = self._page()
        if page is None:
            return
        word = self.dice.choice(("SUCCESS", "FAILURE", "PAID"))
        body = hook.event(page.gateway_reference, word, nonce=self.dice.random())
        other = hook.event(page.gateway_reference, "FAILURE")
        headers: list[dict[str, str]] = [
            {},
            hook.signed(body) | {"ik-sign": "0" * 64},
            hook.signed(other),
            hook.signed(body) | {"ik-appid": "another"},
            hook.signed(body) | {"ik-sign": hook.sign(hook.PATH, body, "a guess")},
            hook.signed(body) | {"ik-sign": hook.sign("/elsewhere", body, "demo_secret")},
        ]
        self._knock(Letter(self.now, body, self.dice.choice(headers)))

    def shout(self) -> None:
        """A genuine message that is not true: success, and the status denies it."""
        if page := self._unpaid_page():
            self._says(page, "SUCCESS")

    # -- payers ------------------------------------------------------------------------------------------

    def _page(self) -> PayPage | None:
        known = self.gateway.known()
        return self.dice.choice(known) if known else None

    def _unpaid_page(self) -> PayPage | None:
        unpaid = [page for page in self.gateway.known() if page.paid_at is None]
        return self.dice.choice(unpaid) if unpaid else None

    def pay(self) -> None:
        if page := self._unpaid_page():
            self._pay(page)

    def _pay(self, page: PayPage) -> None:
        page.paid_at = self.now
        page.told_at = self.now + timedelta(minutes=self.dice.choice((0, 0, 0, 1, 5)))
        self._says(page, "SUCCESS")

    def pay_oddly(self) -> None:
        """What the gateway says of this money does not fit: no one may call it paid."""
        page = self._unpaid_page()
        if page is None:
            return
        odd: list[dict[str, Any]] = [
            {"amount_minor": page.amount_minor + cents} for cents in (-1, 1, 99 * page.amount_minor)
        ]
        odd += [{"amount_minor": None}, {"reference": "REG-NOTOURS"}, {"currency": "USD"}]
        page.lies = self.dice.choice(odd)
        self._pay(page)

    def fail(self) -> None:
        if page := self._unpaid_page():
            page.word = "FAILURE"
            self._says(page, "FAILURE")

    def mumble(self) -> None:
        if page := self._unpaid_page():
            page.word = self.dice.choice(("BETAALD", "SUCCESS", "paid ", "REVERSED"))

    # -- people ------------------------------------------------------------------------------------------

    def issue(self) -> None:
        if len(self.drafts) >= MOST_PAYMENTS:
            return
        with self.sessions.read() as session:
            reference = obligations.draft_reference(session, ADMIN, "devconf", demo=True)
        nth = len(self.drafts)
        amount = Money(self.dice.choice((100, 15_000, 45_001)))
        draft = obligations.Draft(reference, "devconf", amount, f"Payer {nth}", f"payer{nth}@example.org")
        self.drafts.append(draft)
        self._issue(draft)

    def issue_again(self) -> None:
        """The same form once more, by a double click or out of doubt."""
        if self.drafts:
            self.gateway.now += timedelta(seconds=self.dice.choice((0, 30)))
            self._issue(self.dice.choice(self.drafts))

    def _issue(self, draft: obligations.Draft) -> None:
        view = links.issue(
            self.sessions, self.gateway, draft, person=ADMIN, addresses=ADDRESSES, now=self.now
        )
        assert (view.reference, view.amount) == (draft.reference, draft.amount)

    def click(self) -> None:
        """Open, share, or come back from the gateway's page."""
        if not self.drafts:
            return
        reference = self.dice.choice(self.drafts).reference
        what = self.dice.choice(("open", "share", "return"))
        with self.sessions.begin() as session:
            if what == "open":
                links.opened(session, ADMIN, reference, now=self.now)
            elif what == "share":
                links.shared(session, ADMIN, reference, "WhatsApp", now=self.now)
            else:
                token = links.current(session, ADMIN, reference).return_token
                links.returned(session, token, "success", now=self.now)

    def close(self) -> None:
        """Somebody stops waiting for a payment; its page can still be paid."""
        if not self.drafts:
            return
        reference = self.dice.choice(self.drafts).reference
        with self.sessions.begin() as session:
            payment = session.scalar(select(Payment).where(Payment.reference == reference))
            if payment is None or payment.status not in PENDING:
                return
            to = self.dice.choice((Status.CANCELLED, Status.EXPIRED))
            lifecycle.advance(session, payment, to, now=self.now, source=Source.DESK, actor=ADMIN.name)

    # -- time and trouble --------------------------------------------------------------------------------

    def work(self) -> None:
        self.worker.round(now=self.now)

    def wait(self) -> None:
        self.gateway.now += timedelta(minutes=self.dice.choice((1, 3, 10, 30, 120)))

    def crash(self) -> None:
        self.faults.arm(self.dice.randint(1, 40), Crash())

    def busy(self) -> None:
        error = OperationalError("a statement", {}, Exception("database is locked"))
        self.faults.arm(self.dice.randint(1, 40), error)

    def outage(self) -> None:
        self.gateway.down_until = self.now + timedelta(minutes=self.dice.choice((1, 10, 60)))


#: What may happen in a step, and how often.
WEIGHTS: Mapping[str, int] = {
    "issue": 8, "issue_again": 4, "click": 5, "close": 1, "pay": 7, "pay_oddly": 1, "fail": 3, "mumble": 1,
    "shout": 1, "forge": 4, "arrive": 12, "work": 12, "wait": 7, "crash": 6, "busy": 3, "outage": 2,
}  # fmt: skip
STEPS_OF: Mapping[str, Callable[[Storm], None]] = {name: getattr(Storm, name) for name in WEIGHTS}


def steps_of(seed: int) -> list[tuple[str, int]]:
    """The steps a seed stands for."""
    dice = Random(seed)
    names = dice.choices(list(WEIGHTS), list(WEIGHTS.values()), k=STEPS)
    return [("issue", dice.getrandbits(32)), *((name, dice.getrandbits(32)) for name in names)]


def _spoilt(body: bytes, dice: Random) -> bytes:
    at = dice.randrange(len(body))
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
