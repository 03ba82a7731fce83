"""The demo year, played: what the season says happens goes through the functions that production uses.

Demo mode only: this imports the simulator, which live mode never does.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from bootstrap import App
from commands import abroad
from db.models import Event, Link, Payment
from db.money import Money
from db.session import Sessions, open_engine
from payments import obligations, references
from payments.access import people, staff
from payments.access.people import Person, Role
from payments.asking import links
from payments.dates import business_day
from payments.errors import (
    Conflict,
    GatewayError,
    InvalidInput,
    NotFromGateway,
)
from payments.gateways import Gateway, GatewayEvent
from payments.gateways.ikhokha import sign
from payments.hearing import inbox, sync
from payments.hearing.inbox import Message
from payments.lifecycle import Source
from payments.money_back import disputes
from payments.money_back.disputes import Told, Why
from payments.schedules import book
from payments.schedules.plan import Plan, ReportOf, Way
from payments.schedules.recurrence import Every, Recurrence
from payments.selling import price_book
from payments.selling.events import EventDraft, Price, State, get_event, save_event
from payments.selling.price_book import Code, ExtraPrice, Period, PriceBook, QuoteLine
from payments.telling import outbox
from simulator.direct import LedgerGateway
from simulator.fates import Deed
from simulator.ledger import Ledger, SimulatedLink
from simulator.season import Fair, Payer, Season, Step, plan

#: One person for each role, at the desk from the first day.
ADMIN, FINANCE, ORGANISER, VIEWER = (
    "thandi@example.org", "pieter@example.org", "aisha@example.org", "sipho@example.org",
)  # fmt: skip
STAFF = (
    ("Thandi Nkosi", ADMIN, Role.ADMIN),
    ("Pieter Botha", FINANCE, Role.FINANCE),
    ("Aisha Patel", ORGANISER, Role.ORGANISER),
    ("Sipho Dlamini", VIEWER, Role.VIEWER),
)
#: The one event Aisha may see.
ORGANISERS_EVENT = "JOZI-TECH"
#: The one with early prices, extras and discount codes.
PRICED = "DBN-JAZZ"
SEED, PAYMENTS = 2026, 2_000
#: After how many steps the progress is told.
TELL_EVERY = 25
_HOUR = timedelta(hours=1)


def is_empty(sessions: Sessions) -> bool:
    """No event was ever put into this database."""
    with sessions.read() as session:
        return session.scalar(select(Event.id).limit(1)) is None


def seed(
    app: App,
    state_file: Path,
    *,
    ends: datetime,
    payments: int = PAYMENTS,
    seed: int = SEED,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Season:
    """Fill an empty demo database with a year up to ``ends``; the simulator's links go to ``state_file``.

    Raises Conflict when the database is not empty.
    """
    if not app.settings.demo:
        raise Conflict("Only a demo desk is seeded; this one is live.")
    season = plan(seed=seed, ends=ends, payments=payments)
    with _HastySessions(app.settings.database_url, app.sessions.carried) as sessions:
        if not is_empty(sessions):
            raise Conflict("This database is not empty; a demo year needs one of its own.")
        state_file.unlink(missing_ok=True)
        with Ledger(state_file) as ledger:
            player = _Player(replace(app, sessions=sessions), ledger, season, seed)
            player.open_desk()
            for done, step in enumerate(season.steps, 1):
                player.play(step)
                if done % TELL_EVERY == 0:
                    progress(done, len(season.steps))
            player.dispute(ends)
            player.schedule_a_report(ends)
            player.quote_abroad(ends)
            sessions.commit()
            progress(len(season.steps), len(season.steps))
    return season


class _HastySessions(Sessions):
    """Whoever asks for a session gets the same one, and all of it is one transaction.

    Production's functions run as they are; a year that is broken off leaves nothing behind.
    """

    def __init__(self, url: str, carried: Mapping[str, Any]) -> None:
        super().__init__(open_engine(url), carried)
        self._session = Session(self.engine, expire_on_commit=False, info=dict(carried))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()
        self.engine.dispose()

    @contextmanager
    def begin(self) -> Iterator[Session]:
        yield self._session
        self._session.flush()

    @contextmanager
    def read(self) -> Iterator[Session]:
        yield self._session

    def commit(self) -> None:
        self._session.commit()


class _Player:
    """Plays a season's steps, each at its moment."""

    def __init__(self, app: App, ledger: Ledger, season: Season, seed: int) -> None:
        self._app = app
        self._sessions = app.sessions
        self._ledger = ledger
        self._season = season
        self._gateway = LedgerGateway(
            ledger, app.gateways["ikhokha"], f"http://127.0.0.1:{app.settings.simulator_port}", seed
        )
        self._gateways: Mapping[str, Gateway] = {self._gateway.name: self._gateway}
        self._path = urlsplit(app.settings.webhook_url).path
        self._staff: dict[str, Person] = {}
        self._posted = season.steps[0].at if season.steps else None
        self._full = {payer.email for payer in season.payers if payer.number % 397 == 11 and payer.email}

    # -- the desk ------------------------------------------------------------------------------------

    def open_desk(self) -> None:
        """The people and the events, a moment before anything is paid."""
        now = min(fair.opens for fair in self._season.fairs) - timedelta(days=1)
        with self._sessions.begin() as session:
            opened = {
                f.code: save_event(session, people.SYSTEM, _draft(f), now=now) for f in self._season.fairs
            }
            for name, email, role in STAFF:
                events = [opened[ORGANISERS_EVENT].id] if role is Role.ORGANISER else None
                staff.create_person(
                    session, people.SYSTEM, name=name, email=email, role=role, events=events, now=now
                )
            self._staff = {email: people.system_person(session, email) for _, email, _ in STAFF}
            for fair in self._season.fairs:
                if fair.code == PRICED:
                    price_book.save(session, people.SYSTEM, fair.code, _book(fair), now=now)
            self._prices = {
                (view.code, line.name): line.id for view in opened.values() for line in view.categories
            }

    def dispute(self, now: datetime) -> None:
        """A payer of some days ago tells their bank that they got nothing for it."""
        lately = Payment.paid_at.between(now - timedelta(days=25), now - timedelta(days=4))
        quiet = (Payment.status == "paid", Payment.method == "gateway", Payment.review.is_(None), lately)
        with self._sessions.begin() as session:
            payment = session.scalar(select(Payment).where(*quiet).order_by(Payment.id.desc()).limit(1))
            if payment is None:
                return
            today = business_day(now)
            told = Told(
                payment.reference, payment.received, Why.NOT_PROVIDED, "CB-2026-0417",
                today - timedelta(days=2), today + timedelta(days=6),
            )  # fmt: skip
            finance = next(one for one in self._staff.values() if one.role is Role.FINANCE)
            disputes.record(session, finance, told, now=now)

    def schedule_a_report(self, now: datetime) -> None:
        """Last week's takings go out on Mondays, from the end of the year on."""
        plan = Plan(
            "Takings for the treasurer", ReportOf("takings", "", "last-week", ""), "pdf",
            Recurrence(Every.WEEK, hour=7), (f"treasurer@{self._app.settings.report_domains[0]}",), Way.LINK,
        )  # fmt: skip
        asker = replace(self._staff[FINANCE], proved_at=people.ALWAYS)
        with self._sessions.begin() as session:
            book.make(session, asker, plan, self._app.settings.outside, now=now)

    def quote_abroad(self, now: datetime) -> None:
        """Delegates who were quoted in dollars and have not paid: the statement to try has one come short."""
        coming = next((fair for fair in self._season.fairs if fair.starts_on > business_day(now)), None)
        if coming is None:
            return
        finance = self._staff[FINANCE]
        abroad.enter_rates(self._sessions, finance, now)
        self._gateway.now, self._gateway.fault = now, Deed.ISSUE
        for draft in abroad.drafts(self._sessions, finance, coming.code, now):
            links.issue(
                self._sessions, self._gateway, draft, person=finance,
                addresses=self._app.settings.addresses, now=now, source=Source.SEED,
            )  # fmt: skip

    # -- one step ------------------------------------------------------------------------------------

    def play(self, step: Step) -> None:
        self._send_mail(step.at)
        match step.deed:
            case Deed.CLOSE:
                self._close(step)
            case Deed.FINISH:
                self._finish(step.at)
            case Deed.STRAY_BELL | Deed.GARBLED_BELL:
                self._ring_stray(step)
            case Deed.FORGED_BELL if step.payer is None:
                self._ring(step.at, _event_body("0" * 15, "DEMO_REG_2222222", "SUCCESS"), signed=False)
            case _:
                assert step.payer is not None, step
                self._play_payer(step, step.payer)

    def _play_payer(self, step: Step, payer: Payer) -> None:
        match step.deed:
            case Deed.ISSUE | Deed.ISSUE_REFUSED | Deed.ISSUE_LOST | Deed.ISSUE_DROPPED:
                self._issue(step, payer)
            case Deed.SHARE:
                with self._sessions.begin() as session:
                    links.shared(session, self._seller(payer), reference_of(payer), step.word, now=step.at)
            case Deed.RETURN:
                with self._sessions.begin() as session:
                    token = links.current(session, self._seller(payer), reference_of(payer)).return_token
                    links.returned(session, token, step.word, now=step.at)
            case Deed.LOOK:
                self._look(step.at, payer)
            case Deed.PAY_CARD | Deed.PAY_EFT | Deed.PAY_SHORT | Deed.FAIL | Deed.SAYS:
                self._act(step, payer)
            case _:
                self._ring_payer(step, payer)

    def _issue(self, step: Step, payer: Payer) -> None:
        draft = obligations.Draft(
            reference=reference_of(payer),
            event_code=payer.fair.code,
            amount=payer.amount,
            payer_name=payer.name,
            payer_email=payer.email,
            payer_phone=payer.phone,
            category_id=self._prices[payer.fair.code, payer.category],
        )
        self._gateway.now, self._gateway.fault = step.at, step.deed
        try:
            links.issue(
                self._sessions, self._gateway, draft, person=self._seller(payer),
                addresses=self._app.settings.addresses, now=step.at, source=Source.SEED,
            )  # fmt: skip
        except GatewayError:
            if step.deed is Deed.ISSUE:
                raise

    def _seller(self, payer: Payer) -> Person:
        """Who took the payment: the organiser at her own event, else somebody of the office."""
        if payer.fair.code == ORGANISERS_EVENT and payer.number % 5 < 3:
            return self._staff[ORGANISER]
        return self._staff[FINANCE if payer.number % 3 else ADMIN]

    def _act(self, step: Step, payer: Payer) -> None:
        link = self._link(payer)
        attempts = link.attempts + 1
        match step.deed:
            case Deed.PAY_CARD | Deed.PAY_EFT:
                method = "card" if step.deed is Deed.PAY_CARD else "instant_eft"
                self._ledger.change(
                    link.link_id, status="PAID", method=method, paid_at=step.at, attempts=attempts
                )
            case Deed.PAY_SHORT:
                self._ledger.change(
                    link.link_id, status="PAID", amount_minor=link.amount_minor - 1, paid_at=step.at
                )
            case Deed.FAIL:
                self._ledger.change(link.link_id, status="FAILURE", attempts=attempts)
            case Deed.SAYS:
                self._ledger.change(link.link_id, status=step.word)

    def _link(self, payer: Payer) -> SimulatedLink:
        """The link the payer was given: the newest made for the payment."""
        for nth in (2, 1):
            link = self._ledger.find_by_reference(references.wire_reference(reference_of(payer), nth))
            if link is not None:
                return link
        raise AssertionError(f"{payer} was never given a link")

    def _look(self, at: datetime, payer: Payer) -> None:
        """The worker asks about the payment's newest link, unless it knows that it is paid."""
        query = select(Link.id, Link.next_ask_at).join(Link.payment).order_by(Link.id.desc()).limit(1)
        with self._sessions.read() as session:
            newest = session.execute(query.where(Payment.reference == reference_of(payer))).one()
        if newest.next_ask_at is not None:
            sync.ask(self._sessions, self._gateways, newest.id, now=at)

    def _close(self, step: Step) -> None:
        assert step.fair is not None
        with self._sessions.begin() as session:
            admin = self._staff[ADMIN]
            assert get_event(session, admin, step.fair.code)
            save_event(session, admin, replace(_draft(step.fair), state=State.CLOSED), now=step.at)

    # -- messages to the hook ------------------------------------------------------------------------

    def _ring_payer(self, step: Step, payer: Payer) -> None:
        link = self._link(payer)
        reference = "DEMO_REG_2222222" if step.deed is Deed.WRONG_BELL else link.reference
        body = _event_body(link.link_id, reference, step.word)
        self._ring(step.at, body, signed=step.deed is not Deed.FORGED_BELL)

    def _ring_stray(self, step: Step) -> None:
        link_id = self._gateway.draw_id()
        garbled = b'{"paylinkID":["' + link_id.encode() + b'"],"status":'
        told = step.deed is Deed.STRAY_BELL
        self._ring(
            step.at, _event_body(link_id, "WEBSHOP-10442", step.word) if told else garbled, signed=True
        )

    def _ring(self, at: datetime, body: bytes, *, signed: bool) -> None:
        """What the webhook does with a message: prove it, keep it once, act on it."""
        settings = self._app.settings
        signature = sign(self._path, body, settings.secret_key or "demo_secret") if signed else "0" * 64
        headers = {"content-type": "application/json", "ik-appid": settings.app_id, "ik-sign": signature}
        message = Message(self._gateway.name, self._path, headers, body, at, "127.0.0.1")
        kept = self._keep(message)
        if kept is not None:
            inbox.process(self._sessions, self._gateways, kept, now=at)

    def _keep(self, message: Message) -> int | None:
        """The id of the event to act on; None for one that is only kept."""
        event: GatewayEvent | None = None
        with self._sessions.begin() as session:
            try:
                event = self._gateway.read_event(message.path, message.headers, message.body)
            except NotFromGateway as error:
                claimed = self._gateway.claimed_link(message.body)
                inbox.accept_unverified(session, message, str(error), claimed)
                return None
            except InvalidInput:
                pass  # proved to be the gateway's, and unreadable: kept as such
            kept = inbox.accept(session, message, event)
        return kept if event else None

    def _finish(self, at: datetime) -> None:
        with self._sessions.read() as session:
            waiting = inbox.unhandled(session, now=at)
        for inbox_id in waiting:
            inbox.process(self._sessions, self._gateways, inbox_id, now=at)

    def _send_mail(self, at: datetime) -> None:
        """The post goes once an hour of the season. A mailbox here and there is full."""
        if self._posted is None or at - self._posted < _HOUR:
            return
        self._posted = at
        outbox.send_due(self._sessions, self._post, self._app.settings.mail_from, now=at, limit=1000)

    def _post(self, message: EmailMessage) -> None:
        if message["To"] in self._full:
            raise OSError("552 The mailbox is full.")


# -- small words ------------------------------------------------------------------------------------


def _event_body(link_id: str, reference: str, word: str) -> bytes:
    code = "00" if word == "SUCCESS" else "05"
    told = {"paylinkID": link_id, "status": word, "externalTransactionID": reference, "responseCode": code}
    return json.dumps(told, separators=(",", ":")).encode()


def reference_of(payer: Payer) -> str:
    return references.with_check(payer.fair.prefix, payer.reference_body, demo=True)


def _book(fair: Fair) -> PriceBook:
    """Early and later prices, extras and codes of an event that is coming, to be seen and tried."""
    early, later = fair.starts_on - timedelta(days=67), fair.starts_on - timedelta(days=30)
    return PriceBook(
        (
            Period("Weekend", "Early bird", Money(70_000), until=early, seats=40),
            Period("Weekend", "Advance", Money(78_000), until=later),
            Period("Saturday", "Early bird", Money(40_000), seats=25),
        ),
        (
            ExtraPrice("Poetry workshop", Money(25_000), seats=30),
            ExtraPrice("Gala dinner", Money(45_000)),
        ),
        (
            Code("POETS", percent_bp=1_000, most=50),
            Code("FRIENDS", off=Money(10_000), until=later),
        ),
        (QuoteLine("Weekend", Money(55_00, "USD")), QuoteLine("Weekend", Money(50_00, "EUR"))),
    )


def _draft(fair: Fair) -> EventDraft:
    return EventDraft(
        code=fair.code,
        name=fair.name,
        starts_on=fair.starts_on,
        ends_on=fair.ends_on,
        state=State(fair.state),
        reference_prefix=fair.prefix,
        categories=tuple(Price(name, Money(minor)) for name, minor in fair.prices),
    )
