"""Whatever row names a payment shows on its timeline: each table that can name one has its rule here.

The rows are made by the real functions, in storms and at a till. A table without a rule fails, and so does
one that none of it wrote to.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from db.models import (
    Base,
    BulkRow,
    BulkRun,
    Case,
    Category,
    InboxEvent,
    Link,
    OutboxMail,
    Payment,
    Receipt,
    Registration,
    StatementLine,
    UnverifiedEvent,
)
from db.money import Money
from db.session import Sessions, open_engine
from payments import legacy, lifecycle, obligations, timeline
from payments.access import staff
from payments.access.people import SYSTEM, Role
from payments.asking import links, reminders
from payments.asking.courier import Courier
from payments.asking.reminders import Plan
from payments.at_the_door import admission, claims, door, shifts
from payments.at_the_door.door import Taking
from payments.bank import accounts, imports
from payments.deciding import attention, bulk
from payments.deciding.cases import Decision
from payments.deciding.deeds import Deed, Given
from payments.finding.search import Filter
from payments.gateways import Answer
from payments.hearing import inbox, replay
from payments.hearing.inbox import Message
from payments.keeping import keyring
from payments.lifecycle import Kind, Method, Review, Source
from payments.lump_sums import settlements
from payments.matching import Target
from payments.money_back import disputes, refund_orders, refund_runs
from payments.money_back.bank_batches import Account
from payments.obligations import Draft
from payments.papers import issuing
from payments.papers.bodies import BillTo, PaperKind
from payments.papers.issuing import Wanted
from payments.payers.places import PlaceDraft
from payments.payouts.files import PayoutMapping
from payments.personal_data import erasing
from payments.proofs.files import Prepared
from payments.reconciling import parts, payer_memory, reconciliation, surplus
from payments.second_person import two_people
from payments.second_person.two_people import Returned
from payments.selling import amounts, organisers, rates
from payments.selling.organisers import Organiser
from payments.selling.prices import Choice
from payments.telling import notifying
from payments.timeline import TimelineView
from tests.desk import ADDRESSES, ADMIN, FakeGateway, issue, make_event, payment_of, proved
from tests.storm import Storm, steps_of
from tests.test_reconciliation import PLAIN

SEEDS = range(4)
Views = tuple[TimelineView, ...]


def _one(views: Views, kind: str, **detail: Any) -> bool:
    return any(view.kind == kind and detail.items() <= view.detail.items() for view in views)


def _receipt(session: Session, row: Any) -> dict[str, Any]:
    return {"source_reference": session.get_one(Receipt, row.receipt_id).source_reference}


def _case(_session: Session, row: Case, views: Views) -> bool:
    flagged = _one(views, Kind.FLAGGED, reason=row.reason)
    closed = _one(views, Kind.UNFLAGGED, reason=row.reason, decision=row.decision, why=row.decided_why)
    return flagged and (row.closed_at is None or closed)


def _message(_session: Session, row: InboxEvent | UnverifiedEvent, views: Views) -> bool:
    return row.body.decode("utf-8", "backslashreplace") in [view.raw for view in views]


def _till_entry(session: Session, row: Any, views: Views) -> bool:
    if row.amount_minor > 0:
        return _one(views, Kind.RECEIPT, **_receipt(session, row))
    return _one(views, Kind.REVERSAL, why=row.why, amount_minor=-row.amount_minor)


def _bulk_row(session: Session, row: BulkRow, views: Views) -> bool:
    """What was done to many shows on each as what it is; one that was left alone has nothing to show."""
    if row.outcome not in ("done", "undone"):
        return True
    run = session.get_one(BulkRun, row.run_id)
    shows: dict[str, Callable[[], bool]] = {
        Deed.ASK: lambda: _one(views, Kind.ASKED),
        Deed.CANCEL: lambda: _one(views, Kind.STATUS, became="cancelled", why=run.given["text"]),
        Deed.RESEND: lambda: _one(views, Kind.MAIL),
        Deed.NOTE: lambda: _one(views, Kind.NOTE, text=run.given["text"]),
        Deed.WAIVE: lambda: _one(views, Kind.APPROVAL, step="asked"),
        Deed.MOVE: lambda: _one(views, Kind.MOVED, why=run.given["text"]),
        Deed.APPROVE: lambda: _one(views, Kind.APPROVAL, step="approved"),
    }
    return shows[run.deed]()


def _part(_session: Session, row: Any, views: Views) -> bool:
    return _one(views, Kind.MATCHED, match=row.match_id, amount_minor=row.amount_minor)


#: Table → how its row must be told of. Whoever adds a table that names payments says here how it shows.
RULES: dict[str, Callable[[Session, Any, Views], bool]] = {
    "timeline": lambda _, row, views: f"entry-{row.id}" in [view.id for view in views],
    "links": lambda _, row, views: _one(views, Kind.LINK_ASKED, wire_reference=row.wire_reference),
    "receipts": lambda _, row, views: _one(views, Kind.RECEIPT, source_reference=row.source_reference),
    "reversals": lambda _, row, views: _one(views, Kind.REVERSAL, why=row.why),
    "till_entries": _till_entry,
    "inbox": _message,
    "cases": _case,
    "bulk_rows": _bulk_row,
    "match_parts": _part,
    "payout_lines": lambda _, row, views: _one(views, Kind.SETTLED, line=row.id),
    "memory_drops": lambda _, row, views: any("not remembered" in str(view.detail) for view in views),
    "memory_edits": lambda _, row, views: any("is remembered by" in str(view.detail) for view in views),
    "surplus_moves": lambda _, row, views: _one(views, Kind.SURPLUS, move=row.id, step="came"),
    "match_refusals": lambda _, row, views: _one(views, Kind.UNMATCHED, line=row.line_id, why=row.why),
    "admissions": lambda _, row, views: _one(views, Kind.ADMITTED, why=row.why),
    "places": lambda _, row, views: any(row.name in view.detail.get("places", "") for view in views),
    "payment_lines": lambda _, row, views: any(row.what in view.detail.get("priced", "") for view in views),
    "amount_changes": lambda _, row, views: _one(views, Kind.AMOUNT, change=row.id),
    "payment_quotes": lambda _, row, views: any(
        str(row.quoted) in view.detail.get("quoted", "") for view in views
    ),
    "approvals": lambda _, row, views: _one(views, Kind.APPROVAL, approval=row.id, step="asked"),
    "claims": lambda _, row, views: _one(views, Kind.CLAIM, claim=row.id, step="claimed"),
    "proofs": lambda _, row, views: _one(views, Kind.CLAIM, proof=row.id, step="proof"),
    "refunds": lambda _, row, views: _one(views, Kind.REFUND, approval=row.approval_id),
    "payee_details": lambda _, row, views: _one(views, Kind.APPROVAL, what="pay_refund", step="asked"),
    "disputes": lambda _, row, views: _one(views, Kind.DISPUTE, dispute=row.id, step="recorded"),
    "refund_orders": lambda _, row, views: _one(views, Kind.REFUND_ORDER, order=row.id, step="ready"),
    "refund_returns": lambda _, row, views: _one(views, Kind.REFUND_ORDER, step="unmatched", why=row.why),
    "erasures": lambda _, row, views: any("was erased" in str(view.detail) for view in views),
    "reminders": lambda _, row, views: any("Reminder" in str(view.detail.get("subject")) for view in views),
    "legacy_records": lambda _, row, views: any(view.source == Source.LEGACY for view in views),
    "outbox": lambda _, row, views: _one(views, Kind.MAIL, subject=row.subject),
    "paper_parts": lambda _, row, views: _one(views, Kind.PAPER, paper=row.paper_id, step="issued"),
    "notifications": lambda _, row, views: _one(views, Kind.NOTIFIED, message=row.message_id, step="queued"),
}


def naming() -> dict[str, type[Base]]:
    """The tables with a column that names a payment; ``payment_pasts`` tells of nothing that happened, but
    of what a payment was before."""
    classes = {mapper.local_table.name: mapper.class_ for mapper in Base.registry.mappers}
    del classes["payment_pasts"]
    return {name: cls for name, cls in classes.items() if "payment_id" in cls.__table__.columns}


def rows_of(session: Session) -> Iterator[tuple[str, int, Any]]:
    """Every row that names a payment: by its id, or, as messages do, by the gateway's name of its link."""
    for name, cls in naming().items():
        for row in session.scalars(select(cls).where(cls.payment_id.is_not(None))):  # type: ignore[attr-defined]
            yield name, row.payment_id, row
    for table in (InboxEvent, UnverifiedEvent):
        by_link = select(table, Link.payment_id).join(
            Link, (Link.gateway == table.gateway) & (Link.gateway_reference == table.gateway_reference)
        )
        for row, payment_id in session.execute(by_link):
            yield "inbox", payment_id, row


def missing(sessions: Sessions) -> tuple[list[str], Counter[str]]:
    """The rows that do not show, and how many of each table there were."""
    lost, seen = [], Counter[str]()
    with sessions.read() as session:
        views = {
            payment.id: timeline.entries(session, payment) for payment in session.scalars(select(Payment))
        }
        for name, payment_id, row in rows_of(session):
            seen[name] += 1
            if not RULES[name](session, row, views[payment_id]):
                lost.append(f"{name} {inspect(row).identity} of payment {payment_id}")
    return lost, seen


def test_every_table_that_names_a_payment_has_its_rule():
    assert set(naming()) == set(RULES)


@pytest.fixture
def desk(new_database):
    engine = open_engine(new_database(True))
    yield Sessions(engine)
    engine.dispose()


@pytest.mark.parametrize("seed", SEEDS)
def test_after_a_storm_every_row_shows(desk, now, seed):
    storm = Storm(desk, now)
    for step in steps_of(seed):
        storm.play(step)
    assert missing(desk)[0] == [], "in the storm"
    storm.calm()
    lost, seen = missing(desk)
    assert lost == []
    assert min(seen[name] for name in ("timeline", "links", "inbox")) > 0


def remind(desk, gateway, now):
    """Eight days before the event begins, who was given a link two days before."""
    issue(desk, gateway, now=now - timedelta(days=2), payer_email="sipho@example.org")
    with desk.begin() as session:
        reminders.save_plan(session, ADMIN, "devconf", Plan((-8,)), now=now)
    assert Courier(desk, {"ikhokha": gateway}, ADDRESSES).remind(now=now, limit=5) == 1


def billed(desk, reference, now):
    """On a quotation."""
    with desk.begin() as session:
        organisers.save(session, ADMIN, "devconf", Organiser("Example Club"), now=now)
        wanted = Wanted("form", PaperKind.QUOTATION, (reference,), BillTo("Sipho"))
        issuing.issue(session, ADMIN, wanted, now=now)


def registered(desk, reference, now):
    """Another system asked for it, and is to be told what becomes of it."""
    with desk.begin() as session:
        payment = payment_of(session, reference)
        payment.origin, event_id = "api", payment.event_id
        session.add(
            Registration(
                event_id=event_id, registration_id="R1", number=1, reference=reference, return_url="",
                created_at=now,
            )
        )  # fmt: skip
        keys, url = keyring.read(keyring.new_key("test")), "https://register.example.org/told"
        notifying.add(session, ADMIN, "devconf", url, keys, loopback=False, now=now)


def test_every_table_was_written_to_and_every_row_of_it_shows(desk, now):
    """A desk by hand: a link paid, one flagged, messages waiting and ignored, a till and its correction."""
    gateway = FakeGateway()
    with desk.begin() as session:
        make_event(session, now=now)
    paid, open_, ignored = (issue(desk, gateway, now=now) for _ in range(3))
    with desk.read() as session:
        category = session.scalars(select(Category.id)).first()
    issue(desk, gateway, now=now, choice=Choice(category), amount=Money(150_000))
    with desk.begin() as session:
        rates.enter(session, ADMIN, "USD", 18_450_000, "SARB mid", now, now=now)
    issue(desk, gateway, now=now, quoted=Money(100_00, "USD"), amount=Money(1845_00))
    remind(desk, gateway, now)
    registered(desk, paid.reference, now)
    gateway.says(paid.gateway_reference, Answer.PAID, "PAID")
    for link, acted_on in ((paid, True), (open_, False), (ignored, False)):
        inbox_id = came(desk, gateway, f"{link.gateway_reference} SUCCESS", now)
        if acted_on:
            inbox.process(desk, {"ikhokha": gateway}, inbox_id, now=now)
    with desk.begin() as session:
        replay.ignore(session, ADMIN, inbox_id, "Sent by us, to try the hook.", now=now)
    forged = Message(
        "ikhokha", "/hook", {}, f"{open_.gateway_reference} SUCCESS ".encode(), now, "203.0.113.9"
    )
    with desk.begin() as session:
        inbox.accept_unverified(session, forged, "No signature.", open_.gateway_reference)
        links.shared(session, ADMIN, open_.reference, "sms", now=now)
    flagged_and_decided(desk, open_.reference, now)
    with desk.begin() as session:
        admission.let_in(session, ADMIN, open_.reference, why="Speaker", now=now)
    billed(desk, open_.reference, now)
    costs_less(desk, gateway, now)
    at_a_till(desk, now)
    at_the_bank(desk, gateway, now)
    paid_out(desk, paid.reference, now)
    by_two_people(desk, gateway, paid.reference, now)
    to_all(desk, gateway, now)
    with desk.begin() as session:
        on = now.date()
        told = disputes.Told(paid.reference, Money(1), disputes.Why.FRAUD, "CB-1", on, on)
        disputes.record(session, ADMIN, told, now=now)
    forgotten = issue(desk, gateway, now=now).reference
    with desk.begin() as session:
        payment = session.scalars(select(Payment).where(Payment.reference == forgotten)).one()
        erasing.erase(session, [payment], cause=erasing.REQUEST, now=now)
    legacy.import_file(desk, ADMIN, "old.json", b'[{"full_name": "Thandi"}]', "ZAR", demo=False, now=now)
    lost, seen = missing(desk)
    assert lost == []
    assert {name for name in RULES if not seen[name]} == set(), "nothing wrote to these"


def costs_less(desk, gateway, now) -> None:
    first, wanted = (
        issue(desk, gateway, now=now).reference,
        amounts.Wanted(Money(14_000), "A member after all."),
    )
    gateways = {"ikhokha": gateway}
    amounts.change(desk, gateways, ADMIN, first, wanted, addresses=ADDRESSES, now=now)


def came(desk, gateway, text, now) -> int:
    message = Message("ikhokha", "/hook", {"ik-sign": "good"}, text.encode(), now)
    with desk.begin() as session:
        return inbox.accept(session, message, gateway.read_event("/hook", message.headers, message.body))


def flagged_and_decided(desk, reference, now) -> None:
    with desk.begin() as session:
        payment = payment_of(session, reference)
        by = {"now": now, "source": Source.POLL, "actor": "iKhokha"}
        lifecycle.flag(session, payment, Review.AMOUNT_MISMATCH, **by, told=1)
        lifecycle.flag(session, payment, Review.UNCLEAR_STATUS, **by, word="HMM")
    with desk.begin() as session:
        case = session.scalars(select(Case).order_by(Case.id)).first()
        view = attention.get(session, ADMIN, case.id, now=now)
        decision = next(one for one in view.decisions if one is not Decision.HEALED)
        attention.decide(session, ADMIN, case.id, decision, "The payer was called.", now=now)


def at_a_till(desk, now) -> None:
    with desk.begin() as session:
        staff.create_person(
            session, SYSTEM, name=ADMIN.name, email=ADMIN.email, role=ADMIN.role, events=None, now=now
        )
        shift = shifts.open_shift(session, ADMIN, "devconf", "Main door", Money(0), now=now)
        reference = obligations.draft_reference(session, ADMIN, "devconf", demo=True)
        two = PlaceDraft(Money(10_000), "Zola"), PlaceDraft(Money(5_000), "Themba")
        draft = Draft(reference, "devconf", Money(15_000), "Zola", "zola@example.org", places=two)
        taken = door.take(session, ADMIN, Taking(reference, shift.id, draft, Money(15_000)), now=now)
    with desk.begin() as session:
        later = now + timedelta(minutes=1)
        door.correct(
            session, ADMIN, taken.id, "For the wrong person.", shift_id=shift.id, key="fix", now=later
        )
        assert session.scalars(select(OutboxMail)).first() is not None


def at_the_bank(desk, gateway, now) -> None:
    """A line that a payment is refused for, another that is matched and undone, and then is surplus."""
    link, other = issue(desk, gateway, now=now), issue(desk, gateway, now=now)
    rows = ("Date,Description,Amount", "2026-11-20,EFT A,150.00", "2026-11-20,EFT BONGANI DUBE,150.00")
    with desk.begin() as session:
        account = accounts.create(session, ADMIN, name="Events", now=now).id
        imports.import_file(
            session, ADMIN, account, "a.csv", "\n".join(rows).encode(), now=now, mapping=PLAIN
        )
        payment = payment_of(session, link.reference).id
        reconciliation.refuse(session, ADMIN, 1, payment, "Another Zanele.", now=now)
        part = parts.Part(Target.PAYMENT, Money(15_000), payment)
        decided = parts.Decided(2, (part,), "by hand", {})
        match = reconciliation.accept(session, ADMIN, decided, now=now)
        reconciliation.undo(session, ADMIN, match, "It was another one.", now=now)
        whole = parts.Part(Target.SURPLUS, Money(15_000), payment)
        decided = parts.Decided(2, (whole,), "by hand", {}, why="Paid for another.")
        reconciliation.accept(session, ADMIN, decided, now=now)
        (apart,) = surplus.standing(session, ADMIN)
        reference, amount = other.reference, Money(1_00)
        surplus.move(session, ADMIN, apart.part_id, reference, amount, "They asked for it.", now=now)
        payer_memory.forget(session, ADMIN, 2, payment, "They moved on.", now=now)
    remembered(desk, gateway, now + timedelta(days=1))


def remembered(desk, gateway, now) -> None:
    """What a match taught is corrected to somebody else."""
    link = issue(desk, gateway, now=now)
    another = issue(desk, gateway, now=now, payer_email="bongani@example.org")
    with desk.begin() as session:
        account = accounts.create(session, ADMIN, name="More events", now=now).id
        data = b"Date,Description,Amount\n2026-11-21,EFT BONGANI DUBE,150.00\n"
        imports.import_file(session, ADMIN, account, "b.csv", data, now=now, mapping=PLAIN)
        taught, right = payment_of(session, link.reference).id, payment_of(session, another.reference).id
        part = parts.Part(Target.PAYMENT, Money(15_000), taught)
        reconciliation.accept(session, ADMIN, parts.Decided(3, (part,), "by hand", {}), now=now)
        payer_memory.correct(session, ADMIN, 3, taught, right, "It is Bongani.", now=now)


def paid_out(desk, reference, now) -> None:
    """A file of the gateway names a payment that it paid out."""
    heads = ("Date", "Reference", "Gross", "Fee", "VAT")
    mapping = PayoutMapping("Plain", heads, on=0, reference=1, gross=2, fee=3, vat=4)
    data = f"{','.join(heads)}\n{now:%Y-%m-%d},{reference},150.00,4.28,0.64\n".encode()
    with desk.begin() as session:
        told, _ = settlements.read(session, ADMIN, "payout.csv", data, mapping=mapping)
        assert settlements.import_file(session, ADMIN, told, data, now=now).captures == 1


def by_two_people(desk, gateway, reference, now) -> None:
    """A claim with a proof that becomes paid, and money that is given back."""
    proof, keys = Prepared("pdf", b"%PDF-1.4", "0" * 64), keyring.read(keyring.new_key("test"))
    claimed = issue(desk, gateway, now=now).reference
    with desk.begin() as session:
        second = staff.create_person(
            session, SYSTEM, name="Farai", email="farai@example.org", role=Role.FINANCE, events=None, now=now
        )
        draft = claims.ClaimDraft("claim", claimed, Money(15_000), now.date())
        claims.record(session, ADMIN, draft, proof, keys, now=now)
        given = Returned(reference, Money(15_000), Method.GATEWAY, now.date(), "Thandi")
        why = "It was asked for by the payer."
        for asked in (
            two_people.ask_paid(session, ADMIN, claimed, Money(15_000), why, now=now),
            two_people.ask_refund(session, ADMIN, given, proof, keys, why, now=now),
        ):
            two_people.approve(session, proved(second), asked.id, now=now)
    by_a_run(desk, claimed, second, keys, now)


def by_a_run(desk, reference, second, keys, now) -> None:
    """A refund by EFT that a line of the bank shows, and then does not after all."""
    to, why = Account("Thandi", "FNB", "62012345678", "250655"), "It was asked for by the payer."
    with desk.begin() as session:
        asked = two_people.ask_eft_refund(session, ADMIN, reference, Money(10_000), to, keys, why, now=now)
        two_people.approve(session, proved(second), asked.id, now=now)
        ours = {"number": "62000000001", "branch_code": "250655"}
        account = accounts.create(session, ADMIN, name="Refunds", now=now, **ours).id
        (order,) = refund_orders.listed(session, ADMIN)
        run = refund_runs.make(session, ADMIN, account, [order.id], now.date(), now=now)
        refund_runs.sent(session, ADMIN, run, now=now)
        csv = f"Date,Description,Amount,Balance\n2026-11-23,EFT {order.bank_reference},-100.00,0.00\n"
        imports.import_file(session, ADMIN, account, "out.csv", csv.encode(), now=now)
        line = session.scalars(select(StatementLine.id).where(StatementLine.account_id == account)).one()
        part = parts.Part(Target.ASIDE, Money(-10_000), payment_of(session, reference).id)
        match = reconciliation.accept(session, ADMIN, parts.Decided(line, (part,), "refund", {}), now=now)
        reconciliation.undo(session, ADMIN, match, "It was another one.", now=now)


def to_all(desk, gateway, now) -> None:
    with desk.begin() as session:
        for mail in session.scalars(select(OutboxMail)):
            mail.state, mail.sent_at = "sent", now
    for deed, text in (
        (Deed.NOTE, "Called them all."),
        (Deed.ASK, ""),
        (Deed.RESEND, ""),
        (Deed.CANCEL, "No."),
    ):
        given = Given(text=f"{text} It was decided so.".strip())
        with desk.begin() as session:
            run = bulk.start(session, ADMIN, deed, Filter(), given, now=now)
        while bulk.step(desk, {"ikhokha": gateway}, ADMIN, run, now=now).left:
            pass
        with desk.read() as session:
            assert bulk.progress(session, ADMIN, run).outcomes.get("done"), deed
